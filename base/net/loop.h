/* One thread with one libevent base: everything that lives on a loop is touched by its thread
 * alone, so nothing here takes a lock; other threads hand in jobs through a mailbox.
 *
 * A turn is: wait for events, run what they call, run what was handed in until then, flush the
 * connections that got output, run one of the long jobs. So all replies that became ready in one
 * turn leave a connection in one write. Of each it does some and leaves the others to the next
 * turns (loop.c), so that who comes later does not wait for all of it. */
#ifndef BASE_NET_LOOP_H
#define BASE_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/fair.h"
#include "base/heap.h"
#include "base/mailbox.h"
#include "base/net/room.h"

struct event_base;
struct loop;

/* Embedded by its owner; zeroed = not armed. */
struct loop_timer {
    struct heap_item place;
    int64_t at_ms;                              /* due time on loop_now_ms()'s clock */
    void (*fire)(struct loop_timer *timer);     /* not armed any more when this is called */
};

/* name: of the thread, at most 15 characters. Never NULL. SIGPIPE is ignored from here on. */
struct loop *loop_new(const char *name);
/* Runs the loop on a thread of its own until loop_stop(). Thread: the one that made it. */
void loop_start(struct loop *loop);
/* Runs what was posted so far, then ends and joins the thread; a loop that was not started only
 * runs what was posted. The connections must be closed already (listener_close). Thread: the one
 * that made it. */
void loop_stop(struct loop *loop);
/* Runs what was posted so far, and what that deferred, on the calling thread, as the loop's; no
 * socket and no timer is looked at. False: nothing was posted. The loop has no thread, any more or
 * yet. Thread: the one that made it. */
bool loop_run_posted(struct loop *loop);
/* The thread must have been stopped, or never started. Jobs that still wait are run first. NULL is
 * a no-op. */
void loop_free(struct loop *loop);
/* One turn on the calling thread, for a loop without a thread (tests, fuzzing): waits at most
 * wait_ms (0: not at all, -1: until something happens). */
void loop_turn(struct loop *loop, int wait_ms);

/* Hands a job to the loop, which owns it from then on. Thread: any. */
void loop_post(struct loop *loop, struct job *job);
/* As mailbox_post(), but what a turn of a loop hands over goes when its events were handled, before
 * its output is sent: the receiver is woken once, and finds it all. now: without that wait, with
 * what waits for this mailbox already. On other threads: now. Thread: any. */
void loop_hand_over(struct mailbox *to, struct job *job, bool now);
/* The way home of a job that was done elsewhere: to the loop that waits for it; NULL: nobody's loop
 * does, it runs right here. Thread: any. */
static inline void loop_answer(struct loop *home, struct job *job)
{
    if (home != NULL) loop_post(home, job);
    else job->run(job);
}
/* Runs the job when the events of this turn were handled, and when there are many in a later turn:
 * for what gathers the output of a turn. Thread: the loop's. */
void loop_defer_flush(struct loop *loop, struct job *job);
/* How many bytes such a job may send before it hands itself in again: the less, the more wait.
 * Thread: the loop's, in the job. */
size_t loop_flush_share(const struct loop *loop);

/* The same behind the turn's output, and so few a turn that hundreds of connections which end
 * together hold up nobody. Thread: the loop's. */
void loop_defer_end(struct loop *loop, struct job *job);

/* Something that a client asks, which takes what time it takes: it begins now while what clients
 * asked in this turn took little and nobody waits, else in a later turn. Clients take turns by the
 * time that theirs took, and tasks of one client keep their order. */
struct loop_task {
    struct job job;                             /* the loop's */
    uint64_t client;                            /* as for base/fair.h */
    void (*begin)(struct loop_task *t);         /* the task may be gone afterwards */
};
/* False: it waits; else it may be gone. Thread: the loop's. */
bool loop_task_begin(struct loop *loop, struct loop_task *t);

/* Runs the job at the end of this turn or of a later one: one such job a turn, in their order. For
 * a piece of work that takes long, so that who asks little waits for one of them, however many
 * there are. Pieces are bounded by what they look at; whoever has more to do hands the job in
 * again. Thread: the loop's. */
void loop_defer_long(struct loop *loop, struct job *job);

/* For what an event calls, first of all: the loop does not wait any more, and who posts to it from
 * here on need not wake it. Thread: the loop's. */
void loop_awake(struct loop *loop);

/* Counts the turns, for what holds within one. Thread: the loop's. */
uint64_t loop_turns(const struct loop *loop);
/* Monotonic ms, read once a turn. Thread: the loop's. */
int64_t loop_now_ms(struct loop *loop);
/* Arms, or moves, a timer: due at at_ms. timer->fire must be set. O(log timers). Thread: the
 * loop's. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms);
static inline bool loop_timer_is_set(const struct loop_timer *timer)
{
    return heap_holds(&timer->place);
}
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);   /* not armed: a no-op */

/* The loop whose thread this is, or that is in loop_turn(); NULL elsewhere. */
struct loop *loop_current(void);
/* Aborts unless called on the loop's thread. */
void loop_assert(const struct loop *loop);
/* The position this loop was given, for tables by loop. Set by the owner before loop_start(). */
void loop_index_set(struct loop *loop, uint32_t index);
uint32_t loop_index(const struct loop *loop);

struct event_base *loop_events(struct loop *loop);
/* What waits to be sent on all connections of the loop. Thread: the loop's. */
struct room *loop_room(struct loop *loop);
/* Scratch for one read, LOOP_READ_BYTES long: whatever must outlive the call is copied out. */
uint8_t *loop_scratch(struct loop *loop);

enum { LOOP_READ_BYTES = 256 * 1024 };

#endif
