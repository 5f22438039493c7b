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

/* Without memory for more buckets it stays as it is, and chains get longer until there is some. */
static void grow(struct map *m)
{
    struct map old = *m;
    uint32_t count = old.bucket_count ? old.bucket_count * 2 : BUCKETS_FIRST;
    struct map_node **buckets = old.bucket_count ? mem_try_array(count, sizeof(struct map_node *))
                                                 : NEW_ARRAY(struct map_node *, count);
    if (buckets == NULL) return;
    m->bucket_count = count;
    m->buckets = buckets;
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
    if (m->count >= m->bucket_count) grow(m);
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

static uint64_t mirrored(uint64_t bits)
{
    bits = __builtin_bswap64(bits);
    bits = (bits >> 4 & 0x0f0f0f0f0f0f0f0f) | (bits & 0x0f0f0f0f0f0f0f0f) << 4;
    bits = (bits >> 2 & 0x3333333333333333) | (bits & 0x3333333333333333) << 2;
    return (bits >> 1 & 0x5555555555555555) | (bits & 0x5555555555555555) << 1;
}

/* Goes by mirrored hashes: a bucket holds a range of these, and halves of it when the buckets have
 * doubled, while its number is the range's first bits mirrored. w->at: the first one of the next
 * range. */
struct map_node *map_step(const struct map *m, struct map_walk *w)
{
    if (w->is_over || m->bucket_count == 0) {
        w->is_over = true;
        return NULL;
    }
    struct map_node *first = *bucket(m, mirrored(w->at));
    w->at += UINT64_MAX / m->bucket_count + 1;
    w->is_over = w->at == 0;
    return first;
}
