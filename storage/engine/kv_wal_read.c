/* Reading: tables as they are, but for KV_LOG, whose larger values stand in the write-ahead log. */
#include <assert.h>
#include "base/mem.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

struct walled_iter {
    struct kv_iter base;
    struct walled *kv;
    struct kv_iter *inner;
    bool now;                   /* nothing is waited for */
    struct discards hidden;     /* deleted when it was made */
    struct slab *value;         /* what was read from the log for this entry; NULL: nothing */
    enum err err;
};

/* What stands behind the tag. Errors: ERR_FORMAT. Thread: any. */
static enum err value_open(struct bytes value, bool *ret_pointer, struct wal_pointer *ret,
                           struct bytes *ret_inline)
{
    if (value.len == 0) return ERR_FORMAT;
    *ret_inline = bytes_slice(value, 1, value.len - 1);
    *ret_pointer = value.data[0] == VALUE_POINTER;
    if (*ret_pointer) return pointer_read(*ret_inline, ret);
    return value.data[0] == VALUE_INLINE ? ERR_OK : ERR_FORMAT;
}

enum err walled_find(struct kv *tables, struct bytes key, bool *ret_pointer,
                     struct wal_pointer *ret)
{
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    struct bytes run;
    TRY(kv_get(tables, KV_LOG, key, &value));
    return value_open(slab_bytes(value), ret_pointer, ret, &run);
}

static bool is_discarded(struct walled *r, struct bytes key)
{
    pthread_mutex_lock(&r->discards_lock);
    bool is = discards_have(&r->discards, key);
    pthread_mutex_unlock(&r->discards_lock);
    return is;
}

/* Reads the run; one that was copied elsewhere since is read from there.
 * Errors: ERR_COLD - it was deleted since; ERR_DISK; ERR_BUSY - no memory. Thread: any; blocks. */
static enum err load(struct walled *r, struct bytes key, struct wal_pointer p, struct slab **ret)
{
    CLEANUP(slab_unrefp) struct slab *slab = slab_new(NULL, p.bytes);
    if (slab == NULL) return ERR_BUSY;
    for (;;) {
        enum err err = wal_read(r->wal, &p, slab->data);
        if (err == ERR_OK) break;
        /* Other bytes, or no file: what is deleted is not kept for those who read it just now. */
        struct wal_pointer now;
        bool is_pointer;
        enum err found = walled_find(r->tables, key, &is_pointer, &now);
        if (found == ERR_NOT_FOUND || is_discarded(r, key)) return ERR_COLD;
        if (found != ERR_OK || !is_pointer || now.bytes != p.bytes ||
            wal_pointer_compare(&now, &p) == 0)
            return ERR_DISK;
        p = now;
    }
    slab->len = p.bytes;
    *ret = TAKE(slab);
    return ERR_OK;
}

/* Whatever is wrong with it, a thread that may wait finds out.
 * Errors: ERR_COLD; ERR_BUSY - no memory. Thread: any, also a network loop. */
static enum err load_now(struct walled *r, const struct wal_pointer *p, struct slab **ret)
{
    CLEANUP(slab_unrefp) struct slab *slab = slab_new(NULL, p->bytes);
    if (slab == NULL) return ERR_BUSY;
    if (wal_read_now(r->wal, p, slab->data) != ERR_OK) return ERR_COLD;
    slab->len = p->bytes;
    *ret = TAKE(slab);
    return ERR_OK;
}

enum err walled_get(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret)
{
    struct walled *r = walled_of(kv);
    if (family != KV_LOG) return kv_get(r->tables, family, key, ret);
    if (is_discarded(r, key)) return ERR_NOT_FOUND;
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    TRY(kv_get(r->tables, KV_LOG, key, &value));
    struct bytes run;
    struct wal_pointer p;
    bool is_pointer;
    if (value_open(slab_bytes(value), &is_pointer, &p, &run) != ERR_OK) return ERR_DISK;
    if (!is_pointer) {
        *ret = slab_copy(run);
        return ERR_OK;
    }
    enum err err = load(r, key, p, ret);
    return err == ERR_COLD ? ERR_NOT_FOUND : err;
}

struct kv_iter *walled_iter_new(struct kv *kv, enum kv_family family, struct bytes from,
                                struct bytes to, enum kv_walk walk)
{
    struct walled *r = walled_of(kv);
    if (family != KV_LOG) return kv_iter_new_as(r->tables, family, from, to, walk);
    if (bytes_compare(from, KEY_LOG_MIN) < 0) from = KEY_LOG_MIN;
    struct walled_iter *it = NEW(struct walled_iter);
    *it = (struct walled_iter){.base.engine = kv->engine, .kv = r, .now = walk == KV_UP_NOW};
    /* In this order: what the sweeper takes out in between is hidden as well. */
    pthread_mutex_lock(&r->discards_lock);
    if (r->discards.count > 0) it->hidden = discards_of(&r->discards, from, to);
    pthread_mutex_unlock(&r->discards_lock);
    it->inner = kv_iter_new_as(r->tables, KV_LOG, from, to, walk);
    return &it->base;
}

bool walled_iter_next(struct kv_iter *base)
{
    struct walled_iter *it = (struct walled_iter *)base;
    slab_unref(TAKE(it->value));
    while (it->err == ERR_OK && kv_iter_next(it->inner))
        if (!discards_have(&it->hidden, kv_iter_key(it->inner))) return true;
    return false;
}

struct bytes walled_iter_key(const struct kv_iter *base)
{
    return kv_iter_key(((const struct walled_iter *)base)->inner);
}

struct bytes walled_iter_value(struct kv_iter *base)
{
    struct walled_iter *it = (struct walled_iter *)base;
    if (it->value != NULL) return slab_bytes(it->value);
    struct bytes run;
    struct wal_pointer p;
    bool is_pointer;
    if (value_open(kv_iter_value(it->inner), &is_pointer, &p, &run) != ERR_OK) {
        it->err = ERR_DISK;
        return BYTES_NULL;
    }
    if (!is_pointer) return run;
    it->err = it->now ? load_now(it->kv, &p, &it->value)
                      : load(it->kv, kv_iter_key(it->inner), p, &it->value);
    return it->err == ERR_OK ? slab_bytes(it->value) : BYTES_NULL;
}

size_t walled_iter_value_len(const struct kv_iter *base)
{
    struct bytes run;
    struct wal_pointer p;
    bool is_pointer;
    struct bytes value = kv_iter_value(((const struct walled_iter *)base)->inner);
    if (value_open(value, &is_pointer, &p, &run) != ERR_OK) return 0;
    return is_pointer ? p.bytes : run.len;
}

struct slab *walled_iter_slab(struct kv_iter *base)
{
    struct walled_iter *it = (struct walled_iter *)base;
    return it->value != NULL ? slab_ref(it->value) : NULL;
}

enum err walled_iter_error(const struct kv_iter *base)
{
    const struct walled_iter *it = (const struct walled_iter *)base;
    return it->err != ERR_OK ? it->err : kv_iter_error(it->inner);
}

void walled_iter_free(struct kv_iter *base)
{
    struct walled_iter *it = (struct walled_iter *)base;
    slab_unref(it->value);
    kv_iter_free(it->inner);
    discards_done(&it->hidden);
    mem_free(it);
}
