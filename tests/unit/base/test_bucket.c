#include "base/bucket.h"
#include "test.h"

enum { FULL = 10 * BUCKET_UNIT, PER_S = 5 };

TEST(a_level_rises_at_its_rate_up_to_full)
{
    EXPECT_EQ(bucket_rise(0, FULL, PER_S, 1), 5);
    EXPECT_EQ(bucket_rise(0, FULL, PER_S, 1000), 5 * BUCKET_UNIT);
    EXPECT_EQ(bucket_rise(-BUCKET_UNIT, FULL, PER_S, 200), 0);
    EXPECT_EQ(bucket_rise(FULL - 4, FULL, PER_S, 1), FULL);
    EXPECT_EQ(bucket_rise(FULL, FULL, PER_S, 1), FULL);
}

TEST(no_time_no_rate_and_all_time_do_no_harm)
{
    EXPECT_EQ(bucket_rise(7, FULL, PER_S, 0), 7);
    EXPECT_EQ(bucket_rise(7, FULL, PER_S, -1000), 7);
    EXPECT_EQ(bucket_rise(7, FULL, 0, 1000), 7);
    EXPECT_EQ(bucket_rise(-FULL, FULL, PER_S, INT64_MAX), FULL);
}

TEST(a_full_bucket_meets_any_demand)
{
    EXPECT(bucket_has(FULL, FULL, 10));
    EXPECT(bucket_has(FULL, FULL, 11));
    EXPECT(!bucket_has(FULL - 1, FULL, 10));
    EXPECT(!bucket_has(FULL - 1, FULL, 11));
    EXPECT(bucket_has(0, FULL, 0));
    EXPECT(!bucket_has(-1, FULL, 0));
}

TESTS(RUN(a_level_rises_at_its_rate_up_to_full), RUN(no_time_no_rate_and_all_time_do_no_harm),
      RUN(a_full_bucket_meets_any_demand))
