#include "base/clock.h"
#include "test.h"

TEST(the_wall_clock_has_years_that_have_a_date)
{
    int64_t us = INT64_C(1700000000000000);
    clock_fake(&us);
    EXPECT_EQ(clock_wall_ms(), 1700000000000);
    clock_fake_shift(INT64_C(-1800000000000));
    EXPECT_EQ(clock_wall_ms(), 0);
    clock_fake_shift(INT64_C(1) << 60);
    EXPECT_EQ(clock_wall_ms(), 253402300799999);
    clock_fake(NULL);
}

TEST(spans_do_not_see_that_the_clock_is_set)
{
    int64_t us = INT64_C(1700000000000000);
    clock_fake(&us);
    int64_t mono_ms = clock_mono_ms(), steady_ms = clock_steady_ms();
    clock_fake_shift(INT64_C(-86400000));
    us += 5000;
    EXPECT_EQ(clock_mono_ms() - mono_ms, 5);
    EXPECT_EQ(clock_steady_ms() - steady_ms, 5);
    EXPECT_EQ(clock_wall_ms(), 1700000000005 - 86400000);
    clock_fake(NULL);
    /* The real ones: steady begins at the wall's time and goes as the monotonic one does. */
    int64_t early_ms = clock_wall_ms(), first_ms = clock_steady_ms(), late_ms = clock_wall_ms();
    EXPECT(first_ms >= early_ms - 1 && first_ms <= late_ms + 1);
    mono_ms = clock_mono_ms();
    steady_ms = clock_steady_ms();
    EXPECT(steady_ms - mono_ms - (clock_steady_ms() - clock_mono_ms()) <= 1);
}

TESTS(RUN(the_wall_clock_has_years_that_have_a_date), RUN(spans_do_not_see_that_the_clock_is_set))
