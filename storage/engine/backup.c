#include "storage/engine/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "storage/engine/damage.h"
#include "storage/wal/frame.h"
#include "base/path.h"
#include "base/check.h"

enum {
    TRIES_MAX = 1000,           /* of the tables' list, which changes with each flush */
};

struct job {
    const char *dir;
    const char *to;
    const char *also;
    char part[PATH_BYTES];      /* where it is made; "": not begun */
    void (*progress)(const struct backup *);
    struct backup *told;
    char **ret_text;
    uint64_t *extents;          /* by number */
    size_t extent_count;
    size_t extent_cap;
};

/* Says why, unless something deeper did. */
static enum err fail(const struct job *b, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum err fail(const struct job *b, enum err err, const char *format, ...)
{
    char text[2 * PATH_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (*b->ret_text == NULL) *b->ret_text = mem_string(text, strlen(text));
    return err;
}

static void job_done(struct job *b)
{
    char also[PATH_BYTES];
    if (b->part[0] != '\0' && b->also != NULL && path_in(also, b->part, b->also))
        remove_folder(also);
    if (b->part[0] != '\0') remove_folder(b->part);
    mem_free(b->extents);
}

static uint64_t bytes_in(const char *dir, const char *name)
{
    char path[PATH_BYTES];
    struct stat found;
    return path_in(path, dir, name) && stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
}

/* ---- Files */

/* Errors: ERR_NOT_FOUND - gone meanwhile; ERR_DISK. Thread: the backup's, as of all below. */
static enum err take_copy(struct job *b, const char *name)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    if (!path_in(from, b->dir, name) || !path_in(to, b->part, name)) return ERR_DISK;
    enum err err = copy_file(from, to);
    if (err == ERR_OK) b->told->copied_bytes += bytes_in(b->part, name);
    if (b->progress != NULL) b->progress(b->told);
    if (err == ERR_OK || access(from, F_OK) != 0) return err == ERR_OK ? ERR_OK : ERR_NOT_FOUND;
    return fail(b, ERR_DISK, "%s cannot be copied: %s", name, strerror(errno));
}

/* By a second name, or where the volume has none, or it is another one, by its bytes. Errors: as
 * above. */
static enum err take_link(struct job *b, const char *name)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    if (!path_in(from, b->dir, name) || !path_in(to, b->part, name)) return ERR_DISK;
    if (link(from, to) == 0) {
        b->told->linked_bytes += bytes_in(b->part, name);
        return ERR_OK;
    }
    if (errno == ENOENT) return ERR_NOT_FOUND;
    if (errno == EEXIST) {
        /* By an earlier try: tables never change; but a copy may be of one half written. */
        if (bytes_in(b->part, name) == bytes_in(b->dir, name)) return ERR_OK;
        unlink(to);
    }
    return take_copy(b, name);
}

/* ---- Tables */

static bool is_table(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".sst") == 0;
}

/* Errors: as above. */
static enum err link_tables(struct job *b)
{
    CLEANUP(close_dirp) DIR *all = opendir(b->dir);
    if (all == NULL) return ERR_DISK;
    for (const struct dirent *e; (e = readdir(all)) != NULL;)
        if (is_table(e->d_name)) TRY(take_link(b, e->d_name));
    return ERR_OK;
}

/* The list, then all that it names; ret_same: no later list has come since.
 * Errors: ERR_NOT_FOUND - as above; ERR_DISK. */
static enum err try_tables(struct job *b, bool *ret_same)
{
    char list[SYNC_NAME_BYTES], now[SYNC_NAME_BYTES], path[PATH_BYTES];
    if (!manifest_name(b->dir, list)) return ERR_NOT_FOUND;
    TRY(take_copy(b, "CURRENT"));
    TRY(take_copy(b, list));
    uint64_t bytes = bytes_in(b->part, list);
    TRY(link_tables(b));
    *ret_same = manifest_name(b->part, now) && strcmp(now, list) == 0 &&
                manifest_name(b->dir, now) && strcmp(now, list) == 0 &&
                bytes_in(b->dir, list) == bytes;
    if (*ret_same) return ERR_OK;
    const char *const names[] = {"CURRENT", list};
    for (int i = 0; i < 2; i++)
        if (path_in(path, b->part, names[i])) unlink(path);
    return ERR_OK;
}

static void forget_list(struct job *b)
{
    char path[PATH_BYTES];
    CLEANUP(close_dirp) DIR *all = opendir(b->part);
    for (const struct dirent *e; all != NULL && (e = readdir(all)) != NULL;)
        if (e->d_name[0] != '.' && !is_table(e->d_name) && path_in(path, b->part, e->d_name))
            unlink(path);
}

static enum err take_tables(struct job *b)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        bool same = false;
        enum err err = try_tables(b, &same);
        if (err == ERR_OK && same) return ERR_OK;
        if (err != ERR_OK && err != ERR_NOT_FOUND) return err;
        forget_list(b);
    }
    return fail(b, ERR_DISK, "its tables changed faster than their list could be copied");
}

/* ---- Extents */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static enum err list_extents(struct job *b)
{
    CLEANUP(close_dirp) DIR *all = opendir(b->dir);
    if (all == NULL) return ERR_DISK;
    for (const struct dirent *e; (e = readdir(all)) != NULL;) {
        uint64_t number;
        if (!extent_name_read(e->d_name, &number)) continue;
        if (b->extent_count == b->extent_cap) {
            b->extent_cap = b->extent_cap ? b->extent_cap * 2 : 64;
            b->extents = mem_grow(b->extents, b->extent_cap * sizeof *b->extents);
        }
        b->extents[b->extent_count++] = number;
    }
    if (b->extent_count > 0) qsort(b->extents, b->extent_count, sizeof *b->extents, by_number);
    return ERR_OK;
}

/* The log goes on in it. One that was made just now has no header yet, and may go again. */
static bool is_begun(const struct job *b, uint64_t number)
{
    char name[EXTENT_NAME_BYTES], path[PATH_BYTES];
    uint8_t bytes[EXTENT_HEADER_BYTES];
    struct extent_header h;
    extent_name(number, name);
    CLEANUP(close_fdp) int fd = path_in(path, b->dir, name) ? open(path, O_RDONLY | O_CLOEXEC)
                                                            : -1;
    return fd >= 0 && pread(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes &&
           extent_header_read(bytes, &h) == ERR_OK;
}

/* Whichever is the last one now is written on: only the others never change. */
static enum err take_extents(struct job *b)
{
    char name[EXTENT_NAME_BYTES];
    TRY(list_extents(b));
    size_t count = b->extent_count;
    while (count > 0 && !is_begun(b, b->extents[count - 1])) count--;
    b->told->log_files = count;
    for (size_t i = 0; i < count; i++) {
        extent_name(b->extents[i], name);
        enum err err = i + 1 < count ? take_link(b, name) : take_copy(b, name);
        if (err == ERR_NOT_FOUND) return fail(b, ERR_DISK, "%s went away meanwhile", name);
        TRY(err);
    }
    return ERR_OK;
}

/* ---- The whole */

static enum err take_also(struct job *b)
{
    char from[PATH_BYTES], to[PATH_BYTES], name[PATH_BYTES];
    if (b->also == NULL || !path_in(from, b->dir, b->also) || !path_in(to, b->part, b->also))
        return ERR_OK;
    CLEANUP(close_dirp) DIR *all = opendir(from);
    if (all == NULL) return ERR_OK;
    if (mkdir(to, 0700) != 0)
        return fail(b, ERR_DISK, "%s cannot be made: %s", to, strerror(errno));
    for (const struct dirent *e; (e = readdir(all)) != NULL;)
        if (e->d_name[0] != '.' && path_in(name, b->also, e->d_name)) TRY(take_copy(b, name));
    return ERR_OK;
}

/* How far the directory was synced before anything was taken. Not of this boot: what was written
 * while it was copied is looked at byte by byte. */
static enum err put_mark(const struct job *b, uint64_t position)
{
    struct sync_mark mark;
    sync_mark_read(&mark, b->part);
    mark.boot_now = 0;
    enum err err = sync_mark_write(&mark, position, &(struct sync_file){0}, clock_wall_ms());
    sync_mark_done(&mark);
    return err;
}

/* Opening writes out what its tables lack, and finds what is wrong with it. */
static enum err open_once(const struct job *b)
{
    struct kv *kv;
    TRY(kv_open(b->part, &(struct kv_options){0}, &kv, b->ret_text));
    enum err err = ERR_OK;
    const struct kv_damage *d = kv_damage(kv);
    char aside[PATH_BYTES];
    if (d->text[0] != '\0') err = fail(b, ERR_DISK, "the directory is damaged: %s", d->text);
    if (d->aside[0] != '\0' && path_in(aside, b->part, d->aside)) remove_folder(aside);
    kv_close(kv);
    return err;
}

static enum err sync_and_name(struct job *b)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", b->to);
    CLEANUP(close_fdp) int part = open(b->part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(close_fdp) int parent = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (part < 0 || parent < 0 || syncfs(part) != 0 || rename(b->part, b->to) != 0 ||
        fsync(parent) != 0)
        return fail(b, ERR_DISK, "%s cannot be made: %s", b->to, strerror(errno));
    b->part[0] = '\0';
    return ERR_OK;
}

static enum err begin(struct job *b)
{
    char part[PATH_BYTES];
    struct stat found;
    if (lstat(b->to, &found) == 0) return fail(b, ERR_CONFIG, "%s is there already", b->to);
    int len = snprintf(part, sizeof part, "%s.partial", b->to);
    if (len < 0 || (size_t)len >= sizeof part)
        return fail(b, ERR_CONFIG, "%s", strerror(ENAMETOOLONG));
    if (mkdir(part, 0700) != 0)
        return fail(b, ERR_CONFIG, "%s cannot be made: %s%s", part, strerror(errno),
                    errno == EEXIST ? "; if an earlier backup left it, remove it" : "");
    mem_copy(b->part, part, sizeof part);
    return ERR_OK;
}

enum err backup_make(const char *dir, const char *to, const char *also,
                     void (*progress)(const struct backup *), struct backup *ret, char **ret_text)
{
    *ret = (struct backup){0};
    *ret_text = NULL;
    char list[SYNC_NAME_BYTES];
    if (!manifest_name(dir, list)) return ERR_NOT_FOUND;
    CLEANUP(job_done) struct job b = {.dir = dir, .to = to, .also = also, .progress = progress,
                                      .told = ret, .ret_text = ret_text};
    TRY(begin(&b));
    /* No server may start on it meanwhile. One that runs has the lock: then it is not needed. */
    CLEANUP(close_fdp) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd >= 0) (void)!flock(dir_fd, LOCK_SH | LOCK_NB);
    CLEANUP(close_fdp) int lock = sync_mark_lock(dir, /* wait= */ true);
    if (lock < 0) return fail(&b, ERR_DISK, "its file sync-mark: %s", strerror(errno));
    struct sync_mark mark;
    sync_mark_read(&mark, dir);
    uint64_t position = sync_mark_position(&mark);
    sync_mark_done(&mark);
    TRY(take_tables(&b));
    TRY(take_extents(&b));
    TRY(take_also(&b));
    TRY(put_mark(&b, position));
    TRY(open_once(&b));
    return sync_and_name(&b);
}
