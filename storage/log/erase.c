/* Removing all that a topic's logs have stored, by ranges of log ids: they were made together, so
 * one range does for most topics. */
#include "storage/engine/runs.h"
#include "storage/threads.h"
#include "storage/topic/topic.h"
#include "storage/log/worker.h"
#include "base/check.h"

struct erase {
    struct kv *kv;
    struct kv_batch *batch;
};

/* Calls fn for each range of log ids, [first, next), that the topic's partitions have. */
static void each_log_range(const struct topic *topic, const struct erase *e,
                           void (*fn)(const struct erase *e, uint64_t first, uint64_t next))
{
    for (int32_t i = 0, j; i < topic->partition_count; i = j) {
        uint64_t first = topic->partitions[i].log_id;
        for (j = i + 1; j < topic->partition_count; j++)
            if (topic->partitions[j].log_id != first + (uint64_t)(j - i)) break;
        fn(e, first, first + (uint64_t)(j - i));
    }
}

static void erase_span(const struct erase *e, enum kv_family family, struct bytes from,
                       struct bytes to)
{
    kv_batch_delete_span(e->batch, e->kv, family, from, to, from);
}

static void erase_range(const struct erase *e, uint64_t first, uint64_t next)
{
    runs_erase(e->batch, e->kv, first, next);
    struct chunk_key chunk_from = chunk_key_first(first), chunk_to = chunk_key_first(next);
    erase_span(e, KV_INDEX, KEY_BYTES(chunk_from), KEY_BYTES(chunk_to));
    struct start_key start_from = start_key(first), start_to = start_key(next);
    erase_span(e, KV_INDEX, KEY_BYTES(start_from), KEY_BYTES(start_to));
    struct producers_key from = producers_key(first), to = producers_key(next);
    erase_span(e, KV_PRODUCERS, KEY_BYTES(from), KEY_BYTES(to));
}

void store_logs_erase(struct store *s, struct kv_batch *b, const struct topic *topic)
{
    struct erase e = {.kv = store_kv(s), .batch = b};
    each_log_range(topic, &e, erase_range);
}
