/* The first of many, against a list that is looked through. */
#include "base/heap.h"
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
    heap_done(&h);
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
    heap_done(&h);
}

TESTS(RUN(of_equals_the_one_that_came_first_is_first),
      RUN(whatever_comes_and_goes_the_first_is_at_hand))
