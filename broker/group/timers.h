/* Deadlines of many objects, the next one at hand; timers are members of what they belong to. Equal
 * deadlines come out in the order in which they were set. Thread: one owner. */
#ifndef BROKER_GROUP_TIMERS_H
#define BROKER_GROUP_TIMERS_H

#include "base/heap.h"

struct timer {
    struct heap_item place;
    int64_t at_ms;
    uint8_t kind;                   /* the owner's */
};

struct timers {
    struct heap heap;
};

void timers_init(struct timers *ts);
static inline bool timer_is_set(const struct timer *t)
{
    return heap_holds(&t->place);
}
/* Set or set anew. */
void timer_set(struct timers *ts, struct timer *t, int64_t at_ms);
void timer_cancel(struct timers *ts, struct timer *t);      /* not set: no-op */
struct timer *timers_first(const struct timers *ts);        /* NULL: none */

#endif
