#include "bridge/subscriptions.h"

#include <pthread.h>
#include "base/mem.h"
#include "base/net/loop.h"
#include "base/check.h"

enum {
    EXCLUSIVE_MS = 5000,                /* a second call within this is refused */
    BUCKETS = 1024,
    CALLS = 8192,                       /* remembered; a newer one may overwrite an older one */
};

/* The latest successful call of a consumer for a shard. It counts for EXCLUSIVE_MS, whatever became
 * of the subscription. */
struct call {
    uint64_t consumer;                  /* hash of topic id and name; 0: none */
    int32_t shard;
    int64_t at_ms;
};

struct subscriptions {
    pthread_mutex_t lock;
    uint32_t count;
    struct subscription_place *buckets[BUCKETS];
    struct call calls[CALLS];
};

struct subscriptions *subscriptions_new(void)
{
    struct subscriptions *s = NEW(struct subscriptions);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void subscriptions_free(struct subscriptions *s)
{
    if (s == NULL) return;
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static struct subscription_place **bucket_of(struct subscriptions *s,
                                             const struct subscription_place *p)
{
    uint64_t h = bytes_hash(bytes_of(p->topic_id.bytes, sizeof p->topic_id.bytes));
    h += (uint64_t)p->shard * 0x9e3779b97f4a7c15u;
    return &s->buckets[(h >> 32) % BUCKETS];
}

static bool is_of(const struct subscription_place *p, const struct uuid *topic_id,
                  struct bytes consumer)
{
    return uuid_equal(&p->topic_id, topic_id) && bytes_equal(p->consumer, consumer);
}

/* Where the place of this consumer and shard is linked, or would be. The caller holds the lock. */
static struct subscription_place **find(struct subscriptions *s,
                                        const struct subscription_place *like)
{
    struct subscription_place **at = bucket_of(s, like);
    while (*at != NULL &&
           !((*at)->shard == like->shard && is_of(*at, &like->topic_id, like->consumer)))
        at = &(*at)->next;
    return at;
}

/* The caller holds the lock. */
static struct subscription_place *take_off(struct subscriptions *s, struct subscription_place **at)
{
    struct subscription_place *p = *at;
    *at = p->next;
    p->state = PLACE_NONE;
    s->count--;
    return p;
}

/* ---- A place that is lost. Nobody but its owner touches it then, once the job is posted. */

static void on_lost(struct job *job)
{
    struct subscription_place *p = CONTAINER_OF(job, struct subscription_place, job);
    p->state = PLACE_NONE;
    p->lost(p, p->taken_over);
}

/* The caller holds the lock, and posts the job without it: until then the owner waits. */
static struct subscription_place *lose(struct subscriptions *s, struct subscription_place **at,
                                       bool taken_over)
{
    struct subscription_place *p = take_off(s, at);
    p->job.run = on_lost;
    p->state = PLACE_LOST;
    p->taken_over = taken_over;
    return p;
}

/* ---- Calls; the caller holds the lock */

static uint64_t hash_of(const struct uuid *topic_id, struct bytes consumer)
{
    return (bytes_hash(bytes_of(topic_id->bytes, sizeof topic_id->bytes)) ^
            bytes_hash(consumer) * 0x9e3779b97f4a7c15u) |
           1;
}

static struct call *call_of(struct subscriptions *s, uint64_t consumer, int32_t shard)
{
    uint64_t h = (consumer + (uint64_t)shard) * 0x9e3779b97f4a7c15u;
    return &s->calls[(h >> 32) % CALLS];
}

static bool was_called(struct subscriptions *s, const struct subscription_place *p)
{
    uint64_t consumer = hash_of(&p->topic_id, p->consumer);
    const struct call *c = call_of(s, consumer, p->shard);
    return c->consumer == consumer && c->shard == p->shard &&
           p->started_ms - c->at_ms < EXCLUSIVE_MS;
}

static void remember(struct subscriptions *s, const struct subscription_place *p)
{
    uint64_t consumer = hash_of(&p->topic_id, p->consumer);
    *call_of(s, consumer, p->shard) = (struct call){consumer, p->shard, p->started_ms};
}

static void forget(struct subscriptions *s, uint64_t consumer)
{
    for (int i = 0; i < CALLS; i++)
        if (s->calls[i].consumer == consumer) s->calls[i].consumer = 0;
}

/* ---- What the owners call */

enum err subscriptions_take(struct subscriptions *s, struct subscription_place *place)
{
    struct subscription_place *lost = NULL;
    enum err err = ERR_OK;
    pthread_mutex_lock(&s->lock);
    struct subscription_place **at = find(s, place);
    bool young = *at != NULL && place->started_ms - (*at)->started_ms < EXCLUSIVE_MS;
    if (young || was_called(s, place)) {
        err = ERR_RESOURCE_IN_USE;
    } else if (*at == NULL && s->count >= SUBSCRIPTIONS_MAX) {
        err = ERR_LIMIT_EXCEEDED;
    } else {
        if (*at != NULL) lost = lose(s, at, true);
        place->next = *at;
        *at = place;
        place->state = PLACE_HELD;
        s->count++;
        remember(s, place);
    }
    pthread_mutex_unlock(&s->lock);
    if (lost != NULL) loop_post(lost->loop, &lost->job);
    return err;
}

bool subscriptions_leave(struct subscriptions *s, struct subscription_place *place)
{
    pthread_mutex_lock(&s->lock);
    if (place->state == PLACE_HELD) take_off(s, find(s, place));
    bool mine = place->state == PLACE_NONE;
    pthread_mutex_unlock(&s->lock);
    return mine;
}

void subscriptions_drop(struct subscriptions *s, const struct uuid *topic_id, struct bytes consumer)
{
    struct subscription_place *lost = NULL;
    pthread_mutex_lock(&s->lock);
    forget(s, hash_of(topic_id, consumer));
    for (int b = 0; b < BUCKETS; b++)
        for (struct subscription_place **at = &s->buckets[b]; *at != NULL;) {
            if (!is_of(*at, topic_id, consumer)) {
                at = &(*at)->next;
                continue;
            }
            struct subscription_place *p = lose(s, at, false);
            p->next = lost;
            lost = p;
        }
    pthread_mutex_unlock(&s->lock);
    while (lost != NULL) {
        struct subscription_place *next = lost->next;
        loop_post(lost->loop, &lost->job);
        lost = next;
    }
}
