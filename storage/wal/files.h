/* The file seam: what the write-ahead log asks of a directory.
 *
 * Two stand behind it: the operating system's (files_os.c), and a deterministic one in memory with
 * faults and power cuts (files_mem.c) for tests. Names are of one directory, without a slash. */
#ifndef STORAGE_FILES_H
#define STORAGE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/bytes.h"
#include "base/err.h"

struct files;           /* a directory */
struct file;

enum { FILE_NAME_BYTES = 64 };

/* ---- The operating system's. dir is there already. Thread: any. */
struct files *files_os_new(const char *dir);

/* ---- Memory, for tests */
struct files_mem_faults {
    int64_t fail_at;        /* the fail_at-th call fails (0 is the first; -1 never) */
    int64_t fail_count;     /* and this many after it */
    bool crash;             /* from then on every call fails until files_mem_restart() */
    bool applied;           /* a call that fails by this fault took effect nevertheless; without
                               this a write did so by its first half */
};
/* Thread: files_mem_*() any, but while no call is under way. */
struct files *files_mem_new(void);
void files_mem_set_faults(struct files *fs, const struct files_mem_faults *faults);
bool files_mem_faulted(const struct files *fs);
int64_t files_mem_calls(const struct files *fs);    /* since the faults were set */
/* hook() is called in front of each of these, by who calls, without a lock; true: it fails and
 * changes nothing. NULL: none. */
enum files_call { FILES_WRITE, FILES_SYNC, FILES_READ, FILES_PUNCH };
void files_mem_set_hook(struct files *fs, void *context,
                        bool (*hook)(void *context, enum files_call call));
/* Holes, preallocation and hints are refused, as on a network volume. */
void files_mem_set_plain(struct files *fs, bool plain);
/* file_read_now() finds nothing in memory. */
void files_mem_set_cold(struct files *fs, bool cold);
/* The disk takes so many bytes in all, INT64_MAX: any. */
void files_mem_set_room(struct files *fs, int64_t bytes);
/* After kill -9: everything that was written is there. */
void files_mem_restart(struct files *fs);
/* What a power cut may take: of what was not synced yet, numbered in the order in which it was
 * written, that for which keeps() says so stays. */
int files_mem_unsynced(const struct files *fs);
void files_mem_power_cut(struct files *fs, bool (*keeps)(void *context, int number),
                         void *context);
/* A copy as of now, synced parts and all; both must be freed. Thread: any, also while calls are
 * under way. */
struct files *files_mem_copy(const struct files *fs);
/* The bytes of a file; BYTES_NULL: there is none. Valid until the next call that changes it. */
struct bytes files_mem_bytes(const struct files *fs, const char *name);
/* Turns bits of one byte, as a bad disk does. */
void files_mem_damage(struct files *fs, const char *name, uint64_t at, uint8_t bits);

/* ---- Use. All: Thread: any; blocks. */

void files_free(struct files *fs);          /* NULL is a no-op; every file is closed */
/* Calls each() for every file's name, in no order. Errors: ERR_DISK. Thread: any; blocks. */
enum err files_each(struct files *fs, void *context,
                    void (*each)(void *context, const char *name));
enum file_mode { FILE_READ, FILE_WRITE, FILE_CREATE };      /* the latter two read and write */
/* FILE_CREATE: empties one that is there.
 * Errors: ERR_NOT_FOUND; ERR_DISK. Thread: any; blocks. */
enum err files_open(struct files *fs, const char *name, enum file_mode mode, struct file **ret);
/* Errors: ERR_DISK; one that is not there is no error. Thread: any; blocks. */
enum err files_remove(struct files *fs, const char *name);
/* What was created and removed survives a power cut. Errors: ERR_DISK. Thread: any; blocks. */
enum err files_sync_names(struct files *fs);
/* A file that has another name too, as in a backup, becomes a copy of its first len bytes, so that
 * what is done to it is not done to the other one. One that is shorter stays as it is. Who has it
 * open opens it anew. Errors: ERR_DISK. Thread: any; blocks. */
enum err files_own(struct files *fs, const char *name, uint64_t len);

void file_close(struct file *f);            /* NULL is a no-op */
uint64_t file_bytes(struct file *f);        /* its length */
/* All of it, or an error: then any part of it may be there.
 * Errors: ERR_DISK - also a full one. Thread: any; blocks. */
enum err file_write(struct file *f, const struct iovec *parts, int count, uint64_t at);
/* Exactly len bytes. Errors: ERR_DISK - also behind the end. Thread: any; blocks. */
enum err file_read(struct file *f, void *to, size_t len, uint64_t at);
/* As file_read(), if no disk has to be waited for. Errors: ERR_COLD - it has to be, or the volume
 * cannot tell: to may be filled in part; ERR_DISK. Thread: any, also a network loop. */
enum err file_read_now(struct file *f, void *to, size_t len, uint64_t at);
/* Errors: ERR_DISK - what was written before may be lost, and no later sync tells. Thread: any;
 * blocks. */
enum err file_sync(struct file *f);
/* Room for [at, at + len), which lies at the end: the file gets that long. Where the volume knows
 * no such call nothing happens. Errors: ERR_DISK - also a full one. Thread: any; blocks. */
enum err file_reserve(struct file *f, uint64_t at, uint64_t len);
/* Errors: ERR_DISK. Thread: any; blocks. */
enum err file_cut(struct file *f, uint64_t len);
/* Gives the blocks that lie wholly inside the range back to the disk; they read as zeros then.
 * A file that has another name, as in a backup, keeps them all. ret_done: false where the volume
 * knows no holes, and nothing happened.
 * Errors: ERR_DISK. Thread: any; blocks. */
enum err file_punch(struct file *f, uint64_t at, uint64_t len, bool *ret_done);
/* What it takes of the disk: holes do not count. Thread: any; blocks. */
uint64_t file_disk_bytes(struct file *f);

#endif
