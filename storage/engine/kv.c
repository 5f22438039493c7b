#include "storage/engine/kv.h"

#include <assert.h>
#include <time.h>
#include "base/mem.h"
#include "storage/engine/kv_engine.h"
#include "base/check.h"

const char *kv_damage_since(const struct kv_damage *d, char to[KV_TIME_BYTES])
{
    time_t seconds = (time_t)(d->since_ms / 1000);
    struct tm tm;
    if (d->since_ms == 0 || gmtime_r(&seconds, &tm) == NULL ||
        strftime(to, KV_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return "(unknown)";
    return to;
}

const struct kv_damage *kv_damage(struct kv *kv)
{
    return &kv->damage;
}

void kv_close(struct kv *kv)
{
    if (kv != NULL) kv->engine->close(kv);
}

enum err kv_get(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret)
{
    return kv->engine->get(kv, family, key, ret);
}

struct kv_iter *kv_iter_new(struct kv *kv, enum kv_family family, struct bytes from,
                            struct bytes to, bool backwards)
{
    return kv_iter_new_as(kv, family, from, to, backwards ? KV_DOWN : KV_UP);
}

struct kv_iter *kv_iter_new_as(struct kv *kv, enum kv_family family, struct bytes from,
                               struct bytes to, enum kv_walk walk)
{
    return kv->engine->iter_new(kv, family, from, to, walk);
}

bool kv_iter_next(struct kv_iter *it)
{
    return it->engine->iter_next(it);
}

struct bytes kv_iter_key(const struct kv_iter *it)
{
    return it->engine->iter_key(it);
}

struct bytes kv_iter_value(struct kv_iter *it)
{
    return it->engine->iter_value(it);
}

size_t kv_iter_value_len(const struct kv_iter *it)
{
    return it->engine->iter_value_len(it);
}

struct slab *kv_iter_slab(struct kv_iter *it)
{
    return it->engine->iter_slab(it);
}

enum err kv_iter_error(const struct kv_iter *it)
{
    return it->engine->iter_error(it);
}

void kv_iter_free(struct kv_iter *it)
{
    if (it != NULL) it->engine->iter_free(it);
}

void kv_iter_freep(struct kv_iter **it)
{
    kv_iter_free(*it);
    *it = NULL;
}

struct kv_batch *kv_batch_new(struct kv *kv)
{
    return kv->engine->batch_new(kv);
}

void kv_batch_free(struct kv_batch *b)
{
    if (b != NULL) b->engine->batch_free(b);
}

void kv_batch_freep(struct kv_batch **b)
{
    kv_batch_free(*b);
    *b = NULL;
}

void kv_batch_clear(struct kv_batch *b)
{
    b->engine->batch_clear(b);
}

size_t kv_batch_bytes(const struct kv_batch *b)
{
    return b->engine->batch_bytes(b);
}

void kv_batch_put(struct kv_batch *b, enum kv_family family, struct bytes key, struct bytes value)
{
    b->engine->batch_put_parts(b, family, key, &value, 1);
}

void kv_batch_put_parts(struct kv_batch *b, enum kv_family family, struct bytes key,
                        const struct bytes *parts, int part_count)
{
    assert(part_count >= 1 && part_count <= TABLE_PARTS_MAX);
    b->engine->batch_put_parts(b, family, key, parts, part_count);
}

void kv_batch_delete(struct kv_batch *b, enum kv_family family, struct bytes key)
{
    b->engine->batch_delete(b, family, key);
}

void kv_batch_delete_range(struct kv_batch *b, enum kv_family family, struct bytes from,
                           struct bytes to)
{
    b->engine->batch_delete_range(b, family, from, to);
}

/* A look at more than this costs more than a range. */
enum { SPAN_KEYS_MAX = 32, SPAN_BYTES_MAX = 1 << 20 };

void kv_batch_delete_span(struct kv_batch *b, struct kv *kv, enum kv_family family,
                          struct bytes from, struct bytes to, struct bytes range_from)
{
    CLEANUP(mem_freep) uint8_t *keys = mem_new(SPAN_KEYS_MAX * to.len);
    int count = 0;
    size_t bytes = 0;
    CLEANUP(kv_iter_freep) struct kv_iter *it = kv_iter_new(kv, family, from, to, false);
    while (kv_iter_next(it)) {
        struct bytes key = kv_iter_key(it);
        bytes += kv_iter_value_len(it);
        if (count == SPAN_KEYS_MAX || bytes > SPAN_BYTES_MAX || key.len != to.len) {
            kv_batch_delete_range(b, family, range_from, to);
            return;
        }
        mem_copy(keys + (size_t)count++ * to.len, key.data, to.len);
    }
    if (kv_iter_error(it) != ERR_OK) {
        kv_batch_delete_range(b, family, range_from, to);
        return;
    }
    for (int i = 0; i < count; i++)
        kv_batch_delete(b, family, bytes_of(keys + (size_t)i * to.len, to.len));
}

enum err kv_commit(struct kv *kv, struct kv_batch *b, enum kv_sync sync)
{
    return kv->engine->commit(kv, b, sync);
}

enum err kv_sync_now(struct kv *kv)
{
    return kv->engine->sync_now(kv);
}

enum err kv_resume(struct kv *kv)
{
    return kv->engine->resume(kv);
}

bool kv_writes_stopped(struct kv *kv)
{
    return kv->engine->writes_stopped(kv);
}

bool kv_is_full(struct kv *kv)
{
    return kv->engine->is_full(kv);
}

bool kv_behind(struct kv *kv)
{
    return kv->engine->behind(kv);
}

enum err kv_reclaim(struct kv *kv, const atomic_bool *stop)
{
    return kv->engine->reclaim(kv, stop);
}

enum err kv_check(struct kv *kv, void *context, void (*fault)(void *context, const char *text))
{
    return kv->engine->check(kv, context, fault);
}

void kv_stats(struct kv *kv, struct kv_stats *ret)
{
    *ret = (struct kv_stats){0};
    kv->engine->stats(kv, ret);
}
