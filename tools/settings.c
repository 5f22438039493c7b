/* One table, four sources. Every source ends in set(), which checks type and range, so a value is
 * refused in the same words wherever it came from. */
#include "tools/settings.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "base/net/address.h"
#include "storage/topic/config.h"
#include "tools/broker_set.h"
#include "base/check.h"

enum kind {
    KIND_GROUP, KIND_TEXT, KIND_MATCH, KIND_ADDRESS, KIND_ADDRESSES, KIND_NUMBER, KIND_SWITCH,
    KIND_CHOICE
};

/* By the names of their structures. */
enum part { PART_none, PART_store_options, PART_broker_options, PART_net_limits };

struct spec {
    enum kind kind;
    const char *name;           /* C identifier, or the title of a group */
    size_t offset;              /* in struct settings */
    const char *text_default;   /* also "true" and "false" */
    int64_t number_default, min, max;
    enum part part;             /* whose option it is, which has its default */
    size_t part_at, part_bytes; /* the field there */
    int64_t units;              /* of that field, in one of the setting's */
    const char *choices;        /* of KIND_MATCH: its regular expression */
    const char *words;          /* of KIND_TEXT and KIND_MATCH: what that takes */
    const char *help;
};

#define AT(name) offsetof(struct settings, name)
#define GROUP(title) {.kind = KIND_GROUP, .name = title},
#define TEXT(n, def, w, h)                                                                         \
    {.kind = KIND_TEXT, .name = #n, .offset = AT(n), .text_default = def, .words = w, .help = h},
#define MATCH(n, def, regex, w, h)                                                                 \
    {.kind = KIND_MATCH, .name = #n, .offset = AT(n), .text_default = def, .choices = regex,       \
     .words = w, .help = h},
#define ADDRESS(n, def, h)                                                                         \
    {.kind = KIND_ADDRESS, .name = #n, .offset = AT(n), .text_default = def, .help = h},
#define ADDRESSES(n, def, h)                                                                       \
    {.kind = KIND_ADDRESSES, .name = #n, .offset = AT(n), .text_default = def, .help = h},
#define NUMBER(n, def, lo, hi, h)                                                                  \
    {.kind = KIND_NUMBER, .name = #n, .offset = AT(n), .number_default = def, .min = lo,          \
     .max = hi, .help = h},
#define SWITCH(n, def, h)                                                                         \
    {.kind = KIND_SWITCH, .name = #n, .offset = AT(n), .text_default = #def, .help = h},
#define FIELD(p, field)                                                                            \
    .part = PART_##p, .part_at = offsetof(struct p, field),                                        \
    .part_bytes = sizeof(((struct p *)NULL)->field)
#define OPTION(p, n, field, number, lo, hi, h)                                                     \
    {.kind = KIND_NUMBER, .name = #n, .offset = AT(n), FIELD(p, field), .units = number,           \
     .min = lo, .max = hi, .help = h},
#define OPTION_SWITCH(p, n, h)                                                                     \
    {.kind = KIND_SWITCH, .name = #n, .offset = AT(n), FIELD(p, n), .units = 1, .help = h},
#define CHOICE(n, def, ch, h)                                                                      \
    {.kind = KIND_CHOICE, .name = #n, .offset = AT(n), .text_default = def, .choices = ch,         \
     .help = h},
static const struct spec specs[] = {
#include "tools/settings.def"
};

/* Settings under Apache Kafka's names for them. */
static const struct kafka_name {
    const char *config;
    const char *setting;        /* C identifier */
    const char *other;          /* a flag that takes another form; then there is no setting */
    int64_t number;             /* so many of the setting's units are one of Kafka's */
} kafka_names[] = {
#define KAFKA(name, config, number) {config, #name, NULL, number},
#define OTHERWISE(config, flag) {config, NULL, flag, 1},
#include "tools/settings.def"
};
enum { KAFKA_NAME_COUNT = sizeof kafka_names / sizeof kafka_names[0] };
enum { SPEC_COUNT = sizeof specs / sizeof specs[0], NAME_BYTES_MAX = 64,
       DEFAULT_BYTES_MAX = 64 };

static bool is_text(const struct spec *spec)
{
    return spec->kind != KIND_GROUP && spec->kind != KIND_NUMBER && spec->kind != KIND_SWITCH;
}

/* "data_dir" -> "data-dir", or "DIGLOT_DATA_DIR". */
static char *flag_of(const struct spec *spec, char *to)
{
    bytes_to_text(bytes_str(spec->name), to, NAME_BYTES_MAX);
    for (char *p = to; *p; p++)
        if (*p == '_') *p = '-';
    return to;
}

static char *variable_of(const struct spec *spec, char *to)
{
    snprintf(to, NAME_BYTES_MAX, "DIGLOT_%s", spec->name);
    for (char *p = to; *p; p++) *p = (char)toupper((unsigned char)*p);
    return to;
}

/* '-' and '_' are the same in a name. */
static const struct spec *find(struct bytes name)
{
    for (int i = 0; i < SPEC_COUNT; i++) {
        if (specs[i].kind == KIND_GROUP || strlen(specs[i].name) != name.len) continue;
        size_t at = 0;
        while (at < name.len) {
            char c = (char)name.data[at];
            if ((c == '-' ? '_' : c) != specs[i].name[at]) break;
            at++;
        }
        if (at == name.len) return &specs[i];
    }
    return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = choices; len > 0 && (p = strstr(p, value)) != NULL; p += len)
        if ((p == choices || p[-1] == '|') && (p[len] == '|' || p[len] == '\0')) return true;
    return false;
}

static bool is_match(const char *regex, const char *value)
{
    regex_t compiled;
    regmatch_t all;
    assert(regcomp(&compiled, regex, REG_EXTENDED) == 0);
    bool found = regexec(&compiled, value, 1, &all, 0) == 0;
    regfree(&compiled);
    return found && all.rm_so == 0 && value[all.rm_eo] == '\0';
}

static bool are_addresses(const char *list, bool several, bool each_may_be_empty)
{
    for (const char *at = list;; at++) {
        char item[NET_HOST_BYTES + 8];
        struct net_address address;
        size_t len = several ? strcspn(at, ",") : strlen(at);
        if (len >= sizeof item) return false;
        if (len == 0 ? !each_may_be_empty
                     : net_address_parse(bytes_to_text(bytes_of(at, len), item, sizeof item),
                                         &address) != ERR_OK)
            return false;
        at += len;
        if (*at == '\0') return true;
    }
}

static void expected(const struct spec *spec, FILE *out)
{
    switch (spec->kind) {
    case KIND_ADDRESS: fprintf(out, "HOST:PORT"); break;
    case KIND_ADDRESSES: fprintf(out, "HOST:PORT, several with commas"); break;
    case KIND_NUMBER:
        fprintf(out, "a whole number from %" PRId64 " to %" PRId64, spec->min, spec->max);
        break;
    case KIND_SWITCH: fprintf(out, "true or false"); break;
    case KIND_CHOICE: fprintf(out, "one of %s", spec->choices); break;
    default: fprintf(out, "%s", spec->words); break;
    }
}

/* source: where the value stands, the setting's own name there included. */
static enum err set(struct settings *s, const struct spec *spec, const char *value,
                    const char *source, FILE *complaints)
{
    void *at = (char *)s + spec->offset;
    int64_t number;
    bool ok = true;
    switch (spec->kind) {
    case KIND_NUMBER:
        ok = bytes_to_i64(bytes_str(value), &number) && number >= spec->min && number <= spec->max;
        if (ok) *(int64_t *)at = number;
        break;
    case KIND_SWITCH:
        ok = strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
        if (ok) *(bool *)at = value[0] == 't';
        break;
    case KIND_CHOICE:
        ok = is_choice(spec->choices, value);
        break;
    case KIND_MATCH:
        ok = is_match(spec->choices, value);
        break;
    case KIND_ADDRESS:
    case KIND_ADDRESSES:
        ok = are_addresses(value, spec->kind == KIND_ADDRESSES, spec->text_default[0] == '\0');
        break;
    default:
        break;
    }
    if (ok && is_text(spec)) {
        mem_free(*(char **)at);
        *(char **)at = mem_string(value, strlen(value));
    }
    if (ok) return ERR_OK;
    fprintf(complaints, "diglot: %s: \"%s\" is not legal; it takes ", source, value);
    expected(spec, complaints);
    fprintf(complaints, "\n");
    return ERR_CONFIG;
}

/* ---- Options of the parts */

static int64_t get_field(const void *options, const struct spec *spec)
{
    const void *at = (const char *)options + spec->part_at;
    switch (spec->part_bytes) {
    case 1: return *(const bool *)at;
    case 4: return *(const int32_t *)at;
    default: return *(const int64_t *)at;
    }
}

static void put_field(void *options, const struct spec *spec, int64_t n)
{
    void *at = (char *)options + spec->part_at;
    switch (spec->part_bytes) {
    case 1: *(bool *)at = n != 0; return;
    case 4: *(int32_t *)at = (int32_t)n; return;
    default: *(int64_t *)at = n; return;
    }
}

/* What the settings say of one part. */
static void put_part(const struct settings *s, enum part part, void *options)
{
    for (int i = 0; i < SPEC_COUNT; i++) {
        const void *at = (const char *)s + specs[i].offset;
        if (specs[i].part != part) continue;
        put_field(options, &specs[i],
                  specs[i].kind == KIND_SWITCH ? *(const bool *)at
                                               : *(const int64_t *)at * specs[i].units);
    }
}

static int64_t default_number(const struct spec *spec)
{
    struct store_options store;
    struct broker_options broker;
    struct net_limits limits;
    switch (spec->part) {
    case PART_store_options:
        store_options_default(&store);
        return get_field(&store, spec) / spec->units;
    case PART_broker_options:
        broker_options_default(&broker);
        return get_field(&broker, spec) / spec->units;
    case PART_net_limits:
        net_limits_init(&limits);
        return get_field(&limits, spec) / spec->units;
    default: return spec->number_default;
    }
}

static void default_text(const struct spec *spec, char *to, size_t cap)
{
    if (spec->kind == KIND_NUMBER) snprintf(to, cap, "%" PRId64, default_number(spec));
    else if (spec->part != PART_none)
        snprintf(to, cap, "%s", default_number(spec) != 0 ? "true" : "false");
    else snprintf(to, cap, "%s", spec->text_default);
}

/* ---- Broker configs */

static const struct kafka_name *find_kafka(struct bytes name)
{
    for (int i = 0; i < KAFKA_NAME_COUNT; i++)
        if (bytes_equal_str(name, kafka_names[i].config)) return &kafka_names[i];
    return NULL;
}

/* A config in other units is an int in Kafka; below 0 means the same in every unit: no limit. */
static enum err set_in_units(struct settings *s, const struct kafka_name *k, const char *value,
                             const char *source, FILE *complaints)
{
    char text[24];
    int64_t number;
    if (k->number > 1) {
        if (!bytes_to_i64(bytes_str(value), &number) || number < -1 || number > INT32_MAX) {
            fprintf(complaints,
                    "diglot: %s: \"%s\" is not legal; it takes a whole number from -1 to %d\n",
                    source, value, INT32_MAX);
            return ERR_CONFIG;
        }
        snprintf(text, sizeof text, "%" PRId64, number > 0 ? number * k->number : number);
        value = text;
    }
    return set(s, find(bytes_str(k->setting)), value, source, complaints);
}

static enum err add_topic_default(struct settings *s, struct bytes name, const char *value,
                                  const char *source, FILE *complaints)
{
    char text[512] = "";
    struct topic_config scratch = {0};
    config_defaults(&scratch);
    if (broker_set_topic_default(&scratch, name, bytes_str(value), text, sizeof text) != ERR_OK) {
        fprintf(complaints, "diglot: %s: %s\n", source, text);
        return ERR_CONFIG;
    }
    size_t count = (size_t)s->topic_default_count++;
    s->topic_defaults = mem_grow(s->topic_defaults, (count + 1) * sizeof *s->topic_defaults);
    s->topic_defaults[count] = (struct settings_pair){
        mem_string((const char *)name.data, name.len), mem_string(value, strlen(value))};
    return ERR_OK;
}

/* One config of --set. where: what it stands in. A name that Kafka does not know is a slip; one
 * that does nothing here may come with the set-up of another server. */
static enum err set_broker(struct settings *s, struct bytes name, const char *value,
                           const char *where, FILE *complaints)
{
    char source[256];
    snprintf(source, sizeof source, "%s %.*s", where, BYTES_ARGS(name));
    const struct kafka_name *k = find_kafka(name);
    if (k != NULL && k->setting != NULL) return set_in_units(s, k, value, source, complaints);
    if (k != NULL) {
        fprintf(complaints, "diglot: %s: --%s sets it here, to HOST:PORT\n", source, k->other);
        return ERR_CONFIG;
    }
    switch (broker_set_of(name)) {
    case BROKER_SET_TOPIC_DEFAULT: return add_topic_default(s, name, value, source, complaints);
    case BROKER_SET_IDLE:
        fprintf(complaints,
                "diglot: %s has no effect here; docs/broker-configs.md lists what has\n", source);
        return ERR_OK;
    default:
        fprintf(complaints, "diglot: %s is no broker config of Apache Kafka 4.4\n", source);
        return ERR_CONFIG;
    }
}

/* "NAME=VALUE" */
static enum err set_pair(struct settings *s, struct bytes pair, const char *where, FILE *complaints)
{
    const uint8_t *equals = pair.len > 0 ? memchr(pair.data, '=', pair.len) : NULL;
    if (equals == NULL) {
        fprintf(complaints, "diglot: %s takes NAME=VALUE, not \"%.*s\"\n", where,
                BYTES_ARGS(pair));
        return ERR_CONFIG;
    }
    size_t name = (size_t)(equals - pair.data);
    CLEANUP(mem_freep) char *value = mem_string((const char *)equals + 1, pair.len - name - 1);
    return set_broker(s, bytes_of(pair.data, name), value, where, complaints);
}

/* DIGLOT_SET: several with semicolons or line ends between them, as lists have commas. */
static enum err set_pairs(struct settings *s, const char *list, FILE *complaints)
{
    while (*list != '\0') {
        list += strspn(list, "; \n");
        size_t len = strcspn(list, ";\n");
        if (len > 0) TRY(set_pair(s, bytes_of(list, len), "DIGLOT_SET", complaints));
        list += len;
    }
    return ERR_OK;
}

static void put_topic_defaults(const struct settings *s, struct topic_config *defaults)
{
    char text[512];
    for (int i = 0; i < s->topic_default_count; i++) {
        const struct settings_pair *p = &s->topic_defaults[i];
        enum err err = broker_set_topic_default(defaults, bytes_str(p->name), bytes_str(p->value),
                                                text, sizeof text);
        assert(err == ERR_OK);          /* it was taken when it was read */
    }
}

void settings_store(const struct settings *s, struct store_options *ret)
{
    store_options_default(ret);
    put_part(s, PART_store_options, ret);
    put_topic_defaults(s, &ret->topic_defaults);
}

void settings_broker(const struct settings *s, struct broker_options *ret)
{
    broker_options_default(ret);
    put_part(s, PART_broker_options, ret);
    ret->groups.commit_bytes_max = (size_t)s->max_message_bytes;
    ret->connections_idle_ms = s->idle_timeout_ms;
    ret->connections_max = s->connections_max;
}

void settings_limits(const struct settings *s, struct net_limits *ret)
{
    net_limits_init(ret);
    put_part(s, PART_net_limits, ret);
    ret->head_ms = ret->body_stall_ms;
}

const char *settings_way_to(const char *broker_config)
{
    static char way[NAME_BYTES_MAX + 32];
    char flag[NAME_BYTES_MAX];
    const struct kafka_name *k = find_kafka(bytes_str(broker_config));
    if (k == NULL) return NULL;
    if (k->setting == NULL) snprintf(way, sizeof way, "`--%s`", k->other);
    else
        snprintf(way, sizeof way, "`--set`, or `--%s`",
                 flag_of(find(bytes_str(k->setting)), flag));
    return way;
}

/* ---- Sources */

static enum err read_defaults(struct settings *s, FILE *complaints)
{
    for (int i = 0; i < SPEC_COUNT; i++) {
        if (specs[i].kind == KIND_GROUP) continue;
        char value[DEFAULT_BYTES_MAX];
        default_text(&specs[i], value, sizeof value);
        TRY(set(s, &specs[i], value, "default", complaints));
    }
    return ERR_OK;
}

/* A number, a text, true or false as text, NULL for anything else. */
static const char *text_of(const json_t *value, char number[24])
{
    snprintf(number, 24, "%" PRId64, (int64_t)json_integer_value(value));
    return json_is_string(value)    ? json_string_value(value)
           : json_is_integer(value) ? number
           : json_is_true(value)    ? "true"
           : json_is_false(value)   ? "false"
                                    : NULL;
}

/* "set": {"NAME": VALUE, ...} */
static enum err read_file_set(struct settings *s, json_t *set_object, const char *source,
                              FILE *complaints)
{
    const char *key;
    json_t *value;
    if (!json_is_object(set_object)) {
        fprintf(complaints, "diglot: %s: \"set\" must be an object of broker configs\n", source);
        return ERR_CONFIG;
    }
    json_object_foreach(set_object, key, value) {
        char number[24];
        const char *text = text_of(value, number);
        if (text == NULL) {
            fprintf(complaints, "diglot: %s: \"%s\" must be a text, a number or true or false\n",
                    source, key);
            return ERR_CONFIG;
        }
        TRY(set_broker(s, bytes_str(key), text, source, complaints));
    }
    return ERR_OK;
}

static enum err read_file(struct settings *s, const char *path, FILE *complaints)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL || !json_is_object(root)) {
        fprintf(complaints, "diglot: configuration file %s: ", path);
        if (root == NULL && error.line > 0) fprintf(complaints, "line %d: ", error.line);
        fprintf(complaints, "%s\n", root ? "not a JSON object" : error.text);
        json_decref(root);
        return ERR_CONFIG;
    }
    char source[4200];
    snprintf(source, sizeof source, "configuration file %s", path);
    enum err err = ERR_OK;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        const struct spec *spec = find(bytes_str(key));
        char number[24];
        const char *text = text_of(value, number);
        if (strcmp(key, "set") == 0) {
            if (read_file_set(s, value, source, complaints) != ERR_OK) err = ERR_CONFIG;
        } else if (spec == NULL || text == NULL) {
            fprintf(complaints,
                    "diglot: configuration file %s: \"%s\" %s; `diglot serve --help` lists all "
                    "settings\n",
                    path, key,
                    spec ? "must be a text, a number or true or false" : "is not a setting");
            err = ERR_CONFIG;
        } else {
            char setting[sizeof source + NAME_BYTES_MAX];
            snprintf(setting, sizeof setting, "%s: \"%s\"", source, key);
            if (set(s, spec, text, setting, complaints) != ERR_OK) err = ERR_CONFIG;
        }
    }
    json_decref(root);
    return err;
}

static bool is_variable(const char *name, size_t len)
{
    char variable[NAME_BYTES_MAX];
    if (len == strlen("DIGLOT_CONFIG") && strncmp(name, "DIGLOT_CONFIG", len) == 0) return true;
    if (len == strlen("DIGLOT_SET") && strncmp(name, "DIGLOT_SET", len) == 0) return true;
    for (int i = 0; i < SPEC_COUNT; i++)
        if (specs[i].kind != KIND_GROUP && strlen(variable_of(&specs[i], variable)) == len &&
            strncmp(name, variable, len) == 0)
            return true;
    return false;
}

/* A slip, most often; but orchestrators and test runs name variables so as well. */
static void tell_unknown_variables(FILE *complaints)
{
    for (char **at = environ; *at != NULL; at++) {
        size_t len = strcspn(*at, "=");
        if (strncmp(*at, "DIGLOT_", 7) == 0 && !is_variable(*at, len))
            fprintf(complaints, "diglot: %.*s in the environment is not a setting and is ignored\n",
                    (int)len, *at);
    }
}

static enum err read_environment(struct settings *s, FILE *complaints)
{
    for (int i = 0; i < SPEC_COUNT; i++) {
        if (specs[i].kind == KIND_GROUP) continue;
        char variable[NAME_BYTES_MAX];
        const char *value = getenv(variable_of(&specs[i], variable));
        if (value != NULL) TRY(set(s, &specs[i], value, variable, complaints));
    }
    const char *pairs = getenv("DIGLOT_SET");
    return pairs != NULL ? set_pairs(s, pairs, complaints) : ERR_OK;
}

/* One flag: --name value, --name=value, or --name for a switch. Moves *at past it. */
static enum err read_flag(struct settings *s, int count, char **args, int *at, FILE *complaints)
{
    const char *flag = args[(*at)++];
    char name[NAME_BYTES_MAX];
    if (strncmp(flag, "--set=", 6) == 0)
        return set_pair(s, bytes_str(flag + 6), "--set", complaints);
    if (strcmp(flag, "--set") == 0)
        return set_pair(s, *at < count ? bytes_str(args[(*at)++]) : BYTES_NULL, "--set",
                        complaints);
    const char *equals = strchr(flag, '=');
    size_t len = equals ? (size_t)(equals - flag) : strlen(flag);
    const struct spec *spec = len > 2 && strncmp(flag, "--", 2) == 0
                                  ? find(bytes_of(flag + 2, len - 2))
                                  : NULL;
    if (spec == NULL) {
        fprintf(complaints, "diglot: %.*s is not a flag; `diglot serve --help` lists all of them\n",
                (int)len, flag);
        return ERR_CONFIG;
    }
    bytes_to_text(bytes_of(flag, len), name, sizeof name);
    if (equals) return set(s, spec, equals + 1, name, complaints);
    bool value_follows = *at < count && strncmp(args[*at], "--", 2) != 0;
    if (spec->kind == KIND_SWITCH && !value_follows) return set(s, spec, "true", flag, complaints);
    if (!value_follows) {
        fprintf(complaints, "diglot: %s needs a value: ", flag);
        expected(spec, complaints);
        fprintf(complaints, "\n");
        return ERR_CONFIG;
    }
    return set(s, spec, args[(*at)++], flag, complaints);
}

/* The value of --config, which decides what is read before the other flags; NULL or empty: none.
 * Errors: ERR_CONFIG - it has no value. Thread: main. */
static enum err config_path(int count, char **args, FILE *complaints, const char **ret)
{
    const char *path = getenv("DIGLOT_CONFIG");
    for (int i = 0; i < count; i++) {
        if (strncmp(args[i], "--config=", 9) == 0) path = args[i] + 9;
        if (strcmp(args[i], "--config") != 0) continue;
        if (++i == count) {
            fprintf(complaints, "diglot: --config needs a value: the path of a JSON file\n");
            return ERR_CONFIG;
        }
        path = args[i];
    }
    *ret = path;
    return ERR_OK;
}

enum err settings_read(int arg_count, char **args, FILE *complaints, struct settings *ret)
{
    CLEANUP(settings_done) struct settings s = {0};
    TRY(read_defaults(&s, complaints));
    const char *path;
    TRY(config_path(arg_count, args, complaints, &path));
    if (path != NULL && path[0] != '\0') TRY(read_file(&s, path, complaints));
    TRY(read_environment(&s, complaints));
    for (int at = 0; at < arg_count;) {
        if (strncmp(args[at], "--config=", 9) == 0) at++;
        else if (strcmp(args[at], "--config") == 0) at += 2;
        else TRY(read_flag(&s, arg_count, args, &at, complaints));
    }
    tell_unknown_variables(complaints);
    *ret = s;
    s = (struct settings){0};
    return ERR_OK;
}

void settings_done(struct settings *s)
{
    for (int i = 0; i < SPEC_COUNT; i++)
        if (is_text(&specs[i])) mem_freep((char *)s + specs[i].offset);
    for (int i = 0; i < s->topic_default_count; i++) {
        mem_free(s->topic_defaults[i].name);
        mem_free(s->topic_defaults[i].value);
    }
    mem_freep(&s->topic_defaults);
    s->topic_default_count = 0;
}

static const char *placeholder(const struct spec *spec)
{
    switch (spec->kind) {
    case KIND_CHOICE: return spec->choices;
    case KIND_NUMBER: return "NUMBER";
    case KIND_SWITCH: return "true|false";
    case KIND_ADDRESS: return "HOST:PORT";
    case KIND_ADDRESSES: return "HOST:PORT[,HOST:PORT...]";
    default: return "TEXT";
    }
}

void settings_help(FILE *out)
{
    char flag[NAME_BYTES_MAX], value[DEFAULT_BYTES_MAX];
    fprintf(
        out,
        "Usage: diglot serve [--FLAG VALUE ...]\n\n"
        "Opens a Kafka door and a Kinesis door on one data directory and runs until it is stopped\n"
        "(SIGTERM or Ctrl-C). A flag beats the environment variable of the same name "
        "(DIGLOT_DATA_DIR\n"
        "for --data-dir), which beats the configuration file, a JSON object (\"data-dir\": "
        "\"...\").\n\n"
        "  --config FILE\n        configuration file; also DIGLOT_CONFIG\n"
        "  --set NAME=VALUE\n        a broker config under Apache Kafka's name "
        "(docs/broker-configs.md); may be\n        repeated; also DIGLOT_SET, and \"set\" in the "
        "file\n");
    for (int i = 0; i < SPEC_COUNT; i++) {
        if (specs[i].kind == KIND_GROUP) {
            fprintf(out, "\n%s\n", specs[i].name);
            continue;
        }
        default_text(&specs[i], value, sizeof value);
        fprintf(out, "  --%s %s\n        %s", flag_of(&specs[i], flag),
                placeholder(&specs[i]), specs[i].help);
        if (value[0] != '\0') fprintf(out, " [%s]", value);
        fprintf(out, "\n");
    }
}

void settings_page(FILE *out)
{
    char flag[NAME_BYTES_MAX], variable[NAME_BYTES_MAX], value[DEFAULT_BYTES_MAX];
    fprintf(
        out,
        "# Settings of `diglot serve`\n\n"
        "Made by `diglot settings`; do not edit. A flag beats the environment, which beats the\n"
        "configuration file (`--config FILE` or `DIGLOT_CONFIG`, a JSON object whose keys are the "
        "flags'\n"
        "names), which beats the default. A wrong setting names itself and stops the start.\n\n"
        "`--set NAME=VALUE`, which may be repeated, sets a broker config under Apache Kafka's own\n"
        "name, checked for its type and range: the settings that name one in brackets (the same\n"
        "setting, whichever way it is set; of two the later one counts), and the defaults of\n"
        "topic configs. In the environment `DIGLOT_SET` has several, with semicolons between\n"
        "them; in the file they are the object `set`. A name that no broker of Apache Kafka knows\n"
        "stops the start; one that has no effect here is told and passed over.\n"
        "[broker-configs.md](broker-configs.md) lists them all.\n");
    for (int i = 0; i < SPEC_COUNT; i++) {
        if (specs[i].kind == KIND_GROUP) {
            fprintf(out,
                    "\n## %s\n\n| flag | environment | default | takes | what it does "
                    "|\n|---|---|---|---|---|\n",
                    specs[i].name);
            continue;
        }
        default_text(&specs[i], value, sizeof value);
        fprintf(out, "| `--%s` | `%s` | %s%s%s | ", flag_of(&specs[i], flag),
                variable_of(&specs[i], variable), value[0] ? "`" : "", value, value[0] ? "`" : "");
        if (specs[i].kind == KIND_CHOICE) {
            for (const char *p = specs[i].choices; *p; p++) {
                if (*p == '|') fprintf(out, " or ");
                else fputc(*p, out);
            }
        } else {
            expected(&specs[i], out);
        }
        fprintf(out, " | %s |\n", specs[i].help);
    }
}
