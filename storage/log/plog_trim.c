/* Cutting the old end of a log off: retention by time and by size, and DeleteRecords.
 *
 * Whole chunks go, as Apache Kafka drops whole segments: by the largest timestamp in them, or while
 * the rest still has retention.bytes. The open chunk goes too once it is old enough. What is
 * removed, the new start and, so that no producer is forgotten, a snapshot travel in one commit. */
#include "storage/log/plog_impl.h"

#include <assert.h>
#include "storage/engine/runs.h"
#include "storage/log/stored.h"
#include "storage/topic/topic.h"
#include "base/check.h"

static bool is_expired(const struct chunk *c, const struct topic_config *config, int64_t now_ms)
{
    if (config->retention_ms < 0) return false;
    int64_t newest = c->timestamp_max >= 0 ? c->timestamp_max : c->arrival_last_ms;
    return newest < now_ms - config->retention_ms;
}

/* May this chunk go when `size` bytes are in the log? */
static bool is_beyond_size(const struct chunk *c, const struct topic_config *config, uint64_t size)
{
    if (config->retention_bytes < 0) return false;
    return size >= c->bytes && size - c->bytes >= (uint64_t)config->retention_bytes;
}

static bool goes(const struct chunk *c, const struct topic_config *config, int64_t now_ms,
                 uint64_t size)
{
    return is_expired(c, config, now_ms) || is_beyond_size(c, config, size);
}

enum err plog_retention_start(struct plog *log, struct kv *kv, const struct topic_config *config,
                              int64_t now_ms, int64_t *ret_start, uint64_t *ret_bytes_at_start)
{
    struct plog_writer *w = log->writer;
    int64_t start = w->log_start;
    uint64_t bytes_at_start = w->bytes_total_at_start;
    bool all = true;                    /* every closed chunk goes */
    if ((config->cleanup & CLEANUP_DELETE) != 0) {
        struct chunk_key from = chunk_key(log->id, start), to = chunk_key_first(log->id + 1);
        CLEANUP(kv_iter_freep) struct kv_iter *it =
            kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false);
        while (kv_iter_next(it)) {
            struct chunk c;
            TRY(chunk_read(kv_iter_key(it), kv_iter_value(it), &c));
            all = goes(&c, config, now_ms, w->bytes_total - bytes_at_start);
            if (!all) break;
            start = c.last_offset + 1;
            bytes_at_start = c.bytes_total;
        }
        TRY(kv_iter_error(it));
        if (all && w->chunk.batch_count > 0 && w->chunk.last_offset >= start &&
            goes(&w->chunk, config, now_ms, w->bytes_total - bytes_at_start)) {
            start = w->offset_next;
            bytes_at_start = w->bytes_total;
        }
    }
    *ret_start = start;
    *ret_bytes_at_start = bytes_at_start;
    return ERR_OK;
}

enum err plog_retention_is_due(struct plog *log, struct kv *kv, const struct topic_config *config,
                               int64_t now_ms, bool *ret_due)
{
    *ret_due = false;
    if ((config->cleanup & CLEANUP_DELETE) == 0) return ERR_OK;
    int64_t start;
    TRY(stored_start(kv, log->id, &start, NULL));
    /* What was removed in front of it may still be in the engine's way. */
    struct chunk_key from = chunk_key(log->id, start), to = chunk_key_first(log->id + 1);
    struct chunk first, last;
    CLEANUP(kv_iter_freep) struct kv_iter *up =
        kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false);
    if (kv_iter_next(up)) {
        TRY(chunk_read(kv_iter_key(up), kv_iter_value(up), &first));
        CLEANUP(kv_iter_freep) struct kv_iter *down =
            kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), true);
        if (!kv_iter_next(down)) return kv_iter_error(down);
        TRY(chunk_read(kv_iter_key(down), kv_iter_value(down), &last));
        uint64_t size = last.bytes_total - (first.bytes_total - first.bytes) + CHUNK_BYTES;
        *ret_due = goes(&first, config, now_ms, size);
        return ERR_OK;
    }
    TRY(kv_iter_error(up));
    /* Less than a chunk was ever written: its first batch tells about how old it is. */
    CLEANUP(runs_done) struct runs runs;
    runs_init(&runs, kv, log->id, start, KV_UP);
    if (!runs_next(&runs)) return runs_error(&runs);
    struct log_entry v;
    TRY(runs_read(&runs));
    TRY(runs_entry(&runs, &v));
    *ret_due = (config->retention_ms >= 0 && v.arrival_ms < now_ms - config->retention_ms) ||
               (config->retention_bytes >= 0 && config->retention_bytes < CHUNK_BYTES);
    return ERR_OK;
}

enum err plog_bytes_in_front(struct plog *log, struct kv *kv, int64_t offset, uint64_t *ret_bytes)
{
    struct plog_writer *w = log->writer;
    if (offset == w->offset_next) {
        *ret_bytes = w->bytes_total;
        return ERR_OK;
    }
    struct chunk_key from = chunk_key(log->id, offset), to = chunk_key_first(log->id + 1);
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false);
    struct chunk c = w->chunk;
    if (kv_iter_next(it)) TRY(chunk_read(kv_iter_key(it), kv_iter_value(it), &c));
    TRY(kv_iter_error(it));
    *ret_bytes = w->bytes_total;
    if (c.batch_count > 0) *ret_bytes = c.bytes_total - c.bytes;
    return ERR_OK;
}

void plog_stage_start(struct plog *log, struct kv *kv, int64_t log_start,
                      uint64_t bytes_total_at_start, struct kv_batch *b)
{
    struct plog_writer *w = log->writer;
    assert(log_start > w->log_start && log_start <= w->offset_next);
    assert(w->run_first == w->staged_count);
    runs_trim(b, kv, log->id, w->log_start, log_start,
              bytes_total_at_start - w->bytes_total_at_start);
    struct chunk_key chunk_from = chunk_key(log->id, w->log_start);
    struct chunk_key chunk_to = chunk_key(log->id, log_start);
    kv_batch_delete_span(b, kv, KV_INDEX, KEY_BYTES(chunk_from), KEY_BYTES(chunk_to),
                         KEY_BYTES(chunk_from));
    struct start_key key = start_key(log->id);
    uint8_t value[START_VALUE_BYTES];
    start_write(log_start, w->arrival_last_ms, value);
    kv_batch_put(b, KV_INDEX, KEY_BYTES(key), bytes_of(value, sizeof value));
    if (log_start > w->snapshot_offset) plog_stage_snapshot(log, b);
    w->log_start = log_start;
    w->bytes_total_at_start = bytes_total_at_start;
    if (w->chunk.last_offset < log_start) {
        w->chunk.batch_count = 0;
        w->chunk.bytes = 0;
    }
}
