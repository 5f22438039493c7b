#include "broker/group/timers.h"
#include "random.h"
#include "test.h"

TEST(equal_deadlines_come_in_the_order_of_setting)
{
    struct timers ts;
    struct timer a = {0}, b = {0}, c = {0};
    timers_init(&ts);
    timer_set(&ts, &b, 10);
    timer_set(&ts, &a, 10);
    timer_set(&ts, &c, 5);
    EXPECT(timers_first(&ts) == &c);
    timer_cancel(&ts, &c);
    timer_cancel(&ts, &c);
    EXPECT(timers_first(&ts) == &b);
    timer_set(&ts, &b, 10);      /* anew: behind a now */
    EXPECT(timers_first(&ts) == &a);
    timer_cancel(&ts, &a);
    timer_cancel(&ts, &b);
    EXPECT(timers_first(&ts) == NULL);
}

TEST(random_timers_fire_in_order)
{
    struct random r = random_seeded();
    static struct timer timers[500];
    struct timers ts;
    timers_init(&ts);
    for (int i = 0; i < 5000; i++) {
        struct timer *t = &timers[random_below(&r, 500)];
        if (random_below(&r, 3) == 0)
            timer_cancel(&ts, t);
        else
            timer_set(&ts, t, (int64_t)random_below(&r, 100));
    }
    uint32_t set = 0;
    for (int i = 0; i < 500; i++) set += timer_is_set(&timers[i]);
    EXPECT_EQ(ts.heap.count, set);
    int64_t at_ms = 0;
    uint64_t order = 0;
    for (struct timer *t; (t = timers_first(&ts)) != NULL; set--) {
        EXPECT(t->at_ms > at_ms || (t->at_ms == at_ms && t->place.order >= order));
        at_ms = t->at_ms;
        order = t->place.order;
        timer_cancel(&ts, t);
    }
    EXPECT_EQ(set, 0);
}

TESTS(RUN(equal_deadlines_come_in_the_order_of_setting), RUN(random_timers_fire_in_order))
