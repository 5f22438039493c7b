#include "base/fair.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

static struct fair_queue *queue_at(const struct heap_item *item)
{
    return CONTAINER_OF(item, struct fair_queue, place);
}

static int compare(const struct heap_item *a, const struct heap_item *b)
{
    uint64_t of_a = queue_at(a)->had, of_b = queue_at(b)->had;
    return (of_a > of_b) - (of_a < of_b);
}

void fair_init(struct fair *f)
{
    *f = (struct fair){.waiting.compare = compare};
    f->queues = NEW_ARRAY(struct fair_queue, FAIR_QUEUES);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->arrived, NULL);
}

void fair_done(struct fair *f)
{
    assert(heap_first(&f->waiting) == NULL);
    mem_free(f->queues);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->arrived);
}

/* Clients are addresses and small numbers: their low bits alone would share few queues. */
static struct fair_queue *queue_of(struct fair *f, uint64_t client)
{
    return &f->queues[client * 0x9e3779b97f4a7c15u >> 52];
}
static_assert(FAIR_QUEUES == 1 << (64 - 52), "the hash's bits");

void fair_post(struct fair *f, uint64_t client, struct job *job)
{
    struct fair_queue *q = queue_of(f, client);
    job->next = NULL;
    pthread_mutex_lock(&f->lock);
    if (q->first == NULL) {
        q->last = &q->first;
        if (q->had + FAIR_CREDIT < f->had_most) q->had = f->had_most - FAIR_CREDIT;
        heap_add(&f->waiting, &q->place);
    }
    *q->last = job;
    q->last = &job->next;
    atomic_fetch_add_explicit(&f->job_count, 1, memory_order_relaxed);
    pthread_cond_signal(&f->arrived);
    pthread_mutex_unlock(&f->lock);
}

/* The caller holds the lock. It goes behind others that had as much. */
static void charge(struct fair *f, struct fair_queue *q, uint64_t cost)
{
    heap_remove(&f->waiting, &q->place);
    q->had += cost;
    if (q->first != NULL) heap_add(&f->waiting, &q->place);
}

void fair_charge(struct fair *f, uint64_t client, uint64_t cost)
{
    pthread_mutex_lock(&f->lock);
    charge(f, queue_of(f, client), cost);
    pthread_mutex_unlock(&f->lock);
}

/* The caller holds the lock. NULL: none waits. */
static struct job *take(struct fair *f)
{
    struct heap_item *first = heap_first(&f->waiting);
    if (first == NULL) return NULL;
    struct fair_queue *q = queue_at(first);
    struct job *job = q->first;
    q->first = job->next;
    if (f->had_most < q->had) f->had_most = q->had;
    charge(f, q, FAIR_JOB_COST);
    atomic_fetch_sub_explicit(&f->job_count, 1, memory_order_relaxed);
    job->next = NULL;
    return job;
}

struct job *fair_take(struct fair *f)
{
    pthread_mutex_lock(&f->lock);
    struct job *job = take(f);
    pthread_mutex_unlock(&f->lock);
    return job;
}

struct job *fair_wait(struct fair *f)
{
    struct job *job = NULL;
    pthread_mutex_lock(&f->lock);
    while (!f->closed && (job = take(f)) == NULL) pthread_cond_wait(&f->arrived, &f->lock);
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
