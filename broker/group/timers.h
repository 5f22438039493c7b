/* Deadlines of many objects, the next one at hand: a binary heap of timers that are members of what
 * they belong to. Equal deadlines come out in the order in which they were set, so that a run is
 * repeatable. Thread: one owner. */
#ifndef BROKER_GROUP_TIMERS_H
#define BROKER_GROUP_TIMERS_H

#include <stdint.h>

struct timer {
    int64_t at_ms;
    uint64_t order;                 /* among equal deadlines */
    uint32_t slot;                  /* place in the heap + 1; 0: not set */
    uint8_t kind;                   /* the owner's */
};

struct timers {
    struct timer **heap;
    uint32_t count;
    uint32_t cap;
    uint64_t order_next;
};

void timers_done(struct timers *ts);                /* timers that are set are forgotten */
/* Set or set anew. */
void timer_set(struct timers *ts, struct timer *t, int64_t at_ms);
void timer_cancel(struct timers *ts, struct timer *t);      /* not set: no-op */
struct timer *timers_first(const struct timers *ts);        /* NULL: none */

#endif
