#include "storage/engine/sync_mark.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/check.h"

enum {
    GENERATION_AT = 8, NAME_AT = 16, FILE_BYTES_AT = 80, FILE_CRC_AT = 88, COUNT_AT = 92,
    POINTS_AT = 96, POINT_BYTES = 16, BOOT_AT = POINTS_AT + SYNC_POINTS_MAX * POINT_BYTES,
    CRC_AT = SYNC_SLOT_BYTES - 4,
    PIECE_BYTES = 64 << 10
};
static_assert(BOOT_AT == 3936 && BOOT_AT + 8 <= CRC_AT, "on-disk format");

static const char magic[] = "DGLTMARK";

/* Errors are the caller's to read off errno. */
static int open_in(const char *dir, const char *name, int flags)
{
    char path[4096 + SYNC_NAME_BYTES];
    int len = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);      /* a FIFO would wait */
    struct stat found;
    if (fd < 0 || (fstat(fd, &found) == 0 && S_ISREG(found.st_mode))) return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

/* ---- Slots */

/* Takes the slot over when it is whole and newer. */
static void slot_read(struct sync_mark *m, const uint8_t *slot)
{
    if (memcmp(slot, magic, GENERATION_AT) != 0) return;
    uint32_t count = load_be32(slot + COUNT_AT);
    if (load_be32(slot + CRC_AT) != crc32c(slot, CRC_AT) || count > SYNC_POINTS_MAX) return;
    m->slots_read++;
    uint64_t generation = load_be64(slot + GENERATION_AT);
    if (generation <= m->generation) return;
    m->generation = generation;
    bytes_to_text(bytes_of(slot + NAME_AT, SYNC_NAME_BYTES - 1), m->file.name, SYNC_NAME_BYTES);
    m->file.bytes = load_be64(slot + FILE_BYTES_AT);
    m->file.crc = load_be32(slot + FILE_CRC_AT);
    m->point_count = (int)count;
    m->boot = load_be64(slot + BOOT_AT);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = slot + POINTS_AT + i * POINT_BYTES;
        m->points[i] = (struct sync_point){.position = load_be64(at),
                                           .at_ms = (int64_t)load_be64(at + 8)};
    }
}

static void slot_fill(const struct sync_mark *m, uint8_t *slot)
{
    mem_copy(slot, magic, GENERATION_AT);
    store_be64(slot + GENERATION_AT, m->generation);
    mem_copy(slot + NAME_AT, m->file.name, strlen(m->file.name));
    store_be64(slot + FILE_BYTES_AT, m->file.bytes);
    store_be32(slot + FILE_CRC_AT, m->file.crc);
    store_be32(slot + COUNT_AT, (uint32_t)m->point_count);
    for (int i = 0; i < m->point_count; i++) {
        uint8_t *at = slot + POINTS_AT + i * POINT_BYTES;
        store_be64(at, m->points[i].position);
        store_be64(at + 8, (uint64_t)m->points[i].at_ms);
    }
    store_be64(slot + BOOT_AT, m->boot_now);
    store_be32(slot + CRC_AT, crc32c(slot, CRC_AT));
}

static uint64_t boot_now(void)
{
    char id[64];
    CLEANUP(close_fdp) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, id, sizeof id) : -1;
    return len > 0 ? bytes_fnv1a(bytes_of(id, (size_t)len)) : 0;
}

bool sync_mark_same_boot(const struct sync_mark *m)
{
    return m->boot != 0 && m->boot == m->boot_now;
}

void sync_mark_read(struct sync_mark *m, const char *dir)
{
    *m = (struct sync_mark){.dir = mem_string(dir, strlen(dir)), .boot_now = boot_now()};
    CLEANUP(close_fdp) int fd = open_in(dir, "sync-mark", O_RDONLY);
    m->found = fd >= 0 || errno != ENOENT;
    for (int i = 0; fd >= 0 && i < SYNC_MARK_SLOTS; i++) {
        uint8_t slot[SYNC_SLOT_BYTES];
        if (pread(fd, slot, sizeof slot, (off_t)i * SYNC_SLOT_BYTES) == (ssize_t)sizeof slot)
            slot_read(m, slot);
    }
}

void sync_mark_done(struct sync_mark *m)
{
    m->dir = mem_free(m->dir);
}

int sync_mark_lock(const char *dir, bool wait)
{
    int fd = open_in(dir, "sync-mark", O_RDONLY);
    if (fd < 0) return -1;
    int failed;
    do failed = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    while (failed && errno == EINTR);
    if (!failed) return fd;
    close(fd);
    return -1;
}

/* ---- Points */

uint64_t sync_mark_position(const struct sync_mark *m)
{
    return m->point_count > 0 ? m->points[m->point_count - 1].position : 0;
}

int64_t sync_mark_time(const struct sync_mark *m, uint64_t position)
{
    int i = m->point_count;
    while (i > 0 && m->points[i - 1].position > position) i--;
    return i > 0 ? m->points[i - 1].at_ms : 0;
}

/* When there is no room, every second one of the older half goes. */
static void add_point(struct sync_mark *m, uint64_t position, int64_t now_ms)
{
    /* After a loss the engine counts on from further in front. */
    while (m->point_count > 0 && m->points[m->point_count - 1].position > position)
        m->point_count--;
    if (m->point_count == SYNC_POINTS_MAX) {
        int kept = 0;
        for (int i = 0; i < m->point_count; i++)
            if (i >= SYNC_POINTS_MAX / 2 || i % 2 == 0) m->points[kept++] = m->points[i];
        m->point_count = kept;
    }
    bool same = m->point_count > 0 && m->points[m->point_count - 1].position == position;
    if (!same)
        m->points[m->point_count++] = (struct sync_point){.position = position, .at_ms = now_ms};
}

enum err sync_mark_write(struct sync_mark *m, uint64_t position, const struct sync_file *file,
                         int64_t now_ms)
{
    bool same = m->slots_read == SYNC_MARK_SLOTS && sync_mark_position(m) == position &&
                strcmp(m->file.name, file->name) == 0 && m->file.bytes == file->bytes;
    if (same) return ERR_OK;
    m->generation++;
    m->file = *file;
    add_point(m, position, now_ms);
    uint8_t slot[SYNC_SLOT_BYTES] = {0};
    slot_fill(m, slot);
    CLEANUP(close_fdp) int fd = open_in(m->dir, "sync-mark", O_WRONLY | O_CREAT);
    if (fd < 0) return ERR_DISK;
    /* Both at the first time, so that a slot that cannot be read is always damage. */
    int count = m->slots_read == SYNC_MARK_SLOTS ? 1 : SYNC_MARK_SLOTS;
    for (int i = 0; i < count; i++) {
        off_t at = (off_t)((m->generation + (uint64_t)i) % SYNC_MARK_SLOTS) * SYNC_SLOT_BYTES;
        if (pwrite(fd, slot, sizeof slot, at) != (ssize_t)sizeof slot) return ERR_DISK;
    }
    if (fdatasync(fd) != 0) return ERR_DISK;
    m->slots_read = SYNC_MARK_SLOTS;
    return ERR_OK;
}

/* ---- The file that must be there */

/* Takes in what the file holds from f->bytes up to `to`. Errors: ERR_DISK - it ends before. */
static enum err take_in(struct sync_file *f, int fd, uint64_t to)
{
    uint8_t piece[PIECE_BYTES];
    while (f->bytes < to) {
        uint64_t left = to - f->bytes;
        size_t wanted = left < sizeof piece ? (size_t)left : sizeof piece;
        ssize_t len = pread(fd, piece, wanted, (off_t)f->bytes);
        if (len <= 0) return ERR_DISK;
        f->crc = crc32c_extend(f->crc, piece, (size_t)len);
        f->bytes += (uint64_t)len;
    }
    return ERR_OK;
}

enum err sync_file_extend(struct sync_file *f, const char *dir, const char *name)
{
    struct sync_file now = strcmp(f->name, name) == 0 ? *f : (struct sync_file){0};
    if (strlen(name) >= sizeof now.name) return ERR_DISK;
    mem_copy(now.name, name, strlen(name) + 1);
    CLEANUP(close_fdp) int fd = open_in(dir, name, O_RDONLY);
    if (fd < 0) return ERR_DISK;
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0) return ERR_DISK;
    if ((uint64_t)end > now.bytes) {
        if (fdatasync(fd) != 0) return ERR_DISK;
        TRY(take_in(&now, fd, (uint64_t)end));
    }
    *f = now;
    return ERR_OK;
}

const char *sync_file_fault(const struct sync_file *f, const char *dir)
{
    if (f->name[0] == '\0') return NULL;
    CLEANUP(close_fdp) int fd = open_in(dir, f->name, O_RDONLY);
    if (fd < 0) return errno == ENOENT ? "is missing" : "cannot be opened";
    struct sync_file now = {0};
    if (take_in(&now, fd, f->bytes) != ERR_OK) return "is cut short";
    return now.crc == f->crc ? NULL : "is altered";
}
