#include "storage/check/walk.h"

#include "storage/engine/runs.h"
#include "storage/log/stored.h"
#include "base/check.h"

/* ---- Showing */

enum err walk_batches(struct kv *kv, uint64_t log_id, int64_t from, int64_t to,
                      bool (*each)(void *context, const struct batch_info *info,
                                   const struct log_entry *entry),
                      void *context)
{
    CLEANUP(runs_done) struct runs runs;
    runs_init(&runs, kv, log_id, from, KV_UP);
    while (runs_next(&runs)) {
        struct log_entry entry;
        struct batch_info info;
        enum err err;
        TRY(runs_read(&runs));
        while ((err = runs_entry(&runs, &entry)) == ERR_OK) {
            if (batch_peek(entry.batch, &info) != ERR_OK) return ERR_FORMAT;
            if (batch_last_offset(&info) < from) continue;
            if (info.base_offset >= to || !each(context, &info, &entry)) return ERR_OK;
        }
        if (err != ERR_NOT_FOUND) return err;
    }
    return runs_error(&runs);
}

enum err walk_chunks(struct kv *kv, uint64_t log_id,
                     bool (*each)(void *context, const struct chunk *c), void *context)
{
    struct chunk_key from = chunk_key_first(log_id), to = chunk_key_first(log_id + 1);
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false);
    while (kv_iter_next(it)) {
        struct chunk c;
        TRY(chunk_read(kv_iter_key(it), kv_iter_value(it), &c));
        if (!each(context, &c)) return ERR_OK;
    }
    return kv_iter_error(it);
}

/* Errors: ERR_NOT_FOUND - none was stored; ERR_DISK; ERR_FORMAT. Thread: any; blocks. */
static enum err get_snapshot(struct kv *kv, uint64_t log_id, struct slab **ret, int64_t *ret_offset,
                             uint32_t *ret_count, struct bytes *ret_rest)
{
    struct producers_key key = producers_key(log_id);
    TRY(kv_get(kv, KV_PRODUCERS, KEY_BYTES(key), ret));
    struct bytes value = slab_bytes(*ret);
    TRY(producers_header_read(value, ret_offset, ret_count));
    *ret_rest = bytes_slice(value, PRODUCERS_HEADER_BYTES, value.len - PRODUCERS_HEADER_BYTES);
    return ERR_OK;
}

enum err walk_producers(struct kv *kv, uint64_t log_id,
                        bool (*each)(void *context, const struct producer_entry *p),
                        void *context)
{
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    int64_t offset;
    uint32_t count;
    struct bytes rest;
    enum err err = get_snapshot(kv, log_id, &value, &offset, &count, &rest);
    if (err == ERR_NOT_FOUND) return ERR_OK;
    TRY(err);
    for (uint32_t i = 0; i < count; i++) {
        struct producer_entry p;
        TRY(producer_read(&rest, &p));
        if (!each(context, &p)) return ERR_OK;
    }
    return ERR_OK;
}

static bool count_batch(void *context, const struct batch_info *info, const struct log_entry *entry)
{
    struct walk_log *w = context;
    if (w->batches == 0) w->arrival_first_ms = entry->arrival_ms;
    w->arrival_last_ms = entry->arrival_ms;
    w->batches++;
    w->bytes += info->bytes;
    w->end_offset = batch_last_offset(info) + 1;
    return true;
}

static bool count_chunk(void *context, const struct chunk *c)
{
    (void)c;
    ((struct walk_log *)context)->chunks++;
    return true;
}

static bool count_producer(void *context, const struct producer_entry *p)
{
    (void)p;
    ((struct walk_log *)context)->producers++;
    return true;
}

enum err walk_log(struct kv *kv, uint64_t log_id, struct walk_log *ret)
{
    struct walk_log w = {.log_id = log_id};
    TRY(stored_start(kv, log_id, &w.log_start, NULL));
    w.end_offset = w.log_start;
    TRY(walk_batches(kv, log_id, w.log_start, INT64_MAX, count_batch, &w));
    TRY(walk_chunks(kv, log_id, count_chunk, &w));
    TRY(walk_producers(kv, log_id, count_producer, &w));
    *ret = w;
    return ERR_OK;
}

/* ---- Proving */

struct proof {
    struct kv *kv;
    void (*fault)(void *context, uint64_t log_id, int64_t offset, const char *text);
    void *context;
    struct walk_counts counts;
    uint64_t log_id;
    int64_t log_start;
    int64_t end_offset;             /* behind the last batch seen */
    int64_t arrival_ms;
    uint64_t log_batches;
    struct kv_iter *chunks;
    bool has_chunk;
    struct chunk chunk;             /* as stored: the one that the next batch lies in */
    struct chunk seen;              /* as its batches say */
};

static void say(struct proof *p, int64_t offset, const char *text)
{
    p->counts.faults++;
    p->fault(p->context, p->log_id, offset, text);
}

/* Errors: ERR_DISK. Thread: the walk's. */
static enum err next_chunk(struct proof *p)
{
    p->has_chunk = false;
    if (!kv_iter_next(p->chunks)) return kv_iter_error(p->chunks);
    struct chunk before = p->chunk;
    bool is_first = p->seen.batch_count == 0 && before.batch_count == 0;
    if (chunk_read(kv_iter_key(p->chunks), kv_iter_value(p->chunks), &p->chunk) != ERR_OK) {
        say(p, p->end_offset, "a chunk of the index cannot be read");
        return ERR_OK;
    }
    p->counts.chunks++;
    p->has_chunk = true;
    if (!is_first && p->chunk.first_offset != before.last_offset + 1)
        say(p, p->chunk.first_offset, "a chunk does not begin where the one before ended");
    if (!is_first && p->chunk.bytes_total != before.bytes_total + p->chunk.bytes)
        say(p, p->chunk.first_offset, "the sum of bytes up to a chunk is wrong");
    if (is_first && p->chunk.first_offset > p->log_start)
        say(p, p->chunk.first_offset, "the first chunk begins behind the start of the log");
    p->seen = (struct chunk){0};
    return ERR_OK;
}

/* A batch that ends a chunk: what was counted must be what is stored. A chunk that the log's start
 * cuts into has fewer batches than it says. */
static void end_chunk(struct proof *p)
{
    if (p->chunk.first_offset < p->log_start) return;
    if (p->seen.bytes != p->chunk.bytes) say(p, p->chunk.last_offset, "a chunk's bytes are wrong");
    if (p->seen.batch_count != p->chunk.batch_count)
        say(p, p->chunk.last_offset, "a chunk's number of batches is wrong");
    if (p->seen.timestamp_max != p->chunk.timestamp_max ||
        p->seen.timestamp_max_batch != p->chunk.timestamp_max_batch)
        say(p, p->chunk.last_offset, "a chunk's largest timestamp is wrong");
    if (p->seen.arrival_last_ms != p->chunk.arrival_last_ms)
        say(p, p->chunk.last_offset, "a chunk's last arrival is wrong");
}

static void count_in_chunk(struct proof *p, const struct batch_info *info, int64_t arrival_ms)
{
    struct chunk *s = &p->seen;
    if (s->batch_count == 0 || info->max_timestamp > s->timestamp_max) {
        s->timestamp_max = info->max_timestamp;
        s->timestamp_max_batch = batch_last_offset(info);
    }
    s->bytes += info->bytes;
    s->batch_count++;
    s->arrival_last_ms = arrival_ms;
}

/* Errors: ERR_DISK. Thread: the walk's. */
static enum err prove_batch(struct proof *p, const struct log_entry *e)
{
    struct batch_info info;
    if (batch_peek(e->batch, &info) != ERR_OK || info.bytes != e->batch.len) {
        say(p, p->end_offset, "a record batch cannot be read");
        return ERR_OK;
    }
    p->counts.batches++;
    p->counts.bytes += info.bytes;
    int64_t last_offset = batch_last_offset(&info);
    if (!batch_crc_is_right(e->batch)) say(p, info.base_offset, "a record batch has a wrong CRC");
    if (p->log_batches++ == 0) {
        if (info.base_offset > p->log_start)
            say(p, info.base_offset, "the log's beginning is missing");
    } else if (info.base_offset != p->end_offset) {
        say(p, info.base_offset, info.base_offset > p->end_offset ? "offsets are missing"
                                                                  : "offsets repeat");
    }
    if (e->arrival_ms < p->arrival_ms) say(p, info.base_offset, "arrival time goes back");
    p->arrival_ms = e->arrival_ms;
    p->end_offset = last_offset + 1;
    if (!p->has_chunk || last_offset < p->chunk.first_offset) return ERR_OK;
    count_in_chunk(p, &info, e->arrival_ms);
    if (last_offset < p->chunk.last_offset) return ERR_OK;
    if (last_offset > p->chunk.last_offset)
        say(p, last_offset, "a chunk ends in the middle of a batch");
    end_chunk(p);
    return next_chunk(p);
}

struct sought {
    const struct producer_entry *producer;
    const struct producer_batch *batch;
    bool found;
};

static bool is_sought(void *context, const struct batch_info *info, const struct log_entry *entry)
{
    struct sought *s = context;
    s->found = info->base_offset == s->batch->base_offset &&
               info->producer_id == s->producer->producer_id &&
               info->producer_epoch == s->producer->epoch &&
               info->base_sequence == s->batch->first_sequence &&
               batch_last_sequence(info) == s->batch->last_sequence &&
               entry->arrival_ms == s->batch->arrival_ms &&
               entry->partition_addressed == s->producer->partition_addressed;
    return false;
}

/* A batch that a snapshot tells of, and that was not removed since, is in its log as it says: in
 * this one, or in one that took before a reshard what was addressed so.
 * Errors: ERR_DISK. Thread: the walk's. */
static enum err prove_producer_batch(struct proof *p, const struct producer_entry *stored,
                                     const struct producer_batch *b)
{
    int64_t log_start = 0;
    if (stored_start(p->kv, b->log_id, &log_start, NULL) == ERR_DISK) return ERR_DISK;
    if (b->base_offset < log_start) return ERR_OK;
    struct sought sought = {.producer = stored, .batch = b};
    enum err err = walk_batches(p->kv, b->log_id, b->base_offset, b->base_offset + 1, is_sought,
                                &sought);
    if (err == ERR_DISK) return err;
    if (sought.found) return ERR_OK;
    say(p, b->base_offset, b->log_id == p->log_id
                               ? "the producer snapshot tells of a batch that the log has not"
                               : "the producer snapshot tells of a batch that no log has");
    return ERR_OK;
}

/* The snapshot of log p->log_id. Errors: ERR_DISK. Thread: the walk's. */
static enum err prove_snapshot(struct proof *p, struct bytes value)
{
    int64_t offset, end_offset = 0;
    uint32_t count;
    if (stored_end(p->kv, p->log_id, &end_offset) == ERR_DISK) return ERR_DISK;
    if (producers_header_read(value, &offset, &count) != ERR_OK) {
        say(p, 0, "the producer snapshot cannot be read");
        return ERR_OK;
    }
    struct bytes rest = bytes_slice(value, PRODUCERS_HEADER_BYTES,
                                    value.len - PRODUCERS_HEADER_BYTES);
    if (offset > end_offset) say(p, offset, "the producer snapshot is ahead of the log");
    for (uint32_t i = 0; i < count; i++) {
        struct producer_entry e;
        if (producer_read(&rest, &e) != ERR_OK) {
            say(p, offset, "the producer snapshot cannot be read");
            return ERR_OK;
        }
        p->counts.producers++;
        for (int b = 0; b < e.batch_count; b++) TRY(prove_producer_batch(p, &e, &e.batches[b]));
    }
    if (rest.len > 0) say(p, offset, "bytes behind the producer snapshot");
    return ERR_OK;
}

/* Errors: ERR_DISK. Thread: the walk's. */
static enum err prove_snapshots(struct proof *p)
{
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(p->kv, KV_PRODUCERS, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) {
        if (producers_key_read(kv_iter_key(it), &p->log_id) != ERR_OK)
            say(p, 0, "a key of the producer family cannot be read");
        else TRY(prove_snapshot(p, kv_iter_value(it)));
    }
    return kv_iter_error(it);
}

/* Errors: ERR_DISK. Thread: the walk's. */
static enum err prove_run(struct proof *p, int64_t last_offset, struct runs *runs)
{
    struct log_entry e;
    enum err err;
    if (last_offset < p->log_start) say(p, last_offset, "a run lies before the log's start");
    TRY(runs_read(runs));
    while ((err = runs_entry(runs, &e)) == ERR_OK) TRY(prove_batch(p, &e));
    if (err != ERR_NOT_FOUND) say(p, last_offset, "a run of record batches cannot be read");
    if (p->end_offset != last_offset + 1)
        say(p, last_offset, "a key does not name the last offset of its run");
    return ERR_OK;
}

/* Errors: ERR_DISK. Thread: the walk's. */
static enum err begin_log(struct proof *p, uint64_t log_id)
{
    kv_iter_free(p->chunks);
    p->counts.logs++;
    p->log_id = log_id;
    p->log_batches = 0;
    p->arrival_ms = 0;
    p->chunk = p->seen = (struct chunk){0};
    p->log_start = 0;
    enum err err = stored_start(p->kv, log_id, &p->log_start, NULL);
    if (err == ERR_FORMAT) say(p, 0, "the start of the log cannot be read");
    p->end_offset = p->log_start;
    struct chunk_key from = chunk_key_first(log_id), to = chunk_key_first(log_id + 1);
    p->chunks = kv_iter_new(p->kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false);
    return err == ERR_DISK ? err : next_chunk(p);
}

static void end_log(struct proof *p)
{
    if (p->counts.logs > 0 && p->has_chunk)
        say(p, p->chunk.last_offset, "the index has a chunk that the log has not");
}

/* Errors: ERR_DISK. Thread: the walk's. */
static enum err prove_all(struct proof *p)
{
    uint64_t id;
    int64_t last_offset;
    CLEANUP(runs_done) struct runs runs;
    runs_init_all(&runs, p->kv);
    while (runs_next(&runs)) {
        if (runs_at(&runs, &id, &last_offset) != ERR_OK) {
            say(p, 0, "a key of the log family cannot be read");
            continue;
        }
        if (p->counts.logs == 0 || id != p->log_id) {
            end_log(p);
            TRY(begin_log(p, id));
        }
        TRY(prove_run(p, last_offset, &runs));
    }
    TRY(runs_error(&runs));
    end_log(p);
    return ERR_OK;
}

/* Errors: ERR_DISK. Thread: the walk's. */
static enum err has_batches(struct kv *kv, uint64_t log_id, bool *ret)
{
    int64_t last_offset;
    enum err err = runs_last(kv, log_id, &last_offset);
    *ret = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Chunks of logs that hold no batch, where prove_all() does not come by.
 * Errors: ERR_DISK. Thread: the walk's. */
static enum err prove_index(struct proof *p)
{
    struct chunk_key from = chunk_key_first(0);
    struct start_key to = start_key(0);
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(p->kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false);
    bool any = false, has;
    while (kv_iter_next(it)) {
        uint64_t id, before = p->log_id;
        int64_t last_offset;
        if (chunk_key_read(kv_iter_key(it), &id, &last_offset) != ERR_OK) {
            say(p, 0, "a key of the index family cannot be read");
            continue;
        }
        p->log_id = id;
        if (any && id == before) continue;
        any = true;
        TRY(has_batches(p->kv, id, &has));
        if (!has) say(p, last_offset, "the index has a chunk that the log has not");
    }
    return kv_iter_error(it);
}

enum err walk_logs(struct kv *kv,
                   void (*fault)(void *context, uint64_t log_id, int64_t offset, const char *text),
                   void *context, struct walk_counts *ret)
{
    struct proof p = {.kv = kv, .fault = fault, .context = context};
    enum err err = prove_all(&p);
    if (err == ERR_OK) err = prove_index(&p);
    if (err == ERR_OK) err = prove_snapshots(&p);
    kv_iter_free(p.chunks);
    *ret = p.counts;
    return err;
}
