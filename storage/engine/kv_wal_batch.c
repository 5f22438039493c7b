/* A batch on its way to a frame: what the tables get, and beside it the runs, whose places are not
 * known before the commit. */
#include <assert.h>
#include "base/mem.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

enum { KEEP_COPIED_BYTES = 1 << 20, KEEP_ENTRIES = 4096 };

static struct walled_batch *batch_of(struct kv_batch *b)
{
    struct walled_batch *w = (struct walled_batch *)b;
    assert(b->engine == w->kv->base.engine);
    return w;
}

struct kv_batch *walled_batch_new(struct kv *kv)
{
    struct walled *r = walled_of(kv);
    struct walled_batch *b = NEW(struct walled_batch);
    *b = (struct walled_batch){.base.engine = kv->engine, .kv = r,
                               .inner = kv_batch_new(r->tables)};
    return &b->base;
}

static void free_lists(struct walled_batch *b)
{
    b->runs = mem_free(b->runs);
    b->parts = mem_free(b->parts);
    b->copied = mem_free(b->copied);
    b->ranges = mem_free(b->ranges);
    b->deletes = mem_free(b->deletes);
    b->moved = mem_free(b->moved);
    b->run_cap = b->part_cap = b->range_cap = b->delete_cap = b->moved_cap = 0;
    b->copied_cap = 0;
}

void walled_batch_free(struct kv_batch *base)
{
    struct walled_batch *b = batch_of(base);
    kv_batch_free(b->inner);
    free_lists(b);
    mem_free(b);
}

void walled_batch_clear(struct kv_batch *base)
{
    struct walled_batch *b = batch_of(base);
    kv_batch_clear(b->inner);
    if (b->copied_cap > KEEP_COPIED_BYTES || b->part_cap > KEEP_ENTRIES ||
        b->delete_cap > KEEP_ENTRIES)
        free_lists(b);
    b->run_count = b->part_count = b->range_count = b->delete_count = b->moved_count = 0;
    b->other_ranges = 0;
    b->copied_len = b->run_bytes = 0;
}

size_t walled_batch_bytes(const struct kv_batch *base)
{
    const struct walled_batch *b = (const struct walled_batch *)base;
    return kv_batch_bytes(b->inner) + b->run_bytes;
}

/* Room for one more; the count goes up. */
#define ADD(list, count, cap)                                                                      \
    ({                                                                                             \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) ? (cap) * 2 : 16;                                                        \
            (list) = mem_grow((list), (size_t)(cap) * sizeof *(list));                             \
        }                                                                                          \
        &(list)[(count)++];                                                                        \
    })

static void add_part(struct walled_batch *b, struct wal_run *run, struct bytes part)
{
    if (part.len >= KV_RUN_BYTES_MIN) {
        *ADD(b->parts, b->part_count, b->part_cap) =
            (struct iovec){(void *)(uintptr_t)part.data, part.len};
        run->part_count++;
        return;
    }
    size_t at = b->copied_len;
    if (at + part.len > b->copied_cap) {
        b->copied_cap = (at + part.len) * 2;
        b->copied = mem_grow(b->copied, b->copied_cap);
    }
    mem_copy(b->copied + at, part.data, part.len);
    b->copied_len += part.len;
    /* The one in front of it in this run may end where this one begins. */
    struct iovec *last = run->part_count > 0 ? &b->parts[b->part_count - 1] : NULL;
    if (last != NULL && (uintptr_t)last->iov_base + last->iov_len == at + 1) {
        last->iov_len += part.len;
        return;
    }
    *ADD(b->parts, b->part_count, b->part_cap) = (struct iovec){(void *)(at + 1), part.len};
    run->part_count++;
}

/* A place in copied is smaller than any address. */
void walled_batch_place_parts(struct walled_batch *b)
{
    for (int i = 0; i < b->part_count; i++) {
        uintptr_t at = (uintptr_t)b->parts[i].iov_base;
        if (at <= b->copied_len) b->parts[i].iov_base = b->copied + at - 1;
    }
}

static void put_inline(struct walled_batch *b, struct bytes key, const struct bytes *parts,
                       int part_count)
{
    static const uint8_t tag = VALUE_INLINE;
    struct bytes all[TABLE_PARTS_MAX];
    all[0] = bytes_of(&tag, 1);
    mem_copy(all + 1, parts, (size_t)part_count * sizeof *parts);
    kv_batch_put_parts(b->inner, KV_LOG, key, all, part_count + 1);
}

void walled_batch_put_parts(struct kv_batch *base, enum kv_family family, struct bytes key,
                            const struct bytes *parts, int part_count)
{
    struct walled_batch *b = batch_of(base);
    if (family != KV_LOG) {
        kv_batch_put_parts(b->inner, family, key, parts, part_count);
        return;
    }
    assert(part_count <= KV_PARTS_MAX);
    size_t bytes = 0;
    for (int i = 0; i < part_count; i++) bytes += parts[i].len;
    if (bytes < KV_RUN_BYTES_MIN || key.len != RUN_KEY_BYTES) {
        put_inline(b, key, parts, part_count);
        return;
    }
    struct wal_run *run = ADD(b->runs, b->run_count, b->run_cap);
    *run = (struct wal_run){.bytes = (uint32_t)bytes};
    mem_copy(run->key, key.data, RUN_KEY_BYTES);
    for (int i = 0; i < part_count; i++)
        if (parts[i].len > 0) add_part(b, run, parts[i]);
    b->run_bytes += bytes;
}

void walled_batch_move(struct walled_batch *b, struct bytes key, const struct wal_pointer *at,
                       struct bytes run)
{
    *ADD(b->moved, b->moved_count, b->moved_cap) = *at;
    walled_batch_put_parts(&b->base, KV_LOG, key, &run, 1);
}

void walled_batch_delete(struct kv_batch *base, enum kv_family family, struct bytes key)
{
    struct walled_batch *b = batch_of(base);
    if (family == KV_LOG) *ADD(b->deletes, b->delete_count, b->delete_cap) = bound_of(key);
    kv_batch_delete(b->inner, family, key);
}

void walled_batch_delete_range(struct kv_batch *base, enum kv_family family, struct bytes from,
                               struct bytes to)
{
    struct walled_batch *b = batch_of(base);
    if (family == KV_LOG) {
        if (bytes_compare(from, to) < 0)
            *ADD(b->ranges, b->range_count, b->range_cap) =
                (struct discard){bound_of(from), bound_of(to)};
        return;
    }
    kv_batch_delete_range(b->inner, family, from, to);
    b->other_ranges++;
}

void walled_put_extent(struct kv_batch *inner, const struct wal_extent *e)
{
    struct extent_key key = extent_key(e->number);
    uint8_t value[EXTENT_VALUE_BYTES];
    extent_value_write(e, value);
    kv_batch_put(inner, KV_EXTENTS, KEY_BYTES(key), bytes_of(value, sizeof value));
}
