/* The first of many, against a list that is looked through. */
#include "base/heap.h"
#include <malloc.h>
#include "base/mailbox.h"
#include "random.h"
#include "test.h"

enum { THINGS = 200, RANKS = 20, STEPS = 20000 };

struct thing {
    struct heap_item place;
    int rank;
    uint64_t came;
};

static int compare(const struct heap_item *a, const struct heap_item *b)
{
    return CONTAINER_OF(a, struct thing, place)->rank - CONTAINER_OF(b, struct thing, place)->rank;
}

TEST(of_equals_the_one_that_came_first_is_first)
{
    struct heap h = {.compare = compare};
    struct thing a = {.rank = 7}, b = {.rank = 7}, c = {.rank = 3};
    EXPECT(heap_first(&h) == NULL);
    heap_add(&h, &b.place);
    heap_add(&h, &a.place);
    heap_add(&h, &c.place);
    EXPECT(heap_first(&h) == &c.place);
    heap_remove(&h, &c.place);
    heap_remove(&h, &c.place);
    EXPECT(heap_first(&h) == &b.place);
    heap_remove(&h, &b.place);
    heap_add(&h, &b.place);                     /* anew: behind a now */
    EXPECT(heap_first(&h) == &a.place);
    heap_remove(&h, &b.place);
    heap_remove(&h, &a.place);
    EXPECT(heap_first(&h) == NULL);
}

/* A timer that has to be set is set. */
TEST(without_memory_it_takes_in_what_comes)
{
    static struct thing things[THINGS];
    struct heap h = {.compare = compare};
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < THINGS; i++) {
        things[i].rank = i % RANKS;
        heap_add(&h, &things[i].place);
    }
    size_t after = mallinfo2().uordblks;
    for (int i = 0; i < THINGS; i++) heap_remove(&h, &things[i].place);
    EXPECT_EQ(after, before);
    EXPECT(heap_first(&h) == NULL);
}

/* The one that a look through all of them finds. */
static struct thing *first_of(struct thing *things)
{
    struct thing *first = NULL;
    for (struct thing *t = things; t < things + THINGS; t++) {
        if (!heap_holds(&t->place)) continue;
        if (first == NULL || t->rank < first->rank ||
            (t->rank == first->rank && t->came < first->came))
            first = t;
    }
    return first;
}

TEST(whatever_comes_and_goes_the_first_is_at_hand)
{
    struct random r = random_seeded();
    static struct thing things[THINGS];
    struct heap h = {.compare = compare};
    for (uint64_t i = 0; i < STEPS; i++) {
        struct thing *t = &things[random_below(&r, THINGS)];
        if (heap_holds(&t->place)) {
            heap_remove(&h, &t->place);
        } else {
            t->rank = (int)random_below(&r, RANKS);
            t->came = i;
            heap_add(&h, &t->place);
        }
        struct thing *first = first_of(things);
        EXPECT(heap_first(&h) == (first != NULL ? &first->place : NULL));
    }
}

TESTS(RUN(without_memory_it_takes_in_what_comes),
      RUN(of_equals_the_one_that_came_first_is_first),
      RUN(whatever_comes_and_goes_the_first_is_at_hand))
