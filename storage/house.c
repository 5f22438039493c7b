/* Housekeeping, on a thread of its own: the log's sync each second, retention, disk space.
 *
 * Sync: with durability "process" a power cut costs what was written since the last one. A sync
 * that fails is reported; the workers learn of a broken disk by their own commits. With it goes
 * the look whether a disk that was full has room again.
 *
 * Retention: every retention_check_ms one job a topic and worker; the workers do it in slices
 * between turns. When all are back, what was removed is reclaimed.
 *
 * Space: what was deleted is given back to the disk once RECLAIM_BYTES_MIN were removed or a topic
 * or records were deleted on demand. That can take long, so it runs on a thread that lives for it
 * alone, one at a time. */
#include "storage/threads.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "storage/log/plog_impl.h"
#include "base/check.h"

enum {
    SYNC_INTERVAL_MS = 1000,
    RECLAIM_BYTES_MIN = 32 << 20,
    RECLAIM_INTERVAL_MS = 2000, /* at least, so that a hundred deleted topics cost one look */
};

/* What the disk holds, and what a start had to do. */
static const struct {
    const char *name;
    const char *help;
    size_t at;                  /* in struct kv_stats */
} spaces[] = {
    {"diglot_storage_disk_bytes", "Bytes of tables and of the write-ahead log's files",
     offsetof(struct kv_stats, disk_bytes)},
    {"diglot_storage_log_bytes", "Bytes of the write-ahead log's files",
     offsetof(struct kv_stats, log_bytes)},
    {"diglot_storage_live_bytes", "Bytes of record batches in them",
     offsetof(struct kv_stats, live_bytes)},
    {"diglot_storage_dead_bytes", "Bytes of deleted record batches in files that still are there",
     offsetof(struct kv_stats, dead_bytes)},
    {"diglot_storage_extents", "Files of the write-ahead log", offsetof(struct kv_stats, extents)},
    {"diglot_storage_replayed_frames", "Commits that the start applied again from the log",
     offsetof(struct kv_stats, replayed_frames)},
};
enum { SPACE_COUNT = sizeof spaces / sizeof spaces[0] };

struct house {
    struct store *store;
    struct kv *kv;
    pthread_t thread;
    struct mailbox inbox;
    bool started;
    bool stopping;
    int64_t sync_at_ms;
    int64_t retain_at_ms;
    struct metric *removed_total;
    struct metric *sync_failures_total;
    struct metric *writes_stopped;
    struct metric *space[SPACE_COUNT];
    bool sync_failed;                   /* the last one */
    int retains_out;                    /* jobs at the workers */
    uint64_t bytes_removed;             /* by retention, not reclaimed yet */
    bool reclaim_now;
    int64_t reclaim_at_ms;              /* not before */
    struct job sweep_job;               /* the sweeper is through */
    pthread_t sweeper;
    bool sweeping;
    atomic_bool sweep_stop;
    enum err sweep_err;
};

struct reclaim_job {
    struct job job;
    struct house *house;
};

/* ---- Space */

static void reclaim_run(struct job *job)
{
    struct reclaim_job *r = CONTAINER_OF(job, struct reclaim_job, job);
    r->house->reclaim_now = true;
    mem_free(r);
}

void house_reclaim(struct house *h)
{
    struct reclaim_job *r = NEW(struct reclaim_job);
    *r = (struct reclaim_job){.job.run = reclaim_run, .house = h};
    mailbox_post(&h->inbox, &r->job);
}

static void sweep(struct house *h)
{
    h->sweep_err = kv_reclaim(h->kv, &h->sweep_stop);
}

static void swept_run(struct job *job)
{
    struct house *h = CONTAINER_OF(job, struct house, sweep_job);
    if (h->started) pthread_join(h->sweeper, NULL);
    h->sweeping = false;
    if (h->sweep_err != ERR_OK)
        log_warn("disk space was not reclaimed", {"err", LOG_S(err_name(h->sweep_err))});
}

static void *sweeper_main(void *arg)
{
    struct house *h = arg;
    sweep(h);
    mailbox_post(&h->inbox, &h->sweep_job);
    return NULL;
}

static void reclaim(struct house *h)
{
    h->reclaim_now = false;
    h->bytes_removed = 0;
    h->sweep_job.run = swept_run;
    h->sweeping = true;
    if (!h->started) {
        sweep(h);
        swept_run(&h->sweep_job);
        return;
    }
    int failed = pthread_create(&h->sweeper, NULL, sweeper_main, h);
    assert(!failed);
    pthread_setname_np(h->sweeper, "sweeper");
}

/* ---- Retention */

static void retained_run(struct job *job)
{
    struct retain *r = CONTAINER_OF(job, struct retain, job);
    struct house *h = r->house;
    h->retains_out--;
    h->bytes_removed += r->bytes_removed;
    metric_add(h->removed_total, (int64_t)r->bytes_removed);
    topic_unref(r->topic);
    mem_free(r);
    if (h->retains_out == 0 && h->bytes_removed >= RECLAIM_BYTES_MIN) h->reclaim_now = true;
}

static void retained(struct retain *r)
{
    r->job.run = retained_run;
    mailbox_post(&r->house->inbox, &r->job);
}

static void retain_topic(void *house, struct topic *topic)
{
    struct house *h = house;
    for (int i = 0; i < store_options(h->store)->worker_count; i++) {
        struct retain *r = NEW(struct retain);
        *r = (struct retain){.topic = topic_ref(topic), .house = h,
                             .worker = store_worker(h->store, (uint64_t)i), .done = retained};
        h->retains_out++;
        worker_retain(r);
    }
}

/* ---- The thread */

/* Looks whether a disk that refused writes takes them again: without this only the next append
 * would find out, and none comes to a server that says it is not ready. */
static void resume(struct house *h)
{
    if (kv_writes_stopped(h->kv) && kv_resume(h->kv) == ERR_OK)
        log_info("the disk takes writes again");
    metric_set(h->writes_stopped, kv_writes_stopped(h->kv));
}

/* A sync that failed fails again each second until the next start: the log says it once. */
static void sync_log(struct house *h)
{
    bool failed_before = h->sync_failed;
    h->sync_failed = kv_sync_now(h->kv) != ERR_OK;
    if (!h->sync_failed) return;
    metric_add(h->sync_failures_total, 1);
    if (!failed_before)
        log_error("the write-ahead log could not be synced, so no write is taken any more: look "
                  "after the disk, then start diglot again");
}

static void measure(struct house *h)
{
    struct kv_stats stats;
    kv_stats(h->kv, &stats);
    for (int i = 0; i < SPACE_COUNT; i++)
        metric_set(h->space[i], (int64_t)*(uint64_t *)((char *)&stats + spaces[i].at));
}

/* What is due at now_ms; false when nothing was. */
static bool do_due(struct house *h, int64_t now_ms)
{
    const struct store_options *o = store_options(h->store);
    bool any = false;
    if (now_ms >= h->sync_at_ms) {
        sync_log(h);
        resume(h);
        measure(h);
        h->sync_at_ms = now_ms + SYNC_INTERVAL_MS;
        any = true;
    }
    if (now_ms >= h->retain_at_ms && h->retains_out == 0) {
        store_topics_each(h->store, h, retain_topic);
        h->retain_at_ms = now_ms + o->retention_check_ms;
        any = true;
    }
    if (h->reclaim_now && !h->sweeping && now_ms >= h->reclaim_at_ms) {
        h->reclaim_at_ms = now_ms + RECLAIM_INTERVAL_MS;
        reclaim(h);
        any = true;
    }
    return any;
}

static void *house_main(void *arg)
{
    struct house *h = arg;
    while (!h->stopping || h->retains_out > 0 || h->sweeping) {
        int64_t now_ms = clock_mono_ms();
        int64_t at_ms = h->sync_at_ms < h->retain_at_ms || h->retains_out > 0 ? h->sync_at_ms
                                                                            : h->retain_at_ms;
        jobs_run(mailbox_wait(&h->inbox, at_ms > now_ms ? (int)(at_ms - now_ms) : 0));
        if (!h->stopping) do_due(h, clock_mono_ms());
    }
    return NULL;
}

struct house *house_new(struct store *s)
{
    struct house *h = NEW(struct house);
    h->store = s;
    h->kv = store_kv(s);
    int64_t now_ms = clock_mono_ms();
    h->sync_at_ms = now_ms + SYNC_INTERVAL_MS;
    h->retain_at_ms = now_ms + store_options(s)->retention_check_ms;
    mailbox_init(&h->inbox);
    h->removed_total = metric_get(METRIC_COUNTER, "diglot_storage_retention_bytes_total",
                                  "Bytes of record batches removed by retention", NULL);
    h->sync_failures_total = metric_get(METRIC_COUNTER, "diglot_storage_sync_failures_total",
                                        "Syncs of the write-ahead log that failed", NULL);
    h->writes_stopped = metric_get(METRIC_GAUGE, "diglot_storage_writes_stopped",
                                   "1: the disk refuses writes", NULL);
    for (int i = 0; i < SPACE_COUNT; i++)
        h->space[i] = metric_get(METRIC_GAUGE, spaces[i].name, spaces[i].help, NULL);
    measure(h);
    return h;
}

void house_start(struct house *h)
{
    h->started = true;
    int failed = pthread_create(&h->thread, NULL, house_main, h);
    assert(!failed);
    pthread_setname_np(h->thread, "house");
}

bool house_turn(struct house *h)
{
    bool any = jobs_run(mailbox_take(&h->inbox));
    /* A stop does not wait for retention. */
    return (!h->stopping && do_due(h, clock_mono_ms())) || any;
}

void house_stop(struct house *h)
{
    if (!h->started) return;
    atomic_store(&h->sweep_stop, true);
    mailbox_stop(&h->inbox, &h->stopping, h->thread);
    h->started = false;
}

void house_free(struct house *h)
{
    if (h == NULL) return;
    jobs_run(mailbox_take(&h->inbox));
    assert(h->retains_out == 0);
    mailbox_done(&h->inbox);
    mem_free(h);
}
