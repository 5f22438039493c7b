/* How far a data directory was synced, kept in a file outside what it speaks of.
 *
 * The engine's log alone cannot tell a power cut from damage: both end it early. The mark is
 * renewed after each sync, at least once a second while there are writes, and at a clean stop: a
 * log that ends in front of it has lost what was synced. Two slots are written in turn, each with a
 * checksum, so that a mark that is cut short leaves the one before.
 *
 * file "sync-mark", SYNC_MARK_SLOTS slots of SYNC_SLOT_BYTES:
 *     0  8  "DGLTMARK"
 *     8  8  generation: the slot with the larger one counts
 *    16 64  name of a file that must hold at least what follows, NUL-filled
 *    80  8  bytes of it
 *    88  4  CRC-32C of these
 *    92  4  points
 *    96     points, oldest first, each: 8 position, 8 wall clock in ms when all up to it was synced
 *  3936  8  hash of the system's boot id
 *  4092  4  CRC-32C of all in front */
#ifndef STORAGE_SYNC_MARK_H
#define STORAGE_SYNC_MARK_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum {
    SYNC_MARK_SLOTS = 2,
    SYNC_SLOT_BYTES = 4096,
    SYNC_NAME_BYTES = 64,
    SYNC_POINTS_MAX = 240,      /* recent ones a second apart, older ones ever thinner */
};

struct sync_point {
    uint64_t position;
    int64_t at_ms;
};

/* A file that only grows, as far as it was known. */
struct sync_file {
    char name[SYNC_NAME_BYTES];         /* "": none */
    uint64_t bytes;
    uint32_t crc;
};

struct sync_mark {
    char *dir;                          /* owned */
    bool found;                         /* there was a file */
    int slots_read;                     /* that were whole */
    uint64_t generation;
    struct sync_file file;
    struct sync_point points[SYNC_POINTS_MAX];
    int point_count;
    uint64_t boot;                      /* of the system, when it was written; 0: unknown */
    uint64_t boot_now;
};

/* Reads the directory's mark, if there is one. Thread: one owner, as of all below. */
void sync_mark_read(struct sync_mark *m, const char *dir);
void sync_mark_done(struct sync_mark *m);
/* The last one that was written; 0 when there is none. */
uint64_t sync_mark_position(const struct sync_mark *m);
/* Whether the system has run since the mark was written: then what was written to files is there,
 * synced or not. False also where nobody knows. */
bool sync_mark_same_boot(const struct sync_mark *m);
/* When all up to this position was known to be synced; 0 when that is unknown. What was written
 * later may lie behind it. */
int64_t sync_mark_time(const struct sync_mark *m, uint64_t position);
/* The next mark, durably. One that says what the last one said is not written.
 * Errors: ERR_DISK. Thread: the owner; blocks. */
enum err sync_mark_write(struct sync_mark *m, uint64_t position, const struct sync_file *file,
                         int64_t now_ms);

/* A lock on the directory's mark, a file that is always there, between those who give space back
 * and those who copy the directory; nobody else asks for it. To be given back by close(). wait: for
 * others. -1: others hold it, or there is no mark. Thread: any; blocks when it waits. */
int sync_mark_lock(const char *dir, bool wait);

/* Syncs the file of this name and takes it in as it is now; one of another name starts anew.
 * Errors: ERR_DISK. Thread: any; blocks. */
enum err sync_file_extend(struct sync_file *f, const char *dir, const char *name);
/* NULL, or what is wrong with it now. */
const char *sync_file_fault(const struct sync_file *f, const char *dir);

#endif
