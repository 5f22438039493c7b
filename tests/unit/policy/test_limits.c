/* All on virtual time: ms is what the test says. */
#include "policy/limits.h"
#include "test.h"

static const struct limits_key shard0 = {.topic_id = {{1}}, .shard = 0};
static const struct limits_key shard1 = {.topic_id = {{1}}, .shard = 1};
enum { MIB = 1 << 20 };

TEST(a_shard_takes_a_thousand_records_a_second)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    for (int i = 0; i < 1000; i++) EXPECT(limits_take_write(l, &shard0, 10, 5000));
    EXPECT(!limits_take_write(l, &shard0, 10, 5000));
    EXPECT(limits_take_write(l, &shard1, 10, 5000));
    EXPECT(limits_take_write(l, &shard0, 10, 5001));
    EXPECT(!limits_take_write(l, &shard0, 10, 5001));
    int taken = 0;
    for (int i = 0; i < 5000; i++) taken += limits_take_write(l, &shard0, 10, 6001);
    EXPECT_EQ(taken, 1000);
    limits_free(l);
}

TEST(a_shard_takes_a_mebibyte_a_second)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT(limits_take_write(l, &shard0, MIB, 0));
    EXPECT(!limits_take_write(l, &shard0, 1, 0));
    EXPECT(!limits_take_write(l, &shard0, MIB / 2, 499));
    EXPECT(limits_take_write(l, &shard0, MIB / 2, 500));
    EXPECT(!limits_take_write(l, &shard0, MIB, 1499));
    EXPECT(limits_take_write(l, &shard0, MIB, 1500));
    limits_free(l);
}

TEST(a_refused_record_costs_nothing)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT(limits_take_write(l, &shard0, MIB - 100, 0));
    for (int i = 0; i < 5000; i++) EXPECT(!limits_take_write(l, &shard0, 200, 0));
    EXPECT(limits_take_write(l, &shard0, 100, 0));
    limits_free(l);
}

TEST(a_large_record_uses_the_burst_and_small_ones_go_on)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT(limits_take_write(l, &shard0, 10 * MIB + 9, 0));     /* with its key */
    EXPECT(!limits_take_write(l, &shard0, 2 * MIB, 1999));
    EXPECT(limits_take_write(l, &shard0, 2 * MIB, 2000));
    EXPECT(!limits_take_write(l, &shard0, 1, 2000));
    EXPECT(limits_take_write(l, &shard0, MIB / 2, 2500));
    EXPECT(!limits_take_write(l, &shard0, 10 * MIB, 11999));    /* small ones drank of it too */
    EXPECT(!limits_take_write(l, &shard0, 10 * MIB, 12499));
    EXPECT(limits_take_write(l, &shard0, 10 * MIB, 12500));
    limits_free(l);
}

/* A mebibyte of data is the small record's limit; its key comes on top. */
TEST(a_key_makes_no_large_record)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT(limits_take_write(l, &shard0, MIB + 1024, 0));
    EXPECT(!limits_take_write(l, &shard0, 1, 0));
    EXPECT(!limits_take_write(l, &shard0, 10 * MIB, 500));      /* 9.5 MiB are left in the tank */
    EXPECT(limits_take_write(l, &shard0, 9 * MIB, 500));
    limits_free(l);
}

TEST(a_shard_answers_five_reads_a_second)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    for (int i = 0; i < 5; i++) EXPECT(limits_take_read(l, &shard0, 0));
    EXPECT(!limits_take_read(l, &shard0, 199));
    EXPECT(limits_take_read(l, &shard0, 200));
    EXPECT(!limits_take_read(l, &shard0, 200));
    EXPECT(limits_take_read(l, &shard1, 200));
    limits_free(l);
}

TEST(ten_megabytes_close_the_reads_for_five_seconds)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT(limits_take_read(l, &shard0, 1000));
    limits_charge_read(l, &shard0, 10 * MIB, 1000);
    EXPECT(!limits_take_read(l, &shard0, 1001));
    EXPECT(!limits_take_read(l, &shard0, 5999));
    EXPECT(limits_take_read(l, &shard0, 6000));
    /* More than that, by a record over the cap, is no worse. */
    limits_charge_read(l, &shard0, UINT64_MAX, 6000);
    EXPECT(!limits_take_read(l, &shard0, 10999));
    EXPECT(limits_take_read(l, &shard0, 11000));
    limits_free(l);
}

TEST(two_mebibytes_a_second_are_read_without_a_pause)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    for (int64_t ms = 0; ms < 10000; ms += 250) {
        EXPECT(limits_take_read(l, &shard0, ms));
        limits_charge_read(l, &shard0, MIB / 2, ms);
    }
    limits_charge_read(l, &shard0, 2 * MIB + 1, 10000);
    EXPECT(!limits_take_read(l, &shard0, 10000));
    limits_free(l);
}

TEST(iterators_have_a_rate_of_their_own)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    for (int i = 0; i < 5; i++) EXPECT(limits_take_iterator(l, &shard0, 0));
    EXPECT(!limits_take_iterator(l, &shard0, 0));
    EXPECT(limits_take_read(l, &shard0, 0));
    limits_free(l);
}

TEST(a_consumer_has_a_pipe_of_its_own)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT_EQ(limits_push_room(l, &shard0, 7, 0), 2 * MIB);
    limits_charge_push(l, &shard0, 7, 3 * MIB, 0);
    EXPECT_EQ(limits_push_room(l, &shard0, 7, 400), 0);
    EXPECT_EQ(limits_push_room(l, &shard0, 7, 1000), MIB);
    EXPECT_EQ(limits_push_room(l, &shard0, 8, 0), 2 * MIB);
    EXPECT_EQ(limits_push_room(l, &shard0, 7, 5000), 2 * MIB);
    limits_free(l);
}

TEST(profiles_are_switched_at_run_time)
{
    struct limits *l = limits_new(LIMITS_OFF);
    for (int i = 0; i < 3000; i++) EXPECT(limits_take_write(l, &shard0, MIB, 0));
    EXPECT_EQ(limits_push_room(l, &shard0, 1, 0), UINT64_MAX);
    EXPECT_EQ(limits_gauges(l), 0);
    limits_set(l, LIMITS_KINESIS);
    EXPECT(limits_take_write(l, &shard0, MIB, 0));
    EXPECT(!limits_take_write(l, &shard0, MIB, 0));
    limits_set(l, LIMITS_OFF);
    EXPECT(limits_take_write(l, &shard0, MIB, 0));
    EXPECT_EQ(limits_gauges(l), 0);
    limits_free(l);
}

TEST(a_clock_that_goes_back_or_far_ahead_does_no_harm)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT(limits_take_write(l, &shard0, MIB, 1000));
    EXPECT(!limits_take_write(l, &shard0, MIB, -5000));
    EXPECT(limits_take_write(l, &shard0, MIB, INT64_MAX / 2));
    EXPECT(!limits_take_write(l, &shard0, MIB, INT64_MAX / 2));
    limits_free(l);
}

TEST(the_table_is_bounded_and_keeps_who_is_in_debt)
{
    struct limits *l = limits_new(LIMITS_KINESIS);
    EXPECT(limits_take_write(l, &shard0, 10 * MIB, 0));
    for (int32_t i = 0; i < 3 * LIMITS_BUCKETS_MAX; i++) {
        struct limits_key k = {.topic_id = {{2}}, .shard = i};
        EXPECT(limits_take_write(l, &k, 1, 0));
    }
    EXPECT(limits_gauges(l) <= LIMITS_BUCKETS_MAX);
    EXPECT(!limits_take_write(l, &shard0, 1, 0));
    /* Later the others are full: newcomers clear them away. */
    for (int32_t i = 0; i < LIMITS_BUCKETS_MAX / 8; i++) {
        struct limits_key k = {.topic_id = {{3}}, .shard = i};
        EXPECT(limits_take_write(l, &k, 1, 1500));
    }
    EXPECT(limits_gauges(l) <= LIMITS_BUCKETS_MAX);
    EXPECT(!limits_take_write(l, &shard0, 9 * MIB, 1500));
    limits_free(l);
}

TESTS(RUN(a_shard_takes_a_thousand_records_a_second), RUN(a_shard_takes_a_mebibyte_a_second),
      RUN(a_refused_record_costs_nothing), RUN(a_large_record_uses_the_burst_and_small_ones_go_on),
      RUN(a_key_makes_no_large_record),
      RUN(a_shard_answers_five_reads_a_second), RUN(ten_megabytes_close_the_reads_for_five_seconds),
      RUN(two_mebibytes_a_second_are_read_without_a_pause),
      RUN(iterators_have_a_rate_of_their_own), RUN(a_consumer_has_a_pipe_of_its_own),
      RUN(profiles_are_switched_at_run_time), RUN(a_clock_that_goes_back_or_far_ahead_does_no_harm),
      RUN(the_table_is_bounded_and_keeps_who_is_in_debt))
