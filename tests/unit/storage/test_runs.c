/* Runs of batches in the engine: how they are walked, and what goes when some are deleted. */
#include "storage/engine/runs.h"

#include "base/mem.h"
#include "storage/engine/kv_wal.h"
#include "test.h"

/* Batches of bytes that tell of nothing but their number: the engine does not look into them. */
enum { BATCH_BYTES = 700, LOG = 7 };

static const struct kv_options plain_options = {0};

static struct kv *engine_new(struct files *files)
{
    struct kv *kv;
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &plain_options, 7, &kv));
    return kv;
}

static void put(struct kv *kv, uint64_t log_id, int64_t last_offset, int batches)
{
    uint8_t bytes[BATCH_BYTES];
    struct run_draft run;
    run_draft_init(&run);
    memset(bytes, (int)last_offset, sizeof bytes);
    for (int i = 0; i < batches; i++)
        run_draft_add(&run, &(struct log_entry){.arrival_ms = 100 * last_offset + i,
                                                .partition_addressed = i,
                                                .batch = bytes_of(bytes, sizeof bytes)});
    CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(kv);
    run_put(b, log_id, last_offset, &run);
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
}

/* Its runs that end at these offsets, a negative one behind the last. */
static void expect_runs(struct kv *kv, uint64_t log_id, int64_t from, const int64_t *ends)
{
    CLEANUP(runs_done) struct runs r;
    runs_init(&r, kv, log_id, from, KV_UP);
    for (; *ends >= 0; ends++) {
        uint64_t id;
        int64_t last_offset;
        EXPECT(runs_next(&r));
        EXPECT_OK(runs_at(&r, &id, &last_offset));
        EXPECT_EQ(id, log_id);
        EXPECT_EQ(last_offset, *ends);
    }
    EXPECT(!runs_next(&r));
    EXPECT_OK(runs_error(&r));
}
#define RUNS(...) ((const int64_t[]){__VA_ARGS__ __VA_OPT__(,) -1})

static void commit_trim(struct kv *kv, int64_t from, int64_t to, uint64_t bytes)
{
    CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(kv);
    runs_trim(b, kv, LOG, from, to, bytes);
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
}

TEST(a_run_has_the_batches_that_were_put)
{
    struct kv *kv = engine_new(files_mem_new());
    put(kv, LOG, 9, 1);
    put(kv, LOG, 12, 3);
    struct runs r;
    struct log_entry e;
    runs_init(&r, kv, LOG, 10, KV_UP);
    EXPECT(runs_next(&r));
    EXPECT_EQ(runs_bytes(&r), 3 * (BATCH_BYTES + LOG_ENTRY_HEADER_BYTES));
    EXPECT_OK(runs_read(&r));
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(runs_entry(&r, &e));
        EXPECT_EQ(e.arrival_ms, 1200 + i);
        EXPECT_EQ(e.partition_addressed, i);
        EXPECT_EQ(e.batch.len, BATCH_BYTES);
        EXPECT_EQ(e.batch.data[BATCH_BYTES - 1], 12);
    }
    EXPECT_ERR(runs_entry(&r, &e), ERR_NOT_FOUND);
    EXPECT(!runs_next(&r));
    EXPECT_OK(runs_error(&r));
    runs_done(&r);
    kv_close(kv);
}

TEST(a_walk_begins_at_the_run_that_holds_the_offset_and_ends_with_its_log)
{
    struct kv *kv = engine_new(files_mem_new());
    put(kv, LOG - 1, 50, 1);
    put(kv, LOG, 9, 1);
    put(kv, LOG, 19, 2);
    put(kv, LOG + 1, 5, 1);
    expect_runs(kv, LOG, 0, RUNS(9, 19));
    expect_runs(kv, LOG, 9, RUNS(9, 19));
    expect_runs(kv, LOG, 10, RUNS(19));
    expect_runs(kv, LOG, 20, RUNS());
    expect_runs(kv, LOG + 2, 0, RUNS());
    kv_close(kv);
}

/* What comes later is not seen, and what goes is not missed. */
TEST(a_walk_sees_one_moment)
{
    struct kv *kv = engine_new(files_mem_new());
    struct runs r;
    put(kv, LOG, 9, 1);
    runs_init(&r, kv, LOG, 0, KV_UP);
    put(kv, LOG, 19, 1);
    commit_trim(kv, 0, 10, BATCH_BYTES);
    EXPECT(runs_next(&r));
    EXPECT(!runs_next(&r));
    EXPECT_OK(runs_error(&r));
    runs_done(&r);
    expect_runs(kv, LOG, 0, RUNS(19));
    kv_close(kv);
}

TEST(all_logs_follow_on_one_another)
{
    struct kv *kv = engine_new(files_mem_new());
    put(kv, 300, 1, 1);
    put(kv, 2, 8, 1);
    put(kv, 2, 7, 1);
    const uint64_t ids[] = {2, 2, 300};
    const int64_t ends[] = {7, 8, 1};
    CLEANUP(runs_done) struct runs r;
    runs_init_all(&r, kv);
    for (int i = 0; i < 3; i++) {
        uint64_t id;
        int64_t last_offset;
        EXPECT(runs_next(&r));
        EXPECT_OK(runs_at(&r, &id, &last_offset));
        EXPECT_EQ(id, ids[i]);
        EXPECT_EQ(last_offset, ends[i]);
    }
    EXPECT(!runs_next(&r));
    runs_done(&r);
    r.it = NULL;
    kv_close(kv);
}

TEST(the_ends_of_logs)
{
    struct kv *kv = engine_new(files_mem_new());
    int64_t last_offset;
    uint64_t id;
    EXPECT_ERR(runs_log_from(kv, 0, &id), ERR_NOT_FOUND);
    put(kv, LOG, 9, 1);
    put(kv, LOG, 19, 1);
    put(kv, LOG + 5, 1, 1);
    EXPECT_OK(runs_last(kv, LOG, &last_offset));
    EXPECT_EQ(last_offset, 19);
    EXPECT_ERR(runs_last(kv, LOG + 1, &last_offset), ERR_NOT_FOUND);
    EXPECT_OK(runs_log_from(kv, 0, &id));
    EXPECT_EQ(id, LOG);
    EXPECT_OK(runs_log_from(kv, LOG + 1, &id));
    EXPECT_EQ(id, LOG + 5);
    EXPECT_ERR(runs_log_from(kv, LOG + 6, &id), ERR_NOT_FOUND);
    kv_close(kv);
}

/* Little goes key by key, much as a range, and both alike. */
TEST(a_trim_takes_the_runs_that_end_in_front_of_it)
{
    for (uint64_t bytes = 100; bytes <= 100 << 20; bytes <<= 20) {
        struct kv *kv = engine_new(files_mem_new());
        put(kv, LOG - 1, 15, 1);
        for (int64_t end = 9; end < 50; end += 10) put(kv, LOG, end, 1);
        put(kv, LOG + 1, 15, 1);
        commit_trim(kv, 0, 20, bytes);
        expect_runs(kv, LOG, 0, RUNS(29, 39, 49));
        commit_trim(kv, 20, 35, bytes);             /* in the middle of one: it stays */
        expect_runs(kv, LOG, 0, RUNS(39, 49));
        expect_runs(kv, LOG - 1, 0, RUNS(15));
        expect_runs(kv, LOG + 1, 0, RUNS(15));
        kv_close(kv);
    }
}

TEST(logs_go_without_their_neighbours)
{
    struct kv *kv = engine_new(files_mem_new());
    for (uint64_t id = LOG - 1; id <= LOG + 3; id++) put(kv, id, 9, 1);
    CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(kv);
    runs_erase(b, kv, LOG, LOG + 2);
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    expect_runs(kv, LOG - 1, 0, RUNS(9));
    expect_runs(kv, LOG, 0, RUNS());
    expect_runs(kv, LOG + 1, 0, RUNS());
    expect_runs(kv, LOG + 2, 0, RUNS(9));
    kv_batch_free(TAKE(b));
    kv_close(kv);
}

/* It is known how long it is; what cannot be read ends the walk with the reason. */
TEST(a_run_that_cannot_be_read_says_why)
{
    struct files *files = files_mem_new();
    struct kv *kv = engine_new(files);
    struct runs r;
    put(kv, LOG, 9, 4);
    files_mem_set_faults(files, &(struct files_mem_faults){.fail_at = 0, .fail_count = 100});
    runs_init(&r, kv, LOG, 0, KV_UP);
    EXPECT(runs_next(&r));
    EXPECT_EQ(runs_bytes(&r), 4 * (BATCH_BYTES + LOG_ENTRY_HEADER_BYTES));
    EXPECT_ERR(runs_read(&r), ERR_DISK);
    EXPECT(!runs_next(&r));
    EXPECT_ERR(runs_error(&r), ERR_DISK);
    runs_done(&r);
    files_mem_set_faults(files, &(struct files_mem_faults){.fail_at = -1});
    uint64_t at = EXTENT_HEADER_BYTES + FRAME_HEADER_BYTES + 99;
    files_mem_damage(files, "0000000000000001.extent", at, 1);
    runs_init(&r, kv, LOG, 0, KV_UP);
    EXPECT(runs_next(&r));
    EXPECT_ERR(runs_read(&r), ERR_DISK);
    runs_done(&r);
    kv_close(kv);
}

TESTS(RUN(a_run_has_the_batches_that_were_put),
      RUN(a_walk_begins_at_the_run_that_holds_the_offset_and_ends_with_its_log),
      RUN(a_walk_sees_one_moment), RUN(all_logs_follow_on_one_another), RUN(the_ends_of_logs),
      RUN(a_trim_takes_the_runs_that_end_in_front_of_it), RUN(logs_go_without_their_neighbours),
      RUN(a_run_that_cannot_be_read_says_why))
