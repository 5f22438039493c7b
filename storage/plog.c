#include "storage/plog.h"

#include <assert.h>
#include "base/mem.h"
#include "storage/plog_impl.h"
#include "base/check.h"

void read_result_init(struct read_result *r)
{
    *r = (struct read_result){0};
}

void read_result_done(struct read_result *r)
{
    for (int32_t i = 0; i < r->count; i++) slab_unref(r->batches[i].bytes.slab);
    mem_free(r->batches);
    read_result_init(r);
}

void read_result_add(struct read_result *r, const struct batch_view *view)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->batches = mem_grow(r->batches, (size_t)r->cap * sizeof *r->batches);
    }
    r->batches[r->count++] = *view;
    r->bytes += view->bytes.bytes.len;
}

struct plog *plog_new(struct worker *worker, uint64_t id)
{
    struct plog *log = NEW(struct plog);
    atomic_init(&log->refs, 1);
    log->id = id;
    log->worker = worker;
    pthread_mutex_init(&log->lock, NULL);
    tail_init(&log->tail);
    log->held_last = &log->held_first;
    return log;
}

struct plog *plog_ref(struct plog *log)
{
    atomic_fetch_add_explicit(&log->refs, 1, memory_order_relaxed);
    return log;
}

void plog_unref(struct plog *log)
{
    if (log == NULL || atomic_fetch_sub_explicit(&log->refs, 1, memory_order_acq_rel) > 1) return;
    /* The worker's ring of tails and its topic hold references: neither is left. */
    assert(log->topic == NULL && log->held_first == NULL && log->watches == NULL);
    plog_writer_free(log->writer);
    tail_done(&log->tail);
    pthread_mutex_destroy(&log->lock);
    mem_free(log);
}

uint64_t plog_id(const struct plog *log)
{
    return log->id;
}

/* ---- Watches. Those taken off under the lock are told after it. */

static void watch_run(struct job *job)
{
    struct log_watch *w = CONTAINER_OF(job, struct log_watch, job);
    w->fired(w);
}

static void watch_link(struct plog *log, struct log_watch *w)
{
    if (log->watches == NULL) {
        w->next = w->prev = w;
        log->watches = w;
    } else {
        w->next = log->watches;
        w->prev = log->watches->prev;
        w->prev->next = w;
        w->next->prev = w;
    }
    w->armed = true;
    log->watch_count++;
}

static void watch_unlink(struct plog *log, struct log_watch *w)
{
    assert(w->armed);
    if (w->next == w) {
        log->watches = NULL;
    } else {
        w->prev->next = w->next;
        w->next->prev = w->prev;
        if (log->watches == w) log->watches = w->next;
    }
    w->armed = false;
    log->watch_count--;
}

/* Takes off all watches that wait for something below `below`, as a list in their order. Only the
 * owner of the list touches next from here on: a watch that is not armed is nobody else's. */
static struct log_watch *watches_take(struct plog *log, int64_t below)
{
    struct log_watch *taken = NULL, **last = &taken;
    struct log_watch *w = log->watches;
    for (uint32_t left = log->watch_count; left > 0; left--) {
        struct log_watch *next = w->next;
        if (w->offset < below) {
            watch_unlink(log, w);
            w->next = NULL;
            *last = w;
            last = &w->next;
        }
        w = next;
    }
    return taken;
}

static void watches_fire(struct plog *log, struct log_watch *w)
{
    while (w != NULL) {
        struct log_watch *next = w->next;
        w->job.run = watch_run;
        worker_post_home(log->worker, w->home, &w->job);
        w = next;
    }
}

enum err plog_watch(struct plog *log, struct log_watch *w)
{
    w->log = log;
    w->armed = false;
    pthread_mutex_lock(&log->lock);
    bool full = log->watch_count >= PLOG_WATCHES_MAX;
    bool now = log->state == PLOG_FAILED || log->state == PLOG_CLOSED ||
               (log->state == PLOG_OPEN && w->offset < log->bounds.last_stable);
    if (!full && !now) watch_link(log, w);
    pthread_mutex_unlock(&log->lock);
    if (full) return ERR_TOO_LARGE;
    if (now) {
        w->next = NULL;
        watches_fire(log, w);
    }
    return ERR_OK;
}

bool plog_unwatch(struct log_watch *w)
{
    struct plog *log = w->log;
    pthread_mutex_lock(&log->lock);
    bool armed = w->armed;
    if (armed) watch_unlink(log, w);
    pthread_mutex_unlock(&log->lock);
    return armed;
}

void plog_wake_all(struct plog *log)
{
    pthread_mutex_lock(&log->lock);
    struct log_watch *taken = watches_take(log, INT64_MAX);
    pthread_mutex_unlock(&log->lock);
    watches_fire(log, taken);
}

/* ---- The view */

void plog_set_state(struct plog *log, enum plog_state state)
{
    pthread_mutex_lock(&log->lock);
    assert(log->state != PLOG_CLOSED || state == PLOG_CLOSED);
    log->state = state;
    struct log_watch *taken = watches_take(log, INT64_MAX);
    pthread_mutex_unlock(&log->lock);
    watches_fire(log, taken);
}

int64_t plog_publish(struct plog *log, bool keep_tail)
{
    struct plog_writer *w = log->writer;
    assert(w->run_bytes == 0);
    if (keep_tail) {
        tail_pack(w->staged, w->staged_count);
        for (uint32_t i = 0; i < w->staged_count; i++) slab_disown(w->staged[i].bytes.slab);
    } else {
        for (uint32_t i = 0; i < w->staged_count; i++) slab_unref(w->staged[i].bytes.slab);
        w->staged_count = 0;
    }
    pthread_mutex_lock(&log->lock);
    int64_t before = (int64_t)log->tail.pinned_bytes;
    int64_t follows = w->staged_count > 0 ? w->staged[0].base_offset : w->offset_next;
    if (log->tail.count > 0 && tail_at(&log->tail, log->tail.count - 1)->last_offset + 1 != follows)
        tail_done(&log->tail);      /* read anew from disk, which had more than we had seen */
    tail_push(&log->tail, w->staged, w->staged_count);
    tail_trim(&log->tail, w->log_start);
    int64_t after = (int64_t)log->tail.pinned_bytes;
    log->bounds = (struct log_bounds){
        .log_start = w->log_start,
        .last_stable = w->offset_next,
        .high_watermark = w->offset_next,
        .size_bytes = w->bytes_total - w->bytes_total_at_start,
        .arrival_last_ms = w->arrival_last_ms,
    };
    log->state = PLOG_OPEN;
    struct log_watch *taken = watches_take(log, log->bounds.last_stable);
    pthread_mutex_unlock(&log->lock);
    w->staged_count = w->run_first = 0;
    watches_fire(log, taken);
    return after - before;
}

size_t plog_shrink_tail(struct plog *log, size_t keep_bytes, size_t want_bytes)
{
    pthread_mutex_lock(&log->lock);
    size_t bytes = tail_shrink(&log->tail, keep_bytes, want_bytes);
    pthread_mutex_unlock(&log->lock);
    return bytes;
}

static enum err state_error(enum plog_state state)
{
    switch (state) {
    case PLOG_OPEN: return ERR_OK;
    case PLOG_COLD:
    case PLOG_FAILED: return ERR_COLD;  /* store_read() opens it, or tells why not */
    case PLOG_CLOSED: break;
    }
    return ERR_CLOSED;
}

enum err plog_bounds(struct plog *log, struct log_bounds *ret)
{
    pthread_mutex_lock(&log->lock);
    enum err err = state_error(log->state);
    if (err == ERR_OK) *ret = log->bounds;
    pthread_mutex_unlock(&log->lock);
    return err;
}

static enum err read_locked(struct plog *log, int64_t offset, size_t bytes_max, bool min_one,
                            struct read_result *ret)
{
    TRY(state_error(log->state));
    ret->bounds = log->bounds;
    if (offset < log->bounds.log_start || offset > log->bounds.last_stable)
        return ERR_OFFSET_OUT_OF_RANGE;
    if (offset == log->bounds.last_stable) return ERR_OK;
    int64_t found = tail_find(&log->tail, offset);
    if (found < 0) return ERR_COLD;
    size_t bytes = 0;
    for (uint32_t i = (uint32_t)found; i < log->tail.count; i++) {
        struct batch_view v = *tail_at(&log->tail, i);
        if (bytes + v.bytes.bytes.len > bytes_max && !(min_one && bytes == 0)) break;
        if (v.last_offset >= log->bounds.last_stable) break;
        bytes += v.bytes.bytes.len;
        slab_ref(v.bytes.slab);
        read_result_add(ret, &v);
    }
    return ERR_OK;
}

enum err plog_read_tail(struct plog *log, int64_t offset, size_t bytes_max, bool min_one,
                        struct read_result *ret)
{
    pthread_mutex_lock(&log->lock);
    enum err err = read_locked(log, offset, bytes_max, min_one, ret);
    pthread_mutex_unlock(&log->lock);
    return err;
}
