#include "base/heap.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

enum { CAP_FIRST = 16 };

void heap_done(struct heap *h)
{
    mem_free(h->items);
    *h = (struct heap){.compare = h->compare};
}

static bool before(const struct heap *h, const struct heap_item *a, const struct heap_item *b)
{
    int order = h->compare(a, b);
    return order != 0 ? order < 0 : a->order < b->order;
}

static void place(struct heap *h, struct heap_item *item, uint32_t index)
{
    h->items[index] = item;
    item->slot = index + 1;
}

static void sift_up(struct heap *h, struct heap_item *item, uint32_t index)
{
    for (uint32_t above; index > 0; index = above) {
        above = (index - 1) / 2;
        if (!before(h, item, h->items[above])) break;
        place(h, h->items[above], index);
    }
    place(h, item, index);
}

static void sift_down(struct heap *h, struct heap_item *item, uint32_t index)
{
    for (uint32_t below; (below = index * 2 + 1) < h->count; index = below) {
        if (below + 1 < h->count && before(h, h->items[below + 1], h->items[below])) below++;
        if (!before(h, h->items[below], item)) break;
        place(h, h->items[below], index);
    }
    place(h, item, index);
}

void heap_add(struct heap *h, struct heap_item *item)
{
    assert(!heap_holds(item));
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : CAP_FIRST;
        h->items = mem_grow(h->items, h->cap * sizeof *h->items);
    }
    item->order = h->order_next++;
    sift_up(h, item, h->count++);
}

void heap_remove(struct heap *h, struct heap_item *item)
{
    if (!heap_holds(item)) return;
    uint32_t index = item->slot - 1;
    assert(index < h->count && h->items[index] == item);
    item->slot = 0;
    struct heap_item *last = h->items[--h->count];
    if (last == item) return;
    if (index > 0 && before(h, last, h->items[(index - 1) / 2])) sift_up(h, last, index);
    else sift_down(h, last, index);
}
