/* A wall clock that is set: back, ahead, to years that a board without a battery or a typing error
 * gives. Nobody asserts, nothing is hidden, and what a client was given stays good as long as it
 * was to be. */
#include "unit/bridge/bridge_fixture.h"

static struct bx f;
static struct bx_client *c;

enum { DAY_MS = 24 * 3600 * 1000 };

static void open_with(int64_t stream_create_ms)
{
    bx_close(&f);
    kv_mem_reopen(f.cx.kv, false);
    bx_open(&f, LIMITS_OFF, stream_create_ms);
    c = bx_connect(&f);
}

static void begin(int64_t stream_create_ms)
{
    bx_init(&f);
    open_with(stream_create_ms);
}

static void expect_status(const char *status)
{
    char text[64];
    snprintf(text, sizeof text, "\"StreamStatus\":\"%s\"", status);
    EXPECT_EQ(bx_call(&f, c, "DescribeStreamSummary", "{\"StreamName\":\"s\"}"), 200);
    EXPECT_HAS(c->body, text);
}

#define ARN "arn:aws:kinesis:us-east-1:000000000000:stream/s"

/* Whatever is shown as under way is so by a span, and a clock that is set back makes none. */
TEST(a_clock_that_is_set_back_hides_no_stream)
{
    static const int64_t shown_ms[] = {0, 500};
    for (int i = 0; i < 2; i++) {
        begin(shown_ms[i]);
        EXPECT_EQ(BX_CALL(&f, c, "CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1}"), 200);
        expect_status(i == 0 ? "ACTIVE" : "CREATING");
        clock_fake_shift(-DAY_MS);
        expect_status("ACTIVE");
        bx_put(&f, c, "s", "AAAA");
        EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", 0, "TRIM_HORIZON")), 200);
        EXPECT_EQ(bx_count(c->body, "\"AAAA\""), 1);
        EXPECT_EQ(BX_CALL(&f, c, "SplitShard",
                          "{\"StreamName\":\"s\",\"ShardToSplit\":\"shardId-000000000000\","
                          "\"NewStartingHashKey\":\"99\"}"),
                  200);
        EXPECT_EQ(bx_call(&f, c, "RegisterStreamConsumer",
                          "{\"StreamARN\":\"" ARN "\",\"ConsumerName\":\"c\"}"),
                  shown_ms[i] > 0 ? 400 : 200);     /* UPDATING */
        cx_advance_ms(600);
        if (shown_ms[i] > 0)
            EXPECT_EQ(bx_call(&f, c, "RegisterStreamConsumer",
                              "{\"StreamARN\":\"" ARN "\",\"ConsumerName\":\"c\"}"),
                      200);
        /* Back once more: neither the split nor the consumer is young again. */
        clock_fake_shift(-2 * (int64_t)DAY_MS);
        expect_status("ACTIVE");
        EXPECT_EQ(bx_call(&f, c, "ListShards", "{\"StreamName\":\"s\"}"), 200);
        EXPECT_EQ(bx_count(c->body, "\"ShardId\""), 3);
        EXPECT_EQ(bx_count(c->body, "\"EndingSequenceNumber\""), 1);
        EXPECT_EQ(bx_call(&f, c, "ListStreamConsumers", "{\"StreamARN\":\"" ARN "\"}"), 200);
        EXPECT_HAS(c->body, "\"ConsumerStatus\":\"ACTIVE\"");
        open_with(shown_ms[i]);                     /* over a restart */
        clock_fake_shift(-2 * (int64_t)DAY_MS);
        expect_status("ACTIVE");
        bx_put(&f, c, "s", "AQEB");
        bx_done(&f);
    }
}

TEST(a_deleted_stream_is_shown_for_a_span)
{
    begin(500);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    cx_advance_ms(500);
    EXPECT_EQ(bx_call(&f, c, "DeleteStream", "{\"StreamName\":\"s\"}"), 200);
    clock_fake_shift(-DAY_MS);
    expect_status("DELETING");
    clock_fake_shift(DAY_MS);
    expect_status("DELETING");
    clock_fake_shift(-DAY_MS);
    cx_advance_ms(501);
    EXPECT_EQ(bx_call(&f, c, "DescribeStreamSummary", "{\"StreamName\":\"s\"}"), 400);
    bx_done(&f);
}

/* Five minutes are five minutes. */
TEST(tokens_live_as_long_as_they_should)
{
    static const int64_t shifts_ms[] = {-DAY_MS, DAY_MS, INT64_C(-1700000000000),
                                        INT64_C(15000000000000)};
    for (size_t i = 0; i < sizeof shifts_ms / sizeof *shifts_ms; i++) {
        begin(0);
        EXPECT_OK(cx_create(&f.cx, "s", 2));
        bx_put(&f, c, "s", "AAAA");
        char at[1024], page[1024];
        snprintf(at, sizeof at, "%s", bx_iterator(&f, c, "s", 1, "LATEST"));
        EXPECT_EQ(bx_call(&f, c, "ListShards", "{\"StreamName\":\"s\",\"MaxResults\":1}"), 200);
        snprintf(page, sizeof page, "%s", bx_text(c->body, "\"NextToken\":\""));
        clock_fake_shift(shifts_ms[i]);
        cx_advance_ms(299 * 1000);
        EXPECT_EQ(bx_read(&f, c, at), 200);
        EXPECT_EQ(BX_CALL(&f, c, "ListShards", "{\"NextToken\":\"%s\"}", page), 200);
        cx_advance_ms(2 * 1000);
        EXPECT_EQ(bx_read(&f, c, at), 400);
        EXPECT_HAS(c->body, "ExpiredIteratorException");
        EXPECT_EQ(BX_CALL(&f, c, "ListShards", "{\"NextToken\":\"%s\"}", page), 400);
        EXPECT_HAS(c->body, "ExpiredNextTokenException");
        bx_done(&f);
    }
}

/* 1970, 2038, 2106, 2477 (beyond what AWS's sequence numbers hold) and 9999. */
TEST(every_year_is_served)
{
    static const int64_t years_ms[] = {0, 500, 2500, INT64_C(2147483648000),
                                       INT64_C(4294967296000), INT64_C(16025174999000),
                                       INT64_C(16756675200000), INT64_C(253402300799999)};
    for (size_t i = 0; i < sizeof years_ms / sizeof *years_ms; i++) {
        begin(0);
        clock_fake_shift(years_ms[i] - cx_now_us / 1000);
        EXPECT_OK(cx_create(&f.cx, "s", 1));
        bx_put(&f, c, "s", "AAAA");
        char first[1024];
        EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", 0, "TRIM_HORIZON")), 200);
        EXPECT_EQ(bx_count(c->body, "\"AAAA\""), 1);
        snprintf(first, sizeof first, "%s", bx_text(c->body, "\"SequenceNumber\":\""));
        EXPECT_EQ(BX_CALL(&f, c, "PutRecord",
                          "{\"StreamName\":\"s\",\"Data\":\"AQEB\",\"PartitionKey\":\"k\","
                          "\"SequenceNumberForOrdering\":\"%s\"}",
                          first),
                  200);
        EXPECT(strcmp(first, bx_text(c->body, "\"SequenceNumber\":\"")) < 0);
        EXPECT_EQ(BX_CALL(&f, c, "GetShardIterator",
                          "{\"StreamName\":\"s\",\"ShardId\":\"shardId-000000000000\","
                          "\"ShardIteratorType\":\"AFTER_SEQUENCE_NUMBER\","
                          "\"StartingSequenceNumber\":\"%s\"}",
                          first),
                  200);
        EXPECT_EQ(bx_read(&f, c, bx_text(c->body, "\"ShardIterator\":\"")), 200);
        EXPECT_EQ(bx_count(c->body, "\"AQEB\"") * 10 + bx_count(c->body, "\"AAAA\""), 10);
        EXPECT_EQ(BX_CALL(&f, c, "SplitShard",
                          "{\"StreamName\":\"s\",\"ShardToSplit\":\"shardId-000000000000\","
                          "\"NewStartingHashKey\":\"99\"}"),
                  200);
        static const char *const filters[] = {"AT_LATEST", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON"};
        static const int shards[] = {2, 1, 3};
        for (int k = 0; k < 3; k++) {
            EXPECT_EQ(BX_CALL(&f, c, "ListShards",
                              "{\"StreamName\":\"s\",\"ShardFilter\":{\"Type\":\"%s\"}}",
                              filters[k]),
                      200);
            EXPECT_EQ(bx_count(c->body, "\"ShardId\""), shards[k]);
        }
        EXPECT_EQ(bx_call(&f, c, "RegisterStreamConsumer",
                          "{\"StreamARN\":\"" ARN "\",\"ConsumerName\":\"c\"}"),
                  200);
        EXPECT_EQ(BX_CALL(&f, c, "DescribeStreamConsumer", "{\"ConsumerARN\":\"%s\"}",
                          bx_text(c->body, "\"ConsumerARN\":\"")),
                  200);
        bx_done(&f);
    }
}

/* A client that hands back the number of its latest record is not told that it lies ahead. */
TEST(a_number_from_before_the_clock_was_set_back_is_taken)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    bx_put(&f, c, "s", "AAAA");
    char first[1024];
    snprintf(first, sizeof first, "%s", bx_text(c->body, "\"SequenceNumber\":\""));
    clock_fake_shift(-DAY_MS);
#define PUT_AFTER(number)                                                                          \
    BX_CALL(&f, c, "PutRecord",                                                                    \
            "{\"StreamName\":\"s\",\"Data\":\"AQEB\",\"PartitionKey\":\"k\","                      \
            "\"SequenceNumberForOrdering\":\"%s\"}",                                               \
            (number))
    EXPECT_EQ(PUT_AFTER(first), 200);
    EXPECT(strcmp(first, bx_text(c->body, "\"SequenceNumber\":\"")) < 0);
    struct sequence s;
    EXPECT_OK(sequence_parse(bytes_str(first), &s));
    char none[SEQUENCE_TEXT_BYTES];
    sequence_format(s.shard_created_s * 1000, 0, 1000, s.time_s * 1000, none);
    EXPECT_EQ(PUT_AFTER(none), 400);                /* ahead, and of no record */
    EXPECT_HAS(c->body, "ExclusiveMinimumSequenceNumber");
    /* Times of arrival do not go back either. */
    EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", 0, "TRIM_HORIZON")), 200);
    const char *at = strstr(c->body, "\"ApproximateArrivalTimestamp\":");
    double before = strtod(at + 30, NULL);
    at = strstr(at + 30, "\"ApproximateArrivalTimestamp\":");
    EXPECT(at != NULL && strtod(at + 30, NULL) >= before);
    bx_done(&f);
}

TESTS(RUN(a_clock_that_is_set_back_hides_no_stream), RUN(a_deleted_stream_is_shown_for_a_span),
      RUN(tokens_live_as_long_as_they_should), RUN(every_year_is_served),
      RUN(a_number_from_before_the_clock_was_set_back_is_taken))
