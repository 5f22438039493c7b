/* Retention by time and by size, and the expiry of producers. */
#include "log_fixture.h"

enum { BATCH_BYTES = 300000, CHUNK_BATCHES_HERE = 4 };  /* four of them close a chunk of 1 MiB */

static void fill(struct fx *f, int batches, int64_t step_ms)
{
    for (int i = 0; i < batches; i++) {
        EXPECT_OK(fx_append(f, 0, &(struct fx_batch){.value_bytes = BATCH_BYTES}, NULL));
        fx_now_us += step_ms * 1000;
    }
}

static struct log_bounds retained(struct fx *f)
{
    fx_now_us += f->options.retention_check_ms * 1000;
    fx_turn(f);
    struct log_bounds b;
    EXPECT_OK(fx_bounds(f, 0, &b));
    return b;
}

TEST(old_chunks_go_by_time_and_the_open_one_too)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_ms = 3600000;
    EXPECT_OK(fx_start(&f));
    fill(&f, 2 * CHUNK_BATCHES_HERE, 1000);
    EXPECT_EQ(retained(&f).log_start, 0);
    fx_now_us += INT64_C(3000000000);
    fill(&f, CHUNK_BATCHES_HERE + 1, 1000);
    fx_now_us += INT64_C(500000000);
    struct log_bounds b = retained(&f);
    EXPECT_EQ(b.log_start, 2 * CHUNK_BATCHES_HERE);
    EXPECT_EQ(b.high_watermark, 3 * CHUNK_BATCHES_HERE + 1);
    struct read_result r;
    EXPECT_ERR(fx_read(&f, 0, b.log_start - 1, 1, &r), ERR_OFFSET_OUT_OF_RANGE);
    fx_now_us += INT64_C(4000000000);
    b = retained(&f);
    EXPECT_EQ(b.log_start, b.high_watermark);
    EXPECT_EQ(b.size_bytes, 0);
    fx_restart(&f, false);
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_EQ(b.log_start, 3 * CHUNK_BATCHES_HERE + 1);
    EXPECT_EQ(b.high_watermark, 3 * CHUNK_BATCHES_HERE + 1);
    fx_done(&f);
}

/* Ranges that were deleted pile up in the engine until it writes them out: see kv_rocksdb.c. */
TEST(a_trim_of_little_deletes_no_range)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int i = 1; i <= 1000; i++) {
        int64_t start;
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
        EXPECT_OK(store_log_raise_start(fx_log(&f, 0), i, &start));
        EXPECT_EQ(start, i);
        struct kv_mem_deletes deletes = kv_mem_deletes(store_kv(f.s));
        EXPECT_EQ(deletes.ranges, 0);
        EXPECT_EQ(deletes.keys, 1);
    }
    fx_restart(&f, false);
    struct log_bounds b;
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_EQ(b.log_start, 1000);
    fx_done(&f);
}

TEST(a_trim_of_much_deletes_one_range)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_bytes = 1;
    EXPECT_OK(fx_start(&f));
    fill(&f, 5 * CHUNK_BATCHES_HERE, 1);
    (void)kv_mem_deletes(store_kv(f.s));
    EXPECT(retained(&f).log_start > 0);
    struct kv_mem_deletes deletes = kv_mem_deletes(store_kv(f.s));
    EXPECT_EQ(deletes.ranges, 1);
    EXPECT(deletes.keys > 0);                       /* the chunks' summaries */
    fx_done(&f);
}

TEST(a_record_of_the_future_keeps_its_chunk)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_ms = 1000;
    EXPECT_OK(fx_start(&f));
    struct fx_batch future = {.value_bytes = BATCH_BYTES, .timestamp = fx_now_us / 1000 + 900000};
    EXPECT_OK(fx_append(&f, 0, &future, NULL));
    fill(&f, CHUNK_BATCHES_HERE - 1, 1);
    EXPECT_EQ(retained(&f).log_start, 0);
    fx_now_us += INT64_C(900000000);
    EXPECT_EQ(retained(&f).log_start, CHUNK_BATCHES_HERE);
    fx_done(&f);
}

TEST(a_quiet_log_is_cut_to_the_hour)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_ms = 24 * 3600000;
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 30 * 6; i++) {      /* one small batch each ten minutes */
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
        fx_now_us += INT64_C(600000000);
    }
    int64_t start = retained(&f).log_start;
    EXPECT(start > 5 * 6 - 8 && start <= 6 * 6);
    fx_done(&f);
}

TEST(at_least_retention_bytes_stay)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_bytes = 2000000;
    EXPECT_OK(fx_start(&f));
    fill(&f, 5 * CHUNK_BATCHES_HERE + 1, 1);
    struct log_bounds b = retained(&f);
    EXPECT(b.log_start > 0);
    EXPECT_EQ(b.log_start % CHUNK_BATCHES_HERE, 0);
    EXPECT(b.size_bytes >= 2000000);
    EXPECT(b.size_bytes < 2000000 + CHUNK_BATCHES_HERE * (BATCH_BYTES + 200));
    uint64_t size = b.size_bytes;
    fx_restart(&f, false);
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_EQ(b.size_bytes, size);
    fx_done(&f);
}

TEST(a_cold_log_is_retained_without_a_client)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_ms = 3600000;
    EXPECT_OK(fx_start(&f));
    fill(&f, CHUNK_BATCHES_HERE + 1, 1);
    fx_restart(&f, false);
    struct log_bounds b;
    fx_now_us += f.options.retention_check_ms * 1000;
    fx_turn(&f);
    EXPECT_ERR(plog_bounds(fx_log(&f, 0), &b), ERR_COLD);      /* nothing is due: it stays cold */
    fx_now_us += INT64_C(7200000000);
    fx_turn(&f);
    EXPECT_OK(plog_bounds(fx_log(&f, 0), &b));
    EXPECT_EQ(b.log_start, CHUNK_BATCHES_HERE + 1);
    fx_done(&f);
}

TEST(a_compacted_topic_is_not_cut)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_ms = 1;
    f.options.topic_defaults.retention_bytes = 1;
    f.options.topic_defaults.cleanup = 0;
    EXPECT_OK(fx_start(&f));
    fill(&f, 3 * CHUNK_BATCHES_HERE, 1000);
    EXPECT_EQ(retained(&f).log_start, 0);
    fx_done(&f);
}

TEST(a_failed_cut_changes_nothing_and_is_repeated)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_bytes = 0;
    EXPECT_OK(fx_start(&f));
    fill(&f, CHUNK_BATCHES_HERE, 1);
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_count = INT64_MAX});
    EXPECT_EQ(retained(&f).log_start, 0);
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    struct log_bounds b = retained(&f);
    EXPECT_EQ(b.log_start, CHUNK_BATCHES_HERE + 1);
    fx_done(&f);
}

/* Else nothing would ever make room on it. */
TEST(a_full_disk_takes_cuts_while_it_takes_nothing_else)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.retention_bytes = 0;
    EXPECT_OK(fx_start(&f));
    fill(&f, CHUNK_BATCHES_HERE, 1);
    kv_mem_set_full(f.kv, true);
    EXPECT_ERR(fx_append(&f, 0, &(struct fx_batch){0}, NULL), ERR_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(retained(&f).log_start, CHUNK_BATCHES_HERE);
    EXPECT_ERR(fx_append(&f, 0, &(struct fx_batch){0}, NULL), ERR_KAFKA_STORAGE_ERROR);
    fx_done(&f);
}

TEST(silent_producers_are_forgotten)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.producer_expiry_ms = 600000;
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 3, .sequence = 5}, NULL));
    EXPECT_ERR(fx_append(&f, 0, &(struct fx_batch){.producer_id = 3, .sequence = 9}, NULL),
               ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    fx_now_us += INT64_C(900000000);
    retained(&f);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 3, .sequence = 9}, NULL));
    fx_done(&f);
}

TESTS(RUN(old_chunks_go_by_time_and_the_open_one_too), RUN(a_trim_of_little_deletes_no_range),
      RUN(a_trim_of_much_deletes_one_range), RUN(a_record_of_the_future_keeps_its_chunk),
      RUN(a_quiet_log_is_cut_to_the_hour),
      RUN(at_least_retention_bytes_stay), RUN(a_cold_log_is_retained_without_a_client),
      RUN(a_compacted_topic_is_not_cut), RUN(a_failed_cut_changes_nothing_and_is_repeated),
      RUN(a_full_disk_takes_cuts_while_it_takes_nothing_else),
      RUN(silent_producers_are_forgotten))
