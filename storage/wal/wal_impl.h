/* The inside of the write-ahead log, for the files that append, keep extents and walk. Only inside
 * storage/wal. */
#ifndef STORAGE_WAL_IMPL_H
#define STORAGE_WAL_IMPL_H

#include <pthread.h>
#include "storage/wal/wal.h"

struct extent {
    struct wal_extent known;
    bool is_known;              /* by the engine's counts, or as the one that is appended to */
    bool dirty;                 /* written since the last sync */
    bool gone;                  /* removed: the last reader frees it */
    bool used;                  /* since the hand came by last */
    uint32_t readers;
    struct file *file;          /* NULL: not open */
    struct extent *next_left;
};

struct wal_written {
    uint32_t bytes;
    uint64_t payload_bytes;
};

struct wal {
    struct files *fs;
    uint64_t extent_bytes;
    bool read_only;

    pthread_mutex_t lock;       /* leaf: guards the extents and `here` */
    struct extent **extents;    /* by number */
    uint32_t extent_count;
    uint32_t extent_cap;
    uint32_t open_count;
    uint32_t hand;              /* whose file is closed next when too many are open */
    struct extent *left;        /* gone, and a network loop was the last that read it: to be freed
                                   by who may wait for the disk */
    struct wal_place here;
    bool names_dirty;           /* a file was made since the last sync */

    /* The writer's. */
    struct extent *current;     /* NULL: none yet */
    uint64_t reserved;          /* the current file's length */
    struct wal_extent sealed;   /* that no accepted frame has told of yet */
    bool has_sealed;
    bool seal_wanted;
    bool full;                  /* a frame found no room, and there is little since */
    bool broken;                /* a frame that does not count is not voided */
    uint64_t aimed_payload;
    struct wal_written *written;        /* frames that are not accepted yet, oldest first; all of
                                           them in the current extent */
    uint32_t written_count;
    uint32_t written_cap;
    uint64_t written_bytes;     /* of all of them */
    uint64_t zeroed;            /* the current file was written up to here, if by zeros */
    struct iovec *parts;        /* of a write, kept between two */
    int part_cap;
    uint8_t *table;
    size_t table_cap;

    pthread_mutex_t sync_lock;  /* one sync at a time */
    bool sync_failed;           /* for good: the disk tells of it once */
};

/* ---- wal_extents.c */
/* Index of the first extent whose number is >= number. Under the lock. */
uint32_t extents_find(const struct wal *w, uint64_t number);
struct extent *extents_get(const struct wal *w, uint64_t number);     /* NULL; under the lock */
/* A new one, not open. Under the lock. */
struct extent *extents_add(struct wal *w, uint64_t number);
/* Takes it out; under the lock. */
void extents_remove(struct wal *w, struct extent *e);
void extent_free(struct extent *e);
/* When so many are open that one must go before another one comes: a file that nobody uses, to be
 * closed by the caller. NULL: none. Under the lock. */
struct file *extents_take_spare(struct wal *w);
/* Its file, open until extent_end(). Errors: ERR_NOT_FOUND; ERR_DISK. Thread: any; blocks. */
enum err extent_use(struct wal *w, uint64_t number, struct extent **ret);
void extent_end(struct wal *w, struct extent *e);
/* Frees what network loops left. Thread: any; blocks. */
void extents_free_left(struct wal *w);
/* Errors: ERR_FORMAT - not the header of this extent; ERR_DISK. Thread: any; blocks. */
enum err extent_read_header(struct extent *e, struct extent_header *ret);

/* ---- wal_walk.c */
/* One frame's header at this place, if a whole one that follows stands there.
 * Errors: ERR_FORMAT - none does; ERR_DISK. Thread: any; blocks. */
enum err frame_at(struct extent *e, uint64_t file_bytes, uint64_t position, uint64_t store_id,
                  struct frame_header *ret);

#endif
