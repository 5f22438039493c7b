/* Jobs handed to a few threads, fair between those who sent them.
 *
 * Each client has a queue of its own and the queues take turns, one job each: whoever sends a
 * thousand jobs waits for them, and nobody else does. Clients are told apart by a hash over
 * FAIR_QUEUES queues; two that fall on one share its turn. Jobs of one client are taken in their
 * order. Senders bound what they have under way. */
#ifndef BASE_FAIR_H
#define BASE_FAIR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/mailbox.h"

enum { FAIR_QUEUES = 512 };

struct fair_queue {
    struct job *first;
    struct job **last;
    struct fair_queue *next;        /* in the ring of those that have jobs */
};

struct fair {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct fair_queue queues[FAIR_QUEUES];
    struct fair_queue *turn;        /* whose it is; NULL: no job waits */
    struct fair_queue *turn_last;
    atomic_uint waiting;            /* jobs */
    bool closed;
};

void fair_init(struct fair *f);
void fair_done(struct fair *f);             /* must be empty */
/* client: any number that is the sender's for as long as its jobs wait. Thread: any. */
void fair_post(struct fair *f, uint64_t client, struct job *job);
/* The job whose turn it is, which the caller owns from then on; NULL: none waits. Thread: any. */
struct job *fair_take(struct fair *f);
/* As fair_take(), but waits for one. NULL: closed; what still waits is left there. Thread: any. */
struct job *fair_wait(struct fair *f);
/* Whether somebody waits: a long job may then end early and be posted again. A hint, and cheap.
 * Thread: any. */
static inline bool fair_is_awaited(const struct fair *f)
{
    return atomic_load_explicit(&f->waiting, memory_order_relaxed) > 0;
}
/* Ends all waits, now and later. Thread: any. */
void fair_close(struct fair *f);

#endif
