#include "storage/engine/catalog_keys.h"

#include "base/mem.h"
#include "base/check.h"

struct topic_key topic_key(const struct uuid *id)
{
    struct topic_key k;
    mem_copy(k.data, id, sizeof k.data);
    return k;
}

struct topic_block_key topic_block_key(const struct uuid *id, int32_t block)
{
    struct topic_block_key k;
    mem_copy(k.data, id, TOPIC_KEY_BYTES);
    store_be32(k.data + TOPIC_KEY_BYTES, (uint32_t)block);
    return k;
}

void catalog_counters_write(const struct catalog_counters *c, uint8_t to[CATALOG_COUNTERS_BYTES])
{
    store_be64(to, c->version);
    store_be64(to + 8, c->log_id_next);
    store_be64(to + 16, (uint64_t)c->producer_id_next);
}

enum err catalog_counters_read(struct bytes value, struct catalog_counters *ret)
{
    if (value.len != CATALOG_COUNTERS_BYTES) return ERR_FORMAT;
    ret->version = load_be64(value.data);
    ret->log_id_next = load_be64(value.data + 8);
    ret->producer_id_next = (int64_t)load_be64(value.data + 16);
    return ERR_OK;
}
