/* Series of streams, shards and consumers: labels, limits, who is gone, and what each operation of
 * the door counts for whom. */
#include "bridge/meter.h"
#include "unit/bridge/meter_fixture.h"

static struct bx f;
static struct bx_client *c;

/* Two shards; "c" is a consumer, whose ARN is in `consumer`. */
static char consumer[256];

static void register_consumer(void)
{
    EXPECT_EQ(BX_CALL(&f, c, "RegisterStreamConsumer",
                      "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\","
                      "\"ConsumerName\":\"c\"}"),
              200);
    snprintf(consumer, sizeof consumer, "%s", bx_text(c->body, "\"ConsumerARN\":\""));
}

static void begin(void)
{
    bx_init(&f);
    EXPECT_OK(cx_create(&f.cx, "s", 2));
    c = bx_connect(&f);
    register_consumer();
}

static struct bx_client *subscribe(int shard)
{
    struct bx_client *client = bx_connect(&f);
    char body[1024];
    snprintf(body, sizeof body,
             "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-%012d\",\"StartingPosition\":{\"Type\":"
             "\"TRIM_HORIZON\"}}",
             consumer, shard);
    bx_send(&f, client, "SubscribeToShard", body);
    bx_turn(&f);
    return client;
}

#define STREAM "stream_name=\"s\""
#define SHARD(index) STREAM ",shard_id=\"shardId-00000000000" index "\""
#define CONSUMER STREAM ",consumer_name=\"c\""

/* ---- The tables */

TEST(who_was_not_used_has_no_series)
{
    begin();
    EXPECT_STR(meter_page(f.bridge), "");
    bx_done(&f);
}

TEST(a_stream_that_is_deleted_takes_its_series_along)
{
    begin();
    struct topic *t = cx_topic(&f.cx, "s");
    struct meter_delta d = {.by[0] = 7};
    const struct bridge_meters *m = &f.bridge->meters;
    for (int i = 0; i < 2; i++) {
        meter_stream(m, t, &d);
        meter_shard(m, t, 1, &d);
        meter_consumer(m, t, BYTES_LIT("c"), t->consumers[0].created_ms, &d);
    }
    EXPECT_METER(f.bridge, "incoming_bytes_sum", STREAM, "14");
    EXPECT_METER(f.bridge, "incoming_bytes_sum", SHARD("1"), "14");
    EXPECT_METER(f.bridge, "subscribe_to_shard_success_sum", CONSUMER, "14");
    EXPECT_EQ(bx_count(meter_page(f.bridge), "# TYPE aws_kinesis_incoming_bytes_sum "), 1);
    EXPECT_OK(cx_delete(&f.cx, "s"));
    EXPECT_STR(meter_page(f.bridge), "");
    meter_stream(m, t, &d);         /* a request that ended late: counted, and forgotten again */
    meter_shard(m, t, 1, &d);
    meter_consumer(m, t, BYTES_LIT("c"), t->consumers[0].created_ms, &d);
    EXPECT_STR(meter_page(f.bridge), "");
    EXPECT_OK(cx_create(&f.cx, "s", 2));    /* another stream of the same name begins at 0 */
    topic_unref(t);
    t = cx_topic(&f.cx, "s");
    meter_stream(m, t, &d);
    meter_shard(m, t, 1, &d);
    EXPECT_METER(f.bridge, "incoming_bytes_sum", STREAM, "7");
    EXPECT_METER(f.bridge, "incoming_bytes_sum", SHARD("1"), "7");
    topic_unref(t);
    bx_done(&f);
}

TEST(a_consumer_of_the_same_name_begins_at_0)
{
    begin();
    struct bx_client *reader = subscribe(0);
    EXPECT_METER(f.bridge, "subscribe_to_shard_success_sum", CONSUMER, "1");
    EXPECT_EQ(BX_CALL(&f, c, "DeregisterStreamConsumer", "{\"ConsumerARN\":\"%s\"}", consumer),
              200);
    bx_turn(&f);
    bx_disconnect(reader);
    EXPECT_LACKS(meter_page(f.bridge), "consumer_name");
    cx_advance_ms(1000);
    register_consumer();
    EXPECT_LACKS(meter_page(f.bridge), "consumer_name");
    subscribe(0);
    EXPECT_METER(f.bridge, "subscribe_to_shard_success_sum", CONSUMER, "1");
    bx_done(&f);
}

TEST(a_shard_that_the_stream_has_no_more_takes_its_series_along)
{
    begin();
    struct topic *t = cx_topic(&f.cx, "s");
    meter_shard(&f.bridge->meters, t, 1, &(struct meter_delta){.by[0] = 7});
    meter_shard(&f.bridge->meters, t, 2, &(struct meter_delta){.by[0] = 8});
    topic_unref(t);
    EXPECT_METER(f.bridge, "incoming_bytes_sum", SHARD("1"), "7");
    EXPECT_LACKS(meter_page(f.bridge), "shardId-000000000002");
    bx_done(&f);
}

TEST(what_is_beyond_a_limit_shares_labels_that_no_name_has)
{
    bx_init(&f);
    const struct bridge_meters *m = &f.bridge->meters;
    struct topic t = {.name = (char *)"any", .name_len = 3};
    struct meter_delta d = {.by[0] = 1};
    for (uint32_t i = 0; i < METER_SHARDS_MAX + 5; i++) {
        store_be32(t.id.bytes, i + 1);
        if (i < METER_STREAMS_MAX + 3) meter_stream(m, &t, &d);
        meter_shard(m, &t, 0, &d);
        if (i < METER_CONSUMERS_MAX + 4) meter_consumer(m, &t, BYTES_LIT("c"), 0, &d);
    }
    EXPECT_METER(f.bridge, "incoming_bytes_sum", "stream_name=\"\"", "3");
    EXPECT_METER(f.bridge, "incoming_bytes_sum", "stream_name=\"\",shard_id=\"other\"", "5");
    EXPECT_METER(f.bridge, "subscribe_to_shard_success_sum",
                 "stream_name=\"\",consumer_name=\"\"", "4");
    EXPECT_LACKS(meter_page(f.bridge), "\"any\"");      /* the store knows none of them */
    bx_done(&f);
}

/* ---- What counts */

/* 3 bytes of data under the key "k", for either half of the hash range. */
#define RECORD(hash)                                                                               \
    "{\"Data\":\"AAAA\",\"PartitionKey\":\"k\",\"ExplicitHashKey\":\"" hash "\"}"
#define LOW RECORD("0")
#define HIGH RECORD("340282366920938463463374607431768211455")
#define PUT(records)                                                                               \
    EXPECT_EQ(bx_call(&f, c, "PutRecords", "{\"StreamName\":\"s\",\"Records\":[" records "]}"),    \
              200)

TEST(what_is_put_counts_for_the_shard_that_took_it)
{
    begin();
    PUT(LOW "," HIGH "," LOW);
    EXPECT_EQ(BX_CALL(&f, c, "PutRecord",
                      "{\"StreamName\":\"s\",\"Data\":\"AAAA\",\"PartitionKey\":\"kk\","
                      "\"ExplicitHashKey\":\"0\"}"),
              200);
    EXPECT_METER(f.bridge, "incoming_records_sum", SHARD("0"), "3");
    EXPECT_METER(f.bridge, "incoming_bytes_sum", SHARD("0"), "13");
    EXPECT_METER(f.bridge, "incoming_records_sum", SHARD("1"), "1");
    EXPECT_METER(f.bridge, "incoming_bytes_sum", SHARD("1"), "4");
    EXPECT_METER(f.bridge, "incoming_records_sum", STREAM, "4");
    EXPECT_METER(f.bridge, "incoming_bytes_sum", STREAM, "17");
    EXPECT_METER(f.bridge, "write_provisioned_throughput_exceeded_sum", SHARD("0"), "0");
    bx_done(&f);
}

TEST(what_is_throttled_counts_for_the_shard_that_refused_it)
{
    begin();
    limits_set(f.limits, LIMITS_KINESIS);
    static char body[128 << 10];
    for (int call = 0; call < 3; call++) {      /* of 1,000 records a second, the third has 200 */
        int at = snprintf(body, sizeof body, "{\"StreamName\":\"s\",\"Records\":[" HIGH);
        for (int i = 0; i < 400; i++)
            at += snprintf(body + at, sizeof body - (size_t)at, "," LOW);
        snprintf(body + at, sizeof body - (size_t)at, "]}");
        EXPECT_EQ(bx_call(&f, c, "PutRecords", body), 200);
    }
#define EXCEEDED "write_provisioned_throughput_exceeded_sum"
    EXPECT_METER(f.bridge, EXCEEDED, SHARD("0"), "200");
    EXPECT_METER(f.bridge, EXCEEDED, SHARD("1"), "0");
    EXPECT_METER(f.bridge, EXCEEDED, STREAM, "200");
    EXPECT_METER(f.bridge, "incoming_records_sum", SHARD("0"), "1000");
    EXPECT_METER(f.bridge, "incoming_records_sum", SHARD("1"), "3");
    for (int call = 0; call < 3; call++) {      /* the other one's room goes too: each its own */
        int at = snprintf(body, sizeof body, "{\"StreamName\":\"s\",\"Records\":[" LOW);
        for (int i = 0; i < 400; i++)
            at += snprintf(body + at, sizeof body - (size_t)at, "," HIGH);
        snprintf(body + at, sizeof body - (size_t)at, "," LOW "]}");
        EXPECT_EQ(bx_call(&f, c, "PutRecords", body), 200);
    }
    EXPECT_METER(f.bridge, EXCEEDED, SHARD("0"), "206");
    EXPECT_METER(f.bridge, EXCEEDED, SHARD("1"), "203");
    bx_done(&f);
}

TEST(what_is_read_counts_for_its_shard)
{
    begin();
    PUT(LOW "," LOW "," HIGH);
    const char *iterator = bx_iterator(&f, c, "s", 0, "TRIM_HORIZON");
    EXPECT_EQ(bx_read(&f, c, iterator), 200);
    EXPECT_METER(f.bridge, "outgoing_records_sum", SHARD("0"), "2");
    EXPECT_METER(f.bridge, "outgoing_bytes_sum", SHARD("0"), "8");
    EXPECT_METER(f.bridge, "iterator_age_milliseconds_maximum", SHARD("0"), "0");
    EXPECT_METER(f.bridge, "outgoing_records_sum", SHARD("1"), "0");
    EXPECT_LACKS(meter_page(f.bridge), "iterator_age_milliseconds_maximum{" SHARD("1"));
    cx_advance_ms(700);
    EXPECT_EQ(BX_CALL(&f, c, "GetRecords", "{\"ShardIterator\":\"%s\",\"Limit\":1}", iterator),
              200);
    EXPECT_METER(f.bridge, "iterator_age_milliseconds_maximum", SHARD("0"), "700");
    EXPECT_METER(f.bridge, "get_records_iterator_age_milliseconds_maximum", STREAM, "700");
    limits_set(f.limits, LIMITS_KINESIS);
    int refused = 0;
    for (int i = 0; i < 8; i++) refused += bx_read(&f, c, iterator) == 400;
    EXPECT_EQ(refused, 3);
    EXPECT_METER(f.bridge, "read_provisioned_throughput_exceeded_sum", SHARD("0"), "3");
    EXPECT_METER(f.bridge, "read_provisioned_throughput_exceeded_sum", SHARD("1"), "0");
    EXPECT_METER(f.bridge, "read_provisioned_throughput_exceeded_sum", STREAM, "3");
    bx_done(&f);
}

TEST(what_is_pushed_counts_for_its_shard_and_its_consumer)
{
    begin();
    PUT(LOW "," LOW "," HIGH);
    subscribe(0);
    subscribe(1);
    subscribe(1);                       /* too soon after the one before */
    EXPECT_METER(f.bridge, "outgoing_records_sum", SHARD("0"), "2");
    EXPECT_METER(f.bridge, "outgoing_bytes_sum", SHARD("0"), "8");
    EXPECT_METER(f.bridge, "outgoing_records_sum", SHARD("1"), "1");
    EXPECT_METER(f.bridge, "subscribe_to_shard_success_sum", CONSUMER, "2");
    EXPECT_METER(f.bridge, "subscribe_to_shard_rate_exceeded_sum", CONSUMER, "1");
    EXPECT_METER(f.bridge, "subscribe_to_shard_event_records_sum", CONSUMER, "3");
    EXPECT_METER(f.bridge, "subscribe_to_shard_event_bytes_sum", CONSUMER, "12");
    EXPECT_METER(f.bridge, "subscribe_to_shard_event_success_sum", CONSUMER, "2");
    EXPECT_METER(f.bridge, "subscribe_to_shard_event_millis_behind_latest_maximum", CONSUMER, "0");
    EXPECT_LACKS(meter_page(f.bridge), "subscribe_to_shard_success_sum{" STREAM "}");
    bx_done(&f);
}

TESTS(RUN(who_was_not_used_has_no_series), RUN(a_stream_that_is_deleted_takes_its_series_along),
      RUN(a_consumer_of_the_same_name_begins_at_0),
      RUN(a_shard_that_the_stream_has_no_more_takes_its_series_along),
      RUN(what_is_beyond_a_limit_shares_labels_that_no_name_has),
      RUN(what_is_put_counts_for_the_shard_that_took_it),
      RUN(what_is_throttled_counts_for_the_shard_that_refused_it),
      RUN(what_is_read_counts_for_its_shard),
      RUN(what_is_pushed_counts_for_its_shard_and_its_consumer))
