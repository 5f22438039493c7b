/* Token buckets.
 *
 * A bucket (base/bucket.h) holds one second's worth; its debt is that of one record or one answer
 * larger than what was left.
 *
 * Records beyond 1 MiB have a tank of 10 MiB, as AWS describes it: every write takes from it what
 * is there, a large one needs its whole size. Afterwards small ones pass at the shard's rate at
 * once.
 *
 * Buckets of one shard live together in a gauge, gauges in a few stripes by hash, each with its
 * lock, so that loops that write to different shards do not wait for each other. A gauge whose
 * buckets are all full says nothing and is dropped when its stripe needs room. */
#include "policy/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include "base/bucket.h"
#include "base/mailbox.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/check.h"

enum {
    STRIPES = 16,
    GAUGES_PER_STRIPE = LIMITS_BUCKETS_MAX / STRIPES,
    ROOM_LOOK = 32,
    LARGE_FROM = 1 << 20, /* bytes of data and partition key: a record may have so many at least */
    TANK_S = 10,
    READ_DEBT_BYTES_MAX = 10 << 20, /* 5 s at the rate below: what a 10 MB answer costs */
};

/* Rates a second; a bucket holds as much, the tank TANK_S times that. */
enum bucket_kind {
    WRITE_BYTES,
    WRITE_RECORDS,
    WRITE_TANK, /* bytes for large records */
    READ_BYTES,
    READ_CALLS,
    ITERATORS,
    PUSH_BYTES,
    BUCKETS
};
static const int64_t kinesis_rates[BUCKETS] = {
    [WRITE_BYTES] = 1 << 20,
    [WRITE_RECORDS] = 1000,
    [WRITE_TANK] = 1 << 20,
    [READ_BYTES] = 2 << 20,
    [READ_CALLS] = 5,
    [ITERATORS] = 5,
    [PUSH_BYTES] = 2 << 20,
};

/* What a gauge is about: a shard, or a consumer of one. */
enum subject { SHARD, CONSUMER };
struct gauge_key {
    struct uuid topic_id;
    uint64_t consumer;
    int32_t shard;
    int32_t subject;
};

struct gauge {
    struct map_node node;
    struct gauge_key key;
    int64_t at_ms;           /* when the levels were right */
    int64_t rates[BUCKETS];  /* 0: not a bucket of this gauge */
    int64_t levels[BUCKETS]; /* in thousandths */
};

struct stripe {
    pthread_mutex_t lock; /* leaf */
    struct map gauges;
    uint32_t hand; /* the bucket make_room() looked at last */
};

struct limits {
    atomic_int profile;
    struct stripe stripes[STRIPES];
};

struct limits *limits_new(enum limits_profile profile)
{
    struct limits *l = NEW(struct limits);
    atomic_init(&l->profile, profile);
    for (int i = 0; i < STRIPES; i++) pthread_mutex_init(&l->stripes[i].lock, NULL);
    return l;
}

static void drop(struct stripe *s, struct gauge *g)
{
    map_remove(&s->gauges, &g->node);
    mem_free(g);
}

static void stripe_clear(struct stripe *s)
{
    for (uint32_t i = 0; i < s->gauges.bucket_count; i++)
        while (s->gauges.buckets[i] != NULL)
            drop(s, CONTAINER_OF(s->gauges.buckets[i], struct gauge, node));
}

void limits_free(struct limits *l)
{
    if (l == NULL) return;
    for (int i = 0; i < STRIPES; i++) {
        stripe_clear(&l->stripes[i]);
        map_done(&l->stripes[i].gauges);
        pthread_mutex_destroy(&l->stripes[i].lock);
    }
    mem_free(l);
}

void limits_set(struct limits *l, enum limits_profile profile)
{
    atomic_store(&l->profile, profile);
    for (int i = 0; i < STRIPES; i++) { /* who switches them on again starts with full ones */
        pthread_mutex_lock(&l->stripes[i].lock);
        stripe_clear(&l->stripes[i]);
        pthread_mutex_unlock(&l->stripes[i].lock);
    }
}

/* ---- Gauges; the stripe's lock is held */

static int64_t full_level(const struct gauge *g, int kind)
{
    return g->rates[kind] * BUCKET_UNIT * (kind == WRITE_TANK ? TANK_S : 1);
}

static bool is_full(const struct gauge *g)
{
    for (int i = 0; i < BUCKETS; i++)
        if (g->levels[i] < full_level(g, i)) return false;
    return true;
}

static void refill(struct gauge *g, int64_t now_ms)
{
    int64_t passed_ms = now_ms - g->at_ms;
    if (passed_ms <= 0) return;
    g->at_ms = now_ms;
    for (int i = 0; i < BUCKETS; i++)
        g->levels[i] = bucket_rise(g->levels[i], full_level(g, i), g->rates[i], passed_ms);
}

/* How full it is, for the choice of whom to drop: the worst of its buckets, in thousandths. */
static int64_t fullness(const struct gauge *g)
{
    int64_t least = BUCKET_UNIT;
    for (int i = 0; i < BUCKETS; i++) {
        if (g->rates[i] == 0) continue;
        int64_t part = g->levels[i] / (full_level(g, i) / BUCKET_UNIT);
        if (part < least) least = part;
    }
    return least;
}

/* Looks at the next few gauges, as the hand of a clock goes: drops the full ones, or else the
 * fullest. So the cost of a newcomer is bounded, and who is in debt stays. */
static void make_room(struct stripe *s, int64_t now_ms)
{
    struct gauge *fullest = NULL;
    uint32_t before = s->gauges.count, looked_at = 0;
    for (uint32_t i = 0; i < s->gauges.bucket_count && looked_at < ROOM_LOOK; i++) {
        s->hand = (s->hand + 1) & (s->gauges.bucket_count - 1);
        for (struct map_node *n = s->gauges.buckets[s->hand], *next; n != NULL; n = next) {
            struct gauge *g = CONTAINER_OF(n, struct gauge, node);
            next = n->next;
            looked_at++;
            refill(g, now_ms);
            if (is_full(g)) drop(s, g);
            else if (fullest == NULL || fullness(g) > fullness(fullest)) fullest = g;
        }
    }
    if (s->gauges.count == before && fullest != NULL) drop(s, fullest);
}

static void set_rates(struct gauge *g)
{
    int first = g->key.subject == SHARD ? WRITE_BYTES : PUSH_BYTES;
    int last = g->key.subject == SHARD ? ITERATORS : PUSH_BYTES;
    for (int i = first; i <= last; i++) {
        g->rates[i] = kinesis_rates[i];
        g->levels[i] = full_level(g, i);
    }
}

static struct gauge *gauge_of(struct stripe *s, const struct gauge_key *key, uint64_t hash,
                              int64_t now_ms)
{
    for (struct map_node *n = map_first(&s->gauges, hash); n != NULL; n = map_next(n)) {
        struct gauge *g = CONTAINER_OF(n, struct gauge, node);
        if (memcmp(&g->key, key, sizeof *key) != 0) continue;
        refill(g, now_ms);
        return g;
    }
    if (s->gauges.count >= GAUGES_PER_STRIPE) make_room(s, now_ms);
    struct gauge *g = NEW(struct gauge);
    g->key = *key;
    g->at_ms = now_ms;
    set_rates(g);
    map_put(&s->gauges, &g->node, hash);
    return g;
}

/* Locks the stripe and finds the gauge in it; ends with pthread_mutex_unlock(&(*ret)->lock). */
static struct gauge *enter(struct limits *l, const struct gauge_key *key, int64_t now_ms,
                           struct stripe **ret)
{
    static_assert(sizeof *key == 16 + 8 + 4 + 4, "hashed and compared as bytes: no padding");
    uint64_t hash = bytes_hash(bytes_of(key, sizeof *key));
    *ret = &l->stripes[hash >> 60 & (STRIPES - 1)];
    pthread_mutex_lock(&(*ret)->lock);
    return gauge_of(*ret, key, hash, now_ms);
}

static bool is_off(const struct limits *l)
{
    return atomic_load_explicit(&l->profile, memory_order_relaxed) == LIMITS_OFF;
}

static struct gauge_key shard_key(const struct limits_key *key)
{
    return (struct gauge_key){.topic_id = key->topic_id, .shard = key->shard, .subject = SHARD};
}

static bool has_room(const struct gauge *g, enum bucket_kind kind, int64_t units)
{
    return bucket_has(g->levels[kind], full_level(g, kind), units);
}

/* ---- What callers ask */

bool limits_take_write(struct limits *l, const struct limits_key *key, uint32_t bytes,
                       int64_t now_ms)
{
    if (is_off(l)) return true;
    struct gauge_key k = shard_key(key);
    struct stripe *s;
    struct gauge *g = enter(l, &k, now_ms, &s);
    bool large = bytes > LARGE_FROM;
    bool passes = has_room(g, large ? WRITE_TANK : WRITE_BYTES, bytes) &&
                  has_room(g, WRITE_RECORDS, 1);
    if (passes) {
        int64_t cost = (int64_t)bytes * BUCKET_UNIT, *tank = &g->levels[WRITE_TANK];
        *tank = *tank > cost ? *tank - cost : 0;
        if (!large) g->levels[WRITE_BYTES] -= cost;
        else if (g->levels[WRITE_BYTES] > 0) g->levels[WRITE_BYTES] = 0;
        g->levels[WRITE_RECORDS] -= BUCKET_UNIT;
    }
    pthread_mutex_unlock(&s->lock);
    return passes;
}

bool limits_take_read(struct limits *l, const struct limits_key *key, int64_t now_ms)
{
    if (is_off(l)) return true;
    struct gauge_key k = shard_key(key);
    struct stripe *s;
    struct gauge *g = enter(l, &k, now_ms, &s);
    bool passes = g->levels[READ_BYTES] >= 0 && has_room(g, READ_CALLS, 1);
    if (passes) g->levels[READ_CALLS] -= BUCKET_UNIT;
    pthread_mutex_unlock(&s->lock);
    return passes;
}

void limits_charge_read(struct limits *l, const struct limits_key *key, uint64_t bytes,
                        int64_t now_ms)
{
    if (is_off(l) || bytes == 0) return;
    struct gauge_key k = shard_key(key);
    struct stripe *s;
    struct gauge *g = enter(l, &k, now_ms, &s);
    int64_t cost = bytes < READ_DEBT_BYTES_MAX ? (int64_t)bytes : READ_DEBT_BYTES_MAX;
    /* Who overdraws waits as long as the whole answer takes at the rate, as AWS documents for the
     * 10 MB one; what was left does not count. */
    if (g->levels[READ_BYTES] < cost * BUCKET_UNIT) g->levels[READ_BYTES] = -cost * BUCKET_UNIT;
    else g->levels[READ_BYTES] -= cost * BUCKET_UNIT;
    pthread_mutex_unlock(&s->lock);
}

bool limits_take_iterator(struct limits *l, const struct limits_key *key, int64_t now_ms)
{
    if (is_off(l)) return true;
    struct gauge_key k = shard_key(key);
    struct stripe *s;
    struct gauge *g = enter(l, &k, now_ms, &s);
    bool passes = has_room(g, ITERATORS, 1);
    if (passes) g->levels[ITERATORS] -= BUCKET_UNIT;
    pthread_mutex_unlock(&s->lock);
    return passes;
}

static struct gauge_key consumer_key(const struct limits_key *key, uint64_t consumer)
{
    return (struct gauge_key){
        .topic_id = key->topic_id, .consumer = consumer, .shard = key->shard, .subject = CONSUMER};
}

uint64_t limits_push_room(struct limits *l, const struct limits_key *key, uint64_t consumer,
                          int64_t now_ms)
{
    if (is_off(l)) return UINT64_MAX;
    struct gauge_key k = consumer_key(key, consumer);
    struct stripe *s;
    struct gauge *g = enter(l, &k, now_ms, &s);
    int64_t level = g->levels[PUSH_BYTES];
    pthread_mutex_unlock(&s->lock);
    return level > 0 ? (uint64_t)level / BUCKET_UNIT : 0;
}

void limits_charge_push(struct limits *l, const struct limits_key *key, uint64_t consumer,
                        uint64_t bytes, int64_t now_ms)
{
    if (is_off(l)) return;
    struct gauge_key k = consumer_key(key, consumer);
    struct stripe *s;
    struct gauge *g = enter(l, &k, now_ms, &s);
    g->levels[PUSH_BYTES] -= (int64_t)(bytes < INT32_MAX ? bytes : INT32_MAX) * BUCKET_UNIT;
    pthread_mutex_unlock(&s->lock);
}

uint32_t limits_gauges(struct limits *l)
{
    uint32_t count = 0;
    for (int i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&l->stripes[i].lock);
        count += l->stripes[i].gauges.count;
        pthread_mutex_unlock(&l->stripes[i].lock);
    }
    return count;
}
