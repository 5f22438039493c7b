#include "storage/engine/damage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "storage/wal/wal.h"
#include "base/path.h"
#include "base/check.h"

enum { COPY_BYTES = 1 << 20 };

static const char damaged[] = "damaged-";

void damage_say(struct kv_damage *d, const char *format, ...)
{
    size_t used = strlen(d->text);
    if (used > 0 && used + 2 < sizeof d->text) {
        mem_copy(d->text + used, "; ", 3);
        used += 2;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(d->text + used, sizeof d->text - used, format, args);
    va_end(args);
}

/* ---- Before */

static enum err refuse(char **ret_text, const char *name, const char *what)
{
    char text[512];
    snprintf(text, sizeof text,
             "its file %s %s. Nothing was changed. Put that file back from a copy of the "
             "directory; without one what was stored is lost: docs/recovery.md says more",
             name, what);
    if (ret_text != NULL) *ret_text = mem_string(text, strlen(text));
    return ERR_DISK;
}

/* Files without which the rest means nothing. */
static bool is_wanted(const char *name)
{
    uint64_t number;
    return extent_name_read(name, &number) || strncmp(name, "MANIFEST-", 9) == 0 ||
           strcmp(name, "CURRENT") == 0;
}

/* Something was stored here, whatever is missing now. */
static bool is_used(const char *dir)
{
    CLEANUP(close_dirp) DIR *all = opendir(dir);
    for (const struct dirent *e; all != NULL && (e = readdir(all)) != NULL;)
        if (is_wanted(e->d_name)) return true;
    return false;
}

/* 0: not the name of a list of tables. */
static uint64_t list_number(const char *name)
{
    static const char front[] = "MANIFEST-";
    uint64_t number = 0;
    if (strncmp(name, front, sizeof front - 1) != 0) return 0;
    return bytes_to_u64(bytes_str(name + sizeof front - 1), &number) ? number : 0;
}

/* RocksDB begins a new list with each start and removes the one before: a start that was ended
 * before it wrote its first mark leaves one that names the list that went. */
static bool is_replaced(const char *marked, const char *list, const char *dir)
{
    char path[PATH_BYTES];
    bool is_gone = path_in(path, dir, marked) && access(path, F_OK) != 0 && errno == ENOENT;
    return is_gone && list_number(marked) > 0 && list_number(list) > list_number(marked) &&
           path_in(path, dir, list) && access(path, F_OK) == 0;
}

enum err damage_before(const struct sync_mark *m, const char *dir, const char *list,
                       bool *ret_may_make, char **ret_text)
{
    bool has_engine = list != NULL;
    /* A first start that was ended leaves engine files, and a mark that nothing was stored. */
    bool used = sync_mark_position(m) > 0 || (m->slots_read == 0 && is_used(dir));
    if (!has_engine && used)
        return refuse(ret_text, "CURRENT", "is missing");
    const char *fault = has_engine ? sync_file_fault(&m->file, dir) : NULL;
    if (fault != NULL && !is_replaced(m->file.name, list, dir))
        return refuse(ret_text, m->file.name, fault);
    *ret_may_make = !has_engine;
    return ERR_OK;
}

/* ---- After */

/* What must be there: all that was synced, and while the system has run all that was written. */
static uint64_t last_frame_known(const struct sync_mark *m, const struct wal_end *end)
{
    uint64_t marked = sync_mark_position(m);
    return sync_mark_same_boot(m) && end->later_frame > marked ? end->later_frame : marked;
}

void damage_after(const struct sync_mark *m, const struct wal_end *end, struct kv_damage *d)
{
    uint64_t known = last_frame_known(m, end), frame = end->place.frame;
    if (frame < known) {
        d->lost_writes += known - frame;
        d->damaged_bytes += end->torn_bytes;
        damage_say(d, "the write-ahead log ends %" PRIu64 " writes before what was %s: %s",
                   known - frame, known > sync_mark_position(m) ? "written" : "synced",
                   end->text[0] != '\0' ? end->text : "a file of it is missing");
        d->since_ms = sync_mark_time(m, frame);
    } else {
        d->torn_bytes = end->torn_bytes;
    }
    d->mark_damaged = m->slots_read < SYNC_MARK_SLOTS;
    if (d->mark_damaged && m->slots_read > 0)
        damage_say(d, "half of the file sync-mark cannot be read: what was synced last may be "
                      "missing without a word");
    else if (d->mark_damaged)
        damage_say(d, "the file sync-mark %s: what was synced may be missing without a word",
                   m->found ? "cannot be read" : "is missing");
}

/* ---- The mark */

bool manifest_name(const char *dir, char to[SYNC_NAME_BYTES])
{
    char path[PATH_BYTES];
    if (!path_in(path, dir, "CURRENT")) return false;
    CLEANUP(close_filep) FILE *f = fopen(path, "re");
    bool read = f != NULL && fgets(to, SYNC_NAME_BYTES, f) != NULL;
    if (read) to[strcspn(to, "\n")] = '\0';
    return read;
}

void mark_renew(struct sync_mark *m, struct sync_file *manifest, uint64_t position, int64_t now_ms)
{
    char name[SYNC_NAME_BYTES];
    if (manifest_name(m->dir, name) && sync_file_extend(manifest, m->dir, name) == ERR_OK)
        (void)!sync_mark_write(m, position, manifest, now_ms);
}

/* ---- Aside */

void remove_folder(const char *folder)
{
    char path[PATH_BYTES];
    CLEANUP(close_dirp) DIR *all = opendir(folder);
    for (const struct dirent *e; all != NULL && (e = readdir(all)) != NULL;)
        if (e->d_name[0] != '.' && path_in(path, folder, e->d_name)) unlink(path);
    rmdir(folder);
}

/* Leaves DAMAGED_KEPT of them, the newest: their names are in the order of time. */
static void remove_oldest(const char *dir)
{
    for (;;) {
        CLEANUP(close_dirp) DIR *all = opendir(dir);
        char oldest[256] = "", path[PATH_BYTES];
        int count = 0;
        for (const struct dirent *e; all != NULL && (e = readdir(all)) != NULL;) {
            if (strncmp(e->d_name, damaged, sizeof damaged - 1) != 0) continue;
            if (count++ == 0 || strcmp(e->d_name, oldest) < 0)
                snprintf(oldest, sizeof oldest, "%s", e->d_name);
        }
        if (count <= DAMAGED_KEPT || !path_in(path, dir, oldest)) return;
        remove_folder(path);
        if (access(path, F_OK) == 0) return;
    }
}

enum err copy_file(const char *from, const char *to)
{
    CLEANUP(close_filep) FILE *in = fopen(from, "re");
    CLEANUP(close_filep) FILE *out = in != NULL ? fopen(to, "wex") : NULL;
    CLEANUP(mem_freep) char *some = mem_new(COPY_BYTES);
    if (out == NULL) return ERR_DISK;
    for (size_t len; (len = fread(some, 1, COPY_BYTES, in)) > 0;)
        if (fwrite(some, 1, len, out) != len) return ERR_DISK;
    return ferror(in) || fflush(out) != 0 ? ERR_DISK : ERR_OK;
}

void aside_keep(const char *dir, uint64_t extent, int64_t now_ms, struct kv_damage *d)
{
    char from[PATH_BYTES], folder[PATH_BYTES], to[PATH_BYTES], when[32], name[64];
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", gmtime_r(&seconds, &tm));
    snprintf(name, sizeof name, "%s%s.%03dZ", damaged, when, (int)(now_ms % 1000));
    if (!path_in(folder, dir, name) || mkdir(folder, 0700) != 0) return;
    CLEANUP(close_dirp) DIR *all = opendir(dir);
    for (const struct dirent *e; all != NULL && (e = readdir(all)) != NULL;) {
        uint64_t number;
        if (!extent_name_read(e->d_name, &number) || number < extent) continue;
        if (!path_in(from, dir, e->d_name) || !path_in(to, folder, e->d_name)) continue;
        /* The first one is written on; the others go. */
        if (number == extent) (void)!copy_file(from, to);
        else (void)!link(from, to);
    }
    snprintf(d->aside, sizeof d->aside, "%s", name);
    remove_oldest(dir);
}
