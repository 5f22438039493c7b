/* The first of many things, always at hand: a binary heap of items that are members of what they
 * belong to. Of two that compare equal the one that came in first goes first, so that a run is
 * repeatable. Putting in and taking out cost O(log count) and take no memory, so a timer can always
 * be set. Thread: one owner. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
    struct heap_item *above, *left, *right;
    uint64_t order;                 /* among equals, from 1 on; 0: in no heap */
};

struct heap {
    /* < 0: a goes in front of b. An item must not change its rank while it is in. */
    int (*compare)(const struct heap_item *a, const struct heap_item *b);
    struct heap_item *first;        /* NULL: empty */
    uint32_t count;
    uint64_t order_last;
};

/* A heap with all zero but compare is an empty one, and there is nothing to free: items belong to
 * the caller. item must be in no heap. */
void heap_add(struct heap *h, struct heap_item *item);
void heap_remove(struct heap *h, struct heap_item *item);   /* in none: a no-op */
static inline bool heap_holds(const struct heap_item *item)
{
    return item->order != 0;
}
/* NULL: none. */
static inline struct heap_item *heap_first(const struct heap *h)
{
    return h->first;
}

#endif
