/* One partition log: an endless sequence of record batches with offsets.
 *
 * Writing belongs to the storage worker that owns the log (plog_append.c and worker.c); reading
 * goes through the log's published view, which any thread may look at: bounds and the recent
 * batches, guarded by one short leaf lock. Offsets in the view only ever name durable batches. */
#ifndef STORAGE_PLOG_H
#define STORAGE_PLOG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/slab.h"

struct plog;

struct log_bounds {
    int64_t log_start;          /* first readable offset */
    int64_t last_stable;        /* readers of committed data stop here (= high_watermark until
                                   transactions come) */
    int64_t high_watermark;     /* next offset to be given; all below is durable */
    int32_t leader_epoch;       /* >= 0, never smaller after a restart */
    uint64_t size_bytes;        /* of the batches between log_start and the end */
    int64_t arrival_last_ms;    /* of the newest batch, 0 when there never was one */
};

/* What a reader gets: whole batches in order, by reference. */
struct batch_view {
    struct slab_view bytes;     /* one whole v2 batch, base offset and leader epoch filled in; owns
                                   one slab reference */
    int64_t base_offset;
    int64_t last_offset;
    int64_t arrival_ms;         /* when the broker appended it; never goes back in a partition */
};

struct read_result {
    struct log_bounds bounds;   /* as of the read; filled on success and on OFFSET_OUT_OF_RANGE */
    int32_t count;
    int32_t cap;
    struct batch_view *batches; /* own memory of the result */
    size_t bytes;
};
void read_result_init(struct read_result *r);
void read_result_done(struct read_result *r);    /* drops the references; r may be used again */

/* The bounds now. A log that was not used since start, or that failed, is not open: then ERR_COLD,
 * and store_read() (or any append) opens it or gives the reason why it cannot.
 * Errors: ERR_COLD; ERR_CLOSED - topic deleted.
 * Thread: any; a short lock. */
enum err plog_bounds(struct plog *log, struct log_bounds *ret);

/* Batches from the one that holds `offset` on, out of memory only. At least one batch when there is
 * one below `end` (min_one), then while the sum stays <= bytes_max; stops at last_stable.
 * At the end: ERR_OK with count 0. Adds to ret (which was inited).
 * Errors: ERR_COLD - not in memory, use store_read(); ERR_OFFSET_OUT_OF_RANGE - below log_start or
 * beyond the end; ERR_CLOSED; ERR_BUSY - no memory. Thread: any; a short lock. */
enum err plog_read_tail(struct plog *log, int64_t offset, size_t bytes_max, bool min_one,
                        struct read_result *ret);

#endif
