/* One row a topic config: type, range, default, where its effect lies. Values are checked, brought
 * into one form (blanks trimmed, "TRUE" to "true", lists without repeats) and kept as text.
 * Names, types, ranges, defaults and the texts of refusals: Apache Kafka 4.4.0, LogConfig. */
#include "storage/topic/config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/writer.h"
#include "protocol/batch/deflate.h"
#include "storage/topic/draft.h"
#include "storage/topic/words.h"
#include "base/check.h"

enum {
    TYPE_BOOLEAN = 1,
    TYPE_STRING = 2,
    TYPE_INT = 3,
    TYPE_LONG = 5,
    TYPE_DOUBLE = 6,
    TYPE_LIST = 7
};

/* What a value becomes in struct topic_config: a number, whatever it is in text. */
enum effect {
    EFFECT_NUMBER,      /* itself */
    EFFECT_LIMIT,       /* itself; below 0 there is none: -1 */
    EFFECT_CHOICE,      /* the place of the word among the legal ones, from 0 */
    EFFECT_LIST,        /* a bit for each legal word, from the lowest */
    EFFECT_CODEC,       /* enum batch_codec; -1: the producer's */
};

struct place {
    enum effect effect;
    size_t at;          /* in struct topic_config */
    size_t bytes;       /* 1, 4 or 8 */
};

struct row {
    struct config_spec spec;
    const struct place *place;  /* NULL: kept and shown, no more */
    int64_t min, max;           /* of INT and LONG */
    const char *values;         /* legal words of STRING and LIST, ", " between them */
};

/* clang-format off: one row a config */
#define INTO(kind, member)                                                                         \
    (&(const struct place){EFFECT_##kind, offsetof(struct topic_config, member),                   \
                           sizeof(((struct topic_config *)NULL)->member)})
#define NO_EFFECT " Kept and shown; without effect here: "
#define NUMBER(name, type, def, broker, low, high, place, doc)                                     \
    {{name, TYPE_##type, def, broker, doc, false}, place, low, high, NULL}
/* Its broker config is derived from another one (log.roll.ms from log.roll.hours). */
#define DERIVED(name, def, broker, low, place, doc)                                                \
    {{name, TYPE_LONG, def, broker, doc, true}, place, low, INT64_MAX, NULL}
#define LONG(name, def, broker, low, place, doc)                                                   \
    NUMBER(name, LONG, def, broker, low, INT64_MAX, place, doc)
#define INT(name, def, broker, low, place, doc)                                                    \
    NUMBER(name, INT, def, broker, low, INT32_MAX, place, doc)
#define RATIO(name, def, broker, doc)            NUMBER(name, DOUBLE, def, broker, 0, 1, NULL, doc)
#define BOOLEAN(name, def, broker, doc)          NUMBER(name, BOOLEAN, def, broker, 0, 0, NULL, doc)
#define WORDS(name, type, def, broker, values, place, doc)                                         \
    {{name, TYPE_##type, def, broker, doc, false}, place, 0, 0, values}

static const struct row rows[] = {
    WORDS("cleanup.policy", LIST, "delete", "log.cleanup.policy", "compact, delete",
          INTO(LIST, cleanup),
          "What happens to old records: delete removes them by retention, an empty list keeps "
          "them. compact is refused: there is no compaction."),
    NUMBER("compression.gzip.level", INT, "-1", "compression.gzip.level", GZIP_LEVEL_MIN,
           GZIP_LEVEL_MAX, INTO(NUMBER, compression_level[CODEC_GZIP]),
           "Level of gzip, where compression.type=gzip makes the server compress; -1: zlib's own "
           "choice."),
    NUMBER("compression.lz4.level", INT, "9", "compression.lz4.level", LZ4_LEVEL_MIN, LZ4_LEVEL_MAX,
           INTO(NUMBER, compression_level[CODEC_LZ4]),
           "Level of lz4, where compression.type=lz4 makes the server compress; 9 is the fast "
           "compressor, every other level the thorough one."),
    WORDS("compression.type", STRING, "producer", "compression.type",
          "uncompressed, zstd, lz4, snappy, gzip, producer", INTO(CODEC, compression_type),
          "Codec of the topic's batches. One that comes with another codec is packed anew before "
          "it is stored, which costs its connection's thread the codec's time; producer stores "
          "every batch as it came, and those of the Kinesis door uncompressed."),
    NUMBER("compression.zstd.level", INT, "3", "compression.zstd.level", ZSTD_LEVEL_MIN,
           ZSTD_LEVEL_MAX, INTO(NUMBER, compression_level[CODEC_ZSTD]),
           "Level of zstd, where compression.type=zstd makes the server compress."),
    LONG("delete.retention.ms", "86400000", "log.cleaner.delete.retention.ms", 0, NULL,
         "How long tombstones stay in a compacted topic." NO_EFFECT "there is no compaction."),
    NUMBER("diglot.max.record.kib", INT, "1024", NULL, 1024, 10240, INTO(NUMBER, max_record_kib),
           "Largest record in KiB that the Kinesis door takes: MaxRecordSizeInKiB of the stream."),
    WORDS("diglot.retired.partition", STRING, "forward", NULL, "forward, reject",
          INTO(CHOICE, retired_reject),
          "What a produce to a partition gets whose shard was merged into another one: forward "
          "appends to the log that took its range over, reject answers POLICY_VIOLATION."),
    LONG("file.delete.delay.ms", "60000", "log.segment.delete.delay.ms", 0, NULL,
         "Delay between removing and deleting a segment file." NO_EFFECT
         "there are no segment files."),
    LONG("flush.messages", "9223372036854775807", "log.flush.interval.messages", 1,
         INTO(NUMBER, flush_messages),
         "A power cut loses fewer acknowledged records than this; 1 syncs before each "
         "acknowledgement."),
    DERIVED("flush.ms", "9223372036854775807", "log.flush.interval.ms", 0,
            INTO(NUMBER, flush_ms),
         "Longest time in ms that an acknowledged record waits for its sync to disk."),
    WORDS("follower.replication.throttled.replicas", LIST, "", NULL, NULL, NULL,
          "Replicas whose catching up is throttled." NO_EFFECT "there is one replica."),
    INT("index.interval.bytes", "4096", "log.index.interval.bytes", 0, NULL,
        "Distance of index entries." NO_EFFECT "the engine indexes the log."),
    WORDS("leader.replication.throttled.replicas", LIST, "", NULL, NULL, NULL,
          "Replicas whose reads from the leader are throttled." NO_EFFECT "there is one replica."),
    LONG("local.retention.bytes", "-2", "log.local.retention.bytes", -2, NULL,
         "Bytes kept locally with tiered storage." NO_EFFECT "there is no tiered storage."),
    LONG("local.retention.ms", "-2", "log.local.retention.ms", -2, NULL,
         "Time kept locally with tiered storage." NO_EFFECT "there is no tiered storage."),
    LONG("max.compaction.lag.ms", "9223372036854775807", "log.cleaner.max.compaction.lag.ms", 1,
         NULL, "Longest time a record stays uncompacted." NO_EFFECT "there is no compaction."),
    INT("max.message.bytes", "1048588", "message.max.bytes", 0, INTO(NUMBER, max_message_bytes),
        "Largest record batch in bytes, after compression."),
    LONG("message.timestamp.after.max.ms", "3600000", "log.message.timestamp.after.max.ms", 0,
         INTO(NUMBER, timestamp_after_max_ms),
         "How far in ms a record's timestamp may lie after the broker's clock."),
    LONG("message.timestamp.before.max.ms", "9223372036854775807",
         "log.message.timestamp.before.max.ms", 0, INTO(NUMBER, timestamp_before_max_ms),
         "How far in ms a record's timestamp may lie before the broker's clock."),
    WORDS("message.timestamp.type", STRING, "CreateTime", "log.message.timestamp.type",
          "CreateTime, LogAppendTime", INTO(CHOICE, log_append_time),
          "Whose timestamp a record carries: its producer's, or that of its append."),
    RATIO("min.cleanable.dirty.ratio", "0.5", "log.cleaner.min.cleanable.ratio",
          "Share of a log that is dirty before it is compacted." NO_EFFECT
          "there is no compaction."),
    LONG("min.compaction.lag.ms", "0", "log.cleaner.min.compaction.lag.ms", 0, NULL,
         "Shortest time a record stays uncompacted." NO_EFFECT "there is no compaction."),
    INT("min.insync.replicas", "1", "min.insync.replicas", 1, INTO(NUMBER, min_insync_replicas),
        "In-sync replicas that a produce with acks=all needs, but never more than there are: one "
        "here."),
    BOOLEAN("preallocate", "false", "log.preallocate",
            "Preallocate segment files." NO_EFFECT "there are no segment files."),
    BOOLEAN("remote.log.copy.disable", "false", NULL,
            "Stop copying to the remote tier." NO_EFFECT "there is no tiered storage."),
    BOOLEAN("remote.log.delete.on.disable", "false", NULL,
            "Delete remote data when tiering ends." NO_EFFECT "there is no tiered storage."),
    BOOLEAN("remote.storage.enable", "false", NULL,
            "Tiered storage; true is refused: there is none."),
    LONG("retention.bytes", "-1", "log.retention.bytes", INT64_MIN, INTO(LIMIT, retention_bytes),
         "Bytes that a partition keeps; negative: no limit by size."),
    DERIVED("retention.ms", "604800000", "log.retention.ms", -1, INTO(NUMBER, retention_ms),
         "How long records are kept, by their timestamps; -1: for ever."),
    INT("segment.bytes", "1073741824", "log.segment.bytes", 1048576, NULL,
        "Size of a segment file." NO_EFFECT "retention cuts the log in smaller pieces of its own."),
    INT("segment.index.bytes", "10485760", "log.index.size.max.bytes", 4, NULL,
        "Size of a segment's index." NO_EFFECT "there are no segments."),
    DERIVED("segment.jitter.ms", "0", "log.roll.jitter.ms", 0, NULL,
         "Random delay of a segment's end." NO_EFFECT "there are no segments."),
    DERIVED("segment.ms", "604800000", "log.roll.ms", 1, NULL,
         "Age at which a segment ends." NO_EFFECT
         "retention cuts the log in smaller pieces of its own."),
    BOOLEAN("unclean.leader.election.enable", "false", "unclean.leader.election.enable",
            "Let a replica lead that is not in sync." NO_EFFECT "there is one replica."),
};
/* clang-format on */
enum { ROW_COUNT = sizeof rows / sizeof rows[0], TEXT_CAP = 64 };

int32_t topic_config_spec_count(void)
{
    return ROW_COUNT;
}

const struct config_spec *topic_config_spec(int32_t index)
{
    assert(index >= 0 && index < ROW_COUNT);
    return &rows[index].spec;
}

static const struct row *row_of(struct bytes name)
{
    for (int i = 0; i < ROW_COUNT; i++)
        if (bytes_equal_str(name, rows[i].spec.name)) return &rows[i];
    return NULL;
}

/* ---- Values */

/* The refusal being worded; every check returns false after saying why. */
struct refusal {
    char *text;
    size_t cap;
};

static bool refuse(struct refusal *r, const struct row *row, struct bytes value, const char *why)
{
    snprintf(r->text, r->cap, "Invalid value %.*s for configuration %s: %s",
             (int)(value.len < 200 ? value.len : 200), value.data ? (const char *)value.data : "",
             row->spec.name, why);
    return false;
}

static bool check_word(const struct row *row, struct bytes word, struct refusal *r)
{
    char why[160];
    if (row->values == NULL || words_have(bytes_str(row->values), word)) return true;
    snprintf(why, sizeof why, "String must be one of: %s", row->values);
    return refuse(r, row, word, why);
}

static bool to_number(const struct row *row, struct bytes value, int64_t *ret)
{
    struct bytes digits = value;
    if (digits.len > 1 && digits.data[0] == '+' && digits.data[1] != '-')
        digits = bytes_slice(digits, 1, digits.len - 1);
    if (!bytes_to_i64(digits, ret)) return false;
    return row->spec.type == TYPE_LONG || (*ret >= INT32_MIN && *ret <= INT32_MAX);
}

static bool check_number(const struct row *row, struct bytes value, struct writer *to,
                         struct refusal *r)
{
    char why[96];
    int64_t n;
    if (!to_number(row, bytes_trim(value), &n))
        return refuse(r, row, value,
                      row->spec.type == TYPE_INT ? "Not a number of type INT"
                                                 : "Not a number of type LONG");
    bool gzip = strcmp(row->spec.name, "compression.gzip.level") == 0;
    if (n < row->min) snprintf(why, sizeof why, "Value must be at least %lld", (long long)row->min);
    else snprintf(why, sizeof why, "Value must be no more than %lld", (long long)row->max);
    if (gzip) snprintf(why, sizeof why, "Value must be between 1 and 9 or equal to -1");
    if ((n < row->min || n > row->max) && !(gzip && n == -1))
        return refuse(r, row, bytes_trim(value), why);
    writer_printf(to, "%lld", (long long)n);
    return true;
}

static bool check_ratio(const struct row *row, struct bytes value, struct writer *to,
                        struct refusal *r)
{
    char digits[TEXT_CAP], *end;
    struct bytes v = bytes_trim(value);
    bool plain = v.len > 0 && v.len < sizeof digits;
    for (size_t i = 0; plain && i < v.len; i++)
        plain = strchr("0123456789.eE+-", v.data[i]) && v.data[i];
    bytes_to_text(plain ? v : BYTES_LIT(""), digits, sizeof digits);
    double n = strtod(digits, &end);
    if (!plain || *end != '\0') return refuse(r, row, value, "Not a number of type DOUBLE");
    if (!(n >= 0)) return refuse(r, row, v, "Value must be at least 0");
    if (!(n <= 1)) return refuse(r, row, v, "Value must be no more than 1");
    writer_bytes_raw(to, v);
    return true;
}

static bool check_boolean(const struct row *row, struct bytes value, struct writer *to,
                          struct refusal *r)
{
    struct bytes v = bytes_trim(value);
    bool yes = bytes_equal_nocase(v, "true");
    if (!yes && !bytes_equal_nocase(v, "false"))
        return refuse(r, row, value, "Expected value to be either true or false");
    if (yes && strcmp(row->spec.name, "remote.storage.enable") == 0) {
        snprintf(r->text, r->cap,
                 "Tiered Storage functionality is disabled in the broker. "
                 "Topic cannot be configured with remote log storage.");
        return false;
    }
    writer_text(to, yes ? "true" : "false");
    return true;
}

/* "*", or pairs of partition and broker. */
static bool is_throttle_list(struct bytes list)
{
    struct bytes word;
    if (bytes_equal_str(bytes_trim(list), "*")) return true;
    while (words_next(&list, &word)) {
        uint64_t n;
        const uint8_t *colon = word.len > 0 ? memchr(word.data, ':', word.len) : NULL;
        if (colon == NULL) return false;
        size_t at = (size_t)(colon - word.data);
        if (!bytes_to_u64(bytes_slice(word, 0, at), &n)) return false;
        if (!bytes_to_u64(bytes_slice(word, at + 1, word.len - at - 1), &n)) return false;
    }
    return true;
}

static bool check_list(const struct row *row, struct bytes value, struct writer *to,
                       struct refusal *r)
{
    struct bytes rest = bytes_trim(value), word;
    if (rest.len == 0) return true;
    if (row->values == NULL && !is_throttle_list(rest)) {
        char why[192];
        snprintf(why, sizeof why,
                 "%s must be the literal '*' or a list of replicas in the following format: "
                 "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
                 row->spec.name);
        return refuse(r, row, value, why);
    }
    CLEANUP(word_set_done) struct word_set seen;
    word_set_init(&seen, rest);
    while (words_next(&rest, &word)) {
        if (!check_word(row, word, r)) return false;
        if (row->values != NULL && bytes_equal_str(word, "compact"))
            return refuse(r, row, word,
                          "log compaction is not supported by this server; use delete");
        if (!word_set_add(&seen, word)) continue;
        if (to->len > 0) writer_text(to, ",");
        writer_bytes_raw(to, word);
    }
    return true;
}

/* Checks a value and appends its one form to `to`. */
static bool check_value(const struct row *row, struct bytes value, struct writer *to,
                        struct refusal *r)
{
    switch (row->spec.type) {
    case TYPE_BOOLEAN: return check_boolean(row, value, to, r);
    case TYPE_DOUBLE: return check_ratio(row, value, to, r);
    case TYPE_LIST: return check_list(row, value, to, r);
    case TYPE_STRING:
        if (!check_word(row, bytes_trim(value), r)) return false;
        writer_bytes_raw(to, bytes_trim(value));
        return true;
    default: return check_number(row, value, to, r);
    }
}

/* ---- Changes */

/* The old list with the new words added or taken away; both are what clients sent. */
static void change_list(enum config_op op, struct bytes old, struct bytes words, struct writer *to)
{
    struct bytes rest = bytes_trim(old), word;
    CLEANUP(word_set_done) struct word_set gone;
    word_set_init_of(&gone, op == CONFIG_SUBTRACT ? words : BYTES_NULL);
    if (rest.len == 0) rest = BYTES_NULL;
    while (words_next(&rest, &word)) {
        if (op == CONFIG_SUBTRACT && word_set_has(&gone, word)) continue;
        if (to->len > 0) writer_text(to, ",");
        writer_bytes_raw(to, word);
    }
    if (op == CONFIG_SUBTRACT) return;
    if (to->len > 0) writer_text(to, ",");
    writer_bytes_raw(to, words); /* repeats go, and no word is refused, when the value is checked */
}

static const char *setting_of(const struct topic *t, const char *name)
{
    for (int32_t i = 0; i < t->setting_count; i++)
        if (strcmp(t->settings[i].name, name) == 0) return t->settings[i].value;
    return NULL;
}

static bool apply_one(struct topic *draft, const struct config_change *change, struct writer *list,
                      struct writer *to, struct refusal *r)
{
    const struct row *row = row_of(change->name);
    bool listed = change->op == CONFIG_APPEND || change->op == CONFIG_SUBTRACT;
    if (listed && (row == NULL || row->spec.type != TYPE_LIST)) {
        snprintf(r->text, r->cap, "Can't %s to key %.*s because its type is not LIST.",
                 change->op == CONFIG_APPEND ? "APPEND" : "SUBTRACT", BYTES_ARGS(change->name));
        return false;
    }
    if (row == NULL && change->op == CONFIG_DELETE) return true;    /* as unset as can be */
    if (row == NULL) {
        snprintf(r->text, r->cap, "Unknown topic config name: %.*s", BYTES_ARGS(change->name));
        return false;
    }
    if (change->op == CONFIG_DELETE) {
        draft_set_setting(draft, change->name, BYTES_NULL);
        return true;
    }
    if (bytes_is_null(change->value)) {
        snprintf(r->text, r->cap, "Null value not supported for topic configs: %s", row->spec.name);
        return false;
    }
    struct bytes value = change->value;
    if (listed) {
        const char *old = setting_of(draft, row->spec.name);
        change_list(change->op, bytes_str(old ? old : row->spec.default_value), value, list);
        value = bytes_of(list->data ? list->data : (const uint8_t *)"", list->len);
    }
    if (value.len > CONFIG_VALUE_BYTES_MAX || list->err != ERR_OK) {
        snprintf(r->text, r->cap,
                 "The configuration value cannot be added because it exceeds the "
                 "maximum value size of %d bytes.",
                 CONFIG_VALUE_BYTES_MAX);
        return false;
    }
    if (!check_value(row, value, to, r)) return false;
    draft_set_setting(draft, change->name,
                      bytes_of(to->data ? to->data : (const uint8_t *)"", to->len));
    return true;
}

static bool check_together(const struct topic *draft, struct refusal *r)
{
    const char *least = setting_of(draft, "min.compaction.lag.ms");
    const char *most = setting_of(draft, "max.compaction.lag.ms");
    int64_t min = 0, max = INT64_MAX;
    if (least != NULL && !bytes_to_i64(bytes_str(least), &min)) return true;
    if (most != NULL && !bytes_to_i64(bytes_str(most), &max)) return true;
    if (min <= max) return true;
    snprintf(r->text, r->cap,
             "conflict topic config setting min.compaction.lag.ms (%lld) > "
             "max.compaction.lag.ms (%lld)",
             (long long)min, (long long)max);
    return false;
}

enum err config_apply(struct topic *draft, const struct config_change *changes, int32_t count,
                      const struct topic_config *defaults, char *text, size_t cap)
{
    struct refusal r = {text, cap};
    struct writer list, to;
    writer_init(&list, 2 * CONFIG_VALUE_BYTES_MAX);
    writer_init(&to, 2 * CONFIG_VALUE_BYTES_MAX);
    bool legal = true;
    for (int32_t i = 0; legal && i < count; i++) {
        writer_reset(&list);
        writer_reset(&to);
        legal = apply_one(draft, &changes[i], &list, &to, &r);
    }
    writer_done(&list);
    writer_done(&to);
    if (!legal || !check_together(draft, &r)) return ERR_INVALID_CONFIG;
    config_resolve(draft, defaults);
    return ERR_OK;
}

/* ---- Effective values */

/* Names of Apache Kafka's codec numbers 0 to 4; -1 is the producer's. */
static const char *const codecs[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};

static int8_t codec_of(struct bytes word)
{
    for (int8_t i = 0; i < (int8_t)(sizeof codecs / sizeof codecs[0]); i++)
        if (bytes_equal_str(word, codecs[i])) return i;
    return -1;
}

static int64_t bits_of(const struct row *row, struct bytes list)
{
    int64_t bits = 0, bit = 1;
    struct bytes legal = bytes_str(row->values), word;
    for (; words_next(&legal, &word); bit <<= 1)
        if (words_have(list, word)) bits |= bit;
    return bits;
}

static bool choice_of(const struct row *row, struct bytes value, int64_t *ret)
{
    int64_t at = 0;
    struct bytes legal = bytes_str(row->values), word;
    for (; words_next(&legal, &word); at++)
        if (bytes_equal(value, word)) {
            *ret = at;
            return true;
        }
    return false;
}

/* False: it is no value of this version. */
static bool number_of(const struct row *row, struct bytes value, int64_t *ret)
{
    switch (row->place->effect) {
    case EFFECT_LIST: *ret = bits_of(row, value); return true;
    case EFFECT_CHOICE: return choice_of(row, value, ret);
    case EFFECT_CODEC: *ret = codec_of(value); return true;
    case EFFECT_LIMIT:
        if (!to_number(row, value, ret)) return false;
        if (*ret < 0) *ret = -1;
        return true;
    default: return to_number(row, value, ret);
    }
}

static void put_number(struct topic_config *c, const struct place *p, int64_t n)
{
    void *at = (char *)c + p->at;
    switch (p->bytes) {
    case 1: *(int8_t *)at = (int8_t)n; return;
    case 4: *(int32_t *)at = (int32_t)n; return;
    default: *(int64_t *)at = n; return;
    }
}

static int64_t get_number(const struct topic_config *c, const struct place *p)
{
    const void *at = (const char *)c + p->at;
    switch (p->bytes) {
    case 1: return *(const int8_t *)at;
    case 4: return *(const int32_t *)at;
    default: return *(const int64_t *)at;
    }
}

static void resolve_one(struct topic_config *c, const struct row *row, struct bytes value)
{
    int64_t n;
    if (row->place != NULL && number_of(row, value, &n)) put_number(c, row->place, n);
}

bool topic_config_has_effect(int32_t index)
{
    return rows[index].place != NULL;
}

void config_resolve(struct topic *draft, const struct topic_config *defaults)
{
    draft->config = *defaults;
    for (int32_t i = 0; i < draft->setting_count; i++) {
        const struct row *row = row_of(bytes_str(draft->settings[i].name));
        if (row != NULL) resolve_one(&draft->config, row, bytes_str(draft->settings[i].value));
    }
}

void config_defaults(struct topic_config *ret)
{
    *ret = (struct topic_config){0};
    for (int i = 0; i < ROW_COUNT; i++)
        resolve_one(ret, &rows[i], bytes_str(rows[i].spec.default_value));
}

/* Those of the legal words whose bits are set. */
static void words_of(const struct row *row, int64_t bits, char *to, size_t cap)
{
    size_t len = 0;
    struct bytes legal = bytes_str(row->values), word;
    if (cap > 0) to[0] = '\0';
    for (; words_next(&legal, &word); bits >>= 1)
        if ((bits & 1) != 0 && len < cap)
            len += (size_t)snprintf(to + len, cap - len, "%s%.*s", len > 0 ? "," : "",
                                    BYTES_ARGS(word));
}

/* The text of an effective value, which only struct topic_config knows. */
static void effective_text(const struct topic_config *c, const struct row *row, char *to,
                           size_t cap)
{
    if (row->place == NULL) {
        snprintf(to, cap, "%s", row->spec.default_value);
        return;
    }
    int64_t n = get_number(c, row->place);
    switch (row->place->effect) {
    case EFFECT_LIST: words_of(row, n, to, cap); return;
    case EFFECT_CHOICE: words_of(row, INT64_C(1) << n, to, cap); return;
    case EFFECT_CODEC: snprintf(to, cap, "%s", n < 0 ? "producer" : codecs[n]); return;
    default: snprintf(to, cap, "%" PRId64, n); return;
    }
}

void topic_config_text(const struct topic *t, const struct config_spec *spec, char *to, size_t cap,
                       bool *ret_set)
{
    const char *set = setting_of(t, spec->name);
    *ret_set = set != NULL;
    if (set != NULL) {
        snprintf(to, cap, "%s", set);
        return;
    }
    effective_text(&t->config, CONTAINER_OF(spec, struct row, spec), to, cap);
}
