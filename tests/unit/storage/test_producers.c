/* Producer state alone: its limit, its snapshot. The rules of sequences are tried in
 * test_plog.c. */
#include "storage/log/producers.h"

#include "base/mem.h"
#include "random.h"
#include "test.h"

static struct batch_info batch(int64_t producer_id, int16_t epoch, int32_t sequence, int32_t count,
                               int64_t offset)
{
    return (struct batch_info){.producer_id = producer_id, .producer_epoch = epoch,
                               .base_sequence = sequence, .last_offset_delta = count - 1,
                               .count = count, .base_offset = offset};
}

TEST(the_longest_silent_producer_makes_room)
{
    struct producers p;
    producers_init(&p);
    for (int i = 0; i < PRODUCERS_MAX + 100; i++) {
        struct batch_info b = batch(1000 + i, 0, 0, 1, i);
        producers_add(&p, 0, 1, &b, i);
        EXPECT(p.count <= PRODUCERS_MAX);
    }
    const struct producer_batch *duplicate;
    struct batch_info oldest = batch(1000, 0, 9, 1, 0), newest = oldest;
    EXPECT_OK(producers_check(&p, 0, &oldest, &duplicate));         /* forgotten: anything goes */
    newest.producer_id = 1000 + PRODUCERS_MAX + 99;
    EXPECT_ERR(producers_check(&p, 0, &newest, &duplicate), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producers_done(&p);
}

/* Whoever has many leaves as much to the others, and there is always one more place. */
TEST(all_logs_together_know_a_limited_number)
{
    enum { LIMIT = 1000, TABLES = 40, EACH = 600 };
    static struct producers tables[TABLES];
    int64_t before = producers_count();
    producers_limit(before + LIMIT);
    for (int t = 0; t < TABLES; t++) {
        producers_init(&tables[t]);
        uint32_t had = 0;
        for (int i = 0; i < EACH; i++) {
            int64_t left = before + LIMIT - producers_count();
            struct batch_info b = batch(i, 0, 0, 1, i);
            producers_add(&tables[t], 0, 1, &b, i);
            EXPECT(tables[t].count >= had);
            EXPECT(tables[t].count <= 1 || tables[t].count == had || (int64_t)had < left);
            had = tables[t].count;
        }
        EXPECT(t > 0 || tables[t].count == LIMIT / 2);
        EXPECT(t != 1 || tables[t].count == LIMIT / 4);
        EXPECT(tables[t].count >= 1);
        EXPECT(producers_count() - before <= LIMIT + t);
        const struct producer_batch *duplicate;
        struct batch_info again = batch(EACH - 1, 0, 0, 1, EACH - 1);
        EXPECT_OK(producers_check(&tables[t], 0, &again, &duplicate));
        EXPECT(duplicate != NULL);                  /* the newest is known in each */
    }
    size_t bytes = producers_bytes(&tables[0]);
    CLEANUP(mem_freep) uint8_t *snapshot = mem_new(bytes);
    producers_write(&tables[0], 1, snapshot);
    struct producers read;
    int64_t offset;
    producers_init(&read);
    EXPECT_OK(producers_read(&read, bytes_of(snapshot, bytes), &offset));
    EXPECT_EQ(read.count, 1);                       /* no room is left: the youngest */
    producers_done(&read);
    for (int t = 0; t < TABLES; t++) producers_done(&tables[t]);
    EXPECT_EQ(producers_count(), before);
    producers_limit(PRODUCERS_ALL_MAX);
}

TEST(a_snapshot_reads_back_whatever_its_size)
{
    struct random r = random_seeded();
    for (int round = 0; round < 20; round++) {
        struct producers p, q;
        producers_init(&p);
        producers_init(&q);
        int batches = (int)random_below(&r, 400);
        for (int i = 0; i < batches; i++) {
            struct batch_info b = batch((int64_t)random_below(&r, 60), (int16_t)random_below(&r, 3),
                                        (int32_t)random_below(&r, INT32_MAX), 1, i);
            producers_add(&p, (int32_t)random_below(&r, 3), 1, &b, i);
        }
        size_t bytes = producers_bytes(&p);
        uint8_t *snapshot = mem_new(bytes);
        producers_write(&p, 12345, snapshot);
        int64_t offset = 0;
        EXPECT_OK(producers_read(&q, bytes_of(snapshot, bytes), &offset));
        EXPECT_EQ(offset, 12345);
        EXPECT_EQ(q.count, p.count);
        EXPECT_EQ(producers_bytes(&q), bytes);
        for (uint32_t i = 0; i < p.slot_count; i++) {
            const struct producer_entry *e = p.slots[i];
            if (e == NULL) continue;
            const struct producer_batch *duplicate, *last = &e->batches[e->batch_count - 1];
            struct batch_info b = batch(e->producer_id, e->epoch, last->first_sequence, 1, 0);
            EXPECT_OK(producers_check(&q, e->partition_addressed, &b, &duplicate));
            EXPECT_EQ(duplicate->base_offset, last->base_offset);
        }
        producers_done(&q);
        for (size_t cut = 0; cut < bytes; cut += 1 + bytes / 50) {
            EXPECT_ERR(producers_read(&q, bytes_of(snapshot, cut), &offset), ERR_FORMAT);
            producers_done(&q);
        }
        mem_free(snapshot);
        producers_done(&p);
    }
}

TEST(the_silent_expire)
{
    struct producers p;
    producers_init(&p);
    EXPECT_EQ(producers_expire(&p, 100), 0);
    for (int i = 0; i < 50; i++) {
        struct batch_info b = batch(i, 0, 0, 1, i);
        producers_add(&p, 0, 1, &b, i);
    }
    EXPECT_EQ(producers_expire(&p, 20), 20);
    EXPECT_EQ(p.count, 30);
    const struct producer_batch *duplicate;
    struct batch_info kept = batch(20, 0, 0, 1, 0);
    EXPECT_OK(producers_check(&p, 0, &kept, &duplicate));
    EXPECT(duplicate != NULL);
    EXPECT_EQ(producers_expire(&p, 1000), 30);
    EXPECT_EQ(p.count, 0);
    producers_done(&p);
}

TEST(sequences_are_judged_as_kafka_judges_them)
{
    struct producers p;
    producers_init(&p);
    struct batch_info first = batch(7, 1, INT32_MAX - 4, 5, 100), next = batch(7, 1, 0, 5, 105);
    const struct producer_batch *duplicate;
    producers_add(&p, 3, 1, &first, 1);
    EXPECT_OK(producers_check(&p, 3, &next, &duplicate));      /* it wraps to 0 */
    EXPECT(duplicate == NULL);
    producers_add(&p, 3, 1, &next, 2);
    EXPECT_OK(producers_check(&p, 3, &first, &duplicate));
    EXPECT_EQ(duplicate->base_offset, 100);
    struct batch_info gap = batch(7, 1, 6, 5, 110), stale = batch(7, 0, 5, 5, 110);
    struct batch_info part = batch(7, 1, 0, 3, 110), bumped = batch(7, 2, 5, 5, 110);
    EXPECT_ERR(producers_check(&p, 3, &gap, &duplicate), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_ERR(producers_check(&p, 3, &part, &duplicate), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_ERR(producers_check(&p, 3, &stale, &duplicate), ERR_INVALID_PRODUCER_EPOCH);
    EXPECT_ERR(producers_check(&p, 3, &bumped, &duplicate), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    bumped.base_sequence = 0;
    EXPECT_OK(producers_check(&p, 3, &bumped, &duplicate));
    EXPECT(duplicate == NULL);
    /* Of another partition nothing is known. */
    EXPECT_OK(producers_check(&p, 4, &gap, &duplicate));
    producers_done(&p);
}

TEST(an_adopted_producer_goes_on_where_it_was)
{
    struct producers p, q;
    producers_init(&p);
    producers_init(&q);
    for (int i = 0; i < 7; i++) {
        struct batch_info b = batch(7, 1, i, 1, 100 + i);
        producers_add(&p, 3, 11, &b, i);
    }
    const struct producer_entry *known = NULL;
    for (uint32_t i = 0; i < p.slot_count; i++)
        if (p.slots[i] != NULL) known = p.slots[i];
    producers_adopt(&q, known);
    producers_done(&p);
    const struct producer_batch *duplicate;
    struct batch_info again = batch(7, 1, 6, 1, 0), gone = batch(7, 1, 1, 1, 0),
                      next = batch(7, 1, 7, 1, 5);
    EXPECT_OK(producers_check(&q, 3, &again, &duplicate));
    EXPECT_EQ(duplicate->base_offset, 106);
    EXPECT_EQ(duplicate->log_id, 11);
    EXPECT_ERR(producers_check(&q, 3, &gone, &duplicate), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_OK(producers_check(&q, 3, &next, &duplicate));
    producers_add(&q, 3, 12, &next, 8);
    EXPECT_OK(producers_check(&q, 3, &next, &duplicate));
    EXPECT_EQ(duplicate->log_id, 12);
    EXPECT_EQ(producers_expire(&q, 9), 1);
    producers_done(&q);
}

TEST(of_too_many_adopted_the_youngest_stay)
{
    struct producers p;
    producers_init(&p);
    enum { MORE = PRODUCERS_MAX + PRODUCERS_MAX / 2 };
    for (int i = 0; i < MORE; i++) {
        struct producer_entry e = {.producer_id = i, .batch_count = 1,
                                   .arrival_last_ms = i * 7919 % MORE};
        producers_adopt(&p, &e);
    }
    EXPECT_EQ(p.count, MORE);
    producers_trim(&p);
    EXPECT_EQ(p.count, PRODUCERS_MAX);
    for (uint32_t i = 0; i < p.slot_count; i++)
        if (p.slots[i] != NULL) EXPECT(p.slots[i]->arrival_last_ms >= MORE - PRODUCERS_MAX);
    producers_trim(&p);
    EXPECT_EQ(p.count, PRODUCERS_MAX);
    /* One too many of one time: all of that time go. */
    for (int i = 0; i < 2; i++) {
        struct producer_entry e = {.producer_id = MORE + i,
                                   .arrival_last_ms = MORE - PRODUCERS_MAX};
        producers_adopt(&p, &e);
    }
    producers_trim(&p);
    EXPECT_EQ(p.count, PRODUCERS_MAX - 1);
    producers_done(&p);
}

TESTS(RUN(the_longest_silent_producer_makes_room),
      RUN(all_logs_together_know_a_limited_number), RUN(sequences_are_judged_as_kafka_judges_them),
      RUN(an_adopted_producer_goes_on_where_it_was), RUN(of_too_many_adopted_the_youngest_stay),
      RUN(a_snapshot_reads_back_whatever_its_size), RUN(the_silent_expire))
