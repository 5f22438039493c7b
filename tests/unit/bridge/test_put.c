/* PutRecord and PutRecords: routing by hash, a reshard under way at every moment of a put, limits a
 * record, sizes. */
#include "unit/bridge/meter_fixture.h"

static struct bx f;
static struct bx_client *c;

static void begin(int shards)
{
    bx_init(&f);
    EXPECT_OK(cx_create(&f.cx, "s", shards));
    c = bx_connect(&f);
}

#define PUT(hash, ...)                                                                             \
    BX_CALL(&f, c, "PutRecord",                                                                    \
            "{\"StreamName\":\"s\",\"Data\":\"AAAA\",\"PartitionKey\":\"k\",\"ExplicitHashKey\":"  \
            "\"" hash "\"}" __VA_ARGS__)
#define HASH_MAX "340282366920938463463374607431768211455"
#define HASH_MIDDLE "170141183460469231731687303715884105728"

TEST(a_record_goes_where_its_hash_lives)
{
    begin(2);
    EXPECT_EQ(PUT("0"), 200);
    EXPECT_HAS(c->body, "\"ShardId\":\"shardId-000000000000\"");
    EXPECT_EQ(PUT(HASH_MAX), 200);
    EXPECT_HAS(c->body, "\"ShardId\":\"shardId-000000000001\"");
    EXPECT_EQ(PUT(HASH_MIDDLE), 200);
    EXPECT_HAS(c->body, "\"ShardId\":\"shardId-000000000001\"");
    EXPECT_EQ(PUT("340282366920938463463374607431768211456"), 400);
    EXPECT_HAS(c->body, "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, "
                        "2^128-1]. Specified value was 340282366920938463463374607431768211456");
    /* MD5 of "a" is 0cc1...: the lower half. */
    EXPECT_EQ(BX_CALL(&f, c, "PutRecord",
                      "{\"StreamName\":\"s\",\"Data\":\"AAAA\",\"PartitionKey\":\"a\"}"),
              200);
    EXPECT_HAS(c->body, "\"ShardId\":\"shardId-000000000000\"");
    bx_done(&f);
}

TEST(a_batch_keeps_its_order_in_each_shard)
{
    begin(2);
    static char body[64 << 10];
    int at = snprintf(body, sizeof body, "{\"StreamName\":\"s\",\"Records\":[");
    for (int i = 0; i < 100; i++)
        at += snprintf(body + at, sizeof body - (size_t)at,
                       "%s{\"Data\":\"AAAA\",\"PartitionKey\":\"n%d\",\"ExplicitHashKey\":\"%s\"}",
                       i ? "," : "", i, i % 2 ? HASH_MAX : "0");
    snprintf(body + at, sizeof body - (size_t)at, "]}");
    EXPECT_EQ(bx_call(&f, c, "PutRecords", body), 200);
    EXPECT_HAS(c->body, "\"FailedRecordCount\":0");
    EXPECT_EQ(bx_count(c->body, "shardId-000000000001"), 50);
    for (int shard = 0; shard < 2; shard++) {
        EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", shard, "TRIM_HORIZON")), 200);
        const char *next = c->body;
        for (int i = shard; i < 100; i += 2) {
            char key[16];
            snprintf(key, sizeof key, "\"n%d\"", i);
            next = strstr(next, key);
            EXPECT(next != NULL);
        }
    }
    bx_done(&f);
}

static void on_split(struct control *control)
{
    topic_unref(TAKE(control->topic));
}

/* A split stands still after each of its steps, and a put arrives there: it is acknowledged once,
 * by one shard, and read back from that shard. */
TEST(a_put_at_any_moment_of_a_split_lands_in_one_window)
{
    int moved = 0;
    for (int step = 0; step < 12; step++) {
        begin(1);
        EXPECT_EQ(PUT("0"), 200);
        struct control split = {.kind = CONTROL_SPLIT, .name = BYTES_LIT("s"),
                                .hash_first = bx_half(), .done = on_split};
        store_control(f.cx.s, &split);
        for (int i = 0; i < step; i++) store_turn(f.cx.s);
        struct topic *before = cx_topic(&f.cx, "s");
        int open_before = topic_open_shards(before);
        topic_unref(before);
        bx_send(&f, c, "PutRecord",
                "{\"StreamName\":\"s\",\"Data\":\"AAAA\",\"PartitionKey\":\"new\","
                "\"ExplicitHashKey\":\"" HASH_MAX "\"}");
        bx_loop_turn(&f);
        EXPECT_EQ(bx_receive(&f, c), 200);
        EXPECT_OK(split.err);
        int shard = (int)strtol(bx_text(c->body, "shardId-"), NULL, 10);
        EXPECT(shard == 0 || shard == 2);
        moved += open_before == 1 && shard == 2;
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", i, "TRIM_HORIZON")), 200);
            EXPECT_EQ(bx_count(c->body, "\"new\""), i == shard);
        }
        /* The first record is the parent's, and each is counted once. */
        char child[64];
        snprintf(child, sizeof child, "stream_name=\"s\",shard_id=\"shardId-%012d\"", 2);
#define INCOMING(labels) meter_shown(f.bridge, "incoming_records_sum", labels)
        EXPECT_STR(INCOMING("stream_name=\"s\",shard_id=\"shardId-000000000000\""),
                   shard == 0 ? "2" : "1");
        EXPECT_STR(INCOMING(child), shard == 2 ? "1" : "0");
        bx_done(&f);
    }
    EXPECT(moved > 0);                  /* sent to the parent, routed again */
}

TEST(the_limits_of_a_shard_are_told_record_by_record)
{
    begin(2);
    limits_set(f.limits, LIMITS_KINESIS);
    static char body[64 << 10];
    int refused = 0;
    for (int call = 0; call < 3; call++) {
        int at = snprintf(body, sizeof body, "{\"StreamName\":\"s\",\"Records\":[");
        for (int i = 0; i < 400; i++)
            at += snprintf(body + at, sizeof body - (size_t)at,
                           "%s{\"Data\":\"\",\"PartitionKey\":\"k\",\"ExplicitHashKey\":\"0\"}",
                           i ? "," : "");
        snprintf(body + at, sizeof body - (size_t)at, "]}");
        EXPECT_EQ(bx_call(&f, c, "PutRecords", body), 200);
        refused += bx_count(c->body, "\"ErrorCode\":\"ProvisionedThroughputExceededException\"");
    }
    EXPECT_EQ(refused, 200);
    EXPECT_HAS(c->body, "\"FailedRecordCount\":200");
    EXPECT_HAS(
        c->body,
        "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.");
    EXPECT_EQ(bx_count(c->body, "\"SequenceNumber\""), 200);
    EXPECT_EQ(PUT("0"), 400);
    EXPECT_HAS(c->body, "ProvisionedThroughputExceededException");
    EXPECT_EQ(PUT(HASH_MAX), 200);      /* the other shard has its own */
    cx_advance_ms(1000);
    EXPECT_EQ(PUT("0"), 200);
    bx_done(&f);
}

/* MiB - 1 and a multiple of 3. */
enum { MIB = 1 << 20, LEN = MIB / 3 * 4 };

/* Writes a record of so many bytes of data above MIB - 1, negative ones being none at all. */
static int add_record(char *to, const char *key, int more)
{
    int at = snprintf(to, 64, "{\"PartitionKey\":\"%s\",\"Data\":\"", key);
    if (more >= 0) {
        memset(to + at, 'A', LEN);
        at += LEN;
    }
    for (; more > 0; more -= 3) at += snprintf(to + at, 8, "%s", more == 1 ? "AA==" : "AAAA");
    return at + snprintf(to + at, 8, "\"}");
}

TEST(a_record_may_be_a_mebibyte_with_its_key_and_no_more)
{
    begin(1);
    static const char *const keys[] = {"k", "kk"};
    char *body = NEW_ARRAY(char, 2 * MIB);
    for (int i = 0; i < 2; i++) {
        int at = snprintf(body, 128, "{\"StreamName\":\"s\",\"Records\":[");
        at += add_record(body + at, keys[i], 0);
        snprintf(body + at, 8, "]}");
        EXPECT_EQ(bx_call(&f, c, "PutRecords", body), i == 0 ? 200 : 400);
    }
    EXPECT_STR(c->body, "{\"__type\":\"ValidationException\",\"message\":\"1 validation error "
                        "detected: Value at 'records.1.member.data' failed to satisfy constraint: "
                        "Member must have length less than or equal to 1048576\"}");
    mem_free(body);
    bx_done(&f);
}

/* The request was answered while its records were still gone through: what came behind was read
 * where it had lain. The address sanitizer sees it; so does a count that does not fit. */
TEST(every_record_that_is_too_large_is_told_in_one_answer)
{
    begin(1);
    char *body = NEW_ARRAY(char, 8 * MIB);
    int at = snprintf(body, 128, "{\"StreamName\":\"s\",\"Records\":[");
    at += add_record(body + at, "k", 1);
    for (int i = 0; i < 400; i++) {
        body[at++] = ',';
        at += add_record(body + at, "small", -1);
    }
    for (int i = 0; i < 2; i++) {
        body[at++] = ',';
        at += add_record(body + at, "k", 1);
    }
    snprintf(body + at, 8, "]}");
    EXPECT_EQ(bx_call(&f, c, "PutRecords", body), 400);
    EXPECT_HAS(c->body, "3 validation errors detected: Value at 'records.1.member.data' failed to "
                        "satisfy constraint: Member must have length less than or equal to 1048576;"
                        " Value at 'records.402.member.data' failed");
    EXPECT_HAS(c->body, "; Value at 'records.403.member.data' failed");
    EXPECT_EQ(bx_count(c->bytes, "HTTP/1.1"), 1);
    EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", 0, "TRIM_HORIZON")), 200);
    EXPECT_HAS(c->body, "\"Records\":[]");
    mem_free(body);
    bx_done(&f);
}

TEST(a_full_disk_is_an_internal_failure_and_nothing_was_written)
{
    begin(1);
    EXPECT_EQ(PUT("0"), 200);
    kv_mem_set_full(f.cx.kv, true);
    EXPECT_EQ(PUT("0"), 500);
    EXPECT_HAS(c->body, "InternalFailure");
    /* Reading goes on. */
    EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", 0, "TRIM_HORIZON")), 200);
    EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), 1);
    kv_mem_set_full(f.cx.kv, false);
    int status = 0;
    for (int i = 0; i < 100 && status != 200; i++) {
        cx_advance_ms(1000);
        status = PUT("0");
    }
    EXPECT_EQ(status, 200);
    bx_done(&f);
}

/* Codec of the newest batch of the first partition, and how many batches there are. */
static enum batch_codec newest_codec(int32_t *ret_count)
{
    struct topic *t = cx_topic(&f.cx, "s");
    struct read_result read;
    read_result_init(&read);
    EXPECT_OK(plog_read_tail(t->partitions[0].log, 0, 1 << 20, true, &read));
    struct batch_info info;
    EXPECT_OK(batch_peek(read.batches[read.count - 1].bytes.bytes, &info));
    EXPECT(batch_crc_is_right(read.batches[read.count - 1].bytes.bytes));
    *ret_count = read.count;
    read_result_done(&read);
    topic_unref(t);
    return info.codec;
}

TEST(what_is_put_lies_in_the_codec_of_the_topic)
{
    static const char *const types[] = {"producer", "gzip", "snappy",
                                        "lz4",      "zstd", "uncompressed"};
    static const enum batch_codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY,
                                              CODEC_LZ4,  CODEC_ZSTD, CODEC_NONE};
    static char body[64 << 10];
    begin(1);
    for (int i = 0; i < 6; i++) {
        EXPECT_OK(cx_config(&f.cx, "s", CONFIG_SET, "compression.type", types[i]));
        int at = snprintf(body, sizeof body, "{\"StreamName\":\"s\",\"Records\":[");
        for (int k = 0; k < 50; k++)
            at += snprintf(body + at, sizeof body - (size_t)at,
                           "%s{\"Data\":\"AAAA\",\"PartitionKey\":\"%s-%d\"}", k ? "," : "",
                           types[i], k);
        snprintf(body + at, sizeof body - (size_t)at, "]}");
        EXPECT_EQ(bx_call(&f, c, "PutRecords", body), 200);
        EXPECT_HAS(c->body, "\"FailedRecordCount\":0");
        int32_t batches;
        EXPECT_EQ(newest_codec(&batches), codecs[i]);
        EXPECT_EQ(batches, i + 1);
    }
    EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", 0, "TRIM_HORIZON")), 200);
    EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), 300);
    const char *next = c->body;
    for (int i = 0; i < 300; i++) {
        char key[32];
        snprintf(key, sizeof key, "\"%s-%d\"", types[i / 50], i % 50);
        next = strstr(next, key);
        EXPECT(next != NULL);
    }
    bx_done(&f);
}

TESTS(RUN(what_is_put_lies_in_the_codec_of_the_topic), RUN(a_record_goes_where_its_hash_lives),
      RUN(a_batch_keeps_its_order_in_each_shard),
      RUN(a_put_at_any_moment_of_a_split_lands_in_one_window),
      RUN(the_limits_of_a_shard_are_told_record_by_record),
      RUN(a_record_may_be_a_mebibyte_with_its_key_and_no_more),
      RUN(every_record_that_is_too_large_is_told_in_one_answer),
      RUN(a_full_disk_is_an_internal_failure_and_nothing_was_written))
