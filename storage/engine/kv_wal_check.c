/* Do pointers and extents agree? Each pointer lies inside a file that is there, no two name the
 * same bytes, and what they name of a file is what is counted as living there. That a run's
 * bytes are those that were written is seen by whoever reads it: each has a CRC. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

struct pointers {
    struct wal_pointer *all;
    size_t count;
    size_t cap;
};

static void pointers_done(struct pointers *p)
{
    mem_free(p->all);
}

/* Those of deleted ranges that were not swept yet, too: they live as long.
 * Errors: ERR_DISK. Thread: as the check's. */
static enum err gather(struct walled *r, struct pointers *ret)
{
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(r->tables, KV_LOG, KEY_LOG_MIN, BYTES_NULL, false);
    while (kv_iter_next(it)) {
        struct bytes value = kv_iter_value(it);
        struct wal_pointer p;
        if (value.len == 0 || value.data[0] != VALUE_POINTER ||
            pointer_read(bytes_slice(value, 1, value.len - 1), &p) != ERR_OK)
            continue;
        if (ret->count == ret->cap) {
            ret->cap = ret->cap ? ret->cap * 2 : 1024;
            ret->all = mem_grow(ret->all, ret->cap * sizeof *ret->all);
        }
        ret->all[ret->count++] = p;
    }
    return kv_iter_error(it);
}

struct checked {
    void *context;
    void (*fault)(void *context, const char *text);
};

static void say(const struct checked *c, const char *what, uint64_t extent, uint64_t number)
{
    char name[EXTENT_NAME_BYTES], text[160];
    extent_name(extent, name);
    snprintf(text, sizeof text, "%s: %s (%" PRIu64 ")", name, what, number);
    c->fault(c->context, text);
}

/* The pointers into one extent, [first, next). */
static void check_extent(struct walled *r, const struct checked *c, const struct wal_pointer *p,
                         size_t count)
{
    struct wal_extent e;
    if (!wal_extent_from(r->wal, p->extent, &e) || e.number != p->extent) {
        say(c, "records lie in this file, which is missing", p->extent, count);
        return;
    }
    struct wal_place here = wal_here(r->wal);
    bool is_current = e.number == here.extent;
    uint64_t end = is_current ? here.position : e.end, bytes = 0, at = EXTENT_HEADER_BYTES;
    uint64_t payload = is_current ? here.payload_bytes : e.payload_bytes;
    for (size_t i = 0; i < count; i++) {
        if (p[i].position < at) say(c, "two runs share bytes", e.number, p[i].position);
        at = (uint64_t)p[i].position + p[i].bytes;
        if (at > end) say(c, "a run lies behind the end", e.number, p[i].position);
        bytes += p[i].bytes;
    }
    if (bytes != payload - e.dead_bytes)
        say(c, "what lives in it is not what is counted", e.number, bytes);
}

enum err walled_check(struct kv *kv, void *context,
                      void (*fault)(void *context, const char *text))
{
    struct walled *r = walled_of(kv);
    const struct checked c = {context, fault};
    CLEANUP(pointers_done) struct pointers all = {0};
    TRY(gather(r, &all));
    if (all.count > 0) qsort(all.all, all.count, sizeof *all.all, wal_pointer_compare);
    for (size_t i = 0, j; i < all.count; i = j) {
        for (j = i + 1; j < all.count && all.all[j].extent == all.all[i].extent; j++) {}
        check_extent(r, &c, &all.all[i], j - i);
    }
    return ERR_OK;
}
