/* Appending to a log and reading it back: from memory, from disk, after a restart. */
#include "log_fixture.h"

TEST(offsets_count_up_over_batches_and_restarts)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    int64_t offset = -1;
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 3}, &offset));
    EXPECT_EQ(offset, 0);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 2}, &offset));
    EXPECT_EQ(offset, 3);
    fx_restart(&f, false);
    struct log_bounds b;
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_EQ(b.log_start, 0);
    EXPECT_EQ(b.high_watermark, 5);
    EXPECT_EQ(b.last_stable, 5);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, &offset));
    EXPECT_EQ(offset, 5);
    fx_done(&f);
}

TEST(what_was_appended_is_read_from_memory_and_from_disk)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 5; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 2, .value_bytes = 100}, NULL));
    struct read_result tail, disk;
    read_result_init(&tail);
    EXPECT_OK(plog_read_tail(fx_log(&f, 0), 3, 1 << 20, true, &tail));
    EXPECT_OK(fx_read(&f, 0, 3, 1 << 20, &disk));
    EXPECT_EQ(tail.count, 4);       /* the batch of 2..3 on */
    EXPECT_EQ(disk.count, 4);
    EXPECT_EQ(tail.bytes, disk.bytes);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(tail.batches[i].base_offset, 2 + 2 * i);
        EXPECT_EQ(disk.batches[i].last_offset, 3 + 2 * i);
        EXPECT(bytes_equal(tail.batches[i].bytes.bytes, disk.batches[i].bytes.bytes));
        struct batch_info info;
        EXPECT_OK(batch_peek(disk.batches[i].bytes.bytes, &info));
        EXPECT_EQ(info.base_offset, 2 + 2 * i);
        EXPECT(batch_crc_is_right(disk.batches[i].bytes.bytes));
        EXPECT_EQ(disk.batches[i].arrival_ms, fx_now_us / 1000);
    }
    read_result_done(&tail);
    read_result_done(&disk);
    fx_done(&f);
}

TEST(a_read_is_bounded_but_gives_at_least_one_batch)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 4; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.value_bytes = 1000}, NULL));
    for (int from_disk = 0; from_disk < 2; from_disk++) {
        struct read_result r;
        read_result_init(&r);
        if (from_disk) EXPECT_OK(fx_read(&f, 0, 0, 1, &r));
        else EXPECT_OK(plog_read_tail(fx_log(&f, 0), 0, 1, true, &r));
        EXPECT_EQ(r.count, 1);
        read_result_done(&r);
        if (from_disk) EXPECT_OK(fx_read(&f, 0, 1, 2300, &r));
        else EXPECT_OK(plog_read_tail(fx_log(&f, 0), 1, 2300, true, &r));
        EXPECT_EQ(r.count, 2);
        read_result_done(&r);
    }
    struct read_result r;
    read_result_init(&r);
    EXPECT_OK(plog_read_tail(fx_log(&f, 0), 0, 1, false, &r));
    EXPECT_EQ(r.count, 0);
    fx_done(&f);
}

TEST(offsets_outside_the_log_are_refused)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 4}, NULL));
    struct read_result r;
    read_result_init(&r);
    EXPECT_OK(plog_read_tail(fx_log(&f, 0), 4, 100, true, &r));     /* the end: nothing yet */
    EXPECT_EQ(r.count, 0);
    EXPECT_ERR(plog_read_tail(fx_log(&f, 0), 5, 100, true, &r), ERR_OFFSET_OUT_OF_RANGE);
    EXPECT_ERR(plog_read_tail(fx_log(&f, 0), -1, 100, true, &r), ERR_OFFSET_OUT_OF_RANGE);
    EXPECT_EQ(r.bounds.high_watermark, 4);
    EXPECT_ERR(fx_read(&f, 0, 5, 100, &r), ERR_OFFSET_OUT_OF_RANGE);
    EXPECT_EQ(r.bounds.high_watermark, 4);
    EXPECT_OK(fx_read(&f, 0, 4, 100, &r));
    EXPECT_EQ(r.count, 0);
    fx_done(&f);
}

TEST(a_log_is_cold_until_its_first_use)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    struct log_bounds b;
    struct read_result r;
    read_result_init(&r);
    EXPECT_ERR(plog_bounds(fx_log(&f, 0), &b), ERR_COLD);
    EXPECT_ERR(plog_read_tail(fx_log(&f, 0), 0, 1, true, &r), ERR_COLD);
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_OK(plog_bounds(fx_log(&f, 0), &b));
    EXPECT_EQ(b.high_watermark, 0);
    fx_done(&f);
}

TEST(opening_reads_what_the_last_chunk_does_not_cover)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    /* Three chunks by size and a rest. */
    for (int i = 0; i < 35; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.value_bytes = 100000}, NULL));
    struct log_bounds before, after;
    EXPECT_OK(plog_bounds(fx_log(&f, 0), &before));
    fx_stop(&f);
    kv_mem_reopen(f.kv, false);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_bounds(&f, 0, &after));
    EXPECT_EQ(after.high_watermark, 35);
    EXPECT_EQ(after.size_bytes, before.size_bytes);
    EXPECT_EQ(after.arrival_last_ms, before.arrival_last_ms);
    fx_done(&f);
}

struct cold_read {
    struct log_read read;
    int turns;                  /* of a reader until it was done; 0: it is not */
};
static int reader_turns;

static void cold_read_done(struct log_read *r)
{
    CONTAINER_OF(r, struct cold_read, read)->turns = reader_turns;
}

static void cold_read_begin(struct fx *f, struct cold_read *r, int32_t partition, uint64_t client,
                            size_t bytes_max)
{
    *r = (struct cold_read){.read = {.topic = f->topic, .partition = partition,
                                     .bytes_max = bytes_max, .min_one = true,
                                     .client = client, .done = cold_read_done}};
    read_result_init(&r->read.result);
    store_read(f->s, &r->read);
}

/* All that was read is there, in order and once. */
static void cold_read_expect(struct cold_read *r, int count)
{
    EXPECT_OK(r->read.err);
    EXPECT_EQ(r->read.result.count, count);
    for (int i = 0; i < count; i++) EXPECT_EQ(r->read.result.batches[i].base_offset, i);
    read_result_done(&r->read.result);
}

TEST(a_long_read_gives_way_to_others_and_is_whole)
{
    enum { BATCHES = 40, BATCH_BYTES = 100000, LONG = 1 << 20 };
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < BATCHES; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.value_bytes = BATCH_BYTES}, NULL));
    fx_stop(&f);
    kv_mem_reopen(f.kv, false);
    EXPECT_OK(fx_start(&f));
    struct log_bounds b;
    EXPECT_OK(fx_bounds(&f, 0, &b));
    struct cold_read one, other, small, alone;
    cold_read_begin(&f, &one, 0, 1, LONG);
    cold_read_begin(&f, &other, 0, 2, LONG);
    cold_read_begin(&f, &small, 0, 3, 1);
    reader_turns = 0;
    while (one.turns == 0 || other.turns == 0) {
        reader_turns++;
        EXPECT(readers_turn(store_readers(f.s)));
    }
    EXPECT_EQ(small.turns, 3);                  /* a slice of each before it */
    EXPECT(one.turns > 4 && other.turns > 4);
    cold_read_expect(&one, LONG / BATCH_BYTES);
    cold_read_expect(&other, LONG / BATCH_BYTES);
    cold_read_expect(&small, 1);
    cold_read_begin(&f, &alone, 0, 1, LONG);
    EXPECT(readers_turn(store_readers(f.s)));   /* nobody else waits: all of it in one turn */
    cold_read_expect(&alone, LONG / BATCH_BYTES);
    fx_done(&f);
}

TEST(a_short_read_waits_for_none_of_many_that_had_much)
{
    enum { BATCHES = 12, BATCH_BYTES = 300000, CROWD = 50, ROUNDS = 3 };
    struct fx f;
    fx_init(&f, 2);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < BATCHES; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.value_bytes = BATCH_BYTES}, NULL));
    EXPECT_OK(fx_append(&f, 1, &(struct fx_batch){.value_bytes = 100}, NULL));
    fx_stop(&f);
    kv_mem_reopen(f.kv, false);
    EXPECT_OK(fx_start(&f));
    struct log_bounds b;
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_OK(fx_bounds(&f, 1, &b));
    static struct cold_read crowd[CROWD];
    for (int i = 0; i < CROWD; i++)
        cold_read_begin(&f, &crowd[i], 0, (uint64_t)i, BATCHES * BATCH_BYTES * 2);
    reader_turns = 1;
    for (int i = 0; i < CROWD; i++) EXPECT(readers_turn(store_readers(f.s)));
    for (int i = 0; i < ROUNDS; i++) {
        struct cold_read small;
        cold_read_begin(&f, &small, 1, CROWD, 1);
        EXPECT(readers_turn(store_readers(f.s)));
        EXPECT(small.turns > 0);
        cold_read_expect(&small, 1);
        EXPECT(readers_turn(store_readers(f.s)));
    }
    while (readers_turn(store_readers(f.s))) reader_turns++;
    EXPECT_EQ(reader_turns, 1 + CROWD * BATCHES - CROWD - ROUNDS);      /* each batch a slice */
    for (int i = 0; i < CROWD; i++) cold_read_expect(&crowd[i], BATCHES);
    fx_done(&f);
}

TEST(arrival_never_goes_back_when_the_clock_does)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    int64_t first_ms = fx_now_us / 1000;
    fx_now_us -= 5000000;
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    fx_restart(&f, false);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    struct read_result r;
    EXPECT_OK(fx_read(&f, 0, 0, 1 << 20, &r));
    EXPECT_EQ(r.count, 3);
    for (int i = 0; i < 3; i++) EXPECT_EQ(r.batches[i].arrival_ms, first_ms);
    read_result_done(&r);
    fx_done(&f);
}

TEST(a_log_append_time_topic_gets_the_brokers_time)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.log_append_time = true;
    EXPECT_OK(fx_start(&f));
    struct append a;
    fx_append_begin(&f, &a, 0, &(struct fx_batch){.count = 2, .timestamp = 5});
    fx_turn(&f);
    EXPECT_OK(a.err);
    EXPECT_EQ(a.append_time_ms, fx_now_us / 1000);
    struct read_result r;
    EXPECT_OK(fx_read(&f, 0, 0, 1 << 20, &r));
    struct batch_info info;
    EXPECT_OK(batch_peek(r.batches[0].bytes.bytes, &info));
    EXPECT(info.is_log_append_time);
    EXPECT_EQ(info.max_timestamp, fx_now_us / 1000);
    EXPECT(batch_crc_is_right(r.batches[0].bytes.bytes));
    read_result_done(&r);
    fx_done(&f);
}

/* ---- Sequences */

static enum err produce(struct fx *f, int16_t epoch, int32_t sequence, int32_t count,
                        int64_t *ret_offset)
{
    struct fx_batch b = {.count = count, .producer_id = 7, .epoch = epoch, .sequence = sequence};
    return fx_append(f, 0, &b, ret_offset);
}

TEST(a_repeated_batch_gets_its_first_answer)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    int64_t offset = -1;
    for (int i = 0; i < 6; i++) EXPECT_OK(produce(&f, 0, i * 2, 2, NULL));
    for (int restarted = 0; restarted < 2; restarted++) {
        EXPECT_OK(produce(&f, 0, 10, 2, &offset));
        EXPECT_EQ(offset, 10);
        EXPECT_OK(produce(&f, 0, 2, 2, &offset));           /* the fifth from the end */
        EXPECT_EQ(offset, 2);
        EXPECT_ERR(produce(&f, 0, 0, 2, &offset), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        EXPECT_ERR(produce(&f, 0, 14, 2, &offset), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        EXPECT_ERR(produce(&f, 0, 10, 1, &offset), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        fx_restart(&f, false);
    }
    EXPECT_OK(produce(&f, 0, 12, 1, &offset));
    EXPECT_EQ(offset, 12);
    fx_done(&f);
}

/* As Apache Kafka tells it, on a topic with CreateTime too. */
TEST(a_repeated_batch_is_told_its_largest_time_stamp)
{
    for (int append_time = 0; append_time < 2; append_time++) {
        struct fx f;
        fx_init(&f, 1);
        f.options.topic_defaults.log_append_time = append_time;
        EXPECT_OK(fx_start(&f));
        struct fx_batch b = {.count = 3, .timestamp = 5000, .producer_id = 7};
        struct append first, again;
        fx_append_begin(&f, &first, 0, &b);
        fx_turn(&f);
        EXPECT_EQ(first.append_time_ms, append_time ? first.arrival_ms : -1);
        fx_now_us += 1000000;
        fx_append_begin(&f, &again, 0, &b);
        fx_turn(&f);
        EXPECT_OK(again.err);
        EXPECT_EQ(again.base_offset, 0);
        EXPECT_EQ(again.append_time_ms, append_time ? first.arrival_ms : 5002);
        fx_done(&f);
    }
}

TEST(producer_epochs_fence_and_begin_at_zero)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    int64_t offset = -1;
    EXPECT_OK(produce(&f, 3, 100, 1, &offset));             /* nothing known: any sequence */
    EXPECT_ERR(produce(&f, 2, 101, 1, NULL), ERR_INVALID_PRODUCER_EPOCH);
    EXPECT_ERR(produce(&f, 4, 101, 1, NULL), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_OK(produce(&f, 4, 0, 1, &offset));
    EXPECT_EQ(offset, 1);
    EXPECT_ERR(produce(&f, 3, 101, 1, NULL), ERR_INVALID_PRODUCER_EPOCH);
    EXPECT_OK(produce(&f, 4, 1, 1, &offset));
    EXPECT_EQ(offset, 2);
    fx_done(&f);
}

TEST(sequences_wrap_to_zero)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(produce(&f, 0, INT32_MAX - 1, 2, NULL));
    EXPECT_OK(produce(&f, 0, 0, 1, NULL));
    EXPECT_OK(produce(&f, 0, INT32_MAX - 1, 2, NULL));      /* repeated */
    EXPECT_OK(produce(&f, 0, 1, 1, NULL));
    EXPECT_ERR(produce(&f, 0, 1, 2, NULL), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    fx_done(&f);
}

TEST(producers_are_known_after_a_restart_behind_many_chunks)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(produce(&f, 0, 0, 1, NULL));
    for (int i = 0; i < 25; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.value_bytes = 200000}, NULL));
    fx_restart(&f, false);
    int64_t offset = -1;
    EXPECT_OK(produce(&f, 0, 0, 1, &offset));
    EXPECT_EQ(offset, 0);
    EXPECT_OK(produce(&f, 0, 1, 1, &offset));
    EXPECT_EQ(offset, 26);
    fx_done(&f);
}

/* ---- Look-ups by time */

TEST(look_ups_by_time_find_the_first_record)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    int64_t base = fx_now_us / 1000, offset = -1, ms = -1;
    /* 30 batches of 3 records over three chunks; the clock moves 1 s a batch, record time 10 ms. */
    for (int i = 0; i < 30; i++) {
        struct fx_batch b = {.count = 3, .value_bytes = 40000, .timestamp = 1000 + i * 10};
        EXPECT_OK(fx_append(&f, 0, &b, NULL));
        fx_now_us += 1000000;
    }
    for (int i = 0; i < 30; i++) {
        EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_TIMESTAMP, 1000 + i * 10 + 1, &offset, &ms));
        EXPECT_EQ(offset, i * 3 + 1);
        EXPECT_EQ(ms, 1000 + i * 10 + 1);
        EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_ARRIVAL, base + i * 1000, &offset, &ms));
        EXPECT_EQ(offset, i * 3);
    }
    EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_TIMESTAMP, 0, &offset, &ms));
    EXPECT_EQ(offset, 0);
    EXPECT_ERR(fx_seek(&f, 0, LOG_SEEK_TIMESTAMP, 1000 + 293, &offset, &ms), ERR_NOT_FOUND);
    EXPECT_ERR(fx_seek(&f, 0, LOG_SEEK_ARRIVAL, base + 30000, &offset, &ms), ERR_NOT_FOUND);
    EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_MAX_TIMESTAMP, 0, &offset, &ms));
    EXPECT_EQ(offset, 89);
    EXPECT_EQ(ms, 1292);
    /* An old record in front: the largest stays where it is; the first one wins a tie. */
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.timestamp = 5}, NULL));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.timestamp = 1292}, NULL));
    EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_MAX_TIMESTAMP, 0, &offset, &ms));
    EXPECT_EQ(offset, 89);
    fx_done(&f);
}

TEST(an_empty_log_has_no_times)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    int64_t offset, ms;
    EXPECT_ERR(fx_seek(&f, 0, LOG_SEEK_TIMESTAMP, 0, &offset, &ms), ERR_NOT_FOUND);
    EXPECT_ERR(fx_seek(&f, 0, LOG_SEEK_MAX_TIMESTAMP, 0, &offset, &ms), ERR_NOT_FOUND);
    EXPECT_ERR(fx_seek(&f, 0, LOG_SEEK_ARRIVAL, 0, &offset, &ms), ERR_NOT_FOUND);
    EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_BOUNDS, 0, &offset, &ms));
    fx_done(&f);
}

TESTS(RUN(offsets_count_up_over_batches_and_restarts),
      RUN(what_was_appended_is_read_from_memory_and_from_disk),
      RUN(a_read_is_bounded_but_gives_at_least_one_batch), RUN(offsets_outside_the_log_are_refused),
      RUN(a_log_is_cold_until_its_first_use), RUN(opening_reads_what_the_last_chunk_does_not_cover),
      RUN(a_long_read_gives_way_to_others_and_is_whole),
      RUN(a_short_read_waits_for_none_of_many_that_had_much),
      RUN(arrival_never_goes_back_when_the_clock_does),
      RUN(a_log_append_time_topic_gets_the_brokers_time),
      RUN(a_repeated_batch_gets_its_first_answer),
      RUN(a_repeated_batch_is_told_its_largest_time_stamp),
      RUN(producer_epochs_fence_and_begin_at_zero), RUN(sequences_wrap_to_zero),
      RUN(producers_are_known_after_a_restart_behind_many_chunks),
      RUN(look_ups_by_time_find_the_first_record), RUN(an_empty_log_has_no_times))
