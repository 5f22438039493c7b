/* /metrics under the names of Amazon MSK: traffic as rates, lag of groups, topics that go. */
#include "broker/metrics/msk.h"
#include "unit/broker/collect_fixture.h"

#define BROKER "{cluster_name=\"diglot\",broker_id=\"7\"} "
#define TOPIC(t) "{cluster_name=\"diglot\",broker_id=\"7\",topic=\"" t "\"} "
#define GROUP(g, t) "{cluster_name=\"diglot\",consumer_group=\"" g "\",topic=\"" t "\"} "
#define CLUSTER_BEYOND "{cluster_name=\"diglot\",topic=\"\"} "

TEST(traffic_is_a_rate_over_this_minute_and_the_last)
{
    begin();
    EXPECT_OK(cx_create(&cx, "a", 1));
    EXPECT_OK(cx_create(&cx, "b", 1));
    EXPECT_EQ(count_of(scrape(), "per_sec"), 0);        /* nothing was sent yet */
    cx_advance_ms(60000 - cx_now_us / 1000 % 60000);    /* a minute begins */
    struct topic *a = cx_topic(&cx, "a"), *b = cx_topic(&cx, "b");
    msk_count_in(&broker, a, 6000, 120);
    msk_count_in(&broker, b, 600, 60);
    msk_count_out(&broker, a, 12000);
    const char *text = scrape();
    EXPECT(has_line(text, "aws_kafka_bytes_in_per_sec_average" BROKER "110.000"));
    EXPECT(has_line(text, "aws_kafka_bytes_in_per_sec_average" TOPIC("a") "100.000"));
    EXPECT(has_line(text, "aws_kafka_bytes_in_per_sec_average" TOPIC("b") "10.000"));
    EXPECT(has_line(text, "aws_kafka_messages_in_per_sec_average" BROKER "3.000"));
    EXPECT(has_line(text, "aws_kafka_messages_in_per_sec_average" TOPIC("b") "1.000"));
    EXPECT(has_line(text, "aws_kafka_bytes_out_per_sec_average" TOPIC("a") "200.000"));
    EXPECT(has_line(text, "aws_kafka_bytes_out_per_sec_average" TOPIC("b") "0.000"));
    cx_advance_ms(60000);
    EXPECT(has_line(scrape(), "aws_kafka_bytes_in_per_sec_average" BROKER "110.000"));
    cx_advance_ms(60000);
    EXPECT(has_line(scrape(), "aws_kafka_bytes_in_per_sec_average" BROKER "0.000"));
    topic_unref(a);
    topic_unref(b);
    EXPECT_OK(cx_delete(&cx, "a"));
    text = scrape();
    EXPECT_EQ(count_of(text, "\"a\""), 0);
    EXPECT_EQ(count_of(text, "aws_kafka_bytes_in_per_sec_average" TOPIC("b")), 1);
    end();
}

TEST(lag_is_the_most_and_the_sum_and_the_oldest_of_a_topic)
{
    begin();
    EXPECT_OK(cx_create(&cx, "a", 3));
    EXPECT_OK(cx_create(&cx, "b", 1));
    for (int i = 0; i < 5; i++) {
        EXPECT_OK(cx_append(&cx, "a", 0, NULL));
        cx_advance_ms(1000);
    }
    for (int i = 0; i < 2; i++) EXPECT_OK(cx_append(&cx, "a", 1, NULL));
    cx_advance_ms(250);
    commit("g", "a", 0, 4);
    commit("g", "a", 1, 0);
    commit("g", "b", 0, 0);
    commit("h", "a", 0, 0);
    const char *text = scrape();
    EXPECT(has_line(text, "aws_kafka_max_offset_lag_maximum" GROUP("g", "a") "2"));
    EXPECT(has_line(text, "aws_kafka_sum_offset_lag_maximum" GROUP("g", "a") "3"));
    EXPECT(has_line(text, "aws_kafka_estimated_max_time_lag_maximum" GROUP("g", "a") "1.250"));
    EXPECT(has_line(text, "aws_kafka_max_offset_lag_maximum" GROUP("h", "a") "5"));
    EXPECT(has_line(text, "aws_kafka_estimated_max_time_lag_maximum" GROUP("h", "a") "5.250"));
    EXPECT_EQ(count_of(text, "# TYPE aws_kafka_sum_offset_lag_maximum gauge"), 1);
    restart();                      /* logs that are not open: nothing is told */
    EXPECT_EQ(count_of(scrape(), "offset_lag_maximum{"), 0);
    EXPECT_EQ(count_of(page, "time_lag_maximum{"), 0);
    end();
}

TEST(the_broker_tells_its_partitions)
{
    begin();
    EXPECT_OK(cx_create(&cx, "a", 3));
    EXPECT_OK(cx_create(&cx, "b", 2));
    const char *text = scrape();
    EXPECT(has_line(text, "aws_kafka_partition_count_average" BROKER "5"));
    EXPECT(has_line(text, "aws_kafka_connection_count_average" BROKER "0"));
    EXPECT(has_line(text, "aws_kafka_produce_throttle_time_average" BROKER "0"));
    EXPECT(has_line(text, "aws_kafka_fetch_throttle_time_average" BROKER "0"));
    end();
}

TEST(topics_beyond_the_limit_share_one_name)
{
    begin();
    cx_advance_ms(60000 - cx_now_us / 1000 % 60000);
    struct topic t = {.name = (char *)"any", .name_len = 3};
    for (int i = 0; i < MSK_TOPICS_MAX + 5; i++) {
        store_be32(t.id.bytes, (uint32_t)i + 1);
        msk_count_in(&broker, &t, 60, 60);
    }
    const char *text = scrape();
    EXPECT(has_line(text, "aws_kafka_messages_in_per_sec_average" CLUSTER_BEYOND "5.000"));
    EXPECT_EQ(count_of(text, "\"any\""), 0);        /* the store knows none of them */
    end();
}

TESTS(RUN(traffic_is_a_rate_over_this_minute_and_the_last),
      RUN(lag_is_the_most_and_the_sum_and_the_oldest_of_a_topic),
      RUN(the_broker_tells_its_partitions), RUN(topics_beyond_the_limit_share_one_name))
