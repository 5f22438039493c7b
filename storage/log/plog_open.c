/* Opening a log: what is stored decides, nothing else.
 *
 * 1. The start, the first chunk at or behind it and the last chunk: three look-ups.
 * 2. The producer snapshot.
 * 3. A scan of the batches that the last chunk or the snapshot do not cover yet; both are written
 *    with each chunk, so that is about CHUNK_BYTES. Each batch must begin where the one before
 *    ended. */
#include "storage/log/plog_impl.h"

#include <assert.h>
#include "base/mem.h"
#include "protocol/batch/batch.h"
#include "storage/engine/runs.h"
#include "storage/log/stored.h"
#include "base/check.h"

static void writer_freep(struct plog_writer **w)
{
    plog_writer_free(*w);
    *w = NULL;
}

/* Sets what the chunks tell; ret_covered: all below it is in a chunk. */
static enum err read_chunks(struct plog_writer *w, struct kv *kv, uint64_t id, int64_t *ret_covered)
{
    struct chunk_key from = chunk_key(id, w->log_start), to = chunk_key_first(id + 1);
    struct chunk first, last;
    *ret_covered = w->log_start;
    {
        CLEANUP(kv_iter_freep) struct kv_iter *it =
            kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false);
        if (!kv_iter_next(it)) return kv_iter_error(it);
        TRY(chunk_read(kv_iter_key(it), kv_iter_value(it), &first));
    }
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), true);
    if (!kv_iter_next(it)) return kv_iter_error(it) == ERR_OK ? ERR_FORMAT : kv_iter_error(it);
    TRY(chunk_read(kv_iter_key(it), kv_iter_value(it), &last));
    w->bytes_total_at_start = first.bytes_total - first.bytes;
    w->bytes_total = last.bytes_total;
    if (last.arrival_last_ms > w->arrival_last_ms) w->arrival_last_ms = last.arrival_last_ms;
    *ret_covered = last.last_offset + 1;
    return ERR_OK;
}

static enum err read_snapshot(struct plog_writer *w, struct kv *kv, uint64_t id)
{
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    struct producers_key key = producers_key(id);
    enum err err = kv_get(kv, KV_PRODUCERS, KEY_BYTES(key), &value);
    if (err == ERR_NOT_FOUND) return ERR_OK;
    TRY(err);
    w->has_snapshot = true;
    return producers_read(&w->producers, slab_bytes(value), &w->snapshot_offset);
}

static enum err scan_batch(struct plog_writer *w, uint64_t id, const struct log_entry *e,
                           int64_t covered)
{
    struct batch_info info;
    if (batch_peek(e->batch, &info) != ERR_OK || info.bytes != e->batch.len) return ERR_FORMAT;
    int64_t last_offset = batch_last_offset(&info);
    /* The first run may begin before what is looked for; from then on there is no hole. */
    if (last_offset < w->offset_next) return ERR_OK;
    bool is_first = info.base_offset <= w->log_start && last_offset >= w->log_start;
    if (info.base_offset != w->offset_next && !is_first) return ERR_FORMAT;
    if (info.producer_id >= 0 && last_offset >= w->snapshot_offset)
        producers_add(&w->producers, e->partition_addressed, id, &info, e->arrival_ms);
    if (last_offset >= covered) plog_count(w, &info, e->arrival_ms);
    w->offset_next = last_offset + 1;
    return ERR_OK;
}

static enum err scan_run(struct plog_writer *w, struct runs *runs, int64_t covered)
{
    uint64_t id;
    int64_t last_offset;
    struct log_entry e;
    enum err err;
    TRY(runs_at(runs, &id, &last_offset));
    TRY(runs_read(runs));
    while ((err = runs_entry(runs, &e)) == ERR_OK) TRY(scan_batch(w, id, &e, covered));
    if (err != ERR_NOT_FOUND) return err;
    return w->offset_next == last_offset + 1 ? ERR_OK : ERR_FORMAT;
}

static enum err scan(struct plog_writer *w, struct kv *kv, uint64_t id, int64_t covered)
{
    int64_t from_offset = covered;
    if (w->has_snapshot && w->snapshot_offset < from_offset) from_offset = w->snapshot_offset;
    if (from_offset < w->log_start) from_offset = w->log_start;
    w->offset_next = from_offset;
    CLEANUP(runs_done) struct runs runs;
    runs_init(&runs, kv, id, from_offset, KV_UP);
    while (runs_next(&runs)) TRY(scan_run(w, &runs, covered));
    TRY(runs_error(&runs));
    return w->offset_next >= covered ? ERR_OK : ERR_FORMAT;     /* a chunk beyond the log's end */
}

enum err plog_open(struct plog *log, struct kv *kv)
{
    assert(log->writer == NULL);
    CLEANUP(writer_freep) struct plog_writer *w = NEW(struct plog_writer);
    int64_t covered;
    TRY(stored_start(kv, log->id, &w->log_start, &w->arrival_last_ms));
    TRY(read_chunks(w, kv, log->id, &covered));
    TRY(read_snapshot(w, kv, log->id));
    w->snapshot_bytes_total = w->bytes_total;
    TRY(scan(w, kv, log->id, covered));
    if (w->snapshot_offset > w->offset_next) return ERR_FORMAT;
    log->writer = TAKE(w);
    return ERR_OK;
}
