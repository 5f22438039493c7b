/* The inside of a partition log, for the files that write, open, read and own it.
 *
 * Two halves. The view (under `lock`) is what any thread sees: state, bounds, tail, watches; it
 * names only what is committed. The writer belongs to the log's worker alone and runs ahead of the
 * view by what is staged in the current turn. When a commit fails the writer is thrown away and
 * read anew from disk: it is never patched back.
 *
 *   COLD --open--> OPEN --commit failed--> FAILED --open--> OPEN
 *   any --topic deleted--> CLOSED
 */
#ifndef STORAGE_PLOG_IMPL_H
#define STORAGE_PLOG_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include "storage/engine/log_keys.h"
#include "storage/log/plog.h"
#include "storage/log/producers.h"
#include "storage/log/tail.h"
#include "storage/log/waiting.h"
#include "storage/log/watch.h"
#include "storage/log/worker.h"
#include "storage/store.h"
#include "storage/topic/log_ref.h"

enum {
    CHUNK_BYTES = 1 << 20,      /* a chunk closes at that many bytes */
    CHUNK_BATCHES = 4096,
    CHUNK_SPAN_MS = 3600000,    /* or that: so retention by time is exact to the hour in a quiet
                                   log */
    SNAPSHOT_SHARE = 8,         /* a producer snapshot is written per this many times its size of
                                   log */
};

enum plog_state { PLOG_COLD, PLOG_OPEN, PLOG_FAILED, PLOG_CLOSED };

/* What the worker knows of an open log, staged appends included. */
struct plog_writer {
    int64_t offset_next;
    int64_t log_start;
    int64_t arrival_last_ms;
    uint64_t bytes_total;           /* as in struct chunk: counted since the log began */
    uint64_t bytes_total_at_start;  /* of it, in front of the chunk that holds log_start */
    struct chunk chunk;             /* the open one: batch_count 0 when empty */
    int64_t chunk_arrival_first_ms;
    struct producers producers;
    int64_t snapshot_offset;        /* what the stored snapshot tells of ends here */
    uint64_t snapshot_bytes_total;  /* bytes_total when it was written */
    bool has_snapshot;
    int64_t unsynced_records;       /* since this log's last synced commit (flush.messages) */
    struct batch_view *staged;      /* this turn's batches; one slab reference each */
    int32_t *staged_addressed;      /* the partition each one addressed */
    uint32_t staged_count;
    uint32_t staged_cap;
    uint32_t run_first;             /* staged ones from here on are the open run */
    size_t run_bytes;
};

struct plog {
    struct log_ref ref;             /* first: topics know nothing else of it */
    uint64_t id;
    struct worker *worker;
    struct mailbox *inbox;          /* the worker's */
    _Atomic int64_t told_offset;    /* where the read failed that the server's log told of; -1 */
    atomic_bool short_runs;         /* what was read of it last had them */

    pthread_mutex_t lock;           /* leaf: guards this block */
    enum plog_state state;
    struct log_bounds bounds;
    struct tail tail;
    uint64_t topic_version;         /* of the value that was published last */
    struct watch *watches;          /* a ring through next and prev */
    uint32_t watch_count;

    /* The worker's. */
    struct topic *topic;            /* NULL until published */
    int32_t partition;
    struct plog_writer *writer;     /* NULL unless open */
    bool frozen;
    struct producers *handed_over;  /* what it knows once the reshard under way is true; NULL: as
                                       now */
    struct append *waiting_first;   /* what waits at it (waiting.h) */
    struct append **waiting_last;
    uint32_t waiting_count;
    enum waiting_ring ring;         /* of those whose appends go on */
    struct plog *ring_next;
    struct plog *ring_prev;
    bool in_turn;
    struct plog *turn_next;
    struct plog *tail_next;         /* the worker's ring of logs with a tail */
    struct plog *tail_prev;
};
static_assert(offsetof(struct plog, ref) == 0, "partition_log_ref()");

/* ---- plog.c: the view */
/* inbox: the worker's. */
struct plog *plog_new(struct worker *worker, struct mailbox *inbox, uint64_t id);
void plog_writer_free(struct plog_writer *w);       /* NULL is a no-op */
/* Notes that the producers are stored as they are. Thread: the worker. */
void plog_snapshot_is_stored(struct plog *log);
/* Puts the producers that a reshard prepared for this log (handover.h) in use, or drops them;
 * nothing prepared is a no-op. Thread: the worker. */
void plog_end_handover(struct plog *log, bool took_place);
/* The log's topic has a new value, which wakes every watch. Thread: the worker. */
void plog_wake_all(struct plog *log);
/* Sets the state and wakes all watches. */
void plog_set_state(struct plog *log, enum plog_state state);
/* Makes the writer's state visible: bounds, staged batches; keep_tail: whether they stay in memory.
 * Wakes the watches that wait for it. Returns the change of the tail's pinned bytes. */
int64_t plog_publish(struct plog *log, bool keep_tail);
/* What must hold of a log between two turns of its worker; it ends the process where something does
 * not. For tests (plog_check.c). Thread: the worker, or the only one. */
void plog_check(struct plog *log);
/* Drops the oldest of the tail while more than keep_bytes are pinned and fewer than want_bytes were
 * let go; returns the bytes let go. */
size_t plog_shrink_tail(struct plog *log, size_t keep_bytes, size_t want_bytes);

/* ---- watch.c */
/* Takes off all watches that wait for something below `below`, as a list in their order. Only the
 * owner of the list touches next from here on. The caller holds the log's lock. */
struct watch *watches_take(struct plog *log, int64_t below);
/* Tells what was taken off. The caller holds no lock. */
void watches_fire(struct plog *log, struct watch *first);

/* ---- plog_open.c */
/* Reads the log's state from disk into a new writer.
 * Errors: ERR_DISK; ERR_FORMAT - what is stored contradicts itself. Thread: the worker; blocks. */
enum err plog_open(struct plog *log, struct kv *kv);

/* ---- plog_append.c */
struct batch_info;
/* Counts a batch that follows: into the open chunk, the size, the end offset. */
void plog_count(struct plog_writer *w, const struct batch_info *info, int64_t arrival_ms);
/* Ends the open run, if there is one: stages it and, when the chunk is full, what goes with that.
 * To be called before the commit. */
void plog_end_run(struct plog *log, struct kv_batch *b);
/* Stages a snapshot of the producers, unless there never was one. */
void plog_stage_snapshot(struct plog *log, struct kv_batch *b);
/* Its first half, plog_snapshot_is_stored() is the second: puts p as what is known at the log's
 * end. */
void plog_put_snapshot(const struct plog *log, const struct producers *p, struct kv_batch *b);
/* Checks one append and stages it into b. On ERR_OK a's outputs are set, also for a duplicate,
 * which stages nothing. Needs an open log with a topic.
 * Errors: those of store_append(). Thread: the worker. */
enum err plog_stage(struct plog *log, struct append *a, int64_t now_ms, struct kv_batch *b);

/* ---- plog_trim.c */
/* Stages the removal of all batches that end below log_start, within [start, end]; all of them are
 * committed.
 * Thread: the worker; blocks. */
void plog_stage_start(struct plog *log, struct kv *kv, int64_t log_start,
                      uint64_t bytes_total_at_start, struct kv_batch *b);
/* bytes_total_at_start for a log that shall start at offset, log_start < offset <= offset_next.
 * Errors: ERR_DISK; ERR_FORMAT. Thread: the worker; blocks. */
enum err plog_bytes_in_front(struct plog *log, struct kv *kv, int64_t offset, uint64_t *ret_bytes);
/* Where retention wants the log to start; log->writer->log_start when nothing is too old.
 * Errors: ERR_DISK; ERR_FORMAT. Thread: the worker; blocks. */
enum err plog_retention_start(struct plog *log, struct kv *kv, const struct topic_config *config,
                              int64_t now_ms, int64_t *ret_start, uint64_t *ret_bytes_at_start);
/* Whether a log that is not open has something for retention, from its first and last chunk alone.
 * Errors: ERR_DISK; ERR_FORMAT. Thread: the worker; blocks. */
enum err plog_retention_is_due(struct plog *log, struct kv *kv, const struct topic_config *config,
                               int64_t now_ms, bool *ret_due);

/* ---- plog_read.c */
struct fair;
struct inflater;
struct log_read;
/* As plog_read_tail(), from disk: goes on with r where it stands. bounds: as of just before the
 * call. While others wait in `line` it ends after PLOG_SLICE_BYTES; ret_more: it did.
 * Errors: ERR_OFFSET_OUT_OF_RANGE; ERR_COLD - the log was cut under the read: bounds are stale, try
 * again; ERR_DISK; ERR_FORMAT. Thread: a reader; blocks. */
enum err plog_read_disk(struct kv *kv, struct plog *log, const struct log_bounds *bounds,
                        const struct fair *line, struct log_read *r, bool *ret_more);
/* The same on a network loop: reads what is in memory, the disk's cache included. *left: what it
 * may cost, in bytes and PLOG_RUN_COST for the call and for each run; it is taken from there. Logs
 * with short runs are left to the readers: where each stands is looked up in tables, most of which
 * are not kept in memory.
 * Errors: ERR_COLD - a thread that may wait has to go on, as after those of plog_read_disk(), which
 * it finds out anew; what r has is right. Thread: any; short locks. */
enum err plog_read_now(struct kv *kv, struct plog *log, const struct log_bounds *bounds,
                       size_t *left, struct log_read *r);
enum { PLOG_SLICE_BYTES = 256 << 10, PLOG_RUN_COST = 4096, PLOG_RUN_SHORT = 16 << 10 };
/* Errors: ERR_NOT_FOUND; ERR_DISK; ERR_FORMAT. Thread: a reader; blocks. */
enum err plog_seek(struct kv *kv, uint64_t log_id, const struct log_bounds *bounds,
                   enum log_seek_kind kind, int64_t time_ms, struct inflater *inflater,
                   int64_t *ret_offset, int64_t *ret_timestamp_ms);
/* Adds a view to the result; its slab reference moves there. False: memory is out, and the
 * reference was given back. */
bool read_result_add(struct read_result *r, const struct batch_view *view);

#endif
