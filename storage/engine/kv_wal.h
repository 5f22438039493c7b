/* The inside of the engine of a data directory, for the files that commit, read, flush, open and
 * reclaim. Only inside storage/engine.
 *
 * A commit is a frame in the write-ahead log (storage/wal), then a write to the tables, which have
 * no log of their own. Tables are written out as a whole ("flush"), after all that they hold was
 * synced in the log; a start applies the frames behind their mark again. */
#ifndef STORAGE_KV_WAL_H
#define STORAGE_KV_WAL_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/crc32c.h"
#include "storage/engine/discards.h"
#include "storage/engine/kv_engine.h"
#include "storage/engine/sync_mark.h"
#include "storage/wal/wal.h"

enum {
    FLUSH_TABLES_BYTES = 8 << 20,
    FLUSH_LOG_BYTES = 256 << 20,
    FLUSH_TIMES_MAX = 4,        /* writers wait for a flush once so many times that is not out */
    FLUSH_RANGES = 128,         /* deleted ones that tables may hold in memory */
};

/* Keys of runs that commits deleted one by one since the sweeper looked: a bit by their hash, which
 * others may share. */
enum { DELETED_BITS = 1 << 16 };
struct deleted {
    uint64_t bits[DELETED_BITS / 64];
};

struct walled {
    struct kv base;
    struct kv *tables;          /* owned, as the files */
    struct files *files;
    struct wal *wal;
    bool read_only;
    uint64_t extent_bytes;
    uint64_t flush_tables_bytes;
    uint64_t flush_log_bytes;
    uint64_t replayed;
    bool holes;                 /* the volume knows them, as far as was seen; the sweeper's */

    pthread_mutex_t discards_lock;      /* leaf; changes are made under the next one, too */
    struct discards discards;

    pthread_mutex_t lock;       /* held over a commit; guards this block */
    uint64_t tables_bytes;      /* since the last flush began */
    uint64_t log_bytes;
    int ranges;
    struct deleted deleted;
    bool flush_failed;          /* the last one */
    uint64_t flushed_frame;     /* what tables have on disk */
    bool flush_wanted;
    bool flushing;
    bool stopping;
    pthread_cond_t changed;     /* the last three */
    struct in_line *line;       /* commits whose frames wait for a sync, oldest first */
    struct in_line *line_last;
    bool syncing;               /* one of them syncs for all */
    uint64_t alone_begun;       /* who waited for the line to end, and lets nobody join it: */
    uint64_t alone_ended;       /* so many in all, and so many of them are through */
    pthread_cond_t settled;     /* the last five */
    pthread_t flusher;
    bool has_flusher;

    atomic_bool stopped;        /* the last write failed */
    atomic_bool sync_failed;    /* for good */

    pthread_mutex_t sync_lock;  /* one sync at a time; guards what follows */
    struct sync_mark mark;
    struct sync_file manifest;  /* as of the latest mark */
    bool has_dir;               /* there is a directory to keep a mark in */
    int dir_fd;                 /* holds the directory's lock; -1: none */
    char *shadow;               /* folder of the tables when it is only read; owned; NULL: none */
};

struct walled_batch {
    struct kv_batch base;
    struct walled *kv;
    struct kv_batch *inner;
    struct wal_run *runs;
    int run_count;
    int run_cap;
    struct iovec *parts;        /* a copied one: iov_base is its place in copied, plus one */
    int part_count;
    int part_cap;
    uint8_t *copied;
    size_t copied_len;
    size_t copied_cap;
    size_t run_bytes;
    struct discard *ranges;     /* of KV_LOG */
    int range_count;
    int range_cap;
    struct bound *deletes;      /* of KV_LOG */
    int delete_count;
    int delete_cap;
    struct wal_pointer *moved;  /* of runs that are put elsewhere: dead with the commit */
    int moved_count;
    int moved_cap;
    int other_ranges;           /* of other families */
    bool own;                   /* the engine's own: it gives room back */
};

static inline bool deleted_may_have(const struct deleted *d, struct bytes key)
{
    uint32_t hash = crc32c(key.data, key.len) % DELETED_BITS;
    return (d->bits[hash / 64] >> hash % 64 & 1) != 0;
}
static inline void deleted_add(struct deleted *d, struct bytes key)
{
    uint32_t hash = crc32c(key.data, key.len) % DELETED_BITS;
    d->bits[hash / 64] |= UINT64_C(1) << hash % 64;
}

static inline struct walled *walled_of(struct kv *kv)
{
    return (struct walled *)kv;
}

/* ---- kv_wal_batch.c */
struct kv_batch *walled_batch_new(struct kv *kv);
void walled_batch_free(struct kv_batch *b);
void walled_batch_clear(struct kv_batch *b);
size_t walled_batch_bytes(const struct kv_batch *b);
void walled_batch_put_parts(struct kv_batch *b, enum kv_family family, struct bytes key,
                            const struct bytes *parts, int part_count);
void walled_batch_delete(struct kv_batch *b, enum kv_family family, struct bytes key);
void walled_batch_delete_range(struct kv_batch *b, enum kv_family family, struct bytes from,
                               struct bytes to);
/* A run goes to another place: `at` is where it stands now, as the tables say under the lock. */
void walled_batch_move(struct walled_batch *b, struct bytes key, const struct wal_pointer *at,
                       struct bytes run);
/* The parts as a write wants them; they stay the batch's. */
void walled_batch_place_parts(struct walled_batch *b);
/* The row of an extent, in a batch of the tables. */
void walled_put_extent(struct kv_batch *inner, const struct wal_extent *e);

/* ---- kv_wal_read.c */
/* As kv_get(). Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_get(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret);
struct kv_iter *walled_iter_new(struct kv *kv, enum kv_family family, struct bytes from,
                                struct bytes to, enum kv_walk walk);
bool walled_iter_next(struct kv_iter *it);
struct bytes walled_iter_key(const struct kv_iter *it);
struct bytes walled_iter_value(struct kv_iter *it);
size_t walled_iter_value_len(const struct kv_iter *it);
struct slab *walled_iter_slab(struct kv_iter *it);
/* As kv_iter_error(). Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_iter_error(const struct kv_iter *it);
void walled_iter_free(struct kv_iter *it);
/* Where a run stands now; ret_pointer false: it is in the tables themselves.
 * Errors: ERR_NOT_FOUND; ERR_FORMAT; ERR_DISK. Thread: any; blocks. */
enum err walled_find(struct kv *tables, struct bytes key, bool *ret_pointer,
                     struct wal_pointer *ret);

/* What single deletes take from extents: counted before the commit, and given back when it
 * fails. */
struct dead {
    struct wal_pointer *all;
    int count;
};

/* ---- kv_wal_line.c */
/* A commit whose frame is written: on its owner's stack. */
struct in_line {
    struct walled_batch *batch;
    struct dead dead;
    bool through;
    enum err err;
    struct in_line *next;
};
/* Until a sync covers the frame and the tables have it. After an error the frame is taken back, and
 * so are all behind it. Under the lock, which it lets go of. Errors: ERR_DISK. Thread: any;
 * blocks. */
enum err walled_line_pass(struct walled *r, struct in_line *c);
/* Until nobody waits for a sync, so that tables have every frame there is. Under the lock, which it
 * lets go of. Thread: any; blocks. */
void walled_wait_alone(struct walled *r);
/* Takes the lock for that. Thread: any; blocks. */
void walled_lock_alone(struct walled *r);
/* Until all who waited to be alone when this was called are through. Under the lock, which it lets
 * go of. Thread: any; blocks. */
void walled_let_others(struct walled *r);

/* What was written survives a power cut. ret_frame: the last one that counted before. Errors:
 * ERR_DISK, from then on always. Thread: any; blocks. */
enum err walled_sync_frames(struct walled *r, uint64_t *ret_frame);
/* The tables get the oldest frame, which counts from then on. Under the lock. Errors: ERR_DISK.
 * Thread: any; blocks. */
enum err walled_settle(struct walled *r, const struct in_line *c);
/* Takes back all frames that tables do not have. Under the lock. Thread: any; blocks. */
void walled_take_back(struct walled *r);
void walled_dead_undo(struct walled *r, const struct dead *d);

/* ---- kv_wal.c */
/* As kv_commit(). Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_commit(struct kv *kv, struct kv_batch *b, enum kv_sync sync);
/* The same, alone and with the lock held, which it keeps: the sweeper looks and commits under one.
 * Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_commit_locked(struct walled *r, struct walled_batch *b);
/* As kv_resume(). Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_resume(struct kv *kv);
bool walled_writes_stopped(struct kv *kv);
bool walled_is_full(struct kv *kv);
bool walled_behind(struct kv *kv);
void walled_stats(struct kv *kv, struct kv_stats *ret);

/* ---- kv_wal_flush.c */
/* As kv_sync_now(). Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_sync_now(struct kv *kv);
/* Writes the tables out, one flush at a time. Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_flush(struct walled *r);
bool walled_flush_is_due(const struct walled *r);       /* under the lock */
/* Lets the flusher know, or flushes here where there is none. */
void walled_flush_soon(struct walled *r);
/* After one that failed. Errors: ERR_DISK - not yet: the flusher tries. Thread: any; blocks where
 * there is no flusher. */
enum err walled_flush_again(struct walled *r);
/* Waits while writers are too far ahead of it. Under the lock. Errors: ERR_DISK - it fails. Thread:
 * any; blocks. */
enum err walled_flush_wait(struct walled *r);
void walled_flusher_start(struct walled *r);
void walled_flusher_stop(struct walled *r);

/* ---- kv_wal_reclaim.c */
/* As kv_reclaim(). Errors: ERR_DISK. Thread: any; blocks. */
enum err walled_reclaim(struct kv *kv, const atomic_bool *stop);

/* ---- kv_wal_check.c */
/* As kv_check(). Errors: ERR_DISK. Thread: any, while nothing writes; blocks. */
enum err walled_check(struct kv *kv, void *context,
                      void (*fault)(void *context, const char *text));

/* ---- kv_wal_open.c */
void walled_close(struct kv *kv);

/* For tests, as kv_open() does with its own: tables and files are taken over, also on an error. No
 * thread flushes; what is due is done by the commit that makes it so. store_id: of a new one.
 * Errors: as kv_open(). Thread: one; blocks. */
enum err kv_wal_open(struct kv *tables, struct files *files, const struct kv_options *options,
                     uint64_t store_id, struct kv **ret);

#endif
