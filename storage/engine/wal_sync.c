#include "storage/engine/wal_sync.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "base/check.h"

static void close_dirp(DIR **dir)
{
    if (*dir != NULL) closedir(*dir);
}

void wal_sync_init(struct wal_sync *w, const char *dir)
{
    *w = (struct wal_sync){.dir = mem_string(dir, strlen(dir))};
}

void wal_sync_done(struct wal_sync *w)
{
    w->dir = mem_free(w->dir);
}

/* "000123.log" -> 123. */
static bool number_of(const char *name, uint64_t *ret)
{
    struct bytes all = bytes_str(name);
    return all.len > 4 && strcmp(name + all.len - 4, ".log") == 0 &&
           bytes_to_u64(bytes_slice(all, 0, all.len - 4), ret);
}

/* Errors: ERR_DISK. Thread: the owner. */
static enum err sync_file(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? ERR_OK : ERR_DISK;
    int failed = fdatasync(fd);
    close(fd);
    return failed ? ERR_DISK : ERR_OK;
}

enum err wal_sync_now(struct wal_sync *w)
{
    CLEANUP(close_dirp) DIR *dir = opendir(w->dir);
    if (dir == NULL) return ERR_DISK;
    uint64_t newest = w->newest, number;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) break;
        if (!number_of(entry->d_name, &number) || number < w->newest) continue;
        TRY(sync_file(dirfd(dir), entry->d_name));
        if (number > newest) newest = number;
    }
    if (errno != 0) return ERR_DISK;
    if (newest != w->newest && fsync(dirfd(dir)) != 0) return ERR_DISK;
    w->newest = newest;
    return ERR_OK;
}
