/* Removing all that a topic's logs have stored, by ranges of log ids: they were made together, so
 * one range does for most topics. */
#include "storage/keys.h"
#include "storage/threads.h"
#include "storage/topic.h"
#include "storage/worker.h"
#include "base/check.h"

void topic_each_log_range(const struct topic *topic, void *context,
                          void (*fn)(void *context, uint64_t first, uint64_t next))
{
    for (int32_t i = 0, j; i < topic->partition_count; i = j) {
        uint64_t first = topic->partitions[i].log_id;
        for (j = i + 1; j < topic->partition_count; j++)
            if (topic->partitions[j].log_id != first + (uint64_t)(j - i)) break;
        fn(context, first, first + (uint64_t)(j - i));
    }
}

static void erase_range(void *context, uint64_t first, uint64_t next)
{
    struct kv_batch *b = context;
    struct log_range_key log_from = log_range_first(first), log_to = log_range_first(next);
    kv_batch_delete_range(b, KV_LOG, KEY_BYTES(log_from), KEY_BYTES(log_to));
    struct chunk_key chunk_from = chunk_key_first(first), chunk_to = chunk_key_first(next);
    kv_batch_delete_range(b, KV_INDEX, KEY_BYTES(chunk_from), KEY_BYTES(chunk_to));
    struct start_key start_from = start_key(first), start_to = start_key(next);
    kv_batch_delete_range(b, KV_INDEX, KEY_BYTES(start_from), KEY_BYTES(start_to));
    struct producers_key from = producers_key(first), to = producers_key(next);
    kv_batch_delete_range(b, KV_PRODUCERS, KEY_BYTES(from), KEY_BYTES(to));
}

void store_logs_erase(struct kv_batch *b, const struct topic *topic)
{
    topic_each_log_range(topic, b, erase_range);
}
