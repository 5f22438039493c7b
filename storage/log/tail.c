#include "storage/log/tail.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

enum {
    TAIL_CAP_MIN = 8,
    TAIL_CAP_SPARE = 4,         /* a ring with fewer entries than 1 / this of its room shrinks */
    TAIL_PART_MIN = 4,          /* smaller parts of a slab than 1 / this are copied out */
};

void tail_init(struct tail *t)
{
    *t = (struct tail){0};
}

static struct tail_entry *entry_at(const struct tail *t, uint32_t index)
{
    return &t->entries[(t->first + index) & (t->cap - 1)];
}

const struct batch_view *tail_at(const struct tail *t, uint32_t index)
{
    assert(index < t->count);
    return &entry_at(t, index)->view;
}

static size_t drop_oldest(struct tail *t)
{
    struct tail_entry *e = entry_at(t, 0);
    size_t bytes = e->pinned_bytes;
    slab_unref(e->view.bytes.slab);
    t->first = (t->first + 1) & (t->cap - 1);
    t->count--;
    t->pinned_bytes -= bytes;
    return bytes;
}

void tail_done(struct tail *t)
{
    while (t->count > 0) drop_oldest(t);
    mem_free(t->entries);
    tail_init(t);
}

/* Moves the ring into one of cap entries, which has room for it. */
static void resize(struct tail *t, uint32_t cap)
{
    struct tail_entry *entries = NEW_ARRAY(struct tail_entry, cap);
    for (uint32_t i = 0; i < t->count; i++) entries[i] = *entry_at(t, i);
    mem_free(t->entries);
    t->entries = entries;
    t->cap = cap;
    t->first = 0;
}

static void grow(struct tail *t, uint32_t count)
{
    uint32_t cap = t->cap ? t->cap : TAIL_CAP_MIN;
    while (cap < t->count + count) cap *= 2;
    if (cap != t->cap) resize(t, cap);
}

/* A ring is mostly in use, or short: entries are charged for, the room between them is not. */
static void give_back(struct tail *t)
{
    uint32_t cap = t->cap;
    while (cap > TAIL_CAP_MIN && t->count <= cap / TAIL_CAP_SPARE) cap /= 2;
    if (cap != t->cap) resize(t, cap);
}

void tail_push(struct tail *t, const struct batch_view *views, uint32_t count)
{
    grow(t, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct slab *before =
            t->count > 0 ? tail_at(t, t->count - 1)->bytes.slab : NULL;
        struct tail_entry e = {.view = views[i], .pinned_bytes = sizeof e};
        /* Neighbours in one slab: the first one pays for it. While only that one was dropped the
         * slab is still there, uncounted: at most one slab a log. */
        if (views[i].bytes.slab != before)
            e.pinned_bytes += sizeof(struct slab) + views[i].bytes.slab->cap;
        t->pinned_bytes += e.pinned_bytes;
        t->count++;
        *entry_at(t, t->count - 1) = e;
    }
}

size_t tail_shrink(struct tail *t, size_t keep_bytes, size_t want_bytes)
{
    size_t bytes = 0;
    while (t->count > 0 && t->pinned_bytes > keep_bytes && bytes < want_bytes)
        bytes += drop_oldest(t);
    give_back(t);
    return bytes;
}

size_t tail_trim(struct tail *t, int64_t log_start)
{
    size_t bytes = 0;
    while (t->count > 0 && tail_at(t, 0)->last_offset < log_start) bytes += drop_oldest(t);
    give_back(t);
    return bytes;
}

int64_t tail_find(const struct tail *t, int64_t offset)
{
    if (t->count == 0 || offset < tail_at(t, 0)->base_offset) return -1;
    uint32_t low = 0, high = t->count;
    while (low < high) {                /* first batch that ends at or behind offset */
        uint32_t middle = low + (high - low) / 2;
        if (tail_at(t, middle)->last_offset < offset) low = middle + 1;
        else high = middle;
    }
    return low < t->count ? (int64_t)low : -1;
}

static bool is_small_part(const struct batch_view *v)
{
    return v->bytes.bytes.len < v->bytes.slab->cap / TAIL_PART_MIN;
}

void tail_pack(struct batch_view *views, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        if (is_small_part(&views[i])) bytes += views[i].bytes.bytes.len;
    if (bytes == 0) return;
    CLEANUP(slab_unrefp) struct slab *pack = slab_new(NULL, bytes);
    if (pack == NULL) return;           /* the large slabs stay: dearer, not wrong */
    for (uint32_t i = 0; i < count; i++) {
        struct batch_view *v = &views[i];
        if (!is_small_part(v) || v->bytes.slab == pack) continue;
        mem_copy(pack->data + pack->len, v->bytes.bytes.data, v->bytes.bytes.len);
        v->bytes.bytes = bytes_of(pack->data + pack->len, v->bytes.bytes.len);
        pack->len += v->bytes.bytes.len;
        slab_unref(v->bytes.slab);
        v->bytes.slab = slab_ref(pack);
    }
}
