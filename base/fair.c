#include "base/fair.h"

#include <assert.h>
#include "base/check.h"

void fair_init(struct fair *f)
{
    *f = (struct fair){.turn = NULL};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->arrived, NULL);
}

void fair_done(struct fair *f)
{
    assert(f->turn == NULL);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->arrived);
}

/* Clients are addresses and small numbers: their low bits alone would share few queues. */
static struct fair_queue *queue_of(struct fair *f, uint64_t client)
{
    return &f->queues[client * 0x9e3779b97f4a7c15u >> 55];
}
static_assert(FAIR_QUEUES == 1 << (64 - 55), "the hash's bits");

static void turn_add(struct fair *f, struct fair_queue *q)
{
    q->next = NULL;
    if (f->turn == NULL) f->turn = q;
    else f->turn_last->next = q;
    f->turn_last = q;
}

void fair_post(struct fair *f, uint64_t client, struct job *job)
{
    struct fair_queue *q = queue_of(f, client);
    job->next = NULL;
    pthread_mutex_lock(&f->lock);
    if (q->first == NULL) {
        q->last = &q->first;
        turn_add(f, q);
    }
    *q->last = job;
    q->last = &job->next;
    atomic_fetch_add_explicit(&f->waiting, 1, memory_order_relaxed);
    pthread_cond_signal(&f->arrived);
    pthread_mutex_unlock(&f->lock);
}

/* The caller holds the lock; a job waits. */
static struct job *take(struct fair *f)
{
    struct fair_queue *q = f->turn;
    struct job *job = q->first;
    f->turn = q->next;
    q->first = job->next;
    if (q->first != NULL) turn_add(f, q);
    atomic_fetch_sub_explicit(&f->waiting, 1, memory_order_relaxed);
    job->next = NULL;
    return job;
}

struct job *fair_take(struct fair *f)
{
    pthread_mutex_lock(&f->lock);
    struct job *job = f->turn != NULL ? take(f) : NULL;
    pthread_mutex_unlock(&f->lock);
    return job;
}

struct job *fair_wait(struct fair *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->turn == NULL && !f->closed) pthread_cond_wait(&f->arrived, &f->lock);
    struct job *job = f->closed ? NULL : take(f);
    pthread_mutex_unlock(&f->lock);
    return job;
}

void fair_close(struct fair *f)
{
    pthread_mutex_lock(&f->lock);
    f->closed = true;
    pthread_cond_broadcast(&f->arrived);
    pthread_mutex_unlock(&f->lock);
}
