/* What an engine behind kv.h provides: its objects begin with these, kv.c calls through them. */
#ifndef STORAGE_KV_ENGINE_H
#define STORAGE_KV_ENGINE_H

#include "storage/engine/kv.h"

struct kv_engine {
    void (*close)(struct kv *kv);
    enum err (*get)(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret);
    struct kv_iter *(*iter_new)(struct kv *kv, enum kv_family family, struct bytes from,
                                struct bytes to, enum kv_walk walk);
    bool (*iter_next)(struct kv_iter *it);
    struct bytes (*iter_key)(const struct kv_iter *it);
    struct bytes (*iter_value)(struct kv_iter *it);
    size_t (*iter_value_len)(const struct kv_iter *it);
    struct slab *(*iter_slab)(struct kv_iter *it);
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
    bool (*is_full)(struct kv *kv);
    bool (*behind)(struct kv *kv);
    enum err (*reclaim)(struct kv *kv, const atomic_bool *stop);
    void (*stats)(struct kv *kv, struct kv_stats *ret);
    enum err (*check)(struct kv *kv, void *context,
                      void (*fault)(void *context, const char *text));

    /* Of tables alone, whose commits last only once they were written out. */
    struct bytes (*batch_data)(const struct kv_batch *b);   /* valid until the batch changes */
    enum err (*apply)(struct kv *kv, struct bytes batch_data);
    void (*flush_begin)(struct kv *kv);     /* of all up to now */
    enum err (*flush_end)(struct kv *kv);   /* waits for it */
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

enum { KV_PARTS_MAX = 512, TABLE_PARTS_MAX = KV_PARTS_MAX + 1 };

#endif
