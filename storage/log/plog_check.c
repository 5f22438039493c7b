/* What must hold of every log between two turns of its worker, as code. */
#include <assert.h>
#include "storage/log/plog_impl.h"
#include "base/check.h"

/* What readers see is what the writer knows. */
static void open_check(const struct plog *log)
{
    const struct plog_writer *w = log->writer;
    const struct log_bounds *b = &log->bounds;
    assert(w->staged_count == 0 && w->run_bytes == 0 && w->run_first == 0);
    assert(b->log_start == w->log_start && b->high_watermark == w->offset_next);
    assert(0 <= b->log_start && b->log_start <= b->last_stable);
    assert(b->last_stable <= b->high_watermark);
    assert(w->bytes_total_at_start <= w->bytes_total);
    assert(!w->has_snapshot || w->snapshot_offset <= w->offset_next);
    if (log->tail.count > 0) {
        const struct batch_view *last = tail_at(&log->tail, log->tail.count - 1);
        assert(last->last_offset + 1 == w->offset_next);
    }
}

static void waiting_check(const struct plog *log)
{
    uint32_t count = 0;
    for (const struct append *a = log->waiting_first; a != NULL; a = a->next_in_turn) count++;
    assert(count == log->waiting_count);
    assert(!waiting_joined(log) || count > 0);
}

void plog_check(struct plog *log)
{
    pthread_mutex_lock(&log->lock);
    assert(!log->in_turn);
    assert((log->state == PLOG_OPEN) == (log->writer != NULL));
    assert(log->state != PLOG_CLOSED || (log->topic == NULL && log->waiting_count == 0));
    assert(!log->frozen || log->state != PLOG_CLOSED);
    /* Only a log that stands still is handed over. */
    assert(log->handed_over == NULL || log->frozen);
    if (log->state == PLOG_OPEN) open_check(log);
    waiting_check(log);
    pthread_mutex_unlock(&log->lock);
}
