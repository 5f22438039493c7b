/* Reading a log from disk: ranges of batches, and look-ups by time.
 *
 * The engine's iterator sees one moment. When the log was cut between that moment and the bounds
 * that the caller read, there is a hole at the front: ERR_COLD, and the caller tries again with
 * fresh bounds. A hole anywhere else is damage. */
#include "storage/log/plog_impl.h"

#include <assert.h>
#include "base/fair.h"
#include "base/mem.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/record.h"
#include "storage/engine/runs.h"
#include "base/check.h"

enum { READ_SLAB_BYTES = 256 * 1024 };      /* batches that are smaller share slabs of this size */

/* Batches of [offset, end), one after the other, each checked to follow on the one before. */
struct scan {
    struct runs runs;
    size_t fits;                /* a longer run is not read */
    size_t run_count;           /* that were read */
    size_t run_bytes;
    size_t *left;               /* what runs may still cost on a loop; NULL: as much as they want */
    int64_t log_start;
    int64_t end;
    int64_t offset_next;
    bool begun;
    struct batch_info info;
    struct log_entry value;
};

static void scan_init_as(struct scan *s, struct kv *kv, uint64_t log_id,
                         const struct log_bounds *bounds, int64_t offset, enum kv_walk walk)
{
    *s = (struct scan){.log_start = bounds->log_start,
                       .end = bounds->last_stable,
                       .offset_next = offset,
                       .fits = SIZE_MAX};
    /* The last run may end behind last_stable. */
    runs_init(&s->runs, kv, log_id, offset, walk);
}

static void scan_init(struct scan *s, struct kv *kv, uint64_t log_id,
                      const struct log_bounds *bounds, int64_t offset)
{
    scan_init_as(s, kv, log_id, bounds, offset, KV_UP);
}

static void scan_done(struct scan *s)
{
    runs_done(&s->runs);
}

/* The next run. Errors: ERR_NOT_FOUND - it is too long; ERR_COLD; ERR_DISK; ERR_BUSY. Thread: the
 * reader. */
static enum err scan_run(struct scan *s)
{
    if (!runs_next(&s->runs)) {
        TRY(runs_error(&s->runs));
        return ERR_COLD;                /* all of it was cut off */
    }
    size_t len = runs_bytes(&s->runs);
    if (len > s->fits) return ERR_NOT_FOUND;
    if (s->left != NULL) {
        size_t cost = len + PLOG_RUN_COST;
        if (cost > *s->left) return ERR_COLD;
        *s->left -= cost;
    }
    TRY(runs_read(&s->runs));
    s->run_count++;
    s->run_bytes += len;
    return ERR_OK;
}

/* Errors: ERR_NOT_FOUND - the end; ERR_COLD; ERR_DISK; ERR_FORMAT; ERR_BUSY - no memory. Thread:
 * the reader. */
static enum err scan_next(struct scan *s)
{
    for (;;) {
        if (s->offset_next >= s->end) return ERR_NOT_FOUND;
        if (s->runs.rest.len == 0) TRY(scan_run(s));
        enum err err = runs_entry(&s->runs, &s->value);
        if (err != ERR_OK || batch_peek(s->value.batch, &s->info) != ERR_OK ||
            s->info.bytes != s->value.batch.len)
            return ERR_FORMAT;
        int64_t last_offset = batch_last_offset(&s->info);
        if (!s->begun && last_offset < s->offset_next) continue;    /* the run began before it */
        if (s->begun && s->info.base_offset != s->offset_next) return ERR_FORMAT;
        if (!s->begun && s->info.base_offset > s->offset_next) return ERR_COLD;
        s->begun = true;
        s->offset_next = last_offset + 1;
        return ERR_OK;
    }
}

/* ---- Ranges */

/* One that the iterator has read into a slab of its own is handed on as it is, unless it may stay
 * the only part of that which is. Others are copied into the slab of the batches before them when
 * there is room, else into a new one. */
static enum err take_batch(const struct scan *s, struct slab **slab, size_t bytes_left,
                           struct read_result *ret)
{
    size_t len = s->value.batch.len;
    CLEANUP(slab_unrefp) struct slab *own = runs_slab(&s->runs);
    if (own != NULL && (own->len <= bytes_left || len >= own->len / 2)) {
        struct batch_view v = {
            .bytes = {.slab = slab_ref(own), .bytes = s->value.batch},
            .base_offset = s->info.base_offset,
            .last_offset = s->offset_next - 1,
            .arrival_ms = s->value.arrival_ms,
        };
        return read_result_add(ret, &v) ? ERR_OK : ERR_BUSY;
    }
    if (*slab == NULL || (*slab)->cap - (*slab)->len < len) {
        size_t cap = bytes_left < READ_SLAB_BYTES ? bytes_left : READ_SLAB_BYTES;
        slab_unref(*slab);
        *slab = slab_new(NULL, cap > len ? cap : len);
        if (*slab == NULL) return ERR_BUSY;
    }
    uint8_t *to = (*slab)->data + (*slab)->len;
    mem_copy(to, s->value.batch.data, len);
    (*slab)->len += len;
    struct batch_view v = {
        .bytes = {.slab = slab_ref(*slab), .bytes = bytes_of(to, len)},
        .base_offset = s->info.base_offset,
        .last_offset = s->offset_next - 1,
        .arrival_ms = s->value.arrival_ms,
    };
    return read_result_add(ret, &v) ? ERR_OK : ERR_BUSY;
}

/* line: whose waiting ends a slice; NULL: nobody's. */
static enum err read_range(struct scan *s, const struct fair *line, struct log_read *r,
                           bool *ret_more)
{
    CLEANUP(slab_unrefp) struct slab *slab = NULL;
    size_t slice_end = r->read_bytes + PLOG_SLICE_BYTES;
    *ret_more = false;
    size_t left = r->bytes_max > r->read_bytes ? r->bytes_max - r->read_bytes : 0;
    for (;;) {
        /* A run is read as a whole, in vain if its first batch does not fit: who has half of what
         * was asked for is better off with that. */
        bool has_half = r->read_bytes > 0 && left <= r->bytes_max / 2;
        s->fits = has_half ? left + LOG_ENTRY_HEADER_BYTES : SIZE_MAX;
        enum err err = scan_next(s);
        /* A log that was cut under a read that has something already: what it has is still true. */
        if (err == ERR_NOT_FOUND || (err == ERR_OK && s->offset_next > s->end)) return ERR_OK;
        TRY(err);
        size_t len = s->value.batch.len;
        if (len > left && !(r->min_one && r->read_bytes == 0)) return ERR_OK;
        TRY(take_batch(s, &slab, left, &r->result));
        r->read_bytes += len;
        r->offset_next = s->offset_next;
        left = r->bytes_max > r->read_bytes ? r->bytes_max - r->read_bytes : 0;
        if (left == 0) return ERR_OK;
        /* Before the next batch is read: it may be large. */
        *ret_more = line != NULL && r->read_bytes >= slice_end && r->offset_next < s->end &&
                    fair_is_awaited(line);
        if (*ret_more) return ERR_OK;
    }
}

static bool is_in_bounds(const struct log_read *r, const struct log_bounds *bounds)
{
    return r->offset_next >= bounds->log_start && r->offset_next <= bounds->last_stable;
}

static void note_runs(struct plog *log, const struct scan *s)
{
    if (s->run_count == 0) return;
    bool are_short = s->run_bytes / s->run_count < PLOG_RUN_SHORT;
    atomic_store_explicit(&log->short_runs, are_short, memory_order_relaxed);
}

static bool has_short_runs(const struct plog *log)
{
    return atomic_load_explicit(&log->short_runs, memory_order_relaxed);
}

enum err plog_read_disk(struct kv *kv, struct plog *log, const struct log_bounds *bounds,
                        const struct fair *line, struct log_read *r, bool *ret_more)
{
    *ret_more = false;
    if (!is_in_bounds(r, bounds)) return ERR_OFFSET_OUT_OF_RANGE;
    CLEANUP(scan_done) struct scan s;
    enum kv_walk walk = has_short_runs(log) ? KV_UP : KV_UP_AGAIN;
    scan_init_as(&s, kv, log->id, bounds, r->offset_next, walk);
    enum err err = read_range(&s, line, r, ret_more);
    note_runs(log, &s);
    return err;
}

enum err plog_read_now(struct kv *kv, struct plog *log, const struct log_bounds *bounds,
                       size_t *left, struct log_read *r)
{
    bool more;
    if (!is_in_bounds(r, bounds)) return ERR_OFFSET_OUT_OF_RANGE;
    if (has_short_runs(log) || *left < PLOG_RUN_COST) return ERR_COLD;
    *left -= PLOG_RUN_COST;                 /* also of a try that finds nothing in memory */
    CLEANUP(scan_done) struct scan s;
    scan_init_as(&s, kv, log->id, bounds, r->offset_next, KV_UP_NOW);
    s.left = left;
    enum err err = read_range(&s, NULL, r, &more);
    note_runs(log, &s);
    return err;
}

/* ---- Look-ups by time */

/* Walks the chunks of the log from its start on, then, once, [end of the last one, end of the log):
 * chunks tells which batches a look-up has to read at all. */
struct chunk_walk {
    struct kv_iter *it;
    int64_t offset_next;
    int64_t end;
    bool is_open;           /* c is what is behind the last closed chunk: only its range is known */
    struct chunk c;
};

static void chunk_walk_init(struct chunk_walk *w, struct kv *kv, uint64_t log_id,
                            const struct log_bounds *bounds)
{
    struct chunk_key from = chunk_key(log_id, bounds->log_start);
    struct chunk_key to = chunk_key(log_id, bounds->last_stable);
    *w = (struct chunk_walk){
        .it = kv_iter_new(kv, KV_INDEX, KEY_BYTES(from), KEY_BYTES(to), false),
        .offset_next = bounds->log_start,
        .end = bounds->last_stable,
    };
}

static void chunk_walk_done(struct chunk_walk *w)
{
    kv_iter_free(w->it);
}

/* Errors: ERR_NOT_FOUND - the end; ERR_DISK; ERR_FORMAT. Thread: the reader. */
static enum err chunk_walk_next(struct chunk_walk *w)
{
    if (w->offset_next >= w->end) return ERR_NOT_FOUND;
    if (kv_iter_next(w->it)) {
        TRY(chunk_read(kv_iter_key(w->it), kv_iter_value(w->it), &w->c));
        if (w->c.first_offset < w->offset_next) w->c.first_offset = w->offset_next;
    } else {
        TRY(kv_iter_error(w->it));
        w->c = (struct chunk){.first_offset = w->offset_next, .last_offset = w->end - 1};
        w->is_open = true;
    }
    w->offset_next = w->c.last_offset + 1;
    return ERR_OK;
}

static enum err seek_in_chunk(struct kv *kv, uint64_t log_id, const struct log_bounds *bounds,
                              const struct chunk *c, enum log_seek_kind kind, int64_t time_ms,
                              struct inflater *inflater, int64_t *ret_offset,
                              int64_t *ret_timestamp_ms)
{
    CLEANUP(scan_done) struct scan s;
    scan_init(&s, kv, log_id, bounds, c->first_offset);
    for (;;) {
        if (s.offset_next > c->last_offset) return ERR_NOT_FOUND;
        TRY(scan_next(&s));
        if (kind == LOG_SEEK_ARRIVAL) {
            if (s.value.arrival_ms < time_ms) continue;
            *ret_offset = s.info.base_offset > s.log_start ? s.info.base_offset : s.log_start;
            *ret_timestamp_ms = s.value.arrival_ms;
            return ERR_OK;
        }
        if (s.info.max_timestamp < time_ms || s.info.count == 0) continue;
        enum err err = batch_find_time(s.value.batch, s.log_start, time_ms, inflater, ret_offset,
                                       ret_timestamp_ms);
        if (err != ERR_NOT_FOUND) return err;
    }
}

static enum err seek_first(struct kv *kv, uint64_t log_id, const struct log_bounds *bounds,
                           enum log_seek_kind kind, int64_t time_ms, struct inflater *inflater,
                           int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    CLEANUP(chunk_walk_done) struct chunk_walk w;
    chunk_walk_init(&w, kv, log_id, bounds);
    for (;;) {
        TRY(chunk_walk_next(&w));
        int64_t newest = kind == LOG_SEEK_ARRIVAL ? w.c.arrival_last_ms : w.c.timestamp_max;
        if (!w.is_open && newest < time_ms) continue;
        enum err err = seek_in_chunk(kv, log_id, bounds, &w.c, kind, time_ms, inflater, ret_offset,
                                     ret_timestamp_ms);
        if (err != ERR_NOT_FOUND) return err;
    }
}

/* What has the largest timestamp so far. A batch's header tells the largest of its records, so none
 * is unpacked to compare it, but for the one that the log begins in the middle of. */
struct newest {
    int64_t batch_offset;           /* base offset of the batch; -1: none */
    int64_t timestamp_ms;
    int64_t offset;                 /* of the record; -1: to be looked up in the batch */
};

/* The largest timestamp among the batches of a range. */
static enum err max_of_range(struct kv *kv, uint64_t log_id, const struct log_bounds *bounds,
                             const struct chunk *c, struct inflater *inflater, struct newest *max)
{
    CLEANUP(scan_done) struct scan s;
    scan_init(&s, kv, log_id, bounds, c->first_offset);
    while (s.offset_next <= c->last_offset) {
        TRY(scan_next(&s));
        if (s.info.count == 0) continue;
        if (max->batch_offset >= 0 && s.info.max_timestamp <= max->timestamp_ms) continue;
        struct newest here = {s.info.base_offset, s.info.max_timestamp, -1};
        if (s.info.base_offset < s.log_start) {
            enum err err = batch_find_max_time(s.value.batch, s.log_start, inflater, &here.offset,
                                               &here.timestamp_ms);
            if (err == ERR_NOT_FOUND) continue;
            TRY(err);
        }
        *max = here;
    }
    return ERR_OK;
}

/* The first record of a batch that has its largest timestamp. */
static enum err max_in_batch(struct kv *kv, uint64_t log_id, const struct log_bounds *bounds,
                             struct inflater *inflater, struct newest *max)
{
    CLEANUP(scan_done) struct scan s;
    scan_init(&s, kv, log_id, bounds, max->batch_offset);
    TRY(scan_next(&s));
    return batch_find_max_time(s.value.batch, s.log_start, inflater, &max->offset,
                               &max->timestamp_ms);
}

static enum err seek_max(struct kv *kv, uint64_t log_id, const struct log_bounds *bounds,
                         struct inflater *inflater, int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct newest max = {.batch_offset = -1, .offset = -1};
    CLEANUP(chunk_walk_done) struct chunk_walk w;
    chunk_walk_init(&w, kv, log_id, bounds);
    enum err err;
    while ((err = chunk_walk_next(&w)) == ERR_OK) {
        if (!w.is_open && max.batch_offset >= 0 && w.c.timestamp_max <= max.timestamp_ms) continue;
        /* The index names the batch: read that one alone, unless it was cut off. */
        struct chunk range = w.c;
        if (!w.is_open && range.timestamp_max_batch >= bounds->log_start)
            range.first_offset = range.last_offset = range.timestamp_max_batch;
        TRY(max_of_range(kv, log_id, bounds, &range, inflater, &max));
    }
    if (err != ERR_NOT_FOUND) return err;
    if (max.batch_offset < 0) return ERR_NOT_FOUND;
    if (max.offset < 0) TRY(max_in_batch(kv, log_id, bounds, inflater, &max));
    *ret_offset = max.offset;
    *ret_timestamp_ms = max.timestamp_ms;
    return ERR_OK;
}

enum err plog_seek(struct kv *kv, uint64_t log_id, const struct log_bounds *bounds,
                   enum log_seek_kind kind, int64_t time_ms, struct inflater *inflater,
                   int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    switch (kind) {
    case LOG_SEEK_BOUNDS: return ERR_OK;
    case LOG_SEEK_MAX_TIMESTAMP:
        return seek_max(kv, log_id, bounds, inflater, ret_offset, ret_timestamp_ms);
    case LOG_SEEK_TIMESTAMP:
    case LOG_SEEK_ARRIVAL: break;
    }
    return seek_first(kv, log_id, bounds, kind, time_ms, inflater, ret_offset, ret_timestamp_ms);
}
