#include "base/map.h"

#include <assert.h>
#include <stddef.h>
#include "base/mem.h"
#include "base/check.h"

enum { BUCKETS_FIRST = 16 };

void map_done(struct map *m)
{
    mem_free(m->buckets);
    *m = (struct map){0};
}

static struct map_node **bucket(const struct map *m, uint64_t hash)
{
    return &m->buckets[hash & (m->bucket_count - 1)];
}

static void push(struct map *m, struct map_node *n)
{
    struct map_node **b = bucket(m, n->hash);
    n->next = *b;
    *b = n;
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->bucket_count = old.bucket_count ? old.bucket_count * 2 : BUCKETS_FIRST;
    m->buckets = NEW_ARRAY(struct map_node *, m->bucket_count);
    for (uint32_t i = 0; i < old.bucket_count; i++) {
        struct map_node *n = old.buckets[i];
        while (n != NULL) {
            struct map_node *next = n->next;
            push(m, n);
            n = next;
        }
    }
    mem_free(old.buckets);
}

void map_put(struct map *m, struct map_node *n, uint64_t hash)
{
    if (m->count == m->bucket_count) grow(m);
    n->hash = hash;
    push(m, n);
    m->count++;
}

void map_remove(struct map *m, struct map_node *n)
{
    assert(m->count > 0);
    struct map_node **at = bucket(m, n->hash);
    while (*at != n) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = n->next;
    n->next = NULL;
    m->count--;
}

/* The first node of the hash in a chain that starts with n. */
static struct map_node *in_chain(struct map_node *n, uint64_t hash)
{
    while (n != NULL && n->hash != hash) n = n->next;
    return n;
}

struct map_node *map_first(const struct map *m, uint64_t hash)
{
    return m->count == 0 ? NULL : in_chain(*bucket(m, hash), hash);
}

struct map_node *map_next(const struct map_node *n)
{
    return in_chain(n->next, n->hash);
}
