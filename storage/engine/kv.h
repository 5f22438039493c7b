/* The engine seam: an ordered key-value store with families, atomic batches and range deletes.
 *
 * Two engines stand behind it: RocksDB (kv_rocksdb.c), and a deterministic one in memory with fault
 * injection (kv_mem.c) for simulations. Keys order bytewise. */
#ifndef STORAGE_KV_H
#define STORAGE_KV_H

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

/* ---- RocksDB */
struct kv_options {
    uint64_t write_buffer_bytes;     /* 0: the default of the memory budget */
    uint64_t blob_file_bytes;
    uint64_t blob_bytes_min;         /* values of at least this size go to blob files */
    int background_jobs;
    bool read_only;                  /* nothing in the directory changes, not even by opening it */
};
/* What a directory was found to have lost when it was opened. */
struct kv_damage {
    uint64_t lost_writes;            /* synced ones */
    uint64_t damaged_bytes;          /* of the log, and what the engine read behind them is lost */
    uint64_t torn_bytes;             /* a write that a power cut or kill -9 ended: no damage */
    int64_t since_ms;                /* what was written after that may be lost; 0: unknown */
    bool mark_damaged;               /* how much was synced is not known */
    char text[512];                  /* all of it in words; "" when there is nothing */
    char aside[64];                  /* folder of the directory that keeps the files; "" when not */
};
/* Makes the directory and those above it; errno tells why not. Errors: ERR_DISK. Thread: any. */
enum err kv_rocksdb_make(const char *dir);
/* Opens or makes the directory's database and takes its lock; read-only ones share it.
 * Errors: ERR_FORMAT - made by a newer version; ERR_BUSY - another process has it; ERR_DISK - also
 * a directory that lost a file without which the rest means nothing.
 * ret_text (may be NULL) gets the engine's own words, to be freed with mem_free().
 * Thread: before the others start. Blocks. */
enum err kv_rocksdb_open(const char *dir, const struct kv_options *options, struct kv **ret,
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
void kv_mem_set_faults(struct kv *kv, const struct kv_mem_faults *faults);
void kv_mem_set_behind(struct kv *kv, bool behind);
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
bool kv_iter_next(struct kv_iter *it);          /* false at the end or on an error */
struct bytes kv_iter_key(const struct kv_iter *it);      /* valid until the next call */
struct bytes kv_iter_value(const struct kv_iter *it);
/* Errors: ERR_DISK if the walk ended by one. Thread: its owner. */
enum err kv_iter_error(const struct kv_iter *it);
void kv_iter_free(struct kv_iter *it);          /* NULL is a no-op */
void kv_iter_freep(struct kv_iter **it);

struct kv_batch *kv_batch_new(struct kv *kv);
void kv_batch_free(struct kv_batch *b);          /* NULL is a no-op */
void kv_batch_freep(struct kv_batch **b);
void kv_batch_clear(struct kv_batch *b);
size_t kv_batch_bytes(const struct kv_batch *b);
void kv_batch_put(struct kv_batch *b, enum kv_family family, struct bytes key, struct bytes value);
/* value = the parts one after the other, gathered without an extra copy. */
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
/* What was written to the families other than KV_LOG comes faster than it goes to disk: soon the
 * engine would make every writer wait. What is large and can wait does so. Thread: any but a
 * network loop; a short lock of the engine's. */
bool kv_behind(struct kv *kv);
/* Gives the space of what was deleted from KV_LOG in [from, to) back to the disk, in the background
 * if the engine can. Errors: ERR_DISK. Thread: housekeeping; blocks. */
enum err kv_reclaim(struct kv *kv, struct bytes from, struct bytes to);

/* For tests and measurements. */
struct kv_stats {
    uint64_t disk_bytes;
    uint64_t blob_bytes;
    uint64_t memtable_bytes;
    uint64_t cache_bytes;
    uint64_t crc_calls;         /* checksums the engine asked of base/crc32c in this process */
};
void kv_stats(struct kv *kv, struct kv_stats *ret);

#endif
