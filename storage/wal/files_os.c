/* The operating system's files. Writes go to the page cache: O_DIRECT saves a tenth of the CPU, but
 * each turn would wait for the disk, and whatever has left the tail caches would be read from
 * it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "storage/wal/files_impl.h"
#include "base/check.h"

enum { PARTS_MAX = IOV_MAX, COPY_BYTES = 256 << 10 };

struct os_files {
    struct files base;
    int dir_fd;             /* -1: the directory could not be opened */
};

struct os_file {
    struct file base;
    int fd;
};

static const struct files_ops os_ops;

static struct os_files *files_of(struct files *fs)
{
    return (struct os_files *)fs;
}

static int fd_of(const struct file *f)
{
    return ((const struct os_file *)f)->fd;
}

static enum err done(int failed)
{
    return failed ? ERR_DISK : ERR_OK;
}

struct files *files_os_new(const char *dir)
{
    struct os_files *fs = NEW(struct os_files);
    fs->base.ops = &os_ops;
    fs->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return &fs->base;
}

static void os_free(struct files *base)
{
    struct os_files *fs = files_of(base);
    if (fs->dir_fd >= 0) close(fs->dir_fd);
    mem_free(fs);
}

static enum err os_each(struct files *base, void *context,
                        void (*each)(void *context, const char *name))
{
    int fd = openat(files_of(base)->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ERR_DISK;
    CLEANUP(close_dirp) DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return ERR_DISK;
    }
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (e == NULL) return done(errno != 0);
        if (e->d_name[0] != '.') each(context, e->d_name);
    }
}

static enum err os_open(struct files *base, const char *name, enum file_mode mode,
                        struct file **ret)
{
    static const int flags[] = {[FILE_READ] = O_RDONLY, [FILE_WRITE] = O_RDWR,
                                [FILE_CREATE] = O_RDWR | O_CREAT | O_TRUNC};
    int fd = openat(files_of(base)->dir_fd, name, flags[mode] | O_CLOEXEC, 0600);
    if (fd < 0) return errno == ENOENT ? ERR_NOT_FOUND : ERR_DISK;
    struct os_file *f = NEW(struct os_file);
    *f = (struct os_file){.base.ops = &os_ops, .fd = fd};
    *ret = &f->base;
    return ERR_OK;
}

static enum err os_remove(struct files *base, const char *name)
{
    return done(unlinkat(files_of(base)->dir_fd, name, 0) != 0 && errno != ENOENT);
}

static enum err os_sync_names(struct files *base)
{
    return done(fsync(files_of(base)->dir_fd));
}

/* Goes on behind what a call took. */
static enum err write_some(int fd, struct iovec *parts, int count, uint64_t *at)
{
    while (count > 0) {
        ssize_t n = pwritev(fd, parts, count, (off_t)*at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return ERR_DISK;
        *at += (uint64_t)n;
        while (count > 0 && (size_t)n >= parts->iov_len) {
            n -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (uint8_t *)parts->iov_base + n;
            parts->iov_len -= (size_t)n;
        }
    }
    return ERR_OK;
}

static enum err copy_front(int from, int to, uint64_t len)
{
    CLEANUP(mem_freep) uint8_t *some = mem_new(COPY_BYTES);
    for (uint64_t at = 0; at < len;) {
        size_t wanted = len - at < COPY_BYTES ? (size_t)(len - at) : COPY_BYTES;
        ssize_t n = pread(from, some, wanted, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return ERR_DISK;
        TRY(write_some(to, &(struct iovec){some, (size_t)n}, 1, &at));
    }
    return ERR_OK;
}

static enum err os_own(struct files *base, const char *name, uint64_t len)
{
    static const char beside[] = ".own";        /* what is left of it is written over */
    int dir = files_of(base)->dir_fd;
    struct stat s;
    CLEANUP(close_fdp) int from = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (from < 0) return done(errno != ENOENT);
    if (fstat(from, &s) != 0) return ERR_DISK;
    if (s.st_nlink < 2 || (uint64_t)s.st_size < len) return ERR_OK;
    CLEANUP(close_fdp) int to = openat(dir, beside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) return ERR_DISK;
    TRY(copy_front(from, to, len));
    return done(fdatasync(to) != 0 || renameat(dir, beside, dir, name) != 0 || fsync(dir) != 0);
}

static void os_close(struct file *f)
{
    close(fd_of(f));
    mem_free(f);
}

static uint64_t os_bytes(struct file *f)
{
    struct stat s;
    return fstat(fd_of(f), &s) == 0 ? (uint64_t)s.st_size : 0;
}

static uint64_t os_disk_bytes(struct file *f)
{
    enum { BLOCK = 512 };       /* st_blocks counts these, whatever the volume's are */
    struct stat s;
    return fstat(fd_of(f), &s) == 0 ? (uint64_t)s.st_blocks * BLOCK : 0;
}

static enum err os_write(struct file *f, const struct iovec *parts, int count, uint64_t at)
{
    struct iovec some[PARTS_MAX];
    for (int i = 0, n; i < count; i += n) {
        n = count - i < PARTS_MAX ? count - i : PARTS_MAX;
        mem_copy(some, parts + i, (size_t)n * sizeof *some);
        TRY(write_some(fd_of(f), some, n, &at));
    }
    return ERR_OK;
}

static enum err os_read(struct file *f, void *to, size_t len, uint64_t at)
{
    uint8_t *next = to;
    while (len > 0) {
        ssize_t n = pread(fd_of(f), next, len, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return ERR_DISK;
        next += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return ERR_OK;
}

static bool is_unknown(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL ||
           error == EPERM;      /* a container's filter of system calls that is older than they */
}

/* Where the volume does not know the call nobody asks again. */
static enum err os_read_now(struct file *f, void *to, size_t len, uint64_t at)
{
    static atomic_bool unknown;
    if (atomic_load_explicit(&unknown, memory_order_relaxed)) return ERR_COLD;
    struct iovec rest = {to, len};
    while (rest.iov_len > 0) {
        ssize_t n = preadv2(fd_of(f), &rest, 1, (off_t)at, RWF_NOWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return ERR_COLD;
        if (n < 0 && is_unknown(errno)) {
            if (!atomic_exchange(&unknown, true))
                log_info("the volume does not tell what it has in memory: all that is not in a "
                         "log's tail is read by reader threads",
                         {"errno", LOG_I(errno)});
            return ERR_COLD;
        }
        if (n <= 0) return ERR_DISK;
        rest.iov_base = (uint8_t *)rest.iov_base + n;
        rest.iov_len -= (size_t)n;
        at += (uint64_t)n;
    }
    return ERR_OK;
}

static enum err os_sync(struct file *f)
{
    return done(fdatasync(fd_of(f)));
}

static enum err os_reserve(struct file *f, uint64_t at, uint64_t len)
{
    return done(fallocate(fd_of(f), 0, (off_t)at, (off_t)len) != 0 && !is_unknown(errno));
}

static enum err os_cut(struct file *f, uint64_t len)
{
    return done(ftruncate(fd_of(f), (off_t)len));
}

static enum err os_punch(struct file *f, uint64_t at, uint64_t len, bool *ret_done)
{
    struct stat s;
    *ret_done = true;
    if (fstat(fd_of(f), &s) != 0) return ERR_DISK;
    if (s.st_nlink > 1) return ERR_OK;
    int failed = fallocate(fd_of(f), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
                           (off_t)len);
    *ret_done = !failed;
    return done(failed && !is_unknown(errno));
}

static const struct files_ops os_ops = {
    .free = os_free,
    .each = os_each,
    .open = os_open,
    .remove = os_remove,
    .sync_names = os_sync_names,
    .own = os_own,
    .close = os_close,
    .bytes = os_bytes,
    .write = os_write,
    .read = os_read,
    .read_now = os_read_now,
    .sync = os_sync,
    .reserve = os_reserve,
    .cut = os_cut,
    .punch = os_punch,
    .disk_bytes = os_disk_bytes,
};
