#include "storage/log/plog.h"

#include <assert.h>
#include "base/mem.h"
#include "base/moves.h"
#include "storage/log/plog_impl.h"
#include "storage/topic/topic.h"
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

bool read_result_add(struct read_result *r, const struct batch_view *view)
{
    if (r->count == r->cap) {
        int32_t cap = r->cap ? r->cap * 2 : 8;
        struct batch_view *grown = mem_try_grow(r->batches, (size_t)cap * sizeof *grown);
        if (grown == NULL) {
            slab_unref(view->bytes.slab);
            return false;
        }
        r->batches = grown;
        r->cap = cap;
    }
    r->batches[r->count++] = *view;
    r->bytes += view->bytes.bytes.len;
    return true;
}

/* ---- Life */

void plog_writer_free(struct plog_writer *w)
{
    if (w == NULL) return;
    for (uint32_t i = 0; i < w->staged_count; i++) slab_unref(w->staged[i].bytes.slab);
    mem_free(w->staged);
    mem_free(w->staged_addressed);
    producers_done(&w->producers);
    mem_free(w);
}

/* Whoever knows of it without a reference has forgotten it: its worker's turn and rings, its topic,
 * those who wait or watch. */
static void plog_free(struct log_ref *ref)
{
    struct plog *log = CONTAINER_OF(ref, struct plog, ref);
    assert(log->topic == NULL && log->waiting_first == NULL && log->watches == NULL &&
           !log->in_turn && log->tail_next == NULL);
    plog_end_handover(log, /* took_place= */ false);
    plog_writer_free(log->writer);
    tail_done(&log->tail);
    pthread_mutex_destroy(&log->lock);
    mem_free(log);
}

struct plog *plog_new(struct worker *worker, struct mailbox *inbox, uint64_t id)
{
    struct plog *log = NEW(struct plog);
    log_ref_init(&log->ref, plog_free);
    log->id = id;
    log->worker = worker;
    log->inbox = inbox;
    atomic_init(&log->told_offset, -1);
    pthread_mutex_init(&log->lock, NULL);
    tail_init(&log->tail);
    log->waiting_last = &log->waiting_first;
    return log;
}

uint64_t plog_id(const struct plog *log)
{
    return log->id;
}

/* ---- Producers */

void plog_snapshot_is_stored(struct plog *log)
{
    struct plog_writer *w = log->writer;
    w->has_snapshot = true;
    w->snapshot_offset = w->offset_next;
    w->snapshot_bytes_total = w->bytes_total;
}

void plog_end_handover(struct plog *log, bool took_place)
{
    struct producers *table = TAKE(log->handed_over);
    if (table == NULL) return;
    if (took_place) {
        assert(log->writer != NULL);            /* a frozen log stays open */
        producers_done(&log->writer->producers);
        log->writer->producers = *table;
        plog_snapshot_is_stored(log);
        mem_free(table);
        return;
    }
    producers_free(table);
}

/* ---- The view */

void plog_wake_all(struct plog *log)
{
    pthread_mutex_lock(&log->lock);
    log->topic_version = log->topic->version;
    struct watch *taken = watches_take(log, INT64_MAX);
    pthread_mutex_unlock(&log->lock);
    watches_fire(log, taken);
}

/* From each state, those that may follow. A failed log is read anew; a closed one stays so. */
static const moves state_moves[] = {
    [PLOG_COLD] = TO(PLOG_OPEN) | TO(PLOG_FAILED) | TO(PLOG_CLOSED),
    [PLOG_OPEN] = TO(PLOG_OPEN) | TO(PLOG_FAILED) | TO(PLOG_CLOSED),
    [PLOG_FAILED] = TO(PLOG_OPEN) | TO(PLOG_FAILED) | TO(PLOG_CLOSED),
    [PLOG_CLOSED] = TO(PLOG_CLOSED),
};

/* Under the lock. */
static void state_move(struct plog *log, enum plog_state to)
{
    MOVE(state_moves, log->state, to);
}

void plog_set_state(struct plog *log, enum plog_state state)
{
    pthread_mutex_lock(&log->lock);
    state_move(log, state);
    struct watch *taken = watches_take(log, INT64_MAX);
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
    state_move(log, PLOG_OPEN);
    struct watch *taken = watches_take(log, log->bounds.last_stable);
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
        if (!read_result_add(ret, &v)) return ret->count > 0 ? ERR_OK : ERR_BUSY;
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
