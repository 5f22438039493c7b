#include "storage/engine/runs.h"

#include "base/check.h"

enum { LOOK_BYTES_MAX = 1 << 20 };      /* trimming more is a range without a look */

void run_put(struct kv_batch *b, uint64_t log_id, int64_t last_offset, const struct run_draft *d)
{
    assert(d->count > 0);
    struct log_key key = log_key(log_id, last_offset);
    kv_batch_put_parts(b, KV_LOG, KEY_BYTES(key), d->parts, 2 * d->count);
}

/* ---- Walking */

void runs_init(struct runs *r, struct kv *kv, uint64_t log_id, int64_t from, enum kv_walk walk)
{
    struct log_key first = log_key(log_id, from), next = log_key_first(log_id + 1);
    *r = (struct runs){
        .it = kv_iter_new_as(kv, KV_LOG, KEY_BYTES(first), KEY_BYTES(next), walk)};
}

void runs_init_all(struct runs *r, struct kv *kv)
{
    *r = (struct runs){.it = kv_iter_new(kv, KV_LOG, BYTES_LIT(""), BYTES_NULL, false)};
}

void runs_done(struct runs *r)
{
    kv_iter_free(r->it);
}

/* ---- Ends */

enum err runs_last(struct kv *kv, uint64_t log_id, int64_t *ret_last_offset)
{
    struct log_key from = log_key_first(log_id), to = log_key_first(log_id + 1);
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(kv, KV_LOG, KEY_BYTES(from), KEY_BYTES(to), /* backwards= */ true);
    uint64_t id;
    if (kv_iter_next(it)) return log_key_read(kv_iter_key(it), &id, ret_last_offset);
    TRY(kv_iter_error(it));
    return ERR_NOT_FOUND;
}

enum err runs_log_from(struct kv *kv, uint64_t log_id, uint64_t *ret_log_id)
{
    struct log_key from = log_key_first(log_id);
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(kv, KV_LOG, KEY_BYTES(from), BYTES_NULL, false);
    int64_t last_offset;
    if (kv_iter_next(it)) return log_key_read(kv_iter_key(it), ret_log_id, &last_offset);
    TRY(kv_iter_error(it));
    return ERR_NOT_FOUND;
}

/* ---- Deleting */

/* From the old start on: what lies in front of it was deleted before. Only a range cannot begin
 * there (log_keys.h): those of one log are one to the engine. */
void runs_trim(struct kv_batch *b, struct kv *kv, uint64_t log_id, int64_t from, int64_t to,
               uint64_t bytes)
{
    struct log_key first = log_key(log_id, from), next = log_key(log_id, to);
    struct log_range_key range_from = log_range_first(log_id);
    if (bytes > LOOK_BYTES_MAX)
        kv_batch_delete_range(b, KV_LOG, KEY_BYTES(range_from), KEY_BYTES(next));
    else
        kv_batch_delete_span(b, kv, KV_LOG, KEY_BYTES(first), KEY_BYTES(next),
                             KEY_BYTES(range_from));
}

void runs_erase(struct kv_batch *b, struct kv *kv, uint64_t first, uint64_t next)
{
    struct log_range_key from = log_range_first(first), to = log_range_first(next);
    kv_batch_delete_span(b, kv, KV_LOG, KEY_BYTES(from), KEY_BYTES(to), KEY_BYTES(from));
}
