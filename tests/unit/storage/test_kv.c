/* One contract, two engines: every test here runs on both. And what only one of them has. */
#include "storage/engine/kv.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/mem.h"
#include "random.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/log_keys.h"
#include "test.h"

struct engine {
    struct kv *kv;
    char dir[64];               /* empty: in memory */
};

static struct engine engine_new(bool memory)
{
    struct engine e = {0};
    if (memory) {
        e.kv = kv_mem_new();
        return e;
    }
    snprintf(e.dir, sizeof e.dir, "/tmp/diglot-test-kv-XXXXXX");
    assert_non_null(mkdtemp(e.dir));
    EXPECT_OK(kv_open(e.dir, &(struct kv_options){0}, &e.kv, NULL));
    return e;
}

static void remove_dir(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    EXPECT_EQ(system(command), 0);
}

static void engine_done(struct engine *e)
{
    kv_close(e->kv);
    if (e->dir[0] != '\0') remove_dir(e->dir);
}

static const atomic_bool go_on;

static void put(struct kv *kv, const char *key, const char *value)
{
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_LOG, bytes_str(key), bytes_str(value));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

/* "a=1 b=2 " */
static const char *list(struct kv *kv, struct bytes from, struct bytes to, bool backwards)
{
    static char text[256];
    size_t len = 0;
    text[0] = '\0';
    struct kv_iter *it = kv_iter_new(kv, KV_LOG, from, to, backwards);
    while (kv_iter_next(it))
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s=%.*s ",
                                BYTES_ARGS(kv_iter_key(it)), BYTES_ARGS(kv_iter_value(it)));
    EXPECT_OK(kv_iter_error(it));
    kv_iter_free(it);
    return text;
}

#define BOTH(name)                                                                                 \
    static void name##_on(struct kv *kv);                                                          \
    TEST(name)                                                                                     \
    {                                                                                              \
        for (int memory = 0; memory < 2; memory++) {                                               \
            struct engine e = engine_new(memory);                                                  \
            name##_on(e.kv);                                                                       \
            engine_done(&e);                                                                       \
        }                                                                                          \
    }                                                                                              \
    static void name##_on(struct kv *kv)

BOTH(what_was_put_is_read)
{
    struct slab *value = NULL;
    EXPECT_ERR(kv_get(kv, KV_LOG, BYTES_LIT("a"), &value), ERR_NOT_FOUND);
    EXPECT(value == NULL);
    put(kv, "a", "1");
    EXPECT_OK(kv_get(kv, KV_LOG, BYTES_LIT("a"), &value));
    EXPECT_BYTES(slab_bytes(value), "1");
    slab_unref(value);
    put(kv, "a", "2");
    EXPECT_OK(kv_get(kv, KV_LOG, BYTES_LIT("a"), &value));
    EXPECT_BYTES(slab_bytes(value), "2");
    slab_unref(value);
    EXPECT_ERR(kv_get(kv, KV_META, BYTES_LIT("a"), &value), ERR_NOT_FOUND);   /* another family */
}

BOTH(ranges_are_read_in_both_directions)
{
    put(kv, "b", "2");
    put(kv, "d", "4");
    put(kv, "a", "1");
    put(kv, "c", "3");
    EXPECT_STR(list(kv, BYTES_LIT("b"), BYTES_LIT("d"), false), "b=2 c=3 ");
    EXPECT_STR(list(kv, BYTES_LIT("b"), BYTES_LIT("d"), true), "c=3 b=2 ");
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 b=2 c=3 d=4 ");
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, true), "d=4 c=3 b=2 a=1 ");
    EXPECT_STR(list(kv, BYTES_LIT("bb"), BYTES_LIT("bc"), false), "");
    EXPECT_STR(list(kv, BYTES_LIT("e"), BYTES_NULL, true), "");
}

static bool is_engines(int family)
{
    return family == KV_EXTENTS || family == KV_DISCARDS;
}

/* Whatever bytes their keys have. */
BOTH(families_are_apart)
{
    const struct bytes keys[] = {BYTES_LIT(""), BYTES_LIT("M"), BYTES_LIT("\xff\xff")};
    struct kv_batch *b = kv_batch_new(kv);
    for (int f = 0; f < KV_FAMILY_COUNT; f++)
        for (size_t i = f == KV_LOG; !is_engines(f) && i < sizeof keys / sizeof keys[0]; i++)
            kv_batch_put(b, (enum kv_family)f, keys[i], BYTES_LIT("v"));
    kv_batch_delete_range(b, KV_INDEX, BYTES_LIT(""), BYTES_LIT("N"));
    kv_batch_delete(b, KV_OFFSETS, keys[2]);
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    const int counts[KV_FAMILY_COUNT] = {
        [KV_META] = 3,  [KV_CATALOG] = 3, [KV_LOG] = 2,
        [KV_INDEX] = 1, [KV_OFFSETS] = 2, [KV_PRODUCERS] = 3,
    };
    for (int f = 0; f < KV_FAMILY_COUNT; f++)
        for (int backwards = 0; backwards < 2; backwards++) {
            struct kv_iter *it = kv_iter_new(kv, (enum kv_family)f, BYTES_LIT(""), BYTES_NULL,
                                             backwards);
            int count = 0;
            while (kv_iter_next(it)) count++;
            EXPECT_OK(kv_iter_error(it));
            EXPECT_EQ(count, counts[f]);
            kv_iter_free(it);
        }
}

BOTH(an_iterator_sees_the_moment_it_was_made)
{
    put(kv, "a", "1");
    struct kv_iter *it = kv_iter_new(kv, KV_LOG, BYTES_LIT(""), BYTES_NULL, false);
    put(kv, "b", "2");
    EXPECT(kv_iter_next(it));
    EXPECT(!kv_iter_next(it));
    EXPECT(!kv_iter_next(it));
    kv_iter_free(it);
}

BOTH(a_batch_is_applied_in_order_and_as_a_whole)
{
    put(kv, "x", "old");
    struct kv_batch *b = kv_batch_new(kv);
    for (int i = 0; i < 10; i++) {
        char key[4] = {'k', (char)('0' + i), 0};
        kv_batch_put(b, KV_LOG, bytes_str(key), BYTES_LIT("v"));
    }
    kv_batch_delete_range(b, KV_LOG, BYTES_LIT("k2"), BYTES_LIT("k8"));
    kv_batch_put(b, KV_INDEX, BYTES_LIT("k5"), BYTES_LIT("v"));
    kv_batch_delete_range(b, KV_INDEX, BYTES_LIT("k2"), BYTES_LIT("k8"));
    kv_batch_put(b, KV_INDEX, BYTES_LIT("k6"), BYTES_LIT("w"));
    kv_batch_delete(b, KV_LOG, BYTES_LIT("x"));
    kv_batch_delete(b, KV_LOG, BYTES_LIT("nothing"));
    EXPECT(kv_batch_bytes(b) > 20);
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "x=old ");
    EXPECT_OK(kv_commit(kv, b, KV_SYNC));
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "k0=v k1=v k8=v k9=v ");
    kv_batch_clear(b);
    kv_batch_put(b, KV_LOG, BYTES_LIT("z"), BYTES_LIT(""));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    EXPECT_STR(list(kv, BYTES_LIT("k9"), BYTES_NULL, false), "k9=v z= ");
    struct slab *value;
    EXPECT_ERR(kv_get(kv, KV_INDEX, BYTES_LIT("k5"), &value), ERR_NOT_FOUND);
    EXPECT_OK(kv_get(kv, KV_INDEX, BYTES_LIT("k6"), &value));
    slab_unref(value);
    kv_batch_free(b);
}

BOTH(parts_are_gathered)
{
    enum { PARTS = 512, PART_BYTES = 400 };
    static uint8_t data[PARTS * PART_BYTES];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 31 >> 3);
    struct bytes parts[PARTS];
    for (int i = 0; i < PARTS; i++) parts[i] = bytes_of(data + i * PART_BYTES, PART_BYTES);
    parts[7] = BYTES_NULL;
    struct kv_batch *b = kv_batch_new(kv);
    struct log_key key = log_key(1, 1);
    kv_batch_put_parts(b, KV_LOG, KEY_BYTES(key), parts, PARTS);
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    struct slab *value;
    EXPECT_OK(kv_get(kv, KV_LOG, KEY_BYTES(key), &value));
    EXPECT_EQ(value->len, sizeof data - PART_BYTES);
    EXPECT(memcmp(value->data, data, 7 * PART_BYTES) == 0);
    EXPECT(memcmp(value->data + 7 * PART_BYTES, data + 8 * PART_BYTES,
                  sizeof data - 8 * PART_BYTES) == 0);
    slab_unref(value);
}

BOTH(removed_ranges_are_reclaimed)
{
    put(kv, "a", "1");
    put(kv, "b", "2");
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_delete_range(b, KV_LOG, BYTES_LIT("a"), BYTES_LIT("b"));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    EXPECT_OK(kv_reclaim(kv, &go_on));
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "b=2 ");
    EXPECT_OK(kv_sync_now(kv));
    EXPECT_OK(kv_resume(kv));
    struct kv_stats stats;
    kv_stats(kv, &stats);
    EXPECT(!kv_writes_stopped(kv));
}

static void expect_equal(struct kv *a, struct kv *b)
{
    struct kv_iter *x = kv_iter_new(a, KV_LOG, BYTES_LIT(""), BYTES_NULL, false);
    struct kv_iter *y = kv_iter_new(b, KV_LOG, BYTES_LIT(""), BYTES_NULL, false);
    for (;;) {
        bool more = kv_iter_next(x);
        EXPECT_EQ(kv_iter_next(y), more);
        if (!more) break;
        EXPECT(bytes_equal(kv_iter_key(x), kv_iter_key(y)));
        EXPECT(bytes_equal(kv_iter_value(x), kv_iter_value(y)));
    }
    EXPECT_OK(kv_iter_error(x));
    EXPECT_OK(kv_iter_error(y));
    kv_iter_free(x);
    kv_iter_free(y);
}

/* What logs do to an engine: each grows at its end and is cut at its start, several in one
 * batch. */
TEST(both_engines_hold_the_same_after_random_lives_of_logs)
{
    enum { LOGS = 6, BATCHES = 1500 };
    struct random r = random_seeded();
    struct engine memory = engine_new(true), disk = engine_new(false);
    int64_t next[LOGS] = {0};
    static uint8_t value[3000];
    for (int i = 0; i < BATCHES; i++) {
        struct kv_batch *b[2] = {kv_batch_new(memory.kv), kv_batch_new(disk.kv)};
        int ops = 1 + (int)random_below(&r, 6);
        for (int op = 0; op < ops; op++) {
            uint64_t log = random_below(&r, LOGS);
            struct log_key key = log_key(log, next[log]);
            struct log_range_key first = log_range_first(log);
            size_t len = random_below(&r, 10) == 0 ? random_below(&r, sizeof value) : 40;
            value[0] = (uint8_t)i;
            bool cut = random_below(&r, 12) == 0 && next[log] > 0;
            struct log_key cut_at =
                log_key(log, cut ? (int64_t)random_below(&r, (uint64_t)next[log]) : 0);
            for (int e = 0; e < 2; e++) {
                if (cut) kv_batch_delete_range(b[e], KV_LOG, KEY_BYTES(first), KEY_BYTES(cut_at));
                else kv_batch_put(b[e], KV_LOG, KEY_BYTES(key), bytes_of(value, len));
            }
            if (!cut) next[log] += 1 + (int64_t)random_below(&r, 5);
        }
        EXPECT_OK(kv_commit(memory.kv, b[0], KV_NO_SYNC));
        EXPECT_OK(kv_commit(disk.kv, b[1], KV_NO_SYNC));
        kv_batch_free(b[0]);
        kv_batch_free(b[1]);
        if (i % 300 == 299) expect_equal(memory.kv, disk.kv);
        if (i % 500 == 499) {
            EXPECT_OK(kv_reclaim(disk.kv, &go_on));
        }
    }
    expect_equal(memory.kv, disk.kv);
    engine_done(&memory);
    engine_done(&disk);
}

static size_t keys_of(struct kv *kv)
{
    size_t count = 0;
    struct kv_iter *it = kv_iter_new(kv, KV_LOG, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) count++;
    EXPECT_OK(kv_iter_error(it));
    kv_iter_free(it);
    return count;
}

static void put_offset(struct kv_batch *b, uint64_t log, int64_t offset, size_t bytes)
{
    static uint8_t value[1 << 20];
    struct log_key key = log_key(log, offset);
    kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(value, bytes));
}

static void delete_span(struct kv *kv, int64_t from_offset, int64_t to_offset)
{
    struct log_key from = log_key(1, from_offset), to = log_key(1, to_offset);
    struct log_range_key range_from = log_range_first(1);
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_delete_span(b, kv, KV_LOG, KEY_BYTES(from), KEY_BYTES(to), KEY_BYTES(range_from));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

TEST(a_short_span_is_deleted_key_by_key_and_a_long_one_as_a_range)
{
    struct kv *kv = kv_mem_new();
    struct kv_batch *b = kv_batch_new(kv);
    for (int64_t i = 0; i < 200; i++) put_offset(b, 1, i, 10);
    put_offset(b, 1, 300, 1 << 20);
    put_offset(b, 1, 301, 10);
    put_offset(b, 2, 0, 10);
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    delete_span(kv, 0, 0);
    struct kv_mem_deletes deletes = kv_mem_deletes(kv);
    EXPECT(deletes.keys == 0 && deletes.ranges == 0);
    delete_span(kv, 0, 20);
    deletes = kv_mem_deletes(kv);
    EXPECT(deletes.keys == 20 && deletes.ranges == 0);
    delete_span(kv, 20, 200);
    deletes = kv_mem_deletes(kv);
    EXPECT(deletes.keys == 0 && deletes.ranges == 1);
    EXPECT_EQ(keys_of(kv), 3);
    delete_span(kv, 200, 302);                      /* two keys, but a lot to look at */
    deletes = kv_mem_deletes(kv);
    EXPECT(deletes.keys == 0 && deletes.ranges == 1);
    EXPECT_EQ(keys_of(kv), 1);
    kv_close(kv);
}

/* Else each read after one more sorts them all and cuts the overlapping ones to pieces, and so does
 * the next start. */
TEST(a_memtable_with_many_deleted_ranges_is_written_out)
{
    struct engine e = engine_new(false);
    struct kv_stats stats = {0};
    for (int64_t i = 1; i <= 300; i++) {
        struct kv_batch *b = kv_batch_new(e.kv);
        struct log_range_key from = log_range_first(1);
        struct log_key to = log_key(1, i);
        put_offset(b, 1, i, 10);
        kv_batch_delete_range(b, KV_LOG, KEY_BYTES(from), KEY_BYTES(to));
        EXPECT_OK(kv_commit(e.kv, b, KV_NO_SYNC));
        kv_batch_free(b);
    }
    EXPECT_EQ(keys_of(e.kv), 1);
    UNTIL(stats.disk_bytes > 0, (usleep(1000), kv_stats(e.kv, &stats)));  /* it does so by and by */
    engine_done(&e);
}

/* More is written, and read, than the engine may hold of it: docs/memory.md has these bounds. */
TEST(buffers_and_cache_stay_within_their_bounds)
{
    enum { BUFFERS_BYTES = 128 << 20, CACHE_BYTES = 16 << 20, BATCHES = 200, SMALL = 1000 };
    struct engine e = engine_new(false);
    static uint8_t value[SMALL];
    uint64_t memtables_most = 0, cache_most = 0;
    for (int64_t i = 1; i <= BATCHES; i++) {
        struct kv_batch *b = kv_batch_new(e.kv);
        for (int64_t n = 0; n < 1 << 10; n++) {
            struct log_key key = log_key(1, i << 20 | n);
            value[n % SMALL] = (uint8_t)i;
            kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(value, SMALL));
        }
        EXPECT_OK(kv_commit(e.kv, b, KV_NO_SYNC));
        kv_batch_free(b);
        struct kv_stats stats = {0};
        kv_stats(e.kv, &stats);
        if (stats.memtable_bytes > memtables_most) memtables_most = stats.memtable_bytes;
    }
    EXPECT_EQ(keys_of(e.kv), BATCHES << 10);
    struct kv_stats stats = {0};
    kv_stats(e.kv, &stats);
    cache_most = stats.cache_bytes;
    EXPECT(memtables_most > 8 << 20 && memtables_most <= BUFFERS_BYTES);
    EXPECT(cache_most > 0 && cache_most <= CACHE_BYTES);
    engine_done(&e);
}

static int descriptors(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/fd");
    assert_non_null(all);
    while (readdir(all) != NULL) count++;
    closedir(all);
    return count;
}

/* More files than are kept open, all of them read. */
TEST(no_more_files_are_open_than_the_bound)
{
    enum { FILES_MAX = 256, WRITES = 700, BYTES = 96 << 10 };
    struct engine e = {0};
    snprintf(e.dir, sizeof e.dir, "/tmp/diglot-test-kv-XXXXXX");
    assert_non_null(mkdtemp(e.dir));
    const struct kv_options options = {.extent_bytes = BYTES, .flush_log_bytes = 32 * BYTES};
    EXPECT_OK(kv_open(e.dir, &options, &e.kv, NULL));
    int before = descriptors();
    uint8_t *value = mem_new(BYTES);
    for (int64_t i = 1; i <= WRITES; i++) {
        struct kv_batch *b = kv_batch_new(e.kv);
        struct log_key key = log_key(1, i);
        kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(value, BYTES));
        EXPECT_OK(kv_commit(e.kv, b, KV_NO_SYNC));
        kv_batch_free(b);
    }
    EXPECT_EQ(keys_of(e.kv), WRITES);
    int more = descriptors() - before;
    EXPECT(more > FILES_MAX / 2 && more <= FILES_MAX + 16);
    mem_free(value);
    engine_done(&e);
}

/* ---- In memory */

TEST(the_chosen_call_fails_and_leaves_nothing_behind)
{
    struct kv *kv = kv_mem_new();
    put(kv, "a", "1");
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_LOG, BYTES_LIT("b"), BYTES_LIT("2"));
    kv_mem_set_faults(kv, &(struct kv_mem_faults){.fail_at = 1, .fail_count = 1});
    struct slab *value;
    EXPECT_OK(kv_get(kv, KV_LOG, BYTES_LIT("a"), &value));
    slab_unref(value);
    EXPECT(!kv_mem_faulted(kv));
    EXPECT_ERR(kv_commit(kv, b, KV_NO_SYNC), ERR_DISK);
    EXPECT_ERR(kv_get(kv, KV_LOG, BYTES_LIT("a"), &value), ERR_DISK);
    EXPECT(kv_mem_faulted(kv));
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 ");
    kv_mem_set_faults(kv, &(struct kv_mem_faults){.fail_at = 0, .applied = true});
    EXPECT_ERR(kv_commit(kv, b, KV_NO_SYNC), ERR_DISK);
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 b=2 ");
    kv_mem_set_faults(kv, &(struct kv_mem_faults){.fail_at = 1});
    struct kv_iter *it = kv_iter_new(kv, KV_LOG, BYTES_LIT(""), BYTES_NULL, false);
    EXPECT(!kv_iter_next(it));
    EXPECT_ERR(kv_iter_error(it), ERR_DISK);
    kv_iter_free(it);
    kv_batch_free(b);
    kv_close(kv);
}

TEST(after_a_crash_all_fails_and_what_was_committed_stays)
{
    for (int power_loss = 0; power_loss < 2; power_loss++) {
        struct kv *kv = kv_mem_new();
        put(kv, "a", "1");
        EXPECT_OK(kv_sync_now(kv));
        put(kv, "b", "2");
        kv_mem_set_faults(kv, &(struct kv_mem_faults){.fail_at = 0, .crash = true});
        EXPECT_ERR(kv_sync_now(kv), ERR_DISK);
        EXPECT_ERR(kv_resume(kv), ERR_DISK);
        kv_mem_reopen(kv, power_loss);
        EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), power_loss ? "a=1 " : "a=1 b=2 ");
        kv_close(kv);
    }
}

/* ---- On disk */

TEST(a_directory_has_one_user_and_keeps_its_data)
{
    char dir[64] = "/tmp/diglot-test-kv-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char deep[96];
    snprintf(deep, sizeof deep, "%s/not/there/yet", dir);
    struct kv *kv, *second;
    EXPECT_OK(kv_open(deep, &(struct kv_options){0}, &kv, NULL));
    put(kv, "a", "1");
    char *text = NULL;
    EXPECT_ERR(kv_open(deep, &(struct kv_options){0}, &second, &text), ERR_BUSY);
    EXPECT(text != NULL && strlen(text) > 0);
    mem_free(text);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    EXPECT(stats.crc_calls > 0);            /* our checksum took the place of the library's */
    kv_close(kv);
    EXPECT_OK(kv_open(deep, &(struct kv_options){0}, &kv, NULL));
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 ");
    kv_close(kv);
    remove_dir(dir);
}

static int walk(struct kv *kv, enum kv_walk how, enum err *ret_err)
{
    int count = 0;
    struct kv_iter *it = kv_iter_new_as(kv, KV_LOG, BYTES_LIT("a"), BYTES_LIT("b"), how);
    while (kv_iter_next(it)) count++;
    *ret_err = kv_iter_error(it);
    kv_iter_free(it);
    return count;
}

/* What stands in tables on disk is not waited for until somebody else has read it. */
TEST(a_walk_that_may_not_wait_has_what_is_in_memory)
{
    enum { COUNT = 300 };
    char dir[64] = "/tmp/diglot-test-kv-XXXXXX", key[16];
    assert_non_null(mkdtemp(dir));
    const struct kv_options options = {.flush_tables_bytes = 1};
    struct kv *kv;
    enum err err;
    EXPECT_OK(kv_open(dir, &(struct kv_options){0}, &kv, NULL));
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "a%03d", i);
        put(kv, key, "some bytes, so that it takes more than one block of a table");
    }
    EXPECT_EQ(walk(kv, KV_UP_NOW, &err), COUNT);
    EXPECT_OK(err);
    kv_close(kv);
    EXPECT_OK(kv_open(dir, &options, &kv, NULL));
    put(kv, "c", "has the tables written out");
    kv_close(kv);
    EXPECT_OK(kv_open(dir, &(struct kv_options){0}, &kv, NULL));
    EXPECT(walk(kv, KV_UP_NOW, &err) < COUNT);
    EXPECT_ERR(err, ERR_COLD);
    EXPECT_EQ(walk(kv, KV_UP, &err), COUNT);                /* leaves nothing behind */
    EXPECT(walk(kv, KV_UP_NOW, &err) < COUNT);
    EXPECT_ERR(err, ERR_COLD);
    EXPECT_EQ(walk(kv, KV_UP_AGAIN, &err), COUNT);
    EXPECT_EQ(walk(kv, KV_UP_NOW, &err), COUNT);
    EXPECT_OK(err);
    kv_close(kv);
    remove_dir(dir);
}

/* Files may not grow any more: the write in the middle of the write-ahead log fails. */
TEST(a_write_that_the_disk_refused_harms_no_sync_and_no_read)
{
    struct engine e = engine_new(false);
    put(e.kv, "a", "1");
    struct rlimit before, small;
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 128 << 10, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    static char much[2 << 20];
    struct kv_batch *b = kv_batch_new(e.kv);
    kv_batch_put(b, KV_LOG, BYTES_LIT("b"), bytes_of(much, sizeof much));
    EXPECT_ERR(kv_commit(e.kv, b, KV_NO_SYNC), ERR_DISK);
    kv_batch_free(b);
    EXPECT(kv_writes_stopped(e.kv));
    EXPECT_OK(kv_sync_now(e.kv));
    EXPECT_STR(list(e.kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 ");
    kv_close(e.kv);
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    EXPECT_OK(kv_open(e.dir, &(struct kv_options){0}, &e.kv, NULL));
    EXPECT_STR(list(e.kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 ");
    put(e.kv, "c", "3");
    EXPECT_STR(list(e.kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 c=3 ");
    engine_done(&e);
}

TEST(a_sync_that_failed_stops_the_writes)
{
    struct files *files = files_mem_new();
    struct kv *kv;
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &(struct kv_options){0}, 7, &kv));
    put(kv, "a", "1");
    files_mem_set_faults(files, &(struct files_mem_faults){.fail_at = 0});
    EXPECT_ERR(kv_sync_now(kv), ERR_DISK);
    EXPECT_ERR(kv_sync_now(kv), ERR_DISK);
    EXPECT_ERR(kv_resume(kv), ERR_DISK);
    EXPECT(kv_writes_stopped(kv));
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_LOG, BYTES_LIT("b"), BYTES_LIT("2"));
    EXPECT_ERR(kv_commit(kv, b, KV_NO_SYNC), ERR_DISK);
    kv_batch_free(b);
    EXPECT_STR(list(kv, BYTES_LIT(""), BYTES_NULL, false), "a=1 ");
    kv_close(kv);
}

enum { SYNCS = 50 };

struct syncing {
    struct kv *kv;
    enum err err;               /* the first one */
};

static void *sync_often(void *context)
{
    struct syncing *s = context;
    struct kv_batch *b = kv_batch_new(s->kv);
    kv_batch_put(b, KV_META, BYTES_LIT("a"), BYTES_LIT("1"));
    for (int i = 0; i < SYNCS && s->err == ERR_OK; i++) {
        s->err = kv_commit(s->kv, b, KV_NO_SYNC);
        if (s->err == ERR_OK) s->err = kv_sync_now(s->kv);
    }
    kv_batch_free(b);
    return NULL;
}

/* Housekeeping syncs each second, the controller when it settles a change that was in doubt: seen
 * by the thread sanitizer. */
TEST(two_threads_may_sync_at_the_same_time)
{
    struct engine e = engine_new(false);
    struct syncing one = {.kv = e.kv}, two = one;
    pthread_t other;
    EXPECT_EQ(pthread_create(&other, NULL, sync_often, &one), 0);
    sync_often(&two);
    pthread_join(other, NULL);
    EXPECT_OK(one.err);
    EXPECT_OK(two.err);
    engine_done(&e);
}

TEST(a_full_disk_is_known_until_a_write_succeeds)
{
    struct kv *kv = kv_mem_new();
    kv_mem_set_full(kv, true);
    EXPECT(!kv_writes_stopped(kv));
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_LOG, BYTES_LIT("a"), BYTES_LIT("1"));
    EXPECT_ERR(kv_commit(kv, b, KV_NO_SYNC), ERR_DISK);
    EXPECT_ERR(kv_resume(kv), ERR_DISK);
    EXPECT(kv_writes_stopped(kv));
    kv_mem_set_full(kv, false);
    EXPECT(kv_writes_stopped(kv));
    EXPECT_OK(kv_resume(kv));
    EXPECT(!kv_writes_stopped(kv));
    kv_batch_free(b);
    kv_close(kv);
}

TEST(a_place_that_is_no_directory_is_refused_with_words)
{
    char file[64] = "/tmp/diglot-test-kv-XXXXXX";
    int fd = mkstemp(file);
    close(fd);
    struct kv *kv;
    char *text = NULL;
    EXPECT_ERR(kv_open(file, &(struct kv_options){0}, &kv, &text), ERR_DISK);
    EXPECT(text != NULL && strlen(text) > 0);
    mem_free(text);
    unlink(file);
    EXPECT_ERR(kv_make_dir(""), ERR_DISK);
}

TESTS(RUN(buffers_and_cache_stay_within_their_bounds),
      RUN(no_more_files_are_open_than_the_bound),
      RUN(what_was_put_is_read), RUN(ranges_are_read_in_both_directions),
      RUN(families_are_apart),
      RUN(an_iterator_sees_the_moment_it_was_made), RUN(a_batch_is_applied_in_order_and_as_a_whole),
      RUN(parts_are_gathered), RUN(removed_ranges_are_reclaimed),
      RUN(both_engines_hold_the_same_after_random_lives_of_logs),
      RUN(a_short_span_is_deleted_key_by_key_and_a_long_one_as_a_range),
      RUN(a_memtable_with_many_deleted_ranges_is_written_out),
      RUN(the_chosen_call_fails_and_leaves_nothing_behind),
      RUN(after_a_crash_all_fails_and_what_was_committed_stays),
      RUN(a_walk_that_may_not_wait_has_what_is_in_memory),
      RUN(a_directory_has_one_user_and_keeps_its_data),
      RUN(a_write_that_the_disk_refused_harms_no_sync_and_no_read),
      RUN(a_sync_that_failed_stops_the_writes), RUN(two_threads_may_sync_at_the_same_time),
       RUN(a_full_disk_is_known_until_a_write_succeeds),
      RUN(a_place_that_is_no_directory_is_refused_with_words))
