/* Places of subscriptions: taken, refused, taken over, dropped, and lost while their owner
 * leaves. */
#include "bridge/subscriptions.h"

#include <stdio.h>
#include "base/mem.h"
#include "base/net/loop.h"
#include "test.h"

static const struct uuid STREAM = {{1}};
static struct subscriptions *s;
static struct loop *loop;

struct owner {
    struct subscription_place place;
    int lost;
    bool taken_over;
};

static void on_lost(struct subscription_place *place, bool taken_over)
{
    struct owner *o = CONTAINER_OF(place, struct owner, place);
    o->lost++;
    o->taken_over = taken_over;
}

static void begin(void)
{
    s = subscriptions_new();
    loop = loop_new("test");
}

static void end(void)
{
    loop_turn(loop, 0);
    loop_free(loop);
    subscriptions_free(s);
}

static struct owner owner(const char *consumer, int shard, int64_t now_ms)
{
    return (struct owner){.place = {.topic_id = STREAM,
                                    .shard = shard,
                                    .consumer = bytes_str(consumer),
                                    .started_ms = now_ms,
                                    .loop = loop,
                                    .lost = on_lost}};
}

TEST(a_place_is_one_consumers_and_shards)
{
    begin();
    struct owner a = owner("a", 0, 0), b = owner("b", 0, 0), a1 = owner("a", 1, 0),
                 other = owner("a", 0, 0);
    other.place.topic_id = (struct uuid){{2}};
    EXPECT_OK(subscriptions_take(s, &a.place));
    EXPECT_OK(subscriptions_take(s, &b.place));
    EXPECT_OK(subscriptions_take(s, &a1.place));
    EXPECT_OK(subscriptions_take(s, &other.place));
    EXPECT(subscriptions_leave(s, &a.place));
    EXPECT(subscriptions_leave(s, &a.place));           /* nothing is left to give back */
    struct owner again = owner("a", 0, 5000);
    EXPECT_OK(subscriptions_take(s, &again.place));
    EXPECT(subscriptions_leave(s, &again.place));
    EXPECT(subscriptions_leave(s, &b.place) && subscriptions_leave(s, &a1.place) &&
           subscriptions_leave(s, &other.place));
    loop_turn(loop, 0);
    EXPECT_EQ(a.lost + b.lost + a1.lost + other.lost + again.lost, 0);
    end();
}

/* As at AWS: what counts is the call, not whether its subscription is still there. */
TEST(who_left_may_come_back_after_five_seconds)
{
    begin();
    struct owner first = owner("a", 0, 1000), early = owner("a", 0, 5999),
                 beside = owner("a", 1, 5999), second = owner("a", 0, 6000);
    EXPECT_OK(subscriptions_take(s, &first.place));
    EXPECT(subscriptions_leave(s, &first.place));
    EXPECT_ERR(subscriptions_take(s, &early.place), ERR_RESOURCE_IN_USE);
    EXPECT_OK(subscriptions_take(s, &beside.place));
    EXPECT_OK(subscriptions_take(s, &second.place));
    EXPECT(subscriptions_leave(s, &second.place) && subscriptions_leave(s, &beside.place));
    subscriptions_drop(s, &STREAM, BYTES_LIT("a"));
    struct owner namesake = owner("a", 0, 6001);        /* registered again */
    EXPECT_OK(subscriptions_take(s, &namesake.place));
    EXPECT(subscriptions_leave(s, &namesake.place));
    loop_turn(loop, 0);
    EXPECT_EQ(first.lost + beside.lost + second.lost + namesake.lost, 0);
    end();
}

TEST(an_old_place_is_taken_over_and_a_young_one_is_not)
{
    begin();
    struct owner first = owner("a", 0, 1000), early = owner("a", 0, 5999),
                 second = owner("a", 0, 6000);
    EXPECT_OK(subscriptions_take(s, &first.place));
    EXPECT_ERR(subscriptions_take(s, &early.place), ERR_RESOURCE_IN_USE);
    EXPECT(subscriptions_leave(s, &early.place));       /* it never held one */
    EXPECT_OK(subscriptions_take(s, &second.place));
    EXPECT_EQ(first.lost, 0);                           /* on its loop */
    loop_turn(loop, 0);
    EXPECT_EQ(first.lost, 1);
    EXPECT(first.taken_over);
    EXPECT(subscriptions_leave(s, &first.place));       /* does not touch the second one's */
    struct owner third = owner("a", 0, 6001);
    EXPECT_ERR(subscriptions_take(s, &third.place), ERR_RESOURCE_IN_USE);
    EXPECT(subscriptions_leave(s, &second.place));
    end();
}

TEST(an_owner_that_leaves_a_lost_place_waits_for_the_news)
{
    begin();
    struct owner first = owner("a", 0, 0), second = owner("a", 0, 5000);
    EXPECT_OK(subscriptions_take(s, &first.place));
    EXPECT_OK(subscriptions_take(s, &second.place));
    EXPECT(!subscriptions_leave(s, &first.place));
    EXPECT(!subscriptions_leave(s, &first.place));
    loop_turn(loop, 0);
    EXPECT_EQ(first.lost, 1);
    EXPECT(subscriptions_leave(s, &first.place));
    EXPECT(subscriptions_leave(s, &second.place));
    end();
}

TEST(a_deregistered_consumer_loses_all_its_places)
{
    begin();
    struct owner a[40], b = owner("b", 0, 0);
    for (int i = 0; i < 40; i++) {
        a[i] = owner("a", i, 0);
        EXPECT_OK(subscriptions_take(s, &a[i].place));
    }
    EXPECT_OK(subscriptions_take(s, &b.place));
    subscriptions_drop(s, &STREAM, BYTES_LIT("a"));
    subscriptions_drop(s, &STREAM, BYTES_LIT("nobody"));
    loop_turn(loop, 0);
    for (int i = 0; i < 40; i++)
        EXPECT(a[i].lost == 1 && !a[i].taken_over && subscriptions_leave(s, &a[i].place));
    EXPECT_EQ(b.lost, 0);
    EXPECT(subscriptions_leave(s, &b.place));
    end();
}

TEST(there_are_only_so_many_places)
{
    begin();
    struct owner *all = NEW_ARRAY(struct owner, SUBSCRIPTIONS_MAX);
    for (int i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        all[i] = owner("a", i, 0);
        EXPECT_OK(subscriptions_take(s, &all[i].place));
    }
    struct owner more = owner("b", 0, 9000), heir = owner("a", 7, 9000);
    EXPECT_ERR(subscriptions_take(s, &more.place), ERR_LIMIT_EXCEEDED);
    EXPECT_OK(subscriptions_take(s, &heir.place));      /* takes one over: no more than before */
    EXPECT(subscriptions_leave(s, &all[0].place));
    EXPECT_OK(subscriptions_take(s, &more.place));
    EXPECT(subscriptions_leave(s, &more.place) && subscriptions_leave(s, &heir.place));
    loop_turn(loop, 0);
    for (int i = 0; i < SUBSCRIPTIONS_MAX; i++) EXPECT(subscriptions_leave(s, &all[i].place));
    mem_free(all);
    end();
}

TESTS(RUN(a_place_is_one_consumers_and_shards),
      RUN(who_left_may_come_back_after_five_seconds),
      RUN(an_old_place_is_taken_over_and_a_young_one_is_not),
      RUN(an_owner_that_leaves_a_lost_place_waits_for_the_news),
      RUN(a_deregistered_consumer_loses_all_its_places), RUN(there_are_only_so_many_places))
