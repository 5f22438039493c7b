/* An intrusive hash table: nodes are members of the objects they index, so that putting one in
 * never allocates for it. The table knows hashes only; the caller compares keys:
 *
 *   for (struct map_node *n = map_first(&m, hash); n != NULL; n = map_next(n))
 *       if (bytes_equal(CONTAINER_OF(n, struct group, by_id)->id, id)) ...
 *
 * Buckets double as nodes come, if there is memory, and never shrink. Thread: one owner. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **buckets;      /* NULL until the first node */
    uint32_t bucket_count;          /* a power of two, or 0 */
    uint32_t count;
};

/* A zeroed struct map is an empty one. Frees the buckets; nodes belong to the caller. */
void map_done(struct map *m);
/* n must be in no table. Equal hashes are legal. */
void map_put(struct map *m, struct map_node *n, uint64_t hash);
void map_remove(struct map *m, struct map_node *n);    /* n must be in m */
/* All nodes of one hash, in no order; NULL at the end. */
struct map_node *map_first(const struct map *m, uint64_t hash);
struct map_node *map_next(const struct map_node *n);

/* A walk through all nodes, to which others may come between two steps: those that are there all
 * the time come once each, however often the buckets double. Zeroed: at its start. */
struct map_walk {
    uint64_t at;
    bool is_over;
};
/* The next bucket's nodes, by ->next; NULL: it is empty, or the walk is over. */
struct map_node *map_step(const struct map *m, struct map_walk *w);

#endif
