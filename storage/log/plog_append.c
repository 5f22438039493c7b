/* Appending: checks, offsets, the chunk index and producer state, all staged for one commit. */
#include "storage/log/plog_impl.h"

#include <assert.h>
#include "base/mem.h"
#include "protocol/batch/batch.h"
#include "storage/engine/runs.h"
#include "storage/topic/topic.h"
#include "base/check.h"

void plog_count(struct plog_writer *w, const struct batch_info *info, int64_t arrival_ms)
{
    struct chunk *c = &w->chunk;
    int64_t last_offset = batch_last_offset(info);
    if (c->batch_count == 0) {
        *c = (struct chunk){.first_offset = info->base_offset,
                            .timestamp_max = info->max_timestamp,
                            .timestamp_max_batch = last_offset};
        w->chunk_arrival_first_ms = arrival_ms;
    } else if (info->max_timestamp > c->timestamp_max) {
        c->timestamp_max = info->max_timestamp;
        c->timestamp_max_batch = last_offset;
    }
    w->bytes_total += info->bytes;
    c->last_offset = last_offset;
    c->bytes += info->bytes;
    c->bytes_total = w->bytes_total;
    c->batch_count++;
    if (arrival_ms > w->arrival_last_ms) w->arrival_last_ms = arrival_ms;
    c->arrival_last_ms = w->arrival_last_ms;
    w->offset_next = last_offset + 1;
}

void plog_put_snapshot(const struct plog *log, const struct producers *p, struct kv_batch *b)
{
    size_t bytes = producers_bytes(p);
    CLEANUP(mem_freep) uint8_t *value = mem_new(bytes);
    producers_write(p, log->writer->offset_next, value);
    struct producers_key key = producers_key(log->id);
    kv_batch_put(b, KV_PRODUCERS, KEY_BYTES(key), bytes_of(value, bytes));
}

void plog_stage_snapshot(struct plog *log, struct kv_batch *b)
{
    struct plog_writer *w = log->writer;
    if (!w->has_snapshot && w->producers.count == 0) return;
    plog_put_snapshot(log, &w->producers, b);
    plog_snapshot_is_stored(log);
}

/* Closes the chunk that just became full. */
static void close_chunk(struct plog *log, struct kv_batch *b)
{
    struct plog_writer *w = log->writer;
    struct chunk_key key = chunk_key(log->id, w->chunk.last_offset);
    uint8_t value[CHUNK_VALUE_BYTES];
    chunk_write(&w->chunk, value);
    kv_batch_put(b, KV_INDEX, KEY_BYTES(key), bytes_of(value, sizeof value));
    w->chunk.batch_count = 0;
    w->chunk.bytes = 0;
    uint64_t since = w->bytes_total - w->snapshot_bytes_total;
    /* Without a snapshot, opening takes the producers up to the last chunk for none. */
    if (!w->has_snapshot || since >= SNAPSHOT_SHARE * producers_bytes(&w->producers))
        plog_stage_snapshot(log, b);
}

/* The topic's value may have changed while the append was on its way. */
static enum err check_route(const struct plog *log, const struct append *a)
{
    const struct topic *t = log->topic;
    int32_t open = t->partitions[log->partition].open_shard;
    if (a->shard >= 0)
        return open >= 0 && topic_nth(t, open)->index == a->shard ? ERR_OK : ERR_MOVED;
    if (a->partition_addressed < 0 || a->partition_addressed >= t->partition_count)
        return ERR_MOVED;
    if (open < 0) return ERR_MOVED;
    return topic_forward(t, a->partition_addressed) == log->partition ? ERR_OK : ERR_MOVED;
}

static void keep_staged(struct plog_writer *w, const struct append *a)
{
    if (w->staged_count == w->staged_cap) {
        w->staged_cap = w->staged_cap ? w->staged_cap * 2 : 4;
        w->staged = mem_grow(w->staged, w->staged_cap * sizeof *w->staged);
        w->staged_addressed =
            mem_grow(w->staged_addressed, w->staged_cap * sizeof *w->staged_addressed);
    }
    w->staged_addressed[w->staged_count] = a->partition_addressed;
    w->run_bytes += a->batch.bytes.len;
    w->staged[w->staged_count++] = (struct batch_view){
        .bytes = {.slab = slab_ref(a->batch.slab), .bytes = a->batch.bytes},
        .base_offset = a->base_offset,
        .last_offset = w->offset_next - 1,
        .arrival_ms = a->arrival_ms,
    };
}

void plog_end_run(struct plog *log, struct kv_batch *b)
{
    struct plog_writer *w = log->writer;
    uint32_t count = w->staged_count - w->run_first;
    if (count == 0) return;
    struct run_draft run;
    run_draft_init(&run);
    for (uint32_t i = 0; i < count; i++) {
        const struct batch_view *v = &w->staged[w->run_first + i];
        struct log_entry e = {.arrival_ms = v->arrival_ms,
                              .partition_addressed = w->staged_addressed[w->run_first + i],
                              .batch = v->bytes.bytes};
        run_draft_add(&run, &e);
    }
    run_put(b, log->id, w->offset_next - 1, &run);
    w->run_first = w->staged_count;
    w->run_bytes = 0;
    if (w->chunk.bytes >= CHUNK_BYTES || w->chunk.batch_count >= CHUNK_BATCHES ||
        w->chunk.arrival_last_ms - w->chunk_arrival_first_ms >= CHUNK_SPAN_MS)
        close_chunk(log, b);
}

enum err plog_stage(struct plog *log, struct append *a, int64_t now_ms, struct kv_batch *b)
{
    struct plog_writer *w = log->writer;
    assert(w != NULL && log->topic != NULL && !log->frozen);
    TRY(check_route(log, a));
    struct batch_info info;
    TRY(batch_peek(a->batch.bytes, &info));
    assert(info.bytes == a->batch.bytes.len);       /* validated by the door */
    a->log_start = w->log_start;
    a->append_time_ms = -1;
    if (info.producer_id >= 0) {
        const struct producer_batch *duplicate;
        TRY(producers_check(&w->producers, a->partition_addressed, &info, &duplicate));
        if (duplicate != NULL) {
            a->base_offset = duplicate->base_offset;
            a->arrival_ms = duplicate->arrival_ms;
            /* Apache Kafka names the kept batch's largest time stamp, on topics with CreateTime
             * too. */
            bool append_time = log->topic->config.log_append_time;
            a->append_time_ms = append_time ? duplicate->arrival_ms : info.max_timestamp;
            return ERR_OK;
        }
    }
    if (w->offset_next > INT64_MAX - 1 - info.last_offset_delta) return ERR_TOO_LARGE;
    if (w->run_bytes + a->batch.bytes.len > RUN_BYTES) plog_end_run(log, b);
    uint8_t *batch = (uint8_t *)a->batch.bytes.data;
    a->arrival_ms = now_ms > w->arrival_last_ms ? now_ms : w->arrival_last_ms;
    a->base_offset = w->offset_next;
    batch_set_base_offset(batch, a->base_offset);
    batch_set_leader_epoch(batch, 0);
    if (log->topic->config.log_append_time) {
        a->append_time_ms = a->arrival_ms;
        batch_set_time(batch, true, a->arrival_ms);
        info.max_timestamp = a->arrival_ms;
    }
    info.base_offset = a->base_offset;
    if (info.producer_id >= 0)
        producers_add(&w->producers, a->partition_addressed, log->id, &info, a->arrival_ms);
    plog_count(w, &info, a->arrival_ms);
    w->unsynced_records += info.last_offset_delta + 1;
    keep_staged(w, a);
    if (w->run_bytes >= RUN_BYTES || w->staged_count - w->run_first == RUN_BATCHES)
        plog_end_run(log, b);
    return ERR_OK;
}
