/* Arrivals that were looked up: found again, forgotten when nobody asks, bounded. */
#include "broker/metrics/arrivals.h"
#include "test.h"

TEST(what_was_put_is_found_and_nothing_else)
{
    struct arrivals *a = arrivals_new();
    int64_t ms = -5;
    EXPECT(!arrivals_find(a, 1, 10, &ms));
    EXPECT_EQ(ms, -5);
    arrivals_put(a, 1, 10, 111);
    arrivals_put(a, 1, 10, 999);        /* the first one stays: it cannot have changed */
    arrivals_put(a, 2, 10, 222);
    EXPECT(arrivals_find(a, 1, 10, &ms));
    EXPECT_EQ(ms, 111);
    EXPECT(arrivals_find(a, 2, 10, &ms));
    EXPECT_EQ(ms, 222);
    EXPECT(!arrivals_find(a, 1, 11, &ms));
    EXPECT(!arrivals_find(a, 3, 10, &ms));
    arrivals_free(a);
    arrivals_free(NULL);
}

TEST(what_nobody_asked_for_in_a_turn_is_forgotten)
{
    struct arrivals *a = arrivals_new();
    int64_t ms;
    arrivals_turn(a);
    arrivals_put(a, 1, 1, 11);
    arrivals_put(a, 1, 2, 12);
    arrivals_turn(a);
    EXPECT(arrivals_find(a, 1, 1, &ms));
    arrivals_turn(a);
    EXPECT(arrivals_find(a, 1, 1, &ms));
    EXPECT(!arrivals_find(a, 1, 2, &ms));
    arrivals_turn(a);
    arrivals_turn(a);
    EXPECT(!arrivals_find(a, 1, 1, &ms));
    arrivals_free(a);
}

TEST(a_full_table_keeps_what_it_has)
{
    struct arrivals *a = arrivals_new();
    int64_t ms;
    for (int i = 0; i <= ARRIVALS_MAX; i++) arrivals_put(a, 1, i, i);
    EXPECT(arrivals_find(a, 1, ARRIVALS_MAX - 1, &ms));
    EXPECT_EQ(ms, ARRIVALS_MAX - 1);
    EXPECT(!arrivals_find(a, 1, ARRIVALS_MAX, &ms));
    arrivals_turn(a);
    arrivals_turn(a);                   /* room again */
    arrivals_put(a, 1, ARRIVALS_MAX, 7);
    EXPECT(arrivals_find(a, 1, ARRIVALS_MAX, &ms));
    arrivals_free(a);
}

TESTS(RUN(what_was_put_is_found_and_nothing_else),
      RUN(what_nobody_asked_for_in_a_turn_is_forgotten), RUN(a_full_table_keeps_what_it_has))
