/* The engine of a data directory over files in memory: every call to the disk fails once, and ends
 * the process once, and each time the power may go as well and take any part of what was not
 * synced. What was acknowledged is there afterwards, what was refused is not. */
#include "storage/engine/kv_wal.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "random.h"
#include "storage/engine/log_keys.h"
#include "test.h"

enum {
    STEPS = 48,
    LOGS = 3,
    VALUE_MAX = 9000,
    EXTENT_BYTES = 24 << 10,
    SUBSETS = 100,
};

static const struct kv_options small = {
    .extent_bytes = EXTENT_BYTES, .flush_tables_bytes = 3 << 10, .flush_log_bytes = 40 << 10,
};

/* ---- The story: the same steps in every life, by the step's number alone */

struct story {
    struct kv *tables;
    struct files *files;
    struct kv *kv;              /* under test */
    struct kv *model;           /* what was acknowledged */
    uint64_t seed;
    int64_t next[LOGS];
    uint64_t prints[STEPS + 2]; /* of the model after each step; [0]: of nothing */
    int step;                   /* steps done */
    int synced;                 /* up to this one */
    bool power;                 /* every commit is synced: of seeds that are odd */
    bool looks;                 /* at the engine after each step */
    bool crashed;               /* in the middle of step + 1 */
    bool in_doubt;              /* a sync failed in the middle of a step: the power decides */
    uint64_t under_way;         /* the print, had that step been done */
};

static uint64_t mix(uint64_t hash, struct bytes b)
{
    return (hash ^ crc32c(b.data, b.len) ^ (uint64_t)b.len << 32) * 0x100000001b3;
}

/* A hash of all that an engine holds; 0: something cannot be read. */
static uint64_t print_of(struct kv *kv)
{
    uint64_t hash = 0xcbf29ce484222325;
    const enum kv_family families[] = {KV_LOG, KV_OFFSETS};
    for (int f = 0; f < 2; f++) {
        struct kv_iter *it = kv_iter_new(kv, families[f], BYTES_LIT(""), BYTES_NULL, false);
        while (kv_iter_next(it)) {
            hash = mix(hash, kv_iter_key(it));
            struct bytes value = kv_iter_value(it);
            if (bytes_is_null(value)) break;
            hash = mix(hash, value);
        }
        enum err err = kv_iter_error(it);
        kv_iter_free(it);
        if (err != ERR_OK) return 0;
    }
    return hash;
}

/* Fills both batches alike; next: of the logs behind it. */
static void fill(struct story *s, int step, struct kv_batch *b, int64_t next[LOGS])
{
    static uint8_t value[VALUE_MAX];
    struct random r = {.state = s->seed * 1000003 + (uint64_t)step};
    int ops = 1 + (int)random_below(&r, 4);
    memset(value, step, sizeof value);
    for (int i = 0; i < ops; i++) {
        uint64_t log = random_below(&r, LOGS);
        uint64_t kind = random_below(&r, 10);
        size_t len = kind < 3 ? random_below(&r, 900) : 1024 + random_below(&r, VALUE_MAX - 1024);
        if (kind < 7) {
            struct log_key key = log_key(log, next[log]);
            const struct bytes parts[] = {bytes_of(value, 16), bytes_of(value, len)};
            kv_batch_put_parts(b, KV_LOG, KEY_BYTES(key), parts, 2);
            next[log] += 3;
        } else if (kind == 7) {
            kv_batch_put(b, KV_OFFSETS, bytes_of(&log, 1), bytes_of(value, len % 300));
        } else if (next[log] > 9) {
            /* Of all but the newest entries. */
            struct log_key from = log_key_first(log), to = log_key(log, next[log] - 6);
            struct log_range_key range = log_range_first(log);
            if (kind == 8)
                kv_batch_delete_range(b, KV_LOG, KEY_BYTES(range), KEY_BYTES(to));
            else kv_batch_delete_span(b, s->model, KV_LOG, KEY_BYTES(from), KEY_BYTES(to),
                                      KEY_BYTES(range));
        }
    }
}

static enum err commit_to(struct story *s, struct kv *kv, int step, enum kv_sync sync,
                          int64_t next[LOGS])
{
    struct kv_batch *b = kv_batch_new(kv);
    fill(s, step, b, next);
    enum err err = kv_commit(kv, b, sync);
    kv_batch_free(b);
    return err;
}

static uint64_t print_with(struct story *s, int step)
{
    EXPECT_OK(kv_sync_now(s->model));
    struct kv *copy = kv_mem_copy_synced(s->model), *model = s->model;
    int64_t next[LOGS];
    memcpy(next, s->next, sizeof next);
    s->model = copy;
    EXPECT_OK(commit_to(s, copy, step, KV_NO_SYNC, next));
    s->model = model;
    uint64_t print = print_of(copy);
    kv_close(copy);
    return print;
}

static bool is_faulted(const struct story *s)
{
    return files_mem_faulted(s->files) || kv_mem_faulted(s->tables);
}

/* One step. crash: of the fault that is set. */
static void do_step(struct story *s, bool crash)
{
    static const atomic_bool go_on;
    int step = s->step + 1;
    enum kv_sync sync = s->power || step % 11 == 0 ? KV_SYNC : KV_NO_SYNC;
    int64_t next[LOGS];
    memcpy(next, s->next, sizeof next);
    enum err err = ERR_OK;
    bool commits = step % 5 != 0;
    if (commits) err = commit_to(s, s->kv, step, sync, next);
    else if (step % 10 == 0) (void)!kv_reclaim(s->kv, &go_on);
    else if (kv_sync_now(s->kv) == ERR_OK) s->synced = s->step;
    if (crash && is_faulted(s)) {       /* whoever waited for this step got no answer */
        s->crashed = true;
        s->under_way = commits ? print_with(s, step) : s->prints[s->step];
        return;
    }
    if (err != ERR_OK && sync == KV_SYNC && !s->in_doubt && kv_resume(s->kv) != ERR_OK) {
        s->in_doubt = true;
        s->under_way = print_with(s, step);
    }
    if (commits && err == ERR_OK) {
        memcpy(next, s->next, sizeof next);
        EXPECT_OK(commit_to(s, s->model, step, KV_NO_SYNC, next));
        memcpy(s->next, next, sizeof next);
        if (sync == KV_SYNC) s->synced = step;
    }
    s->prints[step] = print_of(s->model);
    if (s->looks) EXPECT_EQ(print_of(s->kv), s->prints[step]);
    s->step = step;
    if (kv_writes_stopped(s->kv)) (void)!kv_resume(s->kv);
}

static void story_begin(struct story *s, uint64_t seed, bool plain)
{
    *s = (struct story){.seed = seed, .power = seed % 2 != 0, .model = kv_mem_new()};
    s->tables = kv_mem_new();
    s->files = files_mem_new();
    files_mem_set_plain(s->files, plain);
    EXPECT_OK(kv_wal_open(kv_mem_share(s->tables), s->files, &small, 77, &s->kv));
    s->prints[0] = print_of(s->model);
}

/* The process ends; files and tables stay as they are on disk. */
static struct files *story_die(struct story *s)
{
    struct files *left = files_mem_copy(s->files);
    kv_mem_set_faults(s->tables, &(struct kv_mem_faults){.fail_at = 0, .crash = true});
    files_mem_set_faults(s->files, &(struct files_mem_faults){.fail_at = 0, .crash = true});
    kv_close(s->kv);
    s->kv = NULL;
    return left;
}

static void story_end(struct story *s)
{
    kv_close(s->model);
    kv_close(s->tables);
}

/* Ends an engine without giving it time for anything. */
static void drop(struct kv *kv, struct kv *tables)
{
    kv_mem_set_faults(tables, &(struct kv_mem_faults){.fail_at = 0, .crash = true});
    kv_close(kv);
}

static void no_fault(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "check: %s\n", text);
    EXPECT(text == NULL);
}

static void put_until_flushed(struct kv *kv)
{
    static uint8_t run[5000];
    for (int64_t i = 2; i < 12; i++) {
        struct kv_batch *b = kv_batch_new(kv);
        struct log_key key = log_key(LOGS + 1, i);
        kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, sizeof run));
        EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
        kv_batch_free(b);
    }
}

static bool keeps_nothing(void *context, int number)
{
    (void)context, (void)number;
    return false;
}

/* What is in tables on disk is in the log on disk, also where a life before wrote it and ended
 * before it was synced. Ends both. */
static void expect_readable(struct kv *tables, struct files *files)
{
    struct kv *kv;
    files_mem_power_cut(files, keeps_nothing, NULL);
    EXPECT_OK(kv_wal_open(kv_mem_share(tables), files, &small, 80, &kv));
    EXPECT(print_of(kv) != 0);
    EXPECT_OK(kv_check(kv, NULL, no_fault));
    drop(kv, tables);
    kv_close(tables);
}

/* Starts on the files, which it ends, and looks what is there. */
static uint64_t print_after_start(struct story *s, struct files *files)
{
    struct kv *tables = kv_mem_copy_synced(s->tables);      /* what was written out */
    struct kv *kv;
    EXPECT_OK(kv_wal_open(kv_mem_share(tables), files, &small, 78, &kv));
    uint64_t print = print_of(kv);
    /* And writes go on from there: a second start finds them. */
    struct kv_batch *b = kv_batch_new(kv);
    struct log_key key = log_key(LOGS + 1, 1);
    static uint8_t run[2000];
    kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, sizeof run));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    /* After a sync that failed nobody knows what the disk took of the files' names. */
    if (!s->in_doubt) EXPECT_OK(kv_check(kv, NULL, no_fault));
    uint64_t more = print_of(kv);
    struct files *again = files_mem_copy(files);
    drop(kv, tables);
    kv_mem_reopen(tables, /* power_loss= */ true);
    EXPECT_OK(kv_wal_open(kv_mem_share(tables), again, &small, 79, &kv));
    EXPECT_EQ(print_of(kv), more);
    put_until_flushed(kv);
    files = files_mem_copy(again);
    struct kv *flushed = kv_mem_copy_synced(tables);
    drop(kv, tables);
    kv_close(tables);
    if (!s->in_doubt) expect_readable(flushed, files);
    else {
        kv_close(flushed);
        files_free(files);
    }
    return print;
}

/* After kill -9: all that was acknowledged, nothing that was refused. */
static void expect_all(struct story *s, struct files *files)
{
    uint64_t print = print_after_start(s, files);
    EXPECT(print == s->prints[s->step] || (s->crashed && print == s->under_way));
}

/* After a power cut: all up to some step behind the last sync. */
static void expect_prefix(struct story *s, struct files *files)
{
    uint64_t print = print_after_start(s, files);
    bool found = (s->crashed || s->in_doubt) && print == s->under_way;
    for (int i = s->synced; i <= s->step; i++) found |= print == s->prints[i];
    if (!found)
        fprintf(stderr, "synced up to step %d, done %d: found print %" PRIx64 " of no step\n",
                s->synced, s->step, print);
    EXPECT(found);
}

struct loss {
    enum { KEEPS_NONE, KEEPS_ALL, KEEPS_ONE, KEEPS_FRONT, KEEPS_RANDOM, LOSSES } kind;
    int number;
    struct random random;
};

static bool keeps(void *context, int number)
{
    struct loss *l = context;
    switch (l->kind) {
    case KEEPS_NONE: return false;
    case KEEPS_ALL: return true;
    case KEEPS_ONE: return number == l->number;
    case KEEPS_FRONT: return number < l->number;
    default: return random_below(&l->random, 2) == 0;
    }
}

static void cut_power(struct story *s, const struct files *left, struct loss loss)
{
    struct files *files = files_mem_copy(left);
    files_mem_power_cut(files, keeps, &loss);
    expect_prefix(s, files);
}

/* Every way in which the power can take what was not synced; stride: of the single ones, so many
 * are looked at. */
static void cut_power_in_all_ways(struct story *s, const struct files *left, int stride,
                                  int subsets)
{
    int count = files_mem_unsynced(left);
    cut_power(s, left, (struct loss){.kind = KEEPS_NONE});
    cut_power(s, left, (struct loss){.kind = KEEPS_ALL});
    for (int i = 0; i < count; i += stride) {
        cut_power(s, left, (struct loss){.kind = KEEPS_ONE, .number = i});
        cut_power(s, left, (struct loss){.kind = KEEPS_FRONT, .number = i});
    }
    for (int i = 0; i < subsets; i++)
        cut_power(s, left, (struct loss){.kind = KEEPS_RANDOM,
                                         .random = {.state = s->seed + (uint64_t)i * 7919 + 1}});
}

/* One life with one fault; false: the fault lies behind its end. */
static bool live(uint64_t seed, bool plain, const struct files_mem_faults *files,
                 const struct kv_mem_faults *tables, int stride, int subsets)
{
    struct story s;
    story_begin(&s, seed, plain);
    if (files != NULL) files_mem_set_faults(s.files, files);
    if (tables != NULL) kv_mem_set_faults(s.tables, tables);
    s.looks = files != NULL && files->fail_at < 0;
    bool crash = files != NULL ? files->crash : tables->crash;
    while (s.step < STEPS && !s.crashed) do_step(&s, crash);
    bool faulted = is_faulted(&s);
    struct files *left = story_die(&s);
    files_mem_restart(left);
    expect_all(&s, files_mem_copy(left));
    if (subsets > 0) cut_power_in_all_ways(&s, left, stride, subsets);
    files_free(left);
    story_end(&s);
    return faulted;
}

static uint64_t seed_of(void)
{
    struct random r = random_seeded();
    return random_below(&r, 1 << 30);
}

TEST(without_a_fault_all_is_there_and_the_power_takes_only_what_was_not_synced)
{
    uint64_t seed = seed_of();
    const struct files_mem_faults none = {.fail_at = -1};
    for (int plain = 0; plain < 2; plain++)
        for (uint64_t i = 0; i < 10; i++) live(seed + i, plain, &none, NULL, 1, SUBSETS);
}

TEST(every_call_to_the_files_fails_once)
{
    uint64_t seed = seed_of();
    for (uint64_t i = 0; i < 2; i++) {
        struct files_mem_faults f = {.applied = i != 0};
        while (live(seed + i, f.fail_at % 2, &f, NULL, 5, 3)) f.fail_at++;
        EXPECT(f.fail_at > STEPS);
    }
}

TEST(every_call_to_the_files_is_the_last_one)
{
    uint64_t seed = seed_of();
    for (uint64_t i = 0; i < 2; i++) {
        struct files_mem_faults f = {.applied = i != 0, .crash = true};
        while (live(seed + i, f.fail_at % 2, &f, NULL, 3, 10)) f.fail_at++;
        EXPECT(f.fail_at > STEPS);
    }
}

TEST(every_call_to_the_tables_fails_once_or_is_the_last_one)
{
    uint64_t seed = seed_of();
    for (uint64_t i = 0; i < 2; i++) {
        struct kv_mem_faults f = {.crash = i != 0};
        while (live(seed + i, f.fail_at % 2, NULL, &f, 7, 2)) f.fail_at++;
        EXPECT(f.fail_at > STEPS);
    }
}

TESTS(RUN(without_a_fault_all_is_there_and_the_power_takes_only_what_was_not_synced),
      RUN(every_call_to_the_files_fails_once), RUN(every_call_to_the_files_is_the_last_one),
      RUN(every_call_to_the_tables_fails_once_or_is_the_last_one))
