/* Syncs RocksDB's write-ahead log files without asking RocksDB.
 *
 * Its own call for that (FlushWAL) ends the process by an assertion in Debian's build when a write
 * of another thread has failed, as on a full disk, and the instant between that failure and its
 * report cannot be excluded from outside. fdatasync() of the files needs no such luck: each write
 * is with the kernel when it returns, and a file that is gone was written out to tables before. */
#ifndef STORAGE_WAL_SYNC_H
#define STORAGE_WAL_SYNC_H

#include <stdint.h>
#include "base/err.h"

struct wal_sync {
    char *dir;               /* owned */
    uint64_t newest;         /* number of the last file that was synced; older ones are done with */
};

/* dir: of the database, copied. Thread: one owner, as of all below. */
void wal_sync_init(struct wal_sync *w, const char *dir);
void wal_sync_done(struct wal_sync *w);
/* Makes what was written before the call survive a power cut: every file from the newest of the
 * last call on, and its name. Blocks.
 * Errors: ERR_DISK - then nothing may be assumed of what was written since the last success.
 * Thread: the owner. */
enum err wal_sync_now(struct wal_sync *w);

#endif
