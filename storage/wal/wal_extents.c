/* The extents of a log: which there are, their open files, what is read of them. At most
 * WAL_FILES_MAX are open besides those that are read or written just now. */
#include <assert.h>
#include <string.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/wal/wal_impl.h"
#include "base/check.h"

uint32_t extents_find(const struct wal *w, uint64_t number)
{
    uint32_t low = 0, high = w->extent_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (w->extents[middle]->known.number < number) low = middle + 1;
        else high = middle;
    }
    return low;
}

struct extent *extents_get(const struct wal *w, uint64_t number)
{
    uint32_t at = extents_find(w, number);
    return at < w->extent_count && w->extents[at]->known.number == number ? w->extents[at] : NULL;
}

struct extent *extents_add(struct wal *w, uint64_t number)
{
    if (w->extent_count == w->extent_cap) {
        w->extent_cap = w->extent_cap ? w->extent_cap * 2 : 16;
        w->extents = mem_grow(w->extents, w->extent_cap * sizeof *w->extents);
    }
    uint32_t at = extents_find(w, number);
    mem_move(w->extents + at + 1, w->extents + at, (w->extent_count - at) * sizeof *w->extents);
    struct extent *e = NEW(struct extent);
    e->known.number = number;
    w->extents[at] = e;
    w->extent_count++;
    return e;
}

void extents_remove(struct wal *w, struct extent *e)
{
    uint32_t at = extents_find(w, e->known.number);
    assert(w->extents[at] == e);
    w->extent_count--;
    mem_move(w->extents + at, w->extents + at + 1, (w->extent_count - at) * sizeof *w->extents);
    if (e->file != NULL) w->open_count--;
}

void extent_free(struct extent *e)
{
    file_close(e->file);
    mem_free(e);
}

/* ---- Open files */

/* The hand gives each that was used a second chance. */
struct file *extents_take_spare(struct wal *w)
{
    if (w->open_count < WAL_FILES_MAX) return NULL;
    for (uint32_t tries = 0; tries < 2 * w->extent_count; tries++) {
        struct extent *e = w->extents[w->hand++ % w->extent_count];
        if (e->file == NULL || e->readers > 0 || e->dirty || e == w->current) continue;
        if (e->used) {
            e->used = false;
            continue;
        }
        w->open_count--;
        return TAKE(e->file);
    }
    return NULL;
}

/* Under the lock, which it lets go of while it opens the file. */
static enum err open_file(struct wal *w, struct extent *e)
{
    char name[EXTENT_NAME_BYTES];
    extent_name(e->known.number, name);
    struct file *old = extents_take_spare(w);
    pthread_mutex_unlock(&w->lock);
    file_close(old);
    struct file *file = NULL;
    enum err err = files_open(w->fs, name, w->read_only ? FILE_READ : FILE_WRITE, &file);
    pthread_mutex_lock(&w->lock);
    if (err != ERR_OK) return err;
    if (e->file == NULL) {
        e->file = file;
        if (!e->gone) w->open_count++;
        return ERR_OK;
    }
    file_close(file);           /* somebody else was faster */
    return ERR_OK;
}

enum err extent_use(struct wal *w, uint64_t number, struct extent **ret)
{
    pthread_mutex_lock(&w->lock);
    struct extent *e = extents_get(w, number);
    enum err err = e == NULL ? ERR_NOT_FOUND : ERR_OK;
    if (err == ERR_OK) {
        e->readers++;
        e->used = true;
        if (e->file == NULL) err = open_file(w, e);
    }
    pthread_mutex_unlock(&w->lock);
    if (err == ERR_OK) *ret = e;
    else if (e != NULL) extent_end(w, e);
    return err;
}

/* Under the lock: true if it is to be freed now. */
static bool was_last(struct extent *e)
{
    assert(e->readers > 0);
    return --e->readers == 0 && e->gone;
}

void extent_end(struct wal *w, struct extent *e)
{
    pthread_mutex_lock(&w->lock);
    bool last = was_last(e);
    pthread_mutex_unlock(&w->lock);
    if (last) extent_free(e);
}

/* Closing a file that has no name any more gives up to 128 MiB back to the disk, which takes
 * milliseconds. Thread: a network loop. */
static void extent_end_now(struct wal *w, struct extent *e)
{
    pthread_mutex_lock(&w->lock);
    if (was_last(e)) {
        e->next_left = w->left;
        w->left = e;
    }
    pthread_mutex_unlock(&w->lock);
}

void extents_free_left(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    struct extent *e = TAKE(w->left);
    pthread_mutex_unlock(&w->lock);
    while (e != NULL) {
        struct extent *next = e->next_left;
        extent_free(e);
        e = next;
    }
}

enum err extent_read_header(struct extent *e, struct extent_header *ret)
{
    uint8_t bytes[EXTENT_HEADER_BYTES];
    if (file_bytes(e->file) < sizeof bytes) return ERR_FORMAT;
    TRY(file_read(e->file, bytes, sizeof bytes, 0));
    TRY(extent_header_read(bytes, ret));
    return ret->extent == e->known.number ? ERR_OK : ERR_FORMAT;
}

/* ---- Reading */

int wal_pointer_compare(const void *a, const void *b)
{
    const struct wal_pointer *x = a, *y = b;
    if (x->extent != y->extent) return x->extent < y->extent ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* As many bytes as are still in the processor's cache when their CRC is computed. */
enum { PIECE_BYTES = 64 << 10 };

typedef enum err file_read_fn(struct file *f, void *to, size_t len, uint64_t at);

/* Errors: those of wal_read_now(). Thread: that of read_some(). */
static enum err read_run(struct file *f, const struct wal_pointer *p, file_read_fn *read_some,
                         uint8_t *to)
{
    uint32_t crc = 0;
    for (uint32_t at = 0, len; at < p->bytes; at += len) {
        len = p->bytes - at < PIECE_BYTES ? p->bytes - at : PIECE_BYTES;
        TRY(read_some(f, to + at, len, (uint64_t)p->position + at));
        crc = crc32c_extend(crc, to + at, len);
    }
    return crc == p->crc ? ERR_OK : ERR_FORMAT;
}

enum err wal_read(struct wal *w, const struct wal_pointer *p, uint8_t *to)
{
    struct extent *e;
    TRY(extent_use(w, p->extent, &e));
    enum err err = read_run(e->file, p, file_read, to);
    extent_end(w, e);
    return err;
}

enum err wal_read_now(struct wal *w, const struct wal_pointer *p, uint8_t *to)
{
    pthread_mutex_lock(&w->lock);
    struct extent *e = extents_get(w, p->extent);
    bool is_open = e != NULL && e->file != NULL;
    if (is_open) {
        e->readers++;
        e->used = true;
    }
    pthread_mutex_unlock(&w->lock);
    if (!is_open) return e == NULL ? ERR_NOT_FOUND : ERR_COLD;
    enum err err = read_run(e->file, p, file_read_now, to);
    extent_end_now(w, e);
    return err;
}

/* ---- Counts */

bool wal_add_dead(struct wal *w, uint64_t extent, uint64_t bytes, struct wal_extent *ret)
{
    pthread_mutex_lock(&w->lock);
    struct extent *e = extents_get(w, extent);
    if (e != NULL) {
        e->known.dead_bytes += bytes;
        *ret = e->known;
    }
    pthread_mutex_unlock(&w->lock);
    return e != NULL;
}

void wal_set_punched(struct wal *w, uint64_t extent, struct wal_extent *ret)
{
    pthread_mutex_lock(&w->lock);
    struct extent *e = extents_get(w, extent);
    if (e != NULL) {
        e->known.punched_bytes = e->known.dead_bytes;
        *ret = e->known;
    }
    pthread_mutex_unlock(&w->lock);
}

bool wal_extent_from(struct wal *w, uint64_t number, struct wal_extent *ret)
{
    pthread_mutex_lock(&w->lock);
    uint32_t at = extents_find(w, number);
    bool found = at < w->extent_count;
    if (found) *ret = w->extents[at]->known;
    pthread_mutex_unlock(&w->lock);
    return found;
}

enum err wal_know(struct wal *w, const struct wal_extent *known)
{
    struct extent *e;
    TRY(extent_use(w, known->number, &e));
    bool whole = !known->sealed || file_bytes(e->file) >= known->end;
    pthread_mutex_lock(&w->lock);
    struct wal_extent *k = &e->known;
    if (k->sealed && !known->sealed) {      /* the walk knows more: no frame has told of it yet */
        k->dead_bytes = known->dead_bytes;
        k->punched_bytes = known->punched_bytes;
        if (w->has_sealed && w->sealed.number == k->number) w->sealed = *k;
    } else {
        *k = *known;
    }
    if (!whole) k->end = (uint32_t)file_bytes(e->file);
    e->is_known = true;
    pthread_mutex_unlock(&w->lock);
    extent_end(w, e);
    return whole ? ERR_OK : ERR_NOT_FOUND;
}

enum err wal_punch(struct wal *w, uint64_t extent, uint32_t at, uint32_t bytes, bool *ret_done)
{
    struct extent *e;
    TRY(extent_use(w, extent, &e));
    enum err err = file_punch(e->file, at, bytes, ret_done);
    extent_end(w, e);
    return err;
}

uint64_t wal_disk_bytes(struct wal *w, uint64_t extent)
{
    struct extent *e;
    if (extent_use(w, extent, &e) != ERR_OK) return 0;
    uint64_t bytes = file_disk_bytes(e->file);
    extent_end(w, e);
    return bytes;
}

enum err wal_drop(struct wal *w, uint64_t extent)
{
    char name[EXTENT_NAME_BYTES];
    extent_name(extent, name);
    TRY(files_remove(w->fs, name));
    extents_free_left(w);
    pthread_mutex_lock(&w->lock);
    struct extent *e = extents_get(w, extent);
    assert(e == NULL || e != w->current);
    bool unused = e != NULL && e->readers == 0;
    if (e != NULL) {
        extents_remove(w, e);
        e->gone = true;
    }
    pthread_mutex_unlock(&w->lock);
    if (unused) extent_free(e);
    return ERR_OK;
}

enum err wal_drop_unknown(struct wal *w)
{
    for (uint32_t i = 0; i < w->extent_count;) {
        const struct extent *e = w->extents[i];
        if (e->is_known || e->known.number >= w->here.extent) i++;
        else TRY(wal_drop(w, e->known.number));
    }
    return ERR_OK;
}

void wal_stats(struct wal *w, struct wal_stats *ret)
{
    *ret = (struct wal_stats){0};
    pthread_mutex_lock(&w->lock);
    ret->extents = w->extent_count;
    for (uint32_t i = 0; i < w->extent_count; i++) {
        const struct wal_extent *k = &w->extents[i]->known;
        bool is_current = w->extents[i] == w->current;
        ret->bytes += is_current ? w->here.position : k->end;
        ret->payload_bytes += is_current ? w->here.payload_bytes : k->payload_bytes;
        ret->dead_bytes += k->dead_bytes;
    }
    pthread_mutex_unlock(&w->lock);
}
