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
#include "base/check.h"

enum { PATH_BYTES = 4096, LINE_BYTES = 1024 };

static const char opening[] = "opening", damaged[] = "damaged-";

static const char words[] = "LOG";      /* RocksDB's own, begun anew by each opening */

static void close_dirp(DIR **dir)
{
    if (*dir != NULL) closedir(*dir);
}

static void close_filep(FILE **f)
{
    if (*f != NULL) fclose(*f);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len >= n && strcmp(text + len - n, end) == 0;
}

/* False when it is too long. */
static bool path_in(char to[PATH_BYTES], const char *dir, const char *name)
{
    int len = snprintf(to, PATH_BYTES, "%s/%s", dir, name);
    return len > 0 && len < PATH_BYTES;
}

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

/* Files of the engine that it reads once and then removes. */
static bool is_wanted(const char *name)
{
    return ends_with(name, ".log") || strncmp(name, "MANIFEST-", 9) == 0 ||
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

enum err damage_before(const struct sync_mark *m, const char *dir, bool has_engine,
                       bool *ret_may_make, char **ret_text)
{
    /* A first start that was ended leaves engine files, and a mark that nothing was stored. */
    bool used = sync_mark_position(m) > 0 || (m->slots_read == 0 && is_used(dir));
    if (!has_engine && used)
        return refuse(ret_text, "CURRENT", "is missing");
    const char *fault = has_engine ? sync_file_fault(&m->file, dir) : NULL;
    if (fault != NULL) return refuse(ret_text, m->file.name, fault);
    *ret_may_make = !has_engine;
    return ERR_OK;
}

/* ---- After */

/* The words that RocksDB has for a log that ends in the middle of a write. */
static bool is_torn(const char *line)
{
    return strstr(line, "truncated header") != NULL ||
           strstr(line, "truncated record body") != NULL ||
           strstr(line, "error reading trailing data") != NULL;
}

/* "...] 000004.log: dropping 10194 bytes; Corruption: checksum mismatch" */
static void read_line(struct kv_damage *d, char *line)
{
    static const char dropping[] = ": dropping ";
    char *at = strstr(line, dropping);
    if (at == NULL) return;
    uint64_t bytes = 0;
    const char *digits = at + sizeof dropping - 1;
    (void)bytes_to_u64(bytes_of((const uint8_t *)digits, strspn(digits, "0123456789")), &bytes);
    if (is_torn(line)) {
        d->torn_bytes += bytes;
        return;
    }
    d->damaged_bytes += bytes;
    char *name = at;
    while (name > line && name[-1] != ' ' && name[-1] != '/') name--;
    line[strcspn(line, "\n")] = '\0';
    damage_say(d, "%s", name);
}

static void read_words(struct kv_damage *d, const char *path)
{
    CLEANUP(close_filep) FILE *f = fopen(path, "re");
    char line[LINE_BYTES];
    while (f != NULL && fgets(line, sizeof line, f) != NULL) read_line(d, line);
}

void damage_after(const struct sync_mark *m, uint64_t position, const char *words_dir,
                  struct kv_damage *d)
{
    char path[PATH_BYTES];
    if (words_dir != NULL && path_in(path, words_dir, words)) read_words(d, path);
    uint64_t marked = sync_mark_position(m);
    if (position < marked) {
        d->lost_writes = marked - position;
        damage_say(d, "the write-ahead log ends %" PRIu64 " writes before what was synced",
                   d->lost_writes);
    }
    if (d->lost_writes > 0 || d->damaged_bytes > 0) d->since_ms = sync_mark_time(m, position);
    d->mark_damaged = m->slots_read < SYNC_MARK_SLOTS;
    if (d->mark_damaged && m->slots_read > 0)
        damage_say(d, "half of the file sync-mark cannot be read: what was synced last may be "
                      "missing without a word");
    else if (d->mark_damaged)
        damage_say(d, "the file sync-mark %s: what was synced may be missing without a word",
                   m->found ? "cannot be read" : "is missing");
}

/* ---- Aside */

void aside_begin(const char *dir)
{
    char folder[PATH_BYTES], from[PATH_BYTES], to[PATH_BYTES];
    if (!path_in(folder, dir, opening)) return;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return;
    CLEANUP(close_dirp) DIR *all = opendir(dir);
    for (const struct dirent *e; all != NULL && (e = readdir(all)) != NULL;)
        /* One that is there already stays: it is older, and was not taken away since. */
        if (is_wanted(e->d_name) && path_in(from, dir, e->d_name) &&
            path_in(to, folder, e->d_name))
            (void)!link(from, to);
}

static void remove_folder(const char *folder)
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

void aside_end(const char *dir, bool keep, int64_t now_ms, struct kv_damage *d)
{
    char from[PATH_BYTES], when[32], name[64];
    if (!path_in(from, dir, opening)) return;
    if (!keep) {
        remove_folder(from);
        return;
    }
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", gmtime_r(&seconds, &tm));
    snprintf(name, sizeof name, "%s%s.%03dZ", damaged, when, (int)(now_ms % 1000));
    char to[PATH_BYTES];
    if (!path_in(to, dir, name) || rename(from, to) != 0) return;
    snprintf(d->aside, sizeof d->aside, "%s", name);
    remove_oldest(dir);
}
