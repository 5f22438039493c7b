/* A request that waits for data: watches on logs, and a deadline.
 *
 * Watches are asked again from the start after each wake, so the requests themselves stay simple:
 * look, and park when there is not enough. The memory of the watches is the request's; it is given
 * back only when no wake is under way any more. Thread: the request's loop. */
#ifndef BROKER_PARK_H
#define BROKER_PARK_H

#include "base/net/loop.h"
#include "storage/plog.h"

struct park;

struct park_watch {
    struct log_watch watch;
    struct park *park;
};

struct park {
    struct loop *loop;
    struct loop_timer timer;
    struct park_watch *watches;     /* the caller's array */
    int32_t watch_count;
    int32_t flying;                 /* wakes on their way through the mailbox */
    bool ringing;                   /* woken; waits for the flying ones */
    bool timed_out;                 /* the deadline passed */
    void (*wake)(struct park *p);   /* no watch and no timer is armed when this is called */
};

/* Empties p; cap: room in watches. */
void park_init(struct park *p, struct loop *loop, struct park_watch *watches,
               void (*wake)(struct park *p));
/* Waits for data at or beyond offset. A log that cannot be watched rings at once, so the caller
 * looks again and reports what is wrong with it. The caller keeps the log alive. */
void park_watch(struct park *p, struct plog *log, int64_t offset);
/* From now on wake() may come: at a watch's ring or at at_ms (loop_now_ms clock), once. */
void park_until(struct park *p, int64_t at_ms);
/* Ends the wait early (client gone); wake() comes soon, from the loop. */
void park_ring(struct park *p);

#endif
