/* The tree is full but for its last row, which fills from the left. So the count alone says where
 * the last item is: places are numbered row by row from 1 on, and below the leading one the bits of
 * a number are the way there from the top, 1 to the right. */
#include "base/heap.h"

#include <assert.h>
#include "base/check.h"

static bool before(const struct heap *h, const struct heap_item *a, const struct heap_item *b)
{
    int order = h->compare(a, b);
    return order != 0 ? order < 0 : a->order < b->order;
}

/* The pointer by which the place is known; ret_above: the item that it belongs to, NULL: the
 * heap. */
static struct heap_item **place_of(struct heap *h, uint32_t number, struct heap_item **ret_above)
{
    struct heap_item **place = &h->first;
    *ret_above = NULL;
    for (int bit = 31 - __builtin_clz(number); bit > 0; bit--) {
        *ret_above = *place;
        place = number >> (bit - 1) & 1 ? &(*place)->right : &(*place)->left;
    }
    return place;
}

/* The same of an item that is in. */
static struct heap_item **known_by(struct heap *h, const struct heap_item *item)
{
    if (item->above == NULL) return &h->first;
    return item->above->left == item ? &item->above->left : &item->above->right;
}

/* Its neighbours point to it. */
static void tie(struct heap_item *item, struct heap_item **place)
{
    *place = item;
    if (item->left != NULL) item->left->above = item;
    if (item->right != NULL) item->right->above = item;
}

/* item and the one above it change places. */
static void rise(struct heap *h, struct heap_item *item)
{
    struct heap_item *down = item->above, old = *item;
    struct heap_item **place = known_by(h, down);
    bool is_left = down->left == item;
    item->above = down->above;
    item->left = is_left ? down : down->left;
    item->right = is_left ? down->right : down;
    down->left = old.left;
    down->right = old.right;
    tie(item, place);
    tie(down, is_left ? &item->left : &item->right);
}

static void settle(struct heap *h, struct heap_item *item)
{
    while (item->above != NULL && before(h, item, item->above)) rise(h, item);
    while (item->left != NULL) {
        struct heap_item *below = item->left;
        if (item->right != NULL && before(h, item->right, below)) below = item->right;
        if (!before(h, below, item)) break;
        rise(h, below);
    }
}

void heap_add(struct heap *h, struct heap_item *item)
{
    assert(!heap_holds(item));
    struct heap_item *above, **place = place_of(h, ++h->count, &above);
    *item = (struct heap_item){.above = above, .order = ++h->order_last};
    *place = item;
    settle(h, item);
}

void heap_remove(struct heap *h, struct heap_item *item)
{
    if (!heap_holds(item)) return;
    struct heap_item *above, **place = place_of(h, h->count--, &above);
    struct heap_item *last = *place;
    *place = NULL;
    if (last != item) {
        last->above = item->above;
        last->left = item->left;
        last->right = item->right;
        tie(last, known_by(h, item));
        settle(h, last);
    }
    *item = (struct heap_item){0};
}
