/* The first of many things, always at hand: a binary heap of items that are members of what they
 * belong to. Of two that compare equal the one that came in first goes first, so that a run is
 * repeatable. Putting in and taking out cost O(log count). Thread: one owner. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
    uint64_t order;                 /* among equals */
    uint32_t slot;                  /* place in the heap + 1; 0: in none */
};

struct heap {
    /* < 0: a goes in front of b. An item must not change its rank while it is in. */
    int (*compare)(const struct heap_item *a, const struct heap_item *b);
    struct heap_item **items;
    uint32_t count;
    uint32_t cap;
    uint64_t order_next;
};

/* A heap with all zero but compare is an empty one. Frees it; items belong to the caller. */
void heap_done(struct heap *h);
/* item must be in no heap. */
void heap_add(struct heap *h, struct heap_item *item);
void heap_remove(struct heap *h, struct heap_item *item);   /* in none: a no-op */
static inline bool heap_holds(const struct heap_item *item)
{
    return item->slot != 0;
}
/* NULL: none. */
static inline struct heap_item *heap_first(const struct heap *h)
{
    return h->count > 0 ? h->items[0] : NULL;
}

#endif
