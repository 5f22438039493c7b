/* Giving space back where something else goes on, or goes wrong, at the same time; and what a start
 * takes for leftovers. */
#include <pthread.h>
#include <unistd.h>
#include "base/mem.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/log_keys.h"
#include "storage/engine/survey.h"
#include "random.h"
#include "test.h"

enum { EXTENT_BYTES = 32 << 10, RUN_BYTES_HERE = 20000 };   /* one of them fills an extent */
enum { PUNCHED_RUN_BYTES = 100 << 10 };                     /* a hole of one is worth it */

static const struct kv_options small = {.extent_bytes = EXTENT_BYTES};
static const atomic_bool go_on;

static struct kv *engine_new(struct files *files)
{
    struct kv *kv;
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &small, 7, &kv));
    return kv;
}

static void put(struct kv *kv, int64_t offset, size_t bytes)
{
    static uint8_t run[RUN_BYTES_HERE];
    memset(run, (int)offset, sizeof run);
    struct log_key key = log_key(1, offset);
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, bytes));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

static void expect_there(struct kv *kv, int64_t offset)
{
    struct slab *value = NULL;
    struct log_key key = log_key(1, offset);
    EXPECT_OK(kv_get(kv, KV_LOG, KEY_BYTES(key), &value));
    EXPECT_EQ(value->data[0], (uint8_t)offset);
    slab_unref(value);
}

static void *reclaim(void *kv)
{
    EXPECT_OK(kv_reclaim(kv, &go_on));
    return NULL;
}

/* Else the whole file goes, and the commit's runs come back to nothing. */
TEST(what_a_commit_deletes_that_fails_in_the_end_keeps_its_file)
{
    struct kv *kv = engine_new(files_mem_new());
    for (int64_t i = 1; i < 4; i++) put(kv, i, RUN_BYTES_HERE);
    struct walled *r = walled_of(kv);
    struct wal_extent e;
    pthread_t sweeper;
    pthread_mutex_lock(&r->lock);               /* as a commit that deletes the first run */
    EXPECT(wal_add_dead(r->wal, 1, RUN_BYTES_HERE, &e) && e.sealed);
    EXPECT_EQ(e.dead_bytes, e.payload_bytes);
    EXPECT_EQ(pthread_create(&sweeper, NULL, reclaim, kv), 0);
    usleep(50000);
    EXPECT(wal_add_dead(r->wal, 1, -(uint64_t)RUN_BYTES_HERE, &e));
    pthread_mutex_unlock(&r->lock);
    pthread_join(sweeper, NULL);
    for (int64_t i = 1; i < 4; i++) expect_there(kv, i);
    kv_close(kv);
}

/* A start behind all that is in tables. Takes over files. */
static struct kv *engine_again(struct kv *tables, struct files *files)
{
    struct kv *kv;
    EXPECT_OK(kv_wal_open(kv_mem_share(tables), files, &small, 8, &kv));
    return kv;
}

/* Ends it with all in tables; what is left of its files. */
static struct files *engine_end(struct kv *kv)
{
    EXPECT_OK(walled_flush(walled_of(kv)));
    struct files *left = files_mem_copy(walled_of(kv)->files);
    kv_close(kv);
    return left;
}

static void cut_short(struct files *files, const char *name, uint64_t bytes)
{
    struct file *f;
    EXPECT_OK(files_open(files, name, FILE_WRITE, &f));
    EXPECT(file_bytes(f) > bytes);
    EXPECT_OK(file_cut(f, bytes));
    file_close(f);
}

/* The next start would take a file that it knows nothing of for a leftover. sealed: or the one that
 * was written last. */
static void expect_rest_stays(bool sealed)
{
    enum { RUN = 2000 };
    struct kv *tables = kv_mem_new();
    struct kv *kv = engine_again(tables, files_mem_new());
    for (int64_t i = 1; i <= (sealed ? 30 : 8); i++) put(kv, i, RUN);
    struct files *files = engine_end(kv);
    cut_short(files, "0000000000000001.extent", 6 * RUN);
    kv = engine_again(tables, files);
    EXPECT(!sealed || kv_damage(kv)->lost_writes == 1);
    for (int life = 0; life < 3; life++) {
        for (int64_t i = 1; i <= 5; i++) expect_there(kv, i);
        put(kv, 100 + life, RUN);
        kv = engine_again(tables, engine_end(kv));
        EXPECT_STR(kv_damage(kv)->text, "");
    }
    kv_close(kv);
    kv_close(tables);
}

TEST(what_is_left_of_a_file_that_was_cut_short_stays)
{
    expect_rest_stays(true);
    expect_rest_stays(false);
}

static void put_of(struct kv_batch *b, uint64_t log, int64_t offset, size_t bytes)
{
    static const uint8_t run[PUNCHED_RUN_BYTES];
    struct log_key key = log_key(log, offset);
    assert_true(bytes <= sizeof run);
    kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, bytes));
}

static void delete_log(struct kv *kv, uint64_t log)
{
    struct log_range_key from = log_range_first(log), to = log_range_first(log + 1);
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_delete_range(b, KV_LOG, KEY_BYTES(from), KEY_BYTES(to));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

static uint64_t extents_of(struct kv *kv)
{
    struct kv_stats stats;
    kv_stats(kv, &stats);
    return stats.extents;
}

/* What lives in the first file is a tenth of it, in small pieces: it is to be copied, for which a
 * full disk has no room. The second one has nothing that lives. */
TEST(a_full_disk_gets_whole_files_back_behind_one_that_it_cannot_copy)
{
    enum { RUN = 2000, TURN = 10, BIG = 4 << 20 };
    const struct kv_options big = {.extent_bytes = BIG};
    struct files *files = files_mem_new();
    struct kv *kv;
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &big, 7, &kv));
    struct kv_batch *b = kv_batch_new(kv);
    for (int64_t turn = 0; extents_of(kv) < 3; turn++) {
        kv_batch_clear(b);
        for (int64_t i = 0; i < TURN; i++)
            put_of(b, i == 0 && turn < 100 ? 1 : 2, turn * TURN + i, RUN);
        EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    }
    files_mem_set_room(files, 0);
    kv_batch_clear(b);
    put_of(b, 3, 1, RUN);
    while (kv_commit(kv, b, KV_NO_SYNC) == ERR_OK) {}
    EXPECT(kv_is_full(kv));
    delete_log(kv, 2);
    EXPECT_ERR(kv_reclaim(kv, &go_on), ERR_DISK);       /* of the first one */
    EXPECT_EQ(extents_of(kv), 2);
    kv_batch_free(b);
    kv_close(kv);
}

TEST(a_range_that_cannot_be_looked_through_holds_up_no_other)
{
    enum { FILES = 3 };
    struct kv *tables = kv_mem_new();
    struct kv *kv = engine_again(tables, files_mem_new());
    struct kv_batch *b = kv_batch_new(kv);
    for (int64_t i = 0; i < 3 * FILES; i++) {
        kv_batch_clear(b);
        put_of(b, 1 + (uint64_t)i / FILES, i, RUN_BYTES_HERE);
        EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    }
    delete_log(kv, 1);
    delete_log(kv, 2);
    EXPECT_EQ(extents_of(kv), 3 * FILES);
    kv_mem_set_faults(tables, &(struct kv_mem_faults){.fail_at = 0});
    EXPECT_ERR(kv_reclaim(kv, &go_on), ERR_DISK);
    EXPECT(kv_mem_faulted(tables));
    EXPECT_EQ(extents_of(kv), FILES);       /* the second round could look */
    kv_batch_free(b);
    kv_close(kv);
    kv_close(tables);
}

/* Of two that begin alike the shorter one came last. */
TEST(ranges_of_one_batch_are_there_after_a_start)
{
    struct kv *tables = kv_mem_new();
    struct kv *kv = engine_again(tables, files_mem_new());
    for (int64_t i = 1; i <= 9; i++) put(kv, i, 2000);
    struct kv_batch *b = kv_batch_new(kv);
    struct log_range_key from = log_range_first(1);
    const int64_t to[] = {8, 4};
    for (int i = 0; i < 2; i++) {
        struct log_key end = log_key(1, to[i]);
        kv_batch_delete_range(b, KV_LOG, KEY_BYTES(from), KEY_BYTES(end));
    }
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    for (int life = 0; life < 2; life++) {
        struct slab *value = NULL;
        struct log_key first = log_key(1, 1), last = log_key(1, 7);
        EXPECT_ERR(kv_get(kv, KV_LOG, KEY_BYTES(first), &value), ERR_NOT_FOUND);
        EXPECT_ERR(kv_get(kv, KV_LOG, KEY_BYTES(last), &value), ERR_NOT_FOUND);
        expect_there(kv, 8);
        kv = engine_again(tables, engine_end(kv));
    }
    kv_close(kv);
    kv_close(tables);
}

/* As on a full disk, which has no room for tables either. */
TEST(what_is_in_tables_goes_before_others_are_written_out)
{
    enum { FILES = 3 };
    struct kv *tables = kv_mem_new();
    struct kv *kv = engine_again(tables, files_mem_new());
    for (int64_t i = 1; i <= FILES + 1; i++) put(kv, i, RUN_BYTES_HERE);
    EXPECT_OK(walled_flush(walled_of(kv)));
    for (int64_t i = FILES + 2; i <= 2 * FILES + 1; i++) put(kv, i, RUN_BYTES_HERE);
    EXPECT_EQ(extents_of(kv), 2 * FILES + 1);
    struct kv_batch *b = kv_batch_new(kv);
    for (int64_t i = 1; i <= 2 * FILES; i++) {
        struct log_key key = log_key(1, i);
        kv_batch_delete(b, KV_LOG, KEY_BYTES(key));
    }
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    kv_mem_set_faults(tables, &(struct kv_mem_faults){.fail_count = INT64_MAX});
    EXPECT_ERR(kv_reclaim(kv, &go_on), ERR_DISK);
    EXPECT(extents_of(kv) <= FILES + 1);
    kv_mem_set_faults(tables, &(struct kv_mem_faults){.fail_at = -1});
    EXPECT_OK(kv_resume(kv));
    EXPECT_OK(kv_reclaim(kv, &go_on));
    EXPECT_EQ(extents_of(kv), 1);
    expect_there(kv, 2 * FILES + 1);
    kv_close(kv);
    kv_close(tables);
}

enum { PUNCHED_RUNS = 40, DELETED_LATE = 1 };

struct late_delete {
    struct kv *kv;
    struct files *files;
    struct files *left;         /* what a power cut in front of the second hole finds */
    bool deleted;
    int holes;
};

static void delete_run(struct kv_batch *b, int64_t offset)
{
    struct log_key key = log_key(1, offset);
    kv_batch_delete(b, KV_LOG, KEY_BYTES(key));
}

/* A trim comes while the first file is looked through. */
static bool delete_late(void *context, enum files_call call)
{
    struct late_delete *d = context;
    if (call == FILES_READ && !d->deleted) {
        d->deleted = true;
        struct kv_batch *b = kv_batch_new(d->kv);
        delete_run(b, DELETED_LATE);
        EXPECT_OK(kv_commit(d->kv, b, KV_NO_SYNC));
        kv_batch_free(b);
    }
    if (call == FILES_PUNCH && d->deleted && ++d->holes == 2) d->left = files_mem_copy(d->files);
    return false;
}

static bool keeps_nothing(void *context, int number)
{
    (void)context;
    (void)number;
    return false;
}

TEST(no_hole_is_made_for_a_delete_that_a_power_cut_would_take_back)
{
    const struct kv_options options = {.extent_bytes = 1 << 20};
    struct late_delete d = {.files = files_mem_new()};
    EXPECT_OK(kv_wal_open(kv_mem_new(), d.files, &options, 7, &d.kv));
    for (int64_t i = 0; i < PUNCHED_RUNS; i++) {
        struct kv_batch *b = kv_batch_new(d.kv);
        put_of(b, 1, i, PUNCHED_RUN_BYTES);
        EXPECT_OK(kv_commit(d.kv, b, KV_NO_SYNC));
        kv_batch_free(b);
    }
    struct kv_batch *b = kv_batch_new(d.kv);
    for (int64_t i = 0; i < PUNCHED_RUNS; i += 2) delete_run(b, i);
    EXPECT_OK(kv_commit(d.kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    files_mem_set_hook(d.files, &d, delete_late);
    EXPECT_OK(kv_reclaim(d.kv, &go_on));
    EXPECT(d.left != NULL);
    files_mem_set_hook(d.files, NULL, NULL);
    kv_close(d.kv);
    files_mem_set_hook(d.left, NULL, NULL);
    files_mem_power_cut(d.left, keeps_nothing, NULL);
    EXPECT_OK(kv_wal_open(kv_mem_new(), d.left, &options, 8, &d.kv));
    for (int64_t i = 0; i < PUNCHED_RUNS; i++) {
        struct slab *value = NULL;
        struct log_key key = log_key(1, i);
        EXPECT_ERR(kv_get(d.kv, KV_LOG, KEY_BYTES(key), &value),
                   i % 2 == 0 || i == DELETED_LATE ? ERR_NOT_FOUND : ERR_OK);
        slab_unref(value);
    }
    kv_close(d.kv);
}

/* Logs of very different rates, each of which keeps its newest runs: a file holds some of all. */
static void skewed(bool plain)
{
    enum { LOGS = 20, TURNS = 3000, KEEP = 12, RUN = 1500, BYTES = 256 << 10 };
    const struct kv_options options = {.extent_bytes = BYTES, .flush_log_bytes = BYTES,
                                       .flush_tables_bytes = 16 << 10};
    struct files *files = files_mem_new();
    struct kv *kv;
    int64_t next[LOGS] = {0}, first[LOGS] = {0};
    struct random random = {.state = 4711};
    files_mem_set_plain(files, plain);
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &options, 7, &kv));
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t log = random_below(&random, LOGS);
        log = random_below(&random, log + 1);               /* the first ones more often */
        struct kv_batch *b = kv_batch_new(kv);
        put_of(b, 1 + log, next[log]++, RUN);
        if (next[log] - first[log] > KEEP) {
            struct log_range_key from = log_range_first(1 + log);
            struct log_key to = log_key(1 + log, ++first[log]);
            kv_batch_delete_range(b, KV_LOG, KEY_BYTES(from), KEY_BYTES(to));
        }
        EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
        kv_batch_free(b);
        if (turn % 100 == 99) EXPECT_OK(kv_reclaim(kv, &go_on));
    }
    struct wal *w = walled_of(kv)->wal;
    uint64_t live = 0, disk = wal_here(w).position;     /* without what is kept ready behind it */
    struct wal_extent e;
    for (uint64_t n = 0; wal_extent_from(w, n, &e); n = e.number + 1)
        if (e.sealed) disk += wal_disk_bytes(w, e.number);
    for (int i = 0; i < LOGS; i++) live += (uint64_t)(next[i] - first[i]) * RUN;
    EXPECT(live > LOGS / 2 * KEEP * RUN);
    /* A share, a part of a file, and the one that is written. */
    EXPECT(disk <= live / 100 * 125 + BYTES / 4 + BYTES);
    kv_close(kv);
}

TEST(what_skewed_logs_keep_takes_little_more_than_it_is)
{
    skewed(false);
    skewed(true);
}

/* More frames in one file than are looked at together: what lives in each part is found. */
static void many_frames(bool plain)
{
    enum { LOGS = 16, FRAMES = 9000, SMALL = 20, LARGE = 2000, BYTES = 64 << 20 };
    enum { EACH = 60, KEPT = 8 };       /* frame of a log with a large run; log that stays */
    static_assert(LOGS * FRAMES > (int)SURVEY_ENTRIES_MAX, "in parts");
    const struct kv_options options = {.extent_bytes = BYTES, .flush_log_bytes = BYTES};
    struct files *files = files_mem_new();
    struct kv *kv;
    files_mem_set_plain(files, plain);
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &options, 7, &kv));
    struct kv_batch *b = kv_batch_new(kv);
    for (int64_t i = 0; i < LOGS * FRAMES; i++) {
        int64_t at = i % FRAMES;
        put_of(b, 1 + (uint64_t)(i / FRAMES), at, at % EACH == 0 ? LARGE : SMALL);
        EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
        kv_batch_clear(b);
    }
    kv_batch_free(b);
    EXPECT_EQ(extents_of(kv), 1);
    for (uint64_t log = 1; log <= LOGS; log++)
        if (log % KEPT != 0) delete_log(kv, log);
    EXPECT_OK(kv_reclaim(kv, &go_on));
    put(kv, 1, LARGE);                  /* into the next file */
    for (int i = 0; i < 4; i++) EXPECT_OK(kv_reclaim(kv, &go_on));
    uint64_t left = LOGS / KEPT * FRAMES / EACH * LARGE;
    EXPECT(wal_disk_bytes(walled_of(kv)->wal, 1) < 2 * left + BYTES / 64);
    for (uint64_t log = KEPT; log <= LOGS; log += KEPT)
        for (int64_t at = 0; at < FRAMES; at++) {
            struct slab *value = NULL;
            struct log_key key = log_key(log, at);
            EXPECT_OK(kv_get(kv, KV_LOG, KEY_BYTES(key), &value));
            EXPECT_EQ(value->len, at % EACH == 0 ? LARGE : SMALL);
            slab_unref(value);
        }
    kv_close(kv);
}

TEST(a_file_of_many_frames_is_looked_through_in_parts)
{
    many_frames(false);
    many_frames(true);
}

TESTS(RUN(a_file_of_many_frames_is_looked_through_in_parts),
      RUN(no_hole_is_made_for_a_delete_that_a_power_cut_would_take_back),
      RUN(what_skewed_logs_keep_takes_little_more_than_it_is),
      RUN(what_a_commit_deletes_that_fails_in_the_end_keeps_its_file),
      RUN(what_is_left_of_a_file_that_was_cut_short_stays),
      RUN(a_full_disk_gets_whole_files_back_behind_one_that_it_cannot_copy),
      RUN(a_range_that_cannot_be_looked_through_holds_up_no_other),
      RUN(ranges_of_one_batch_are_there_after_a_start),
      RUN(what_is_in_tables_goes_before_others_are_written_out))
