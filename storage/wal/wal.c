#include "storage/wal/wal.h"

#include <assert.h>
#include <string.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/wal/wal_impl.h"
#include "base/check.h"

enum {
    RESERVE_BYTES_MIN = 1 << 20,        /* an extent grows by as much as it has, from this */
    RESERVE_BYTES_MAX = 16 << 20,       /* to that: an empty server takes little of a disk */
    SPARE_BYTES = 256 << 10,            /* kept for frames that free room */
    HEAL_BYTES = 4 << 20,               /* so much there must be again before a full disk is none */
    ZERO_BYTES = 1 << 20,               /* written ahead of frames that are synced one by one, */
    ZERO_PART_BYTES = 64 << 10,         /* by so many in one part of the write, */
    ZERO_FRAME_BYTES_MAX = 128 << 10,   /* while they are small: for others a journal's commit is
                                           cheaper than all of it written twice */
    KEEP_PARTS = 4096,
    KEEP_TABLE_BYTES = 256 << 10,
};

/* ---- Life */

static void add_name(void *wal, const char *name)
{
    uint64_t number;
    if (extent_name_read(name, &number)) extents_add(wal, number);
}

enum err wal_open(struct files *fs, const struct wal_options *options, struct wal **ret)
{
    struct wal *w = NEW(struct wal);
    w->fs = fs;
    w->extent_bytes = options->extent_bytes ? options->extent_bytes : WAL_EXTENT_BYTES;
    w->read_only = options->read_only;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->sync_lock, NULL);
    *ret = w;
    return files_each(fs, w, add_name);
}

void wal_close(struct wal *w)
{
    if (w == NULL) return;
    extents_free_left(w);
    for (uint32_t i = 0; i < w->extent_count; i++) {
        assert(w->extents[i]->readers == 0);
        extent_free(w->extents[i]);
    }
    mem_free(w->extents);
    mem_free(w->parts);
    mem_free(w->table);
    mem_free(w->written);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->sync_lock);
    mem_free(w);
}

/* What is cut and written from now on is a file that nobody shares. */
static enum err own(struct wal *w, const struct wal_place *place)
{
    char name[EXTENT_NAME_BYTES];
    extent_name(place->extent, name);
    struct extent *e = extents_get(w, place->extent);
    if (e != NULL && e->file != NULL) {
        file_close(TAKE(e->file));
        w->open_count--;
    }
    return files_own(w->fs, name, place->position);
}

/* Bytes behind the end might look like frames again once the ones that are to come end where the
 * old ones did: they go, durably, before anything is written. */
static enum err cut_behind(struct wal *w, const struct wal_place *place)
{
    struct extent *e;
    TRY(own(w, place));
    enum err err = extent_use(w, place->extent, &e);
    if (err == ERR_NOT_FOUND) return ERR_OK;        /* damage: the next extent is a new one */
    TRY(err);
    uint64_t bytes = file_bytes(e->file);
    if (bytes > place->position) {
        err = file_cut(e->file, place->position);
        if (err == ERR_OK) err = file_sync(e->file);
    }
    pthread_mutex_lock(&w->lock);
    e->is_known = true;
    e->dirty = w->names_dirty = true;       /* who made it may have ended before a sync */
    if (bytes >= place->position) {
        w->current = e;
        w->reserved = w->zeroed = place->position;
    } else {        /* likewise; a start that knew nothing of it would drop what is left */
        e->known.sealed = true;
        e->known.end = (uint32_t)bytes;
        e->known.last_frame = place->frame;
        e->known.payload_bytes = place->payload_bytes;
        w->sealed = e->known;
        w->has_sealed = true;
    }
    pthread_mutex_unlock(&w->lock);
    extent_end(w, e);
    return err;
}

enum err wal_begin(struct wal *w, const struct wal_place *place, uint64_t store_id)
{
    if (w->read_only) {
        w->here = *place;
        return ERR_OK;
    }
    struct wal_extent later;
    uint64_t first = place->store_id == 0 ? 0 : place->extent + 1;
    bool dropped = false;
    while (wal_extent_from(w, first, &later)) {
        TRY(wal_drop(w, later.number));
        dropped = true;
    }
    if (dropped) TRY(files_sync_names(w->fs));
    w->here = *place;
    if (place->store_id != 0) return cut_behind(w, place);
    w->here.store_id = store_id;
    return ERR_OK;
}

struct wal_place wal_here(const struct wal *w)
{
    return w->here;
}

/* ---- Appending */

static enum err reserve_more(struct wal *w, struct file *file, uint64_t more)
{
    enum err err = file_reserve(file, w->reserved, more);
    if (err == ERR_OK) w->reserved += more;
    return err;
}

/* A test's small extents take little. */
static uint64_t small_of(const struct wal *w, uint64_t bytes)
{
    return bytes < w->extent_bytes ? bytes : w->extent_bytes;
}

/* Room up to `end`, and behind it what frames have that free some.
 * Errors: ERR_DISK. Thread: the writer; blocks. */
static enum err reserve(struct wal *w, struct file *file, uint64_t end)
{
    end += small_of(w, SPARE_BYTES);
    if (end <= w->reserved) return ERR_OK;
    uint64_t more = w->reserved;
    if (more < small_of(w, RESERVE_BYTES_MIN)) more = small_of(w, RESERVE_BYTES_MIN);
    if (more > RESERVE_BYTES_MAX) more = RESERVE_BYTES_MAX;
    if (w->reserved + more < end) more = end - w->reserved;
    if (reserve_more(w, file, more) == ERR_OK) return ERR_OK;
    /* A disk that is nearly full may have what this frame needs. */
    if (reserve_more(w, file, end - w->reserved) == ERR_OK) return ERR_OK;
    w->full = true;
    return ERR_DISK;
}

/* Makes the next extent, with room for so many bytes. The log goes on to it only when all of that
 * was done; what is left of a failed one is made anew. */
static enum err begin_extent(struct wal *w, uint64_t bytes)
{
    uint64_t number = w->here.extent + 1;
    char name[EXTENT_NAME_BYTES];
    extent_name(number, name);
    struct file *file;
    enum err err = files_open(w->fs, name, FILE_CREATE, &file);
    if (err != ERR_OK) return ERR_DISK;
    uint64_t before = w->reserved;
    w->reserved = 0;
    uint8_t header[EXTENT_HEADER_BYTES];
    extent_header_write(&(struct extent_header){.store_id = w->here.store_id, .extent = number,
                                                .first_frame = w->here.frame + 1},
                        header);
    err = reserve(w, file, EXTENT_HEADER_BYTES + bytes);
    if (err == ERR_OK)
        err = file_write(file, &(struct iovec){header, sizeof header}, 1, 0);
    if (err != ERR_OK) {
        w->reserved = before;
        file_close(file);
        (void)!files_remove(w->fs, name);
        return err;
    }
    pthread_mutex_lock(&w->lock);
    struct extent *old = w->current;
    struct file *spare = extents_take_spare(w);
    struct extent *e = extents_add(w, number);
    e->file = file;
    e->is_known = true;
    e->dirty = true;
    w->open_count++;
    if (old != NULL) {
        old->readers++;             /* or its file might be closed as a spare one */
        old->known.sealed = true;
        old->known.end = w->here.position;
        old->known.last_frame = w->here.frame;
        old->known.payload_bytes = w->here.payload_bytes;
        w->sealed = old->known;
        w->has_sealed = true;
    }
    w->current = e;
    w->zeroed = 0;
    w->seal_wanted = false;
    w->names_dirty = true;
    w->here.extent = number;
    w->here.position = EXTENT_HEADER_BYTES;
    w->here.payload_bytes = 0;
    pthread_mutex_unlock(&w->lock);
    file_close(spare);
    /* What was kept free behind its end goes back; where that fails, with the file. */
    if (old != NULL) {
        (void)!file_cut(old->file, old->known.end);
        extent_end(w, old);
    }
    return ERR_OK;
}

/* Behind all that was written, accepted or not. */
static uint32_t next_position(const struct wal *w)
{
    return w->here.position + (uint32_t)w->written_bytes;
}

static void place_runs(const struct wal *w, struct wal_run *runs, int run_count,
                       const struct iovec *parts)
{
    uint32_t at = next_position(w) + FRAME_HEADER_BYTES;
    for (int i = 0; i < run_count; i++) {
        uint32_t crc = 0;
        for (int p = 0; p < runs[i].part_count; p++, parts++)
            crc = crc32c_extend(crc, parts->iov_base, parts->iov_len);
        runs[i].at = (struct wal_pointer){.extent = w->here.extent, .position = at,
                                          .bytes = runs[i].bytes, .crc = crc};
        at += runs[i].bytes;
    }
}

/* Errors: as wal_aim(). Thread: the writer; blocks. */
static enum err find_place(struct wal *w, uint64_t bytes, bool frees)
{
    uint64_t end = next_position(w) + bytes;
    /* A full disk may have no room for another extent: this one takes what gives some back. */
    if (w->full && frees && w->current != NULL && end <= w->reserved) return ERR_OK;
    if (w->full) return ERR_DISK;
    bool fits = w->current != NULL && !w->seal_wanted &&
                (end <= w->extent_bytes || next_position(w) == EXTENT_HEADER_BYTES);
    if (fits) return reserve(w, w->current->file, end);
    return w->written_count > 0 ? ERR_BUSY : begin_extent(w, bytes);
}

enum err wal_aim(struct wal *w, struct wal_run *runs, int run_count, const struct iovec *parts,
                 uint64_t batch_bytes_max, bool frees, const struct wal_extent **ret_sealed)
{
    *ret_sealed = NULL;
    if (w->broken) return ERR_DISK;
    uint64_t payload = 0;
    for (int i = 0; i < run_count; i++) payload += runs[i].bytes;
    uint64_t bytes = frame_bytes(payload, (uint64_t)run_count, batch_bytes_max);
    if (bytes > UINT32_MAX / 2) return ERR_DISK;
    /* Where the disk was found full just now, the second time may find what is kept. */
    enum err err = find_place(w, bytes, frees);
    if (err == ERR_DISK) err = find_place(w, bytes, frees);
    TRY(err);
    w->aimed_payload = payload;
    place_runs(w, runs, run_count, parts);
    if (wal_untold(w, &w->sealed)) *ret_sealed = &w->sealed;
    return ERR_OK;
}

/* As it is known now: more of it may have died since, or what was counted may have been taken
 * back. */
bool wal_untold(struct wal *w, struct wal_extent *ret)
{
    if (!w->has_sealed) return false;
    pthread_mutex_lock(&w->lock);
    const struct extent *e = extents_get(w, w->sealed.number);
    *ret = e != NULL ? e->known : w->sealed;
    pthread_mutex_unlock(&w->lock);
    return true;
}

bool wal_is_full(const struct wal *w)
{
    return w->full && !w->broken;
}

/* Header, payload, run table with the batch copied behind it, padding. */
static uint8_t *fill_table(struct wal *w, const struct wal_run *runs, int run_count,
                           struct bytes batch, size_t *ret_len)
{
    size_t runs_len = (size_t)run_count * FRAME_RUN_BYTES, len = runs_len + batch.len;
    uint64_t all = frame_bytes(w->aimed_payload, (uint64_t)run_count, batch.len);
    size_t padded = (size_t)(all - FRAME_HEADER_BYTES - w->aimed_payload);
    if (padded > w->table_cap) {
        mem_free(w->table);
        w->table = mem_new(padded);
        w->table_cap = padded;
    }
    uint32_t first = next_position(w) + FRAME_HEADER_BYTES;
    for (int i = 0; i < run_count; i++) {
        struct frame_run r = {.at = runs[i].at.position - first, .bytes = runs[i].at.bytes,
                              .crc = runs[i].at.crc};
        mem_copy(r.key, runs[i].key, RUN_KEY_BYTES);
        frame_run_write(&r, w->table + (size_t)i * FRAME_RUN_BYTES);
    }
    mem_copy(w->table + runs_len, batch.data, batch.len);
    if (padded > len) memset(w->table + len, 0, padded - len);
    *ret_len = padded;
    return w->table;
}

static struct iovec *room_for_parts(struct wal *w, int count)
{
    if (count > w->part_cap) {
        mem_free(w->parts);
        w->parts = NEW_ARRAY(struct iovec, (size_t)count);
        w->part_cap = count;
    }
    return w->parts;
}

static void keep_little(struct wal *w)
{
    if (w->part_cap > KEEP_PARTS) {
        w->parts = mem_free(w->parts);
        w->part_cap = 0;
    }
    if (w->table_cap > KEEP_TABLE_BYTES) {
        w->table = mem_free(w->table);
        w->table_cap = 0;
    }
}

static void add_written(struct wal *w, size_t bytes)
{
    if (w->written_count == w->written_cap) {
        w->written_cap = w->written_cap ? w->written_cap * 2 : 16;
        w->written = mem_grow(w->written, w->written_cap * sizeof *w->written);
    }
    w->written[w->written_count++] =
        (struct wal_written){.bytes = (uint32_t)bytes, .payload_bytes = w->aimed_payload};
    w->written_bytes += bytes;
}

/* To be called behind the write: a sync that comes by while it is under way may miss it. */
static void set_dirty(struct wal *w, struct extent *e)
{
    pthread_mutex_lock(&w->lock);
    e->dirty = true;
    pthread_mutex_unlock(&w->lock);
}

enum err wal_write(struct wal *w, const struct wal_run *runs, int run_count,
                   const struct iovec *parts, int part_count, struct bytes batch)
{
    size_t table_len;
    uint8_t *table = fill_table(w, runs, run_count, batch, &table_len);
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header_write(&(struct frame_header){
        .store_id = w->here.store_id, .frame = w->here.frame + w->written_count + 1,
        .extent = w->here.extent, .position = next_position(w),
        .payload_bytes = (uint32_t)w->aimed_payload,
        .run_count = (uint32_t)run_count, .batch_bytes = (uint32_t)batch.len,
        .batch_crc = crc32c(batch.data, batch.len),
        .table_crc = crc32c(table, (size_t)run_count * FRAME_RUN_BYTES)}, header);
    struct iovec *all = room_for_parts(w, part_count + 2);
    all[0] = (struct iovec){header, sizeof header};
    mem_copy(all + 1, parts, (size_t)part_count * sizeof *parts);
    all[part_count + 1] = (struct iovec){table, table_len};
    uint32_t at = next_position(w);
    add_written(w, sizeof header + w->aimed_payload + table_len);
    assert(next_position(w) <= w->reserved || w->reserved == 0);
    w->broken = file_write(w->current->file, all, part_count + 2, at) != ERR_OK;
    set_dirty(w, w->current);
    keep_little(w);
    return w->broken ? ERR_DISK : ERR_OK;
}

void wal_zero_ahead(struct wal *w)
{
    static const uint8_t zeros[ZERO_PART_BYTES];
    struct iovec parts[ZERO_BYTES / ZERO_PART_BYTES];
    uint64_t from = next_position(w), to = from + ZERO_BYTES;
    if (to > w->reserved) to = w->reserved;
    if (w->zeroed >= from || from >= to ||
        w->written[w->written_count - 1].bytes > ZERO_FRAME_BYTES_MAX)
        return;
    int count = 0;
    for (uint64_t at = from; at < to; at += parts[count++].iov_len)
        parts[count] = (struct iovec){(void *)(uintptr_t)zeros,
                                      to - at < sizeof zeros ? to - at : sizeof zeros};
    if (file_write(w->current->file, parts, count, from) == ERR_OK) w->zeroed = to;
    set_dirty(w, w->current);
}

void wal_want_seal(struct wal *w)
{
    w->seal_wanted = w->here.position > EXTENT_HEADER_BYTES;
}

void wal_accept(struct wal *w)
{
    struct wal_written oldest = w->written[0];
    w->written_count--;
    w->written_bytes -= oldest.bytes;
    mem_move(w->written, w->written + 1, w->written_count * sizeof *w->written);
    pthread_mutex_lock(&w->lock);
    w->here.frame++;
    w->here.position += oldest.bytes;
    w->here.payload_bytes += oldest.payload_bytes;
    w->has_sealed = false;
    pthread_mutex_unlock(&w->lock);
}

/* Zeros in the place of its header: the log ends there for every reader. Those behind it get them
 * too: one that is written in its place could end where it did. */
enum err wal_void(struct wal *w)
{
    static const uint8_t zeros[FRAME_HEADER_BYTES];
    struct iovec part = {(void *)(uintptr_t)zeros, sizeof zeros};
    uint64_t at = w->here.position;
    w->broken = false;
    for (uint32_t i = 0; i < w->written_count && !w->broken; at += w->written[i++].bytes)
        w->broken = file_write(w->current->file, &part, 1, at) != ERR_OK;
    if (w->written_count > 0) set_dirty(w, w->current);
    if (w->broken) return ERR_DISK;
    w->written_count = 0;
    w->written_bytes = 0;
    return ERR_OK;
}

enum err wal_heal(struct wal *w)
{
    if (w->broken) TRY(wal_void(w));
    if (!w->full) return ERR_OK;
    if (w->current != NULL) TRY(reserve_more(w, w->current->file, HEAL_BYTES));
    w->full = false;
    return ERR_OK;
}

/* ---- Syncing */

/* The first extent from *number on that was written since it was synced, in use; NULL: none is
 * left. */
static struct extent *take_dirty(struct wal *w, uint64_t *number)
{
    struct extent *found = NULL;
    pthread_mutex_lock(&w->lock);
    for (uint32_t i = extents_find(w, *number); i < w->extent_count && found == NULL; i++)
        if (w->extents[i]->dirty) found = w->extents[i];
    if (found != NULL) {
        found->dirty = false;
        found->readers++;
        *number = found->known.number + 1;
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

/* Oldest first, each once, however fast they are written meanwhile. */
static enum err sync_extents(struct wal *w)
{
    struct extent *e;
    for (uint64_t number = 0; (e = take_dirty(w, &number)) != NULL;) {
        enum err err = file_sync(e->file);
        if (err != ERR_OK) set_dirty(w, e);
        extent_end(w, e);
        TRY(err);
    }
    return ERR_OK;
}

static enum err sync_names(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    bool dirty = w->names_dirty;
    w->names_dirty = false;
    pthread_mutex_unlock(&w->lock);
    enum err err = dirty ? files_sync_names(w->fs) : ERR_OK;
    if (err == ERR_OK) return ERR_OK;
    pthread_mutex_lock(&w->lock);
    w->names_dirty = true;
    pthread_mutex_unlock(&w->lock);
    return err;
}

enum err wal_sync(struct wal *w, uint64_t *ret_frame)
{
    extents_free_left(w);
    pthread_mutex_lock(&w->sync_lock);
    pthread_mutex_lock(&w->lock);
    uint64_t frame = w->here.frame;
    pthread_mutex_unlock(&w->lock);
    enum err err = w->sync_failed ? ERR_DISK : sync_extents(w);
    if (err == ERR_OK) err = sync_names(w);
    w->sync_failed = err != ERR_OK;
    pthread_mutex_unlock(&w->sync_lock);
    if (err == ERR_OK) *ret_frame = frame;
    return err;
}
