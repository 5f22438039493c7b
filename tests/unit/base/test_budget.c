#include "base/arena.h"
#include "base/budget.h"
#include "base/mem.h"
#include "base/slab.h"
#include "base/writer.h"
#include "test.h"

enum { LIMIT = 1 << 20 };

static struct budget budget;
static const char a, b, c;

static bool part(const void *who, size_t held, bool small, size_t bytes)
{
    return budget_take_part(&budget, bytes, who, held, small, 1);
}

TEST(one_at_a_time_goes_beyond_the_limit)
{
    budget_init(&budget, LIMIT);
    EXPECT(budget_take(&budget, LIMIT));
    EXPECT(part(&a, 0, false, 100));
    EXPECT(!part(&b, 0, false, 100));
    EXPECT(budget_is_pressed(&budget, 2, 1) && !budget_is_pressed(&budget, 3, 1));
    EXPECT(part(&a, 0, false, 1000));
    budget_part_end(&budget, &b);                   /* not its own */
    EXPECT(!part(&b, 0, false, 100));
    budget_part_end(&budget, &a);                   /* whole, and still in use */
    EXPECT(!part(&b, 0, false, 100));
    budget_give(&budget, 1100);
    EXPECT(part(&b, 0, false, 100));
    budget_give(&budget, LIMIT + 100);
    budget_part_end(&budget, &b);
    EXPECT_EQ(atomic_load(&budget.used), 0);
}

TEST(small_requests_have_a_reserve)
{
    budget_init(&budget, LIMIT);
    EXPECT(budget_take(&budget, LIMIT));
    EXPECT(part(&a, 0, false, 1));                  /* the way out is taken */
    EXPECT(!part(&b, 0, false, 1));
    EXPECT(part(&c, 0, true, LIMIT / BUDGET_RESERVE - 1));
    EXPECT(!part(&c, 0, true, 1));
}

TEST(who_holds_a_share_leaves_the_other_half)
{
    budget_init(&budget, LIMIT);
    EXPECT(budget_take(&budget, LIMIT / 2));
    EXPECT(part(&a, LIMIT / BUDGET_SHARE, false, 1));    /* by the way out */
    EXPECT(!part(&b, LIMIT / BUDGET_SHARE, false, 1));
    EXPECT(part(&b, 0, false, LIMIT / BUDGET_SHARE));
}

/* What it holds is what came, however much was announced, and in the end as much as there is. */
TEST(a_slab_is_charged_as_its_bytes_come)
{
    static const size_t wants[] = {1, 4096, 4097, 100000, LIMIT, 3 * LIMIT};
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        budget_init(&budget, LIMIT);
        struct slab_part p = {.who = &a};
        struct slab *s = slab_announce(&budget, wants[i]);
        EXPECT(s != NULL && atomic_load(&budget.used) == 0);
        while (s->len < wants[i]) {
            size_t ask = wants[i] - s->len < 5000 ? wants[i] - s->len : 5000;
            EXPECT(slab_expect(&s, wants[i], ask, &p));
            EXPECT(s->cap - s->len >= ask);
            slab_came(s, ask, (ask + 1) / 2);
            EXPECT_EQ(atomic_load(&budget.used), s->len);
        }
        EXPECT_EQ(s->cap, wants[i]);
        EXPECT_EQ(atomic_load(&budget.announced), 0);
        slab_unref(s);
        EXPECT_EQ(atomic_load(&budget.used), 0);
    }
}

TEST(a_half_slab_gives_back_what_it_announced)
{
    budget_init(&budget, LIMIT);
    struct slab *s = slab_announce(&budget, 1000);
    EXPECT_EQ(atomic_load(&budget.announced), 1000);
    slab_unref(s);
    EXPECT_EQ(atomic_load(&budget.announced), 0);
}

/* Work on a request may go beyond the limit, twice as far. */
TEST(arenas_and_writers_end_at_the_hard_limit)
{
    budget_init(&budget, LIMIT);
    struct arena arena;
    arena_init(&arena, 100 * LIMIT);
    arena.budget = &budget;
    EXPECT(arena_alloc(&arena, 1000) != NULL);
    EXPECT_EQ(atomic_load(&budget.used), 0);        /* counted with the request */
    int blocks = 0;
    while (arena_alloc(&arena, 100000) != NULL) blocks++;
    EXPECT(blocks >= 7 && atomic_load(&budget.used) <= BUDGET_HARD * LIMIT);
    struct writer w;
    writer_init(&w, 100 * LIMIT);
    w.budget = &budget;
    while (w.err == ERR_OK) writer_space(&w, 1000);
    EXPECT_EQ(w.err, ERR_TOO_LARGE);
    EXPECT(w.cap <= 256 << 10);
    writer_done(&w);
    arena_reset(&arena);
    EXPECT_EQ(atomic_load(&budget.used), 0);
    EXPECT(arena_alloc(&arena, LIMIT) != NULL);
    arena_done(&arena);
    EXPECT_EQ(atomic_load(&budget.used), 0);
}

TEST(what_is_reserved_is_charged_once_and_to_the_byte)
{
    enum { BYTES = 3 << 20 };
    budget_init(&budget, 4 << 20);
    struct writer w;
    writer_init(&w, 4 << 20);
    w.budget = &budget;
    writer_reserve(&w, BYTES);
    EXPECT_EQ(atomic_load(&budget.used), BYTES);
    const uint8_t *data = w.data;
    EXPECT(writer_space(&w, BYTES) != NULL);
    EXPECT(w.data == data);                             /* nothing was copied */
    EXPECT_EQ(atomic_load(&budget.used), BYTES);
    writer_reserve(&w, 2 << 20);                        /* beyond what it may hold: no matter yet */
    EXPECT_OK(w.err);
    writer_done(&w);
    EXPECT_EQ(atomic_load(&budget.used), 0);
}

/* Each allocation in turn fails: nothing ends but what asked, and nothing stays counted. */
TEST(failed_allocations_are_values)
{
    for (int64_t at = 0; at < 12; at++) {
        budget_init(&budget, LIMIT);
        mem_fail_after(at);
        struct slab_part p = {.who = &a};
        struct arena arena;
        arena_init(&arena, LIMIT);
        arena.budget = &budget;
        for (int i = 0; i < 4; i++) arena_alloc(&arena, 3000);
        struct writer w;
        writer_init(&w, LIMIT);
        w.budget = &budget;
        for (int i = 0; i < 100; i++) writer_space(&w, 300);
        EXPECT(w.err == ERR_OK || w.err == ERR_TOO_LARGE);
        budget_announce(&budget, LIMIT - 100);      /* so that the slab has to grow */
        struct slab *s = slab_announce(&budget, 20000);
        size_t before = s ? s->len : 0;
        if (s != NULL && slab_expect(&s, 20000, 10000, &p)) slab_came(s, 10000, 10000);
        EXPECT(s == NULL || s->len == before || s->len == 10000);
        char *text = mem_try_string("text", 4);
        mem_fail_after(-1);
        mem_free(text);
        slab_unref(s);
        writer_done(&w);
        arena_done(&arena);
        EXPECT_EQ(atomic_load(&budget.used), 0);
    }
}

TESTS(RUN(one_at_a_time_goes_beyond_the_limit), RUN(small_requests_have_a_reserve),
      RUN(who_holds_a_share_leaves_the_other_half), RUN(a_slab_is_charged_as_its_bytes_come),
      RUN(a_half_slab_gives_back_what_it_announced),
      RUN(arenas_and_writers_end_at_the_hard_limit),
      RUN(what_is_reserved_is_charged_once_and_to_the_byte),
      RUN(failed_allocations_are_values))
