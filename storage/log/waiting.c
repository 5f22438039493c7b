#include "storage/log/waiting.h"

#include <stddef.h>
#include "base/err.h"
#include "storage/log/plog_impl.h"
#include "base/check.h"

void waiting_add(struct plog *log, struct append *a)
{
    a->next_in_turn = NULL;
    *log->waiting_last = a;
    log->waiting_last = &a->next_in_turn;
    log->waiting_count++;
}

static void leave(struct waiting *w, struct plog *log)
{
    if (log->ring_next == NULL) return;
    struct plog **turn = &w->turn[log->ring];
    if (*turn == log) *turn = log->ring_next == log ? NULL : log->ring_next;
    log->ring_prev->ring_next = log->ring_next;
    log->ring_next->ring_prev = log->ring_prev;
    log->ring_next = log->ring_prev = NULL;
}

struct append *waiting_take(struct waiting *w, struct plog *log)
{
    struct append *a = log->waiting_first;
    if (a == NULL) return NULL;
    log->waiting_first = a->next_in_turn;
    log->waiting_count--;
    if (log->waiting_first == NULL) {
        log->waiting_last = &log->waiting_first;
        leave(w, log);
    }
    return a;
}

void waiting_join(struct waiting *w, struct plog *log, enum waiting_ring ring)
{
    if (waiting_joined(log) && log->ring <= ring) return;
    leave(w, log);
    log->ring = ring;
    struct plog **turn = &w->turn[ring];
    if (*turn == NULL) {
        *turn = log->ring_next = log->ring_prev = log;
        return;
    }
    log->ring_next = *turn;
    log->ring_prev = (*turn)->ring_prev;
    log->ring_prev->ring_next = log;
    (*turn)->ring_prev = log;
}

bool waiting_joined(const struct plog *log)
{
    return log->ring_next != NULL;
}

bool waiting_any(const struct waiting *w)
{
    return w->turn[WAITING_FRONT] != NULL || w->turn[WAITING_BEHIND] != NULL;
}

enum waiting_ring waiting_ring_next(struct waiting *w)
{
    if (w->turn[WAITING_FRONT] == NULL) return WAITING_BEHIND;
    w->front_shares = w->turn[WAITING_BEHIND] != NULL ? w->front_shares + 1 : 0;
    if (w->front_shares < FRONT_SHARES) return WAITING_FRONT;
    w->front_shares = 0;
    return WAITING_BEHIND;
}

struct plog *waiting_next(struct waiting *w, enum waiting_ring ring)
{
    struct plog *log = w->turn[ring];
    w->turn[ring] = log->ring_next;
    return log;
}
