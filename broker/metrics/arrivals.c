#include "broker/metrics/arrivals.h"

#include <pthread.h>
#include "base/mailbox.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/check.h"

struct arrival {
    struct map_node node;
    uint64_t log_id;
    int64_t offset;
    int64_t arrival_ms;
    uint64_t turn;              /* when it was asked for last */
};

struct arrivals {
    pthread_mutex_t lock;
    struct map map;
    uint64_t turn;
};

struct arrivals *arrivals_new(void)
{
    struct arrivals *a = NEW(struct arrivals);
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

/* Drops those last asked for before `turn`. The lock is held. */
static void drop_before(struct arrivals *a, uint64_t turn)
{
    for (uint32_t i = 0; i < a->map.bucket_count; i++)
        for (struct map_node *n = a->map.buckets[i], *next; n != NULL; n = next) {
            struct arrival *arrival = CONTAINER_OF(n, struct arrival, node);
            next = n->next;
            if (arrival->turn >= turn) continue;
            map_remove(&a->map, n);
            mem_free(arrival);
        }
}

void arrivals_free(struct arrivals *a)
{
    if (a == NULL) return;
    drop_before(a, UINT64_MAX);
    map_done(&a->map);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

void arrivals_turn(struct arrivals *a)
{
    pthread_mutex_lock(&a->lock);
    drop_before(a, a->turn++);
    pthread_mutex_unlock(&a->lock);
}

static uint64_t hash_of(uint64_t log_id, int64_t offset)
{
    uint64_t key[2] = {log_id, (uint64_t)offset};
    return bytes_hash(bytes_of(key, sizeof key));
}

/* NULL: none. The lock is held. */
static struct arrival *find(const struct arrivals *a, uint64_t hash, uint64_t log_id,
                            int64_t offset)
{
    for (struct map_node *n = map_first(&a->map, hash); n != NULL; n = map_next(n)) {
        struct arrival *arrival = CONTAINER_OF(n, struct arrival, node);
        if (arrival->log_id == log_id && arrival->offset == offset) return arrival;
    }
    return NULL;
}

bool arrivals_find(struct arrivals *a, uint64_t log_id, int64_t offset, int64_t *ret_ms)
{
    pthread_mutex_lock(&a->lock);
    struct arrival *arrival = find(a, hash_of(log_id, offset), log_id, offset);
    if (arrival != NULL) {
        arrival->turn = a->turn;
        *ret_ms = arrival->arrival_ms;
    }
    pthread_mutex_unlock(&a->lock);
    return arrival != NULL;
}

void arrivals_put(struct arrivals *a, uint64_t log_id, int64_t offset, int64_t arrival_ms)
{
    uint64_t hash = hash_of(log_id, offset);
    pthread_mutex_lock(&a->lock);
    if (a->map.count < ARRIVALS_MAX && find(a, hash, log_id, offset) == NULL) {
        struct arrival *arrival = NEW(struct arrival);
        *arrival = (struct arrival){.log_id = log_id, .offset = offset, .arrival_ms = arrival_ms,
                                    .turn = a->turn};
        map_put(&a->map, &arrival->node, hash);
    }
    pthread_mutex_unlock(&a->lock);
}
