/* Topic configs: what is taken, what is refused and in which words (Apache Kafka 4.4.0's
 * LogConfig). */
#include "base/mem.h"
#include "protocol/batch/recode.h"
#include "storage/topic/config.h"
#include "storage/topic/draft.h"
#include "test.h"

static struct topic_config defaults;
static char text[512];

static struct topic *fresh(void)
{
    config_defaults(&defaults);
    struct topic *t = draft_new(&(struct uuid){{1}}, BYTES_LIT("t"));
    config_resolve(t, &defaults);
    return t;
}

static enum err apply(struct topic *t, enum config_op op, const char *name, const char *value)
{
    struct config_change change = {op, bytes_str(name), bytes_str(value)};
    text[0] = '\0';
    return config_apply(t, &change, 1, &defaults, text, sizeof text);
}

static const char *value_of(const struct topic *t, const char *name)
{
    for (int32_t i = 0; i < t->setting_count; i++)
        if (strcmp(t->settings[i].name, name) == 0) return t->settings[i].value;
    return NULL;
}

TEST(values_are_brought_into_one_form)
{
    static const struct {
        const char *name, *value, *kept;
    } rows[] = {
        {"retention.ms", " 7 ", "7"},
        {"retention.ms", "-1", "-1"},
        {"max.message.bytes", "+5", "5"},
        {"preallocate", " TRUE ", "true"},
        {"unclean.leader.election.enable", "False", "false"},
        {"cleanup.policy", " delete , delete", "delete"},
        {"cleanup.policy", "", ""},
        {"compression.type", " zstd ", "zstd"},
        {"compression.gzip.level", "-1", "-1"},
        {"compression.zstd.level", "-131072", "-131072"},
        {"min.cleanable.dirty.ratio", "0.25", "0.25"},
        {"leader.replication.throttled.replicas", "*", "*"},
        {"leader.replication.throttled.replicas", "1:2, 3:4", "1:2,3:4"},
        {"retention.bytes", "-5", "-5"},
        {"diglot.retired.partition", "reject", "reject"},
        {"flush.ms", "9223372036854775807", "9223372036854775807"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct topic *t = fresh();
        EXPECT_OK(apply(t, CONFIG_SET, rows[i].name, rows[i].value));
        EXPECT_STR(value_of(t, rows[i].name), rows[i].kept);
        topic_unref(t);
    }
}

TEST(illegal_values_are_refused_in_kafkas_words)
{
    static const struct {
        const char *name, *value, *why;
    } rows[] = {
        {"no.such", "1", "Unknown topic config name: no.such"},
        {"retention.ms", "x",
         "Invalid value x for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "",
         "Invalid value  for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "-2",
         "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
        {"flush.ms", "9223372036854775808",
         "Invalid value 9223372036854775808 for configuration flush.ms: Not a number of type LONG"},
        {"segment.bytes", "14",
         "Invalid value 14 for configuration segment.bytes: Value must be at least 1048576"},
        {"segment.bytes", "2147483648",
         "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT"},
        {"compression.gzip.level", "0",
         "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 "
         "or equal to -1"},
        {"compression.zstd.level", "23",
         "Invalid value 23 for configuration compression.zstd.level: Value must be no more than "
         "22"},
        {"compression.type", "bogus",
         "Invalid value bogus for configuration compression.type: String must be one of: "
         "uncompressed, zstd, lz4, snappy, gzip, producer"},
        {"message.timestamp.type", "createtime",
         "Invalid value createtime for configuration message.timestamp.type: String must be one "
         "of: CreateTime, LogAppendTime"},
        {"preallocate", " 7 ",
         "Invalid value  7  for configuration preallocate: Expected value to be either true or "
         "false"},
        {"cleanup.policy", "bogus",
         "Invalid value bogus for configuration cleanup.policy: String must be one of: compact, "
         "delete"},
        {"cleanup.policy", "compact,delete",
         "Invalid value compact for configuration cleanup.policy: log compaction is not supported "
         "by this server; use delete"},
        {"min.cleanable.dirty.ratio", "1.5",
         "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more "
         "than 1"},
        {"min.cleanable.dirty.ratio", "nan",
         "Invalid value nan for configuration min.cleanable.dirty.ratio: Not a number of type "
         "DOUBLE"},
        {"remote.storage.enable", "true",
         "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
         "remote log storage."},
        {"leader.replication.throttled.replicas", "1:x",
         "Invalid value 1:x for configuration leader.replication.throttled.replicas: "
         "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in "
         "the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
        {"max.message.bytes", NULL,
         "Null value not supported for topic configs: max.message.bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct topic *t = fresh();
        EXPECT_ERR(apply(t, CONFIG_SET, rows[i].name, rows[i].value), ERR_INVALID_CONFIG);
        EXPECT_STR(text, rows[i].why);
        EXPECT_EQ(t->setting_count, 0);
        topic_unref(t);
    }
}

TEST(lists_are_appended_to_and_subtracted_from)
{
    struct topic *t = fresh();
    EXPECT_OK(apply(t, CONFIG_APPEND, "cleanup.policy", "delete"));
    EXPECT_STR(value_of(t, "cleanup.policy"), "delete");
    EXPECT_OK(apply(t, CONFIG_SUBTRACT, "cleanup.policy", "delete"));
    EXPECT_STR(value_of(t, "cleanup.policy"), "");
    EXPECT((t->config.cleanup & CLEANUP_DELETE) == 0);
    EXPECT_OK(apply(t, CONFIG_APPEND, "cleanup.policy", "delete"));
    EXPECT((t->config.cleanup & CLEANUP_DELETE) != 0);
    EXPECT_ERR(apply(t, CONFIG_APPEND, "cleanup.policy", ""), ERR_INVALID_CONFIG);
    EXPECT_ERR(apply(t, CONFIG_APPEND, "cleanup.policy", "compact"), ERR_INVALID_CONFIG);
    topic_unref(t);
    t = fresh();
    EXPECT_OK(apply(t, CONFIG_SET, "follower.replication.throttled.replicas", "0:1"));
    EXPECT_OK(apply(t, CONFIG_APPEND, "follower.replication.throttled.replicas", "2:3,0:1"));
    EXPECT_STR(value_of(t, "follower.replication.throttled.replicas"), "0:1,2:3");
    EXPECT_OK(apply(t, CONFIG_SUBTRACT, "follower.replication.throttled.replicas", "0:1"));
    EXPECT_STR(value_of(t, "follower.replication.throttled.replicas"), "2:3");
    EXPECT_ERR(apply(t, CONFIG_APPEND, "retention.ms", "1"), ERR_INVALID_CONFIG);
    EXPECT_STR(text, "Can't APPEND to key retention.ms because its type is not LIST.");
    EXPECT_ERR(apply(t, CONFIG_SUBTRACT, "no.such", "1"), ERR_INVALID_CONFIG);
    EXPECT_STR(text, "Can't SUBTRACT to key no.such because its type is not LIST.");
    topic_unref(t);
}

TEST(values_have_effect_and_go_back_to_the_default)
{
    struct topic *t = fresh();
    EXPECT_EQ(t->config.retention_ms, 604800000);
    EXPECT_EQ(t->config.flush_messages, INT64_MAX);
    EXPECT_EQ(t->config.compression_type, -1);
    EXPECT_EQ(t->config.compression_level[CODEC_GZIP], GZIP_LEVEL_DEFAULT);
    EXPECT_EQ(t->config.compression_level[CODEC_ZSTD], ZSTD_LEVEL_DEFAULT);
    EXPECT_EQ(t->config.cleanup, CLEANUP_DELETE);
    EXPECT(!t->config.retired_reject);
    EXPECT_OK(apply(t, CONFIG_SET, "retention.ms", "5"));
    EXPECT_OK(apply(t, CONFIG_SET, "retention.bytes", "-7"));
    EXPECT_OK(apply(t, CONFIG_SET, "message.timestamp.type", "LogAppendTime"));
    EXPECT_OK(apply(t, CONFIG_SET, "compression.type", "lz4"));
    EXPECT_OK(apply(t, CONFIG_SET, "diglot.retired.partition", "reject"));
    EXPECT_EQ(t->config.max_record_kib, 1024);
    EXPECT_OK(apply(t, CONFIG_SET, "diglot.max.record.kib", "10240"));
    EXPECT_EQ(t->config.max_record_kib, 10240);
    EXPECT_ERR(apply(t, CONFIG_SET, "diglot.max.record.kib", "10241"), ERR_INVALID_CONFIG);
    EXPECT_ERR(apply(t, CONFIG_SET, "diglot.max.record.kib", "1023"), ERR_INVALID_CONFIG);
    EXPECT_OK(apply(t, CONFIG_SET, "min.insync.replicas", "2"));
    EXPECT_EQ(t->config.retention_ms, 5);
    EXPECT_EQ(t->config.retention_bytes, -1);
    EXPECT_EQ(t->config.compression_type, CODEC_LZ4);
    EXPECT_EQ(t->config.compression_level[CODEC_LZ4], LZ4_LEVEL_DEFAULT);
    EXPECT_OK(apply(t, CONFIG_SET, "compression.gzip.level", "7"));
    EXPECT_OK(apply(t, CONFIG_SET, "compression.lz4.level", "17"));
    EXPECT_OK(apply(t, CONFIG_SET, "compression.zstd.level", "-5"));
    EXPECT_EQ(t->config.compression_level[CODEC_GZIP], 7);
    EXPECT_EQ(t->config.compression_level[CODEC_LZ4], 17);
    EXPECT_EQ(t->config.compression_level[CODEC_ZSTD], -5);
    EXPECT_EQ(topic_packing(t).codec, CODEC_LZ4);
    EXPECT_EQ(topic_packing(t).level, 17);
    EXPECT_EQ(topic_packing(t).bytes_max, t->config.max_message_bytes);
    EXPECT(topic_repacks(t, CODEC_NONE) && !topic_repacks(t, CODEC_LZ4));
    EXPECT_OK(apply(t, CONFIG_DELETE, "compression.type", NULL));
    EXPECT(!topic_repacks(t, CODEC_NONE) && !topic_repacks(t, CODEC_ZSTD));
    EXPECT_OK(apply(t, CONFIG_SET, "compression.type", "uncompressed"));
    EXPECT(topic_repacks(t, CODEC_SNAPPY) && !topic_repacks(t, CODEC_NONE));
    EXPECT_EQ(t->config.min_insync_replicas, 2);
    EXPECT(t->config.log_append_time && t->config.retired_reject);
    defaults.retention_ms = 99;                 /* a broker default of its own */
    EXPECT_OK(apply(t, CONFIG_DELETE, "retention.ms", NULL));
    EXPECT_OK(apply(t, CONFIG_DELETE, "flush.ms", NULL));
    EXPECT_EQ(t->config.retention_ms, 99);
    int32_t settings = t->setting_count;
    EXPECT_OK(apply(t, CONFIG_DELETE, "no.such", NULL));    /* as unset as it was */
    EXPECT_EQ(t->setting_count, settings);
    topic_unref(t);
}

TEST(every_config_is_described_with_its_default)
{
    struct topic *t = fresh();
    for (int32_t i = 0; i < topic_config_spec_count(); i++) {
        const struct config_spec *spec = topic_config_spec(i);
        char shown[128];
        bool set = true;
        topic_config_text(t, spec, shown, sizeof shown, &set);
        EXPECT(!set);
        EXPECT_STR(shown, spec->default_value);
        EXPECT(spec->documentation != NULL && strlen(spec->documentation) > 10);
        if (i > 0) EXPECT(strcmp(topic_config_spec(i - 1)->name, spec->name) < 0);
        /* A default is a legal value. */
        EXPECT_OK(apply(t, CONFIG_SET, spec->name, spec->default_value));
        topic_config_text(t, spec, shown, sizeof shown, &set);
        EXPECT(set);
        EXPECT_STR(shown, spec->default_value);
        EXPECT_OK(apply(t, CONFIG_DELETE, spec->name, NULL));
    }
    EXPECT_EQ(topic_config_spec_count(), 35);
    topic_unref(t);
}

TEST(a_value_beyond_the_limit_is_refused)
{
    struct topic *t = fresh();
    char *big = mem_new(CONFIG_VALUE_BYTES_MAX + 2);
    for (int i = 0; i <= CONFIG_VALUE_BYTES_MAX; i++) big[i] = ' ';
    EXPECT_ERR(apply(t, CONFIG_SET, "retention.ms", big), ERR_INVALID_CONFIG);
    EXPECT_STR(text, "The configuration value cannot be added because it exceeds the maximum value "
                     "size of 32767 bytes.");
    big[CONFIG_VALUE_BYTES_MAX] = '\0';
    big[0] = '9';
    EXPECT_OK(apply(t, CONFIG_SET, "retention.ms", big));
    EXPECT_STR(value_of(t, "retention.ms"), "9");
    mem_free(big);
    topic_unref(t);
}

TEST(lags_that_contradict_each_other_are_refused)
{
    struct topic *t = fresh();
    EXPECT_OK(apply(t, CONFIG_SET, "max.compaction.lag.ms", "10"));
    EXPECT_ERR(apply(t, CONFIG_SET, "min.compaction.lag.ms", "11"), ERR_INVALID_CONFIG);
    EXPECT_STR(text, "conflict topic config setting min.compaction.lag.ms (11) > "
                     "max.compaction.lag.ms (10)");
    topic_unref(t);
}

TESTS(RUN(values_are_brought_into_one_form), RUN(illegal_values_are_refused_in_kafkas_words),
      RUN(lists_are_appended_to_and_subtracted_from),
      RUN(values_have_effect_and_go_back_to_the_default),
      RUN(every_config_is_described_with_its_default), RUN(a_value_beyond_the_limit_is_refused),
      RUN(lags_that_contradict_each_other_are_refused))
