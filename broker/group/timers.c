#include "broker/group/timers.h"

#include "base/mailbox.h"
#include "base/check.h"

static struct timer *timer_of(const struct heap_item *item)
{
    return CONTAINER_OF(item, struct timer, place);
}

static int compare(const struct heap_item *a, const struct heap_item *b)
{
    int64_t of_a = timer_of(a)->at_ms, of_b = timer_of(b)->at_ms;
    return (of_a > of_b) - (of_a < of_b);
}

void timers_init(struct timers *ts)
{
    *ts = (struct timers){.heap.compare = compare};
}

void timer_cancel(struct timers *ts, struct timer *t)
{
    heap_remove(&ts->heap, &t->place);
}

void timer_set(struct timers *ts, struct timer *t, int64_t at_ms)
{
    timer_cancel(ts, t);
    t->at_ms = at_ms;
    heap_add(&ts->heap, &t->place);
}

struct timer *timers_first(const struct timers *ts)
{
    struct heap_item *first = heap_first(&ts->heap);
    return first != NULL ? timer_of(first) : NULL;
}
