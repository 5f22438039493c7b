/* The engine seam: an ordered key-value store with families, atomic batches and range deletes.
 *
 * Two engines stand behind it: the one of a data directory (kv_wal.c: a write-ahead log that keeps
 * the record bytes, and tables that keep all else), and a deterministic one in memory with fault
 * injection (kv_mem.c) for simulations. Keys order bytewise.
 *
 * KV_LOG is for runs of record batches: a key is put once, none is put where a range was deleted,
 * and values of RUN_KEY_BYTES keys that are KV_RUN_BYTES_MIN and more stay in the log and are read
 * from it. */
#ifndef STORAGE_KV_H
#define STORAGE_KV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/slab.h"

enum kv_family {
#define FAMILY(NAME, byte) KV_##NAME,
#include "storage/parts.def"
    KV_FAMILY_COUNT
};

/* process: acknowledged once the write-ahead log's write reached the kernel. power: once synced. */
enum kv_sync { KV_NO_SYNC, KV_SYNC };

struct kv;
struct kv_batch;
struct kv_iter;

enum { KV_RUN_BYTES_MIN = 1024 };

/* ---- A data directory */
struct kv_options {
    uint64_t extent_bytes;           /* 0: the default, as of the next two */
    uint64_t flush_tables_bytes;     /* tables are written out once they got so much since, */
    uint64_t flush_log_bytes;        /* or the log */
    bool read_only;                  /* nothing in the directory changes, not even by opening it */
};
/* What a directory was found to have lost when it was opened. */
struct kv_damage {
    uint64_t lost_writes;            /* synced ones, or written ones while the system has run */
    uint64_t damaged_bytes;          /* of the log, and what the engine read behind them is lost */
    uint64_t torn_bytes;             /* a write that a power cut or kill -9 ended: no damage */
    int64_t since_ms;                /* what was written after that may be lost; 0: unknown */
    bool mark_damaged;               /* how much was synced is not known */
    char text[512];                  /* all of it in words; "" when there is nothing */
    char aside[64];                  /* folder of the directory that keeps the files; "" when not */
};
/* Makes the directory and those above it; errno tells why not. Errors: ERR_DISK. Thread: any. */
enum err kv_make_dir(const char *dir);
/* Opens or makes what a directory holds and takes its lock; read-only ones share it.
 * Errors: ERR_FORMAT - made by a newer version; ERR_BUSY - another process has it; ERR_DISK - also
 * a directory that lost a file without which the rest means nothing.
 * ret_text (may be NULL) gets the engine's own words, to be freed with mem_free().
 * Thread: before the others start. Blocks. */
enum err kv_open(const char *dir, const struct kv_options *options, struct kv **ret,
                 char **ret_text);

/* since_ms as text: "2026-11-30T01:02:03Z", or "(unknown)". Thread: any. */
enum { KV_TIME_BYTES = 32 };
const char *kv_damage_since(const struct kv_damage *d, char to[KV_TIME_BYTES]);
/* Lives as long as kv; nothing lost for an engine in memory. Thread: any. */
const struct kv_damage *kv_damage(struct kv *kv);

/* ---- Memory, for tests */
struct kv_mem_faults {
    int64_t fail_at;        /* the fail_at-th write or read call fails (0 is the first; -1 never) */
    int64_t fail_count;     /* and this many after it, INT64_MAX: for ever */
    bool crash;             /* from then on everything fails until kv_mem_reopen() */
    bool applied;           /* a commit that fails by this fault took effect nevertheless */
};
/* Thread: kv_mem_*() any, but while no call is under way. */
struct kv *kv_mem_new(void);
/* One more handle on the same memory: it outlives the kv_close() of a store that owns the other
 * one. */
struct kv *kv_mem_share(struct kv *kv);
/* One with what of this one was synced. */
struct kv *kv_mem_copy_synced(struct kv *kv);
void kv_mem_set_faults(struct kv *kv, const struct kv_mem_faults *faults);
void kv_mem_set_behind(struct kv *kv, bool behind);
void kv_mem_set_cold(struct kv *kv, bool cold);  /* KV_UP_NOW finds nothing in memory */
void kv_mem_set_full(struct kv *kv, bool full);  /* a full disk: commits fail, reads go on */
/* The next commit is told to have succeeded, and leaves nothing: for tests of tests. */
void kv_mem_lose_next(struct kv *kv);
bool kv_mem_faulted(const struct kv *kv);       /* a fault was hit since they were set */
/* What commits deleted since this was asked last. */
struct kv_mem_deletes {
    int64_t keys;
    int64_t ranges;
};
struct kv_mem_deletes kv_mem_deletes(struct kv *kv);
/* The state after a restart: what was committed, and with power_loss only what was synced. */
void kv_mem_reopen(struct kv *kv, bool power_loss);

void kv_close(struct kv *kv);                   /* syncs first; NULL is a no-op */

/* ---- Use. All: Thread: any; Errors: ERR_DISK. */

/* ret: a new slab that holds the value.
 * Errors: ERR_NOT_FOUND; ERR_DISK; ERR_BUSY - no memory. Thread: any but a network loop; blocks. */
enum err kv_get(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret);

/* Reads [from, to) upwards, or downwards from just below `to`, as of the call. to null: no end.
 * The iterator stands before the first entry. Thread: one owner. Blocks. */
struct kv_iter *kv_iter_new(struct kv *kv, enum kv_family family, struct bytes from,
                            struct bytes to, bool backwards);
/* How a walk goes about it. */
enum kv_walk {
    KV_UP,
    KV_DOWN,
    KV_UP_AGAIN,        /* upwards; what it needs besides the values is kept in memory for others */
    KV_UP_NOW,          /* upwards, without waiting for a disk: ends with ERR_COLD where one has to
                           be waited for */
};
/* Thread: one owner. KV_UP_NOW: also a network loop; else blocks. */
struct kv_iter *kv_iter_new_as(struct kv *kv, enum kv_family family, struct bytes from,
                               struct bytes to, enum kv_walk walk);
bool kv_iter_next(struct kv_iter *it);          /* false at the end or on an error */
struct bytes kv_iter_key(const struct kv_iter *it);      /* valid until the next call */
/* Null where it cannot be read: then the walk ends, with an error. Blocks. */
struct bytes kv_iter_value(struct kv_iter *it);
/* Its length, without reading it. */
size_t kv_iter_value_len(const struct kv_iter *it);
/* A reference to the slab that holds what kv_iter_value() gave, so that it outlives the iterator;
 * NULL: none does, copy it. */
struct slab *kv_iter_slab(struct kv_iter *it);
/* Errors: ERR_DISK if the walk ended by one; ERR_COLD - what stood there when the iterator was made
 * was deleted since, and its bytes are gone; or what KV_UP_NOW says. Thread: its owner. */
enum err kv_iter_error(const struct kv_iter *it);
void kv_iter_free(struct kv_iter *it);          /* NULL is a no-op */
void kv_iter_freep(struct kv_iter **it);

struct kv_batch *kv_batch_new(struct kv *kv);
void kv_batch_free(struct kv_batch *b);          /* NULL is a no-op */
void kv_batch_freep(struct kv_batch **b);
void kv_batch_clear(struct kv_batch *b);
size_t kv_batch_bytes(const struct kv_batch *b);
void kv_batch_put(struct kv_batch *b, enum kv_family family, struct bytes key, struct bytes value);
/* value = the parts one after the other, gathered without an extra copy. Parts of KV_LOG that are
 * KV_RUN_BYTES_MIN and longer are borrowed until the batch was committed or cleared. */
void kv_batch_put_parts(struct kv_batch *b, enum kv_family family, struct bytes key,
                        const struct bytes *parts, int part_count);
void kv_batch_delete(struct kv_batch *b, enum kv_family family, struct bytes key);
void kv_batch_delete_range(struct kv_batch *b, enum kv_family family, struct bytes from,
                           struct bytes to);
/* Deletes what is committed in [from, to): key by key when that is little, which costs what was
 * there, else as the range [range_from, to). A range that was deleted slows every read of its
 * family until the engine has written it out, and such ranges that overlap do so by the square of
 * their number: so one is worth its price only where it stands for much.
 * Thread: any but a network loop; blocks. */
void kv_batch_delete_span(struct kv_batch *b, struct kv *kv, enum kv_family family,
                          struct bytes from, struct bytes to, struct bytes range_from);

/* All of the batch or nothing. On success it is visible and, as sync says, durable; the batch is
 * not cleared. On failure nothing of it may be assumed: the caller closes what it touched and
 * reads it anew.
 * Errors: ERR_DISK - also a full disk. Thread: any but a network loop; blocks. */
enum err kv_commit(struct kv *kv, struct kv_batch *b, enum kv_sync sync);
/* Makes every commit so far survive a power cut. Errors: ERR_DISK. Thread: any but a network loop;
 * blocks, also while another thread syncs. */
enum err kv_sync_now(struct kv *kv);
/* True once the engine accepts writes again after ERR_DISK (RocksDB stops all writes at the first
 * background error; this resumes it when the cause is gone). Errors: ERR_DISK - not yet.
 * Thread: any but a network loop; blocks. */
enum err kv_resume(struct kv *kv);
/* The last write was refused by the disk, and none has succeeded since. Thread: any. */
bool kv_writes_stopped(struct kv *kv);
/* Writes are refused for want of room alone. A batch that deletes from KV_LOG and puts little is
 * taken nevertheless, so that what it deletes can be given back. Thread: any; a short lock. */
bool kv_is_full(struct kv *kv);
/* What was written to the families other than KV_LOG comes faster than it goes to disk: soon the
 * engine would make every writer wait. What is large and can wait does so. Thread: any but a
 * network loop; a short lock of the engine's. */
bool kv_behind(struct kv *kv);
/* Gives the space of what was deleted from KV_LOG back to the disk, as far as that is worth it, in
 * steps that hold nobody up. *stop, set by another thread: ends it between two of them.
 * Errors: ERR_DISK. Thread: housekeeping, one at a time; blocks. */
enum err kv_reclaim(struct kv *kv, const atomic_bool *stop);

/* Proves that what the engine knows of its files agrees with what it holds; what does not is
 * told in words. Values are not read. Errors: ERR_DISK. Thread: any, while nothing writes;
 * blocks. */
enum err kv_check(struct kv *kv, void *context, void (*fault)(void *context, const char *text));

struct kv_stats {
    uint64_t disk_bytes;        /* all of it */
    uint64_t log_bytes;         /* of extents */
    uint64_t live_bytes;        /* of record runs in them */
    uint64_t dead_bytes;        /* of runs that were deleted, and not given back yet */
    uint64_t extents;
    uint64_t memtable_bytes;
    uint64_t cache_bytes;
    uint64_t replayed_frames;   /* by the last opening */
    uint64_t crc_calls;         /* checksums that RocksDB asked of base/crc32c in this process */
};
/* Thread: any; short locks. */
void kv_stats(struct kv *kv, struct kv_stats *ret);

#endif
