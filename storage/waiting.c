#include "storage/waiting.h"

#include <stddef.h>
#include "base/err.h"
#include "storage/plog_impl.h"
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
    if (w->turn == log) w->turn = log->ring_next == log ? NULL : log->ring_next;
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

void waiting_join(struct waiting *w, struct plog *log)
{
    if (log->ring_next != NULL) return;
    if (w->turn == NULL) {
        w->turn = log->ring_next = log->ring_prev = log;
        return;
    }
    log->ring_next = w->turn;
    log->ring_prev = w->turn->ring_prev;
    log->ring_prev->ring_next = log;
    w->turn->ring_prev = log;
}

bool waiting_joined(const struct plog *log)
{
    return log->ring_next != NULL;
}

struct plog *waiting_next(struct waiting *w)
{
    struct plog *log = w->turn;
    w->turn = log->ring_next;
    return log;
}
