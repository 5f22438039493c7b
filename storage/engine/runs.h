/* Runs of record batches: what a log got in one commit is one run, and one entry of KV_LOG. What
 * stands above the engine appends, walks and trims runs, and names neither that family nor its
 * keys. */
#ifndef STORAGE_RUNS_H
#define STORAGE_RUNS_H

#include <assert.h>
#include "storage/engine/kv.h"
#include "storage/engine/log_keys.h"

/* ---- Appending. The caller closes a run at RUN_BYTES or RUN_BATCHES (log_keys.h). */

/* 12 KiB on the stack of who makes one, of which only what is added is written. Batches are
 * borrowed until the write batch was committed or cleared. */
struct run_draft {
    int count;
    uint8_t headers[RUN_BATCHES][LOG_ENTRY_HEADER_BYTES];
    struct bytes parts[2 * RUN_BATCHES];
};

static inline void run_draft_init(struct run_draft *d)
{
    d->count = 0;
}

/* At most RUN_BATCHES. */
static inline void run_draft_add(struct run_draft *d, const struct log_entry *e)
{
    assert(d->count < RUN_BATCHES);
    struct bytes *parts = d->parts + 2 * d->count;
    uint8_t *header = d->headers[d->count++];
    log_entry_header(e, header);
    parts[0] = bytes_of(header, LOG_ENTRY_HEADER_BYTES);
    parts[1] = e->batch;
}

/* At least one batch. last_offset: of its last record. Thread: any. */
void run_put(struct kv_batch *b, uint64_t log_id, int64_t last_offset, const struct run_draft *d);

/* ---- Walking upwards, as of the moment when the walk began. Thread: one owner; blocks, but for
 * walks of KV_UP_NOW. */

struct runs {
    struct kv_iter *it;
    struct bytes rest;          /* of the run that was read */
};

/* In front of the run that holds `from`, or would. */
void runs_init(struct runs *r, struct kv *kv, uint64_t log_id, int64_t from, enum kv_walk walk);
/* In front of the first run of all logs, which follow on one another by id. */
void runs_init_all(struct runs *r, struct kv *kv);
void runs_done(struct runs *r);

/* On to the next run, which this does not read. False: at the end, or on an error. */
static inline bool runs_next(struct runs *r)
{
    r->rest = BYTES_NULL;
    return kv_iter_next(r->it);
}

/* Errors: as kv_iter_error(). Thread: its owner. */
static inline enum err runs_error(const struct runs *r)
{
    return kv_iter_error(r->it);
}

/* Bytes of the run, the headers of its batches included, without reading it. */
static inline size_t runs_bytes(const struct runs *r)
{
    return kv_iter_value_len(r->it);
}

/* Whose run it is, and where it ends, as its key says.
 * Errors: ERR_FORMAT - the key is none; the walk may go on. Thread: its owner. */
static inline enum err runs_at(const struct runs *r, uint64_t *ret_log_id,
                               int64_t *ret_last_offset)
{
    return log_key_read(kv_iter_key(r->it), ret_log_id, ret_last_offset);
}

/* Reads the run. Errors: as kv_iter_error(); bytes that are not those that were written are
 * ERR_DISK. Thread: its owner; blocks as the walk does. */
static inline enum err runs_read(struct runs *r)
{
    r->rest = kv_iter_value(r->it);
    return bytes_is_null(r->rest) ? kv_iter_error(r->it) : ERR_OK;
}

/* The next batch of the run that was read, valid until runs_next().
 * Errors: ERR_NOT_FOUND - the run's end; ERR_FORMAT. Thread: its owner. */
static inline enum err runs_entry(struct runs *r, struct log_entry *ret)
{
    return log_entry_next(&r->rest, ret);
}

/* A reference to the slab in which its batches lie; NULL: none, copy them. */
static inline struct slab *runs_slab(const struct runs *r)
{
    return kv_iter_slab(r->it);
}

/* ---- Ends */

/* Where the log's last run ends. Errors: ERR_NOT_FOUND - it has none; ERR_FORMAT; ERR_DISK.
 * Thread: any but a network loop; blocks. */
enum err runs_last(struct kv *kv, uint64_t log_id, int64_t *ret_last_offset);
/* The first log that has a run, from this id on. Errors: ERR_NOT_FOUND - none has; ERR_FORMAT -
 * the key that follows is none; ERR_DISK. Thread: any but a network loop; blocks. */
enum err runs_log_from(struct kv *kv, uint64_t log_id, uint64_t *ret_log_id);

/* ---- Deleting what is committed. Thread: any but a network loop; blocks. */

/* The runs that end in [from, to), with none left in front of them. bytes: about what they are; of
 * little it is looked up which they are (kv_batch_delete_span()). */
void runs_trim(struct kv_batch *b, struct kv *kv, uint64_t log_id, int64_t from, int64_t to,
               uint64_t bytes);
/* All of the logs [first, next). */
void runs_erase(struct kv_batch *b, struct kv *kv, uint64_t first, uint64_t next);

#endif
