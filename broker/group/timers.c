#include "broker/group/timers.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"
#include "base/check.h"

void timers_done(struct timers *ts)
{
    mem_free(ts->heap);
    *ts = (struct timers){0};
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void place(struct timers *ts, struct timer *t, uint32_t index)
{
    ts->heap[index] = t;
    t->slot = index + 1;
}

static void sift_up(struct timers *ts, struct timer *t, uint32_t index)
{
    while (index > 0 && before(t, ts->heap[(index - 1) / 2])) {
        place(ts, ts->heap[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    place(ts, t, index);
}

static void sift_down(struct timers *ts, struct timer *t, uint32_t index)
{
    for (;;) {
        uint32_t child = index * 2 + 1;
        if (child >= ts->count) break;
        if (child + 1 < ts->count && before(ts->heap[child + 1], ts->heap[child])) child++;
        if (!before(ts->heap[child], t)) break;
        place(ts, ts->heap[child], index);
        index = child;
    }
    place(ts, t, index);
}

void timer_cancel(struct timers *ts, struct timer *t)
{
    if (t->slot == 0) return;
    uint32_t index = t->slot - 1;
    assert(index < ts->count && ts->heap[index] == t);
    t->slot = 0;
    struct timer *last = ts->heap[--ts->count];
    if (last == t) return;
    if (index > 0 && before(last, ts->heap[(index - 1) / 2]))
        sift_up(ts, last, index);
    else
        sift_down(ts, last, index);
}

void timer_set(struct timers *ts, struct timer *t, int64_t at_ms)
{
    timer_cancel(ts, t);
    if (ts->count == ts->cap) {
        ts->cap = ts->cap ? ts->cap * 2 : 16;
        ts->heap = mem_grow(ts->heap, ts->cap * sizeof *ts->heap);
    }
    t->at_ms = at_ms;
    t->order = ts->order_next++;
    sift_up(ts, t, ts->count++);
}

struct timer *timers_first(const struct timers *ts)
{
    return ts->count == 0 ? NULL : ts->heap[0];
}
