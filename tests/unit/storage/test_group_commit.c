/* Commits of several threads that are to be synced: they share a sync, none is told before it, and
 * what the disk refuses in between is refused to those whom it concerns.
 *
 * A hook at the files holds the first sync until all others have written their frames, so that each
 * test meets the same line. */
#include "storage/engine/kv_wal.h"

#include <stdatomic.h>
#include <unistd.h>
#include "base/mem.h"
#include "random.h"
#include "storage/engine/log_keys.h"
#include "test.h"

enum { WRITERS = 8, NONE = -1 };

static const struct kv_options plain_options = {0};

struct scene {
    struct kv *tables;
    struct files *files;
    struct kv *kv;
    pthread_t threads[WRITERS];
    enum err errs[WRITERS];
    atomic_int writes;          /* frames, since the line began */
    atomic_int syncs;
    atomic_int told;
    int told_before[WRITERS];   /* how many were told when each sync began */
    int fails_write;            /* the n-th of them */
    int fails_sync;
    int fails_table;            /* the n-th commit to the tables behind the first sync */
};

struct writer {
    struct scene *scene;
    int number;
};

static struct log_key key_of(int number)
{
    return log_key(7, number);
}

/* Frames of one length: what stands behind a new one may be what stood behind an old one. */
static enum err commit_one(struct kv *kv, int number, enum kv_sync sync)
{
    static const uint8_t run[1500];
    struct log_key key = key_of(number);
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, sizeof run));
    enum err err = kv_commit(kv, b, sync);
    kv_batch_free(b);
    return err;
}

static bool has(struct kv *kv, int number)
{
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    struct log_key key = key_of(number);
    return kv_get(kv, KV_LOG, KEY_BYTES(key), &value) == ERR_OK;
}

static bool hook(void *context, enum files_call call)
{
    struct scene *s = context;
    if (call == FILES_WRITE) return atomic_fetch_add(&s->writes, 1) == s->fails_write;
    if (call != FILES_SYNC) return false;
    int sync = atomic_fetch_add(&s->syncs, 1);
    if (sync < WRITERS) s->told_before[sync] = atomic_load(&s->told);
    /* Behind one that cannot be written nobody writes until the line has ended. */
    int all = s->fails_write == NONE ? WRITERS : s->fails_write + 1;
    if (sync == 0) UNTIL(atomic_load(&s->writes) >= all, usleep(100));
    if (sync == 1 && s->fails_table != NONE)
        kv_mem_set_faults(s->tables, &(struct kv_mem_faults){.fail_at = s->fails_table});
    return sync == s->fails_sync;
}

static void *write_one(void *arg)
{
    struct writer *w = arg;
    w->scene->errs[w->number] = commit_one(w->scene->kv, w->number, KV_SYNC);
    atomic_fetch_add(&w->scene->told, 1);
    return NULL;
}

/* One commit that stands alone, number WRITERS, then all writers at once. */
static void play(struct scene *s, const struct kv_options *options)
{
    struct writer writers[WRITERS];
    s->tables = kv_mem_new();
    s->files = files_mem_new();
    EXPECT_OK(kv_wal_open(kv_mem_share(s->tables), s->files, options, 7, &s->kv));
    EXPECT_OK(commit_one(s->kv, WRITERS, KV_SYNC));
    files_mem_set_hook(s->files, s, hook);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){s, i};
        EXPECT_EQ(pthread_create(&s->threads[i], NULL, write_one, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) pthread_join(s->threads[i], NULL);
    files_mem_set_hook(s->files, NULL, NULL);
}

static int count_ok(const struct scene *s)
{
    int count = 0;
    for (int i = 0; i < WRITERS; i++) count += s->errs[i] == ERR_OK;
    return count;
}

static void expect_told(const struct scene *s, struct kv *kv)
{
    EXPECT(has(kv, WRITERS));
    for (int i = 0; i < WRITERS; i++) EXPECT_EQ(has(kv, i), s->errs[i] == ERR_OK);
}

static bool keeps(void *context, int number)
{
    (void)number;
    return *(bool *)context;
}

enum death { KILLED, CUT_KEEPS_ALL, CUT_KEEPS_NONE, DEATHS };

/* What a start finds had the process ended now. */
static void expect_after(const struct scene *s, enum death death)
{
    struct kv *kv;
    bool stays = death == CUT_KEEPS_ALL;
    struct files *left = files_mem_copy(s->files);
    files_mem_restart(left);
    if (death != KILLED) files_mem_power_cut(left, keeps, &stays);
    EXPECT_OK(kv_wal_open(kv_mem_new(), left, &plain_options, 8, &kv));
    expect_told(s, kv);
    kv_close(kv);
}

/* What was told is there and nothing else, now and after any death; after a sync that failed the
 * power decides what was synced nevertheless. */
static void expect_now_and_after(const struct scene *s)
{
    expect_told(s, s->kv);
    bool in_doubt = s->fails_sync != NONE;
    for (int death = 0; death < DEATHS; death++)
        if (death != CUT_KEEPS_NONE || !in_doubt) expect_after(s, (enum death)death);
}

static void finish(struct scene *s)
{
    expect_now_and_after(s);
    kv_close(s->kv);
    kv_close(s->tables);
}

static struct scene quiet(void)
{
    return (struct scene){.fails_write = NONE, .fails_sync = NONE, .fails_table = NONE};
}

TEST(commits_that_come_while_one_syncs_share_the_next_sync)
{
    struct scene s = quiet();
    play(&s, &plain_options);
    EXPECT_EQ(count_ok(&s), WRITERS);
    EXPECT_EQ(atomic_load(&s.syncs), 2);
    EXPECT_EQ(s.told_before[0], 0);
    EXPECT(s.told_before[1] <= 1);      /* the one whose sync it was */
    finish(&s);
}

TEST(a_sync_that_fails_refuses_all_that_are_in_line)
{
    struct scene s = quiet();
    s.fails_sync = 0;
    play(&s, &plain_options);
    EXPECT_EQ(count_ok(&s), 0);
    EXPECT_EQ(atomic_load(&s.syncs), 1);
    EXPECT(kv_writes_stopped(s.kv));
    EXPECT_ERR(kv_resume(s.kv), ERR_DISK);
    EXPECT_ERR(commit_one(s.kv, WRITERS + 1, KV_SYNC), ERR_DISK);
    finish(&s);
}

TEST(the_second_sync_that_fails_takes_nothing_from_the_first)
{
    struct scene s = quiet();
    s.fails_sync = 1;
    play(&s, &plain_options);
    EXPECT_EQ(count_ok(&s), 1);
    finish(&s);
}

TEST(tables_that_refuse_one_refuse_those_behind_it_and_writing_goes_on)
{
    struct scene s = quiet();
    s.fails_table = 3;
    play(&s, &plain_options);
    EXPECT_EQ(count_ok(&s), 1 + 3);
    expect_now_and_after(&s);
    EXPECT(kv_writes_stopped(s.kv));
    EXPECT_OK(kv_resume(s.kv));
    EXPECT_OK(commit_one(s.kv, WRITERS + 1, KV_SYNC));
    finish(&s);
}

TEST(a_frame_that_cannot_be_written_is_refused_and_no_other)
{
    struct scene s = quiet();
    s.fails_write = 4;
    play(&s, &plain_options);
    EXPECT_EQ(count_ok(&s), WRITERS - 1);
    expect_now_and_after(&s);
    EXPECT_OK(kv_resume(s.kv));
    EXPECT_OK(commit_one(s.kv, WRITERS + 1, KV_SYNC));
    finish(&s);
}

/* ---- Beside others who sync */

struct other {
    struct kv *kv;
    bool fails;
    bool done;
    enum err err;
    int syncs;
};

/* Housekeeping syncs while the frame is being written. */
static bool sync_before_write(void *context, enum files_call call)
{
    struct other *o = context;
    if (call == FILES_SYNC) o->syncs++;
    if (call == FILES_SYNC) return o->fails && o->syncs == 1;
    if (o->done || call != FILES_WRITE) return false;
    o->done = true;
    o->err = kv_sync_now(o->kv);
    return false;
}

static bool commit_beside_a_sync(bool fails, enum err want)
{
    struct kv *kv;
    struct files *files = files_mem_new();
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &plain_options, 7, &kv));
    EXPECT_OK(commit_one(kv, 1, KV_SYNC));
    EXPECT_OK(commit_one(kv, 3, KV_NO_SYNC));
    struct other o = {.kv = kv, .fails = fails};
    files_mem_set_hook(files, &o, sync_before_write);
    EXPECT_ERR(commit_one(kv, 5, KV_SYNC), want);
    EXPECT(o.done && o.err == want);
    files_mem_set_hook(files, NULL, NULL);
    struct files *left = files_mem_copy(files);
    kv_close(kv);
    bool stays = false;
    files_mem_power_cut(left, keeps, &stays);
    EXPECT_OK(kv_wal_open(kv_mem_new(), left, &plain_options, 8, &kv));
    bool there = has(kv, 5);
    kv_close(kv);
    return there;
}

TEST(a_sync_that_begins_before_a_frame_is_written_does_not_count_for_it)
{
    EXPECT(commit_beside_a_sync(false, ERR_OK));
}

/* The disk tells of a failure once: the next sync of the same file would say that all is well. */
TEST(a_sync_that_fails_for_another_one_counts)
{
    EXPECT(!commit_beside_a_sync(true, ERR_DISK));
}

/* ---- Who wants to be alone */

enum { LONERS = 4, LONERS_PASS_MAX = 100 * LONERS };

struct loners {
    struct kv *kv;
    atomic_int commits;
    atomic_bool stop;
};

static void *delete_again_and_again(void *arg)
{
    struct loners *l = arg;
    struct kv_batch *b = kv_batch_new(l->kv);
    struct log_key key = key_of(0);
    while (!atomic_load(&l->stop)) {
        kv_batch_delete(b, KV_LOG, KEY_BYTES(key));
        EXPECT_OK(kv_commit(l->kv, b, KV_SYNC));
        kv_batch_clear(b);
        atomic_fetch_add(&l->commits, 1);
    }
    kv_batch_free(b);
    return NULL;
}

/* As a disk takes its time: meanwhile the others come back to wait again. */
static bool slow_sync(void *context, enum files_call call)
{
    (void)context;
    if (call == FILES_SYNC) usleep(2000);
    return false;
}

TEST(those_who_want_to_be_alone_again_and_again_hold_up_nobody)
{
    struct loners l = {0};
    pthread_t threads[LONERS];
    struct files *files = files_mem_new();
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &plain_options, 7, &l.kv));
    files_mem_set_hook(files, NULL, slow_sync);
    for (int i = 0; i < LONERS; i++)
        EXPECT_EQ(pthread_create(&threads[i], NULL, delete_again_and_again, &l), 0);
    UNTIL(atomic_load(&l.commits) > LONERS, usleep(100));
    for (int i = 1; i < 10; i++) {
        int before = atomic_load(&l.commits);
        EXPECT_OK(commit_one(l.kv, i, KV_NO_SYNC));
        EXPECT(atomic_load(&l.commits) - before <= LONERS_PASS_MAX);
    }
    atomic_store(&l.stop, true);
    for (int i = 0; i < LONERS; i++) pthread_join(threads[i], NULL);
    files_mem_set_hook(files, NULL, NULL);
    kv_close(l.kv);
}

/* ---- Many at once, power cuts in the middle */

enum { MANY = 4, EACH = 400, CUTS = 60, EXTENT_BYTES = 48 << 10 };

static const struct kv_options small = {
    .extent_bytes = EXTENT_BYTES, .flush_tables_bytes = 1 << 20, .flush_log_bytes = 1 << 30,
};

struct crowd {
    struct kv *kv;
    uint64_t seed;
    atomic_int next;            /* number of a writer */
    atomic_int begun[MANY];
    atomic_int told[MANY];
    atomic_int failed;
    atomic_int running;
    atomic_bool stop;
};

/* Puts, sometimes with a range in front of what is kept, which looks at the tables. */
static enum err commit_in_crowd(struct crowd *c, int writer, int number, struct random *r)
{
    static const uint8_t run[9000];
    enum kv_sync sync = random_below(r, 8) == 0 ? KV_NO_SYNC : KV_SYNC;
    struct kv_batch *b = kv_batch_new(c->kv);
    struct log_key key = log_key((uint64_t)writer, number);
    kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, 10 + random_below(r, 8000)));
    if (random_below(r, 6) == 0) {
        struct log_range_key from = log_range_first((uint64_t)MANY + (uint64_t)writer);
        struct log_key to = log_key((uint64_t)MANY + (uint64_t)writer, number);
        kv_batch_delete_range(b, KV_LOG, KEY_BYTES(from), KEY_BYTES(to));
    }
    struct log_key other = log_key((uint64_t)MANY + (uint64_t)writer, number);
    kv_batch_put(b, KV_LOG, KEY_BYTES(other), bytes_of(run, 2000));
    atomic_store(&c->begun[writer], number);
    enum err err = kv_commit(c->kv, b, sync);
    kv_batch_free(b);
    if (err == ERR_OK && sync == KV_SYNC) atomic_store(&c->told[writer], number);
    return err;
}

static void *write_many(void *arg)
{
    struct crowd *c = arg;
    int writer = atomic_fetch_add(&c->next, 1);
    struct random r = {.state = c->seed * 31 + (uint64_t)writer + 1};
    for (int i = 1; i <= EACH; i++)
        if (commit_in_crowd(c, writer, i, &r) != ERR_OK) atomic_fetch_add(&c->failed, 1);
    atomic_fetch_sub(&c->running, 1);
    return NULL;
}

static void *keep_house(void *arg)
{
    struct crowd *c = arg;
    while (!atomic_load(&c->stop)) {
        if (kv_sync_now(c->kv) != ERR_OK || kv_reclaim(c->kv, &c->stop) != ERR_OK)
            atomic_fetch_add(&c->failed, 1);
        usleep(2000);
    }
    return NULL;
}

/* Each writer's numbers up to one, without a hole; how many. */
static int count_of(struct kv *kv, int writer)
{
    int count = 0;
    struct log_key from = log_key_first((uint64_t)writer), to = log_key((uint64_t)writer, EACH + 1);
    struct kv_iter *it = kv_iter_new(kv, KV_LOG, KEY_BYTES(from), KEY_BYTES(to), false);
    while (kv_iter_next(it)) {
        struct log_key key = log_key((uint64_t)writer, ++count);
        EXPECT(bytes_equal(kv_iter_key(it), KEY_BYTES(key)));
        EXPECT(!bytes_is_null(kv_iter_value(it)));
    }
    EXPECT_OK(kv_iter_error(it));
    kv_iter_free(it);
    return count;
}

static bool keeps_some(void *context, int number)
{
    (void)number;
    return random_below(context, 2) == 0;
}

/* The power goes now: what was told before is there. */
static void cut(struct crowd *c, struct files *files, struct random *r)
{
    int told[MANY];
    struct kv *kv;
    for (int i = 0; i < MANY; i++) told[i] = atomic_load(&c->told[i]);
    struct files *left = files_mem_copy(files);
    files_mem_power_cut(left, keeps_some, r);
    EXPECT_OK(kv_wal_open(kv_mem_new(), left, &small, 8, &kv));
    for (int i = 0; i < MANY; i++) {
        int count = count_of(kv, i);
        EXPECT(count >= told[i] && count <= atomic_load(&c->begun[i]));
    }
    kv_close(kv);
}

static void crowd_run(struct crowd *c, struct files *files, struct random *r, bool cuts)
{
    pthread_t threads[MANY + 1];
    c->seed = r->state;
    atomic_store(&c->running, MANY);
    for (int i = 0; i < MANY; i++)
        EXPECT_EQ(pthread_create(&threads[i], NULL, write_many, c), 0);
    if (!cuts) EXPECT_EQ(pthread_create(&threads[MANY], NULL, keep_house, c), 0);
    for (int i = 0; cuts && i < CUTS && atomic_load(&c->running) > 0; i++) cut(c, files, r);
    for (int i = 0; i < MANY; i++) pthread_join(threads[i], NULL);
    atomic_store(&c->stop, true);
    if (!cuts) pthread_join(threads[MANY], NULL);
    EXPECT_EQ(atomic_load(&c->failed), 0);
}

TEST(what_was_told_survives_a_power_cut_at_any_moment)
{
    struct random r = random_seeded();
    struct files *files = files_mem_new();
    struct crowd c = {0};
    EXPECT_OK(kv_wal_open(kv_mem_new(), files, &small, 7, &c.kv));
    crowd_run(&c, files, &r, /* cuts= */ true);
    cut(&c, files, &r);
    for (int i = 0; i < MANY; i++) EXPECT_EQ(count_of(c.kv, i), EACH);
    kv_close(c.kv);
}

static void no_fault(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "check: %s\n", text);
    EXPECT(text == NULL);
}

TEST(the_sweeper_and_the_tables_flush_go_on_among_them)
{
    const struct kv_options often = {
        .extent_bytes = EXTENT_BYTES, .flush_tables_bytes = 8 << 10, .flush_log_bytes = 100 << 10,
    };
    struct random r = random_seeded();
    struct files *files = files_mem_new();
    struct kv *tables = kv_mem_new();
    struct crowd c = {0};
    EXPECT_OK(kv_wal_open(kv_mem_share(tables), files, &often, 7, &c.kv));
    crowd_run(&c, files, &r, /* cuts= */ false);
    EXPECT_OK(kv_check(c.kv, NULL, no_fault));
    struct files *left = files_mem_copy(files);
    files_mem_set_faults(files, &(struct files_mem_faults){.fail_at = 0, .crash = true});
    kv_mem_set_faults(tables, &(struct kv_mem_faults){.fail_at = 0, .crash = true});
    kv_close(c.kv);
    kv_mem_reopen(tables, /* power_loss= */ true);
    EXPECT_OK(kv_wal_open(tables, left, &often, 8, &c.kv));
    for (int i = 0; i < MANY; i++) EXPECT_EQ(count_of(c.kv, i), EACH);
    EXPECT_OK(kv_check(c.kv, NULL, no_fault));
    kv_close(c.kv);
}

TESTS(RUN(commits_that_come_while_one_syncs_share_the_next_sync),
      RUN(a_sync_that_fails_refuses_all_that_are_in_line),
      RUN(the_second_sync_that_fails_takes_nothing_from_the_first),
      RUN(tables_that_refuse_one_refuse_those_behind_it_and_writing_goes_on),
      RUN(a_frame_that_cannot_be_written_is_refused_and_no_other),
      RUN(a_sync_that_begins_before_a_frame_is_written_does_not_count_for_it),
      RUN(a_sync_that_fails_for_another_one_counts),
      RUN(those_who_want_to_be_alone_again_and_again_hold_up_nobody),
      RUN(what_was_told_survives_a_power_cut_at_any_moment),
      RUN(the_sweeper_and_the_tables_flush_go_on_among_them))
