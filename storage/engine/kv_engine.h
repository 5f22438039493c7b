/* What an engine behind kv.h provides: its objects begin with these, kv.c calls through them. */
#ifndef STORAGE_KV_ENGINE_H
#define STORAGE_KV_ENGINE_H

#include "storage/engine/kv.h"

struct kv_engine {
    void (*close)(struct kv *kv);
    enum err (*get)(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret);
    struct kv_iter *(*iter_new)(struct kv *kv, enum kv_family family, struct bytes from,
                                struct bytes to, bool backwards);
    bool (*iter_next)(struct kv_iter *it);
    struct bytes (*iter_key)(const struct kv_iter *it);
    struct bytes (*iter_value)(const struct kv_iter *it);
    enum err (*iter_error)(const struct kv_iter *it);
    void (*iter_free)(struct kv_iter *it);
    struct kv_batch *(*batch_new)(struct kv *kv);
    void (*batch_free)(struct kv_batch *b);
    void (*batch_clear)(struct kv_batch *b);
    size_t (*batch_bytes)(const struct kv_batch *b);
    void (*batch_put_parts)(struct kv_batch *b, enum kv_family family, struct bytes key,
                            const struct bytes *parts, int part_count);
    void (*batch_delete)(struct kv_batch *b, enum kv_family family, struct bytes key);
    void (*batch_delete_range)(struct kv_batch *b, enum kv_family family, struct bytes from,
                               struct bytes to);
    enum err (*commit)(struct kv *kv, struct kv_batch *b, enum kv_sync sync);
    enum err (*sync_now)(struct kv *kv);
    enum err (*resume)(struct kv *kv);
    bool (*writes_stopped)(struct kv *kv);
    bool (*behind)(struct kv *kv);
    enum err (*reclaim)(struct kv *kv, struct bytes from, struct bytes to);
    void (*stats)(struct kv *kv, struct kv_stats *ret);
};

struct kv {
    const struct kv_engine *engine;
    struct kv_damage damage;
};
struct kv_iter {
    const struct kv_engine *engine;
};
struct kv_batch {
    const struct kv_engine *engine;
};

enum { KV_PARTS_MAX = 512 };

#endif
