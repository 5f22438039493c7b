/* Jobs handed to a few threads, fair between those who sent them.
 *
 * Each client has a queue of its own, and the queue that has had least comes first (start-time fair
 * queuing). A job costs FAIR_JOB_COST and what whoever runs it says that it cost on top, so clients
 * get equal shares of the threads' work, not of jobs, and one that asks for little is never far
 * behind: it waits for what is being run and for those who had as little. Whoever comes, or comes
 * back, has at most FAIR_CREDIT to claim against those whose turn it is: not all that it could have
 * had meanwhile, but enough to come before those who always want something.
 *
 * Clients are told apart by a hash over FAIR_QUEUES queues; two that fall on one share its turn.
 * Jobs of one client are taken in their order. Senders bound what they have under way. */
#ifndef BASE_FAIR_H
#define BASE_FAIR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/heap.h"
#include "base/mailbox.h"

/* Costs are counted in bytes handled, or in ns: about the same. */
enum { FAIR_QUEUES = 4096, FAIR_JOB_COST = 4096, FAIR_CREDIT = 1 << 20 };

struct fair_queue {
    struct heap_item place;         /* among those that have jobs */
    struct job *first;
    struct job **last;
    uint64_t had;
};

struct fair {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct fair_queue *queues;
    struct heap waiting;            /* the queues with jobs, by what they had */
    uint64_t had_most;              /* by a queue whose turn came, before it */
    atomic_uint job_count;
    bool closed;
};

void fair_init(struct fair *f);
void fair_done(struct fair *f);             /* must be empty */
/* client: any number that is the sender's for as long as its jobs wait. Thread: any. */
void fair_post(struct fair *f, uint64_t client, struct job *job);
/* A job of the client's that was taken has cost so much on top. Comes before it is posted again.
 * Thread: any. */
void fair_charge(struct fair *f, uint64_t client, uint64_t cost);
/* The job whose turn it is, which the caller owns from then on; NULL: none waits. Thread: any. */
struct job *fair_take(struct fair *f);
/* As fair_take(), but waits for one. NULL: closed; what still waits is left there. Thread: any. */
struct job *fair_wait(struct fair *f);
/* Whether somebody waits: a long job may then end early and be posted again. A hint, and cheap.
 * Thread: any. */
static inline bool fair_is_awaited(const struct fair *f)
{
    return atomic_load_explicit(&f->job_count, memory_order_relaxed) > 0;
}
/* Ends all waits, now and later. Thread: any. */
void fair_close(struct fair *f);

#endif
