/* The write-ahead log, which is also where record bytes stay: extent files of frames (frame.h).
 *
 * A frame is one commit: the runs of record batches that it brings, and the engine's own batch,
 * which names them by pointers. So each record byte is written once, one sync covers both, and all
 * that a frame brings is there or not. Extents are sealed at WAL_EXTENT_BYTES; a sealed one goes
 * when everything in its frames is in tables and no pointer into it is left (the engine counts).
 *
 * One stream for all writers: a stream each would lose the one moment to which a power cut goes
 * back, and a frame of 1 MiB takes 0.25 ms. */
#ifndef STORAGE_WAL_H
#define STORAGE_WAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/bytes.h"
#include "base/err.h"
#include "storage/wal/files.h"
#include "storage/wal/frame.h"

struct wal;

enum { WAL_EXTENT_BYTES = 128 << 20, WAL_FILES_MAX = 256 };

struct wal_options {
    uint64_t extent_bytes;      /* 0: WAL_EXTENT_BYTES */
    bool read_only;
};

/* The end of a frame: what a table that has all up to it remembers. */
struct wal_place {
    uint64_t store_id;          /* 0: nothing was ever written */
    uint64_t frame;             /* the last one; 0: none yet */
    uint64_t extent;            /* where the next one stands, or the one behind it */
    uint32_t position;
    uint64_t payload_bytes;     /* of the extent's frames up to here */
};

struct wal_pointer {
    uint64_t extent;
    uint32_t position;
    uint32_t bytes;
    uint32_t crc;
};

/* By place, as qsort() and bsearch() call it: 0 for the same one. */
int wal_pointer_compare(const void *a, const void *b);

/* What is known of an extent. */
struct wal_extent {
    uint64_t number;
    bool sealed;
    uint32_t end;               /* sealed: bytes of the file */
    uint64_t last_frame;        /* sealed */
    uint64_t payload_bytes;
    uint64_t dead_bytes;        /* of the payload: no pointer names them any more */
    uint64_t punched_bytes;     /* dead_bytes when its holes were made last */
};

/* ---- Opening: wal_open(), wal_walk(), then wal_begin(). */

/* fs: borrowed. Nothing is read yet but the names of the files.
 * Errors: ERR_DISK. Thread: one, as of all of this block; blocks. */
enum err wal_open(struct files *fs, const struct wal_options *options, struct wal **ret);
void wal_close(struct wal *w);          /* NULL is a no-op; syncs nothing */

struct wal_frame {
    uint64_t frame;
    struct bytes batch;
    uint64_t payload_bytes;
};
/* How the log ended. */
struct wal_end {
    struct wal_place place;
    uint64_t torn_bytes;        /* behind it in that extent: a frame that was cut short */
    uint64_t later_extents;     /* files behind it that nothing leads to */
    uint64_t later_frame;       /* that stood in front of one of these; 0: none says so */
    char text[160];             /* why there; "" at a clean end */
};
/* Reads the frames behind `from`, in order, and gives each to fn(), until one is not the next one
 * or not whole. The payload of those behind verify_from is read and checked as well. A `from` that
 * is not there any more is an end as well. Errors: those of fn(); ERR_DISK. Thread: as above. */
enum err wal_walk(struct wal *w, const struct wal_place *from, uint64_t verify_from, void *context,
                  enum err (*fn)(void *context, const struct wal_frame *frame),
                  struct wal_end *ret);
/* Appends go on at this place; what lies behind it goes, unless the log is only read. store_id: of
 * one that is begun.
 * Errors: ERR_DISK. Thread: as above; blocks. */
enum err wal_begin(struct wal *w, const struct wal_place *place, uint64_t store_id);
/* Takes over what was stored of an extent. Of a file that is shorter than it was the rest is known.
 * Errors: ERR_NOT_FOUND - its file is missing or shorter than it was; ERR_DISK. Thread: as above;
 * blocks. */
enum err wal_know(struct wal *w, const struct wal_extent *e);
/* Extents in front of the one that is appended to, of which nothing is known: leftovers of a stop
 * between two steps. Errors: ERR_DISK. Thread: as above; blocks. */
enum err wal_drop_unknown(struct wal *w);

/* ---- Appending. Thread: one at a time, under the engine's lock. */

/* A run that a frame brings: its parts stand one behind the other in the list of all parts. */
struct wal_run {
    uint8_t key[RUN_KEY_BYTES];
    int part_count;
    uint32_t bytes;             /* wal_aim() sets the next three */
    struct wal_pointer at;
};
/* Finds the place for a frame with these runs, which may begin a new extent, and sets where each
 * run will stand. ret_sealed: the extent that was sealed for it, or NULL; it stays to be asked with
 * every call until a frame was accepted. batch_bytes_max: of the batch to come. frees: the frame
 * gives room back, and may use what is kept for that on a full disk; others are refused there until
 * wal_heal() finds room again.
 * Errors: ERR_BUSY - it begins a new extent, which it can once all that were written are accepted;
 * ERR_DISK - also a full one. Thread: as above; blocks. */
enum err wal_aim(struct wal *w, struct wal_run *runs, int run_count, const struct iovec *parts,
                 uint64_t batch_bytes_max, bool frees, const struct wal_extent **ret_sealed);
/* That extent, if there is one. */
bool wal_untold(struct wal *w, struct wal_extent *ret);
/* The last frame was refused for want of room alone. */
bool wal_is_full(const struct wal *w);
/* Writes the frame there; it counts once it was accepted. Others may be written behind it before
 * that. After an error it may be there nevertheless, and nothing is written any more until it was
 * voided. Errors: ERR_DISK. Thread: as above; blocks. */
enum err wal_write(struct wal *w, const struct wal_run *runs, int run_count,
                   const struct iovec *parts, int part_count, struct bytes batch);
/* The frame that was written is to be synced at once, and so is what comes: zeros are written ahead
 * of it now and then, as a sync of bytes that are written over needs no commit of the volume's
 * journal. Where that fails it is as if it had not been tried. Thread: as above; blocks. */
void wal_zero_ahead(struct wal *w);
/* The oldest one of those that were written. Thread: as above. */
void wal_accept(struct wal *w);
/* Takes back all frames that were written and not accepted. Where that fails, all further calls do
 * until wal_heal() succeeds. Errors: ERR_DISK. Thread: as above; blocks. */
enum err wal_void(struct wal *w);
/* Errors: ERR_DISK - not yet. Thread: as above; blocks. */
enum err wal_heal(struct wal *w);
/* The next frame begins a new extent. */
void wal_want_seal(struct wal *w);
/* The end of the last accepted frame. */
struct wal_place wal_here(const struct wal *w);

/* ---- Thread: any; short locks. */

/* Makes all frames survive a power cut that were accepted, or written before the call; ret_frame:
 * the last accepted one of them. Once it fails it always does.
 * Errors: ERR_DISK. Thread: any; blocks, also while another thread syncs. */
enum err wal_sync(struct wal *w, uint64_t *ret_frame);
/* to has room for p->bytes.
 * Errors: ERR_NOT_FOUND - the extent is gone; ERR_FORMAT - other bytes than were written; ERR_DISK.
 * Thread: any; blocks. */
enum err wal_read(struct wal *w, const struct wal_pointer *p, uint8_t *to);
/* As wal_read(), if no disk has to be waited for. Errors: ERR_COLD - it has to be; those of
 * wal_read(). Thread: any, also a network loop; a short lock. */
enum err wal_read_now(struct wal *w, const struct wal_pointer *p, uint8_t *to);
/* More of an extent's payload is dead. False: no such extent. Thread: any. */
bool wal_add_dead(struct wal *w, uint64_t extent, uint64_t bytes, struct wal_extent *ret);
/* The first extent whose number is >= number. False: none. Thread: any. */
bool wal_extent_from(struct wal *w, uint64_t number, struct wal_extent *ret);
/* What a walk over an extent's frames comes by, in the order of their places. */
struct wal_visit {
    void *context;
    /* False ends the walk. */
    bool (*run)(void *context, const uint8_t key[RUN_KEY_BYTES], const struct wal_pointer *at);
    /* The end of a frame: its batch, and where the next frame stands. May be NULL. */
    bool (*batch)(void *context, uint32_t at, uint32_t bytes, uint32_t next);
    uint32_t from;              /* where a frame stands; 0: the first one */
};
/* Errors: ERR_NOT_FOUND; ERR_FORMAT - a frame cannot be read; ERR_DISK. Thread: any; blocks. */
enum err wal_visit(struct wal *w, uint64_t extent, const struct wal_visit *visit);
/* Makes a hole. Errors: ERR_NOT_FOUND; ERR_DISK. Thread: any; blocks. */
enum err wal_punch(struct wal *w, uint64_t extent, uint32_t at, uint32_t bytes, bool *ret_done);
/* What the extent's file takes of the disk; 0: there is none. Thread: any; blocks. */
uint64_t wal_disk_bytes(struct wal *w, uint64_t extent);
void wal_set_punched(struct wal *w, uint64_t extent, struct wal_extent *ret);
/* Removes a sealed extent; who reads it just now reads on. Errors: ERR_DISK. Thread: any;
 * blocks. */
enum err wal_drop(struct wal *w, uint64_t extent);

struct wal_stats {
    uint64_t extents;
    uint64_t bytes;             /* of their files */
    uint64_t payload_bytes;     /* of runs */
    uint64_t dead_bytes;
};
void wal_stats(struct wal *w, struct wal_stats *ret);

#endif
