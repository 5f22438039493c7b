/* The newest batches of a log in memory: a ring that is found in, charged for and given back. */
#include "storage/log/tail.h"

#include "base/mem.h"
#include "test.h"

enum { BATCH_BYTES = 100 };

/* Takes over the reference on slab. */
static struct batch_view view_of(struct slab *slab, size_t at, int64_t offset)
{
    return (struct batch_view){
        .bytes = {.slab = slab, .bytes = bytes_of(slab->data + at, BATCH_BYTES)},
        .base_offset = offset,
        .last_offset = offset + 1,
    };
}

static struct batch_view batch(int64_t offset)
{
    struct slab *slab = slab_new(NULL, BATCH_BYTES);
    slab->len = BATCH_BYTES;
    slab->data[0] = (uint8_t)offset;
    return view_of(slab, 0, offset);
}

/* Batches of two offsets each, the first one at 2 * first. */
static void push(struct tail *t, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        struct batch_view v = batch(2 * i);
        tail_push(t, &v, 1);
    }
}

TEST(an_offset_is_found_in_the_batch_that_holds_it)
{
    struct tail t;
    tail_init(&t);
    EXPECT_EQ(tail_find(&t, 0), -1);
    push(&t, 5, 20);
    EXPECT_EQ(tail_find(&t, 9), -1);
    for (int i = 0; i < 20; i++) {
        EXPECT_EQ(tail_find(&t, 10 + 2 * i), i);
        EXPECT_EQ(tail_find(&t, 11 + 2 * i), i);
        EXPECT_EQ(tail_at(&t, (uint32_t)i)->base_offset, 10 + 2 * i);
    }
    EXPECT_EQ(tail_find(&t, 50), -1);
    EXPECT_EQ(tail_find(&t, INT64_MAX), -1);
    tail_done(&t);
}

TEST(the_oldest_go_first_and_what_they_were_charged_for_is_given_back)
{
    struct tail t;
    tail_init(&t);
    push(&t, 0, 10);
    size_t each = t.pinned_bytes / 10;
    EXPECT_EQ(tail_shrink(&t, 6 * each, SIZE_MAX), 4 * each);
    EXPECT_EQ(tail_at(&t, 0)->base_offset, 8);
    EXPECT_EQ(tail_shrink(&t, 0, 1), each);             /* no more than is wanted */
    EXPECT_EQ(tail_trim(&t, 12), each);
    EXPECT_EQ(tail_trim(&t, 15), each);                 /* 14 and 15 are one batch, which stays */
    EXPECT_EQ(tail_at(&t, 0)->base_offset, 14);
    push(&t, 10, 100);                                  /* round the ring, and beyond it */
    for (int i = 0; i < 103; i++) EXPECT_EQ(tail_find(&t, 14 + 2 * i), i);
    EXPECT_EQ(t.pinned_bytes, 103 * each);
    tail_done(&t);
    EXPECT_EQ(t.pinned_bytes, 0);
}

TEST(a_ring_that_was_long_gives_its_memory_back)
{
    struct tail t;
    tail_init(&t);
    push(&t, 0, 10000);
    EXPECT(t.cap >= 10000);
    size_t each = t.pinned_bytes / 10000;
    tail_shrink(&t, 100 * each, SIZE_MAX);
    EXPECT_EQ(t.count, 100);
    EXPECT(t.cap <= 4 * 100);
    for (int i = 0; i < 100; i++) EXPECT_EQ(tail_find(&t, 2 * (9900 + i)), i);
    push(&t, 10000, 1000);
    EXPECT_EQ(tail_find(&t, 2 * 10999), 1099);
    tail_trim(&t, INT64_MAX);
    EXPECT_EQ(t.count, 0);
    EXPECT(t.cap <= 8);
    push(&t, 11000, 3);
    EXPECT_EQ(tail_find(&t, 2 * 11002), 2);
    tail_done(&t);
}

TEST(neighbours_in_one_slab_are_charged_for_it_once)
{
    struct tail t;
    tail_init(&t);
    struct slab *slab = slab_new(NULL, 3 * BATCH_BYTES);
    struct batch_view views[] = {view_of(slab, 0, 0), view_of(slab_ref(slab), BATCH_BYTES, 2),
                                 view_of(slab_ref(slab), 2 * BATCH_BYTES, 4)};
    tail_push(&t, views, 3);
    EXPECT_EQ(t.pinned_bytes, 3 * sizeof(struct tail_entry) + sizeof(struct slab) +
                                  3 * BATCH_BYTES);
    tail_done(&t);
}

TEST(a_small_part_of_a_large_slab_is_copied_out)
{
    struct slab *large = slab_new(NULL, 100 * BATCH_BYTES);
    for (int i = 0; i < BATCH_BYTES; i++) large->data[i] = (uint8_t)i;
    struct batch_view views[] = {view_of(slab_ref(large), 0, 0), batch(2)};
    struct slab *own = views[1].bytes.slab;
    tail_pack(views, 2);
    EXPECT(views[0].bytes.slab != large);
    EXPECT_EQ(views[0].bytes.bytes.len, BATCH_BYTES);
    assert_memory_equal(views[0].bytes.bytes.data, large->data, BATCH_BYTES);
    EXPECT(views[1].bytes.slab == own);
    for (int i = 0; i < 2; i++) slab_unref(views[i].bytes.slab);
    EXPECT_EQ(atomic_load(&large->refs), 1);
    slab_unref(large);
}

TESTS(RUN(an_offset_is_found_in_the_batch_that_holds_it),
      RUN(the_oldest_go_first_and_what_they_were_charged_for_is_given_back),
      RUN(a_ring_that_was_long_gives_its_memory_back),
      RUN(neighbours_in_one_slab_are_charged_for_it_once),
      RUN(a_small_part_of_a_large_slab_is_copied_out))
