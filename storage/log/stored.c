#include "storage/log/stored.h"

#include "storage/engine/runs.h"
#include "base/check.h"

enum err stored_start(struct kv *kv, uint64_t log_id, int64_t *ret, int64_t *ret_arrival_last_ms)
{
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    struct start_key key = start_key(log_id);
    int64_t start = 0, arrival_last_ms = 0;
    enum err err = kv_get(kv, KV_INDEX, KEY_BYTES(key), &value);
    if (err != ERR_NOT_FOUND) {
        TRY(err);
        TRY(start_read(slab_bytes(value), &start, &arrival_last_ms));
    }
    *ret = start;
    if (ret_arrival_last_ms != NULL) *ret_arrival_last_ms = arrival_last_ms;
    return ERR_OK;
}

enum err stored_end(struct kv *kv, uint64_t log_id, int64_t *ret)
{
    int64_t last_offset;
    enum err err = runs_last(kv, log_id, &last_offset);
    if (err == ERR_NOT_FOUND) return stored_start(kv, log_id, ret, NULL);
    TRY(err);
    *ret = last_offset + 1;
    return ERR_OK;
}
