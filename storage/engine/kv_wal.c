/* The engine of a data directory: a write-ahead log that keeps the record bytes, and tables.
 *
 * A commit writes one frame to the log - the runs, and the batch with pointers to them - and then
 * the batch to the tables, which write no log: each record byte is written once, and one sync
 * covers all. Rejected: pointers in tables that have a log of their own; after a power cut the two
 * logs end at different moments, and each commit that is to survive one pays two syncs.
 *
 * Commits that are to be synced wait for that between the two, without the lock, and share a sync
 * (kv_wal_line.c).
 *
 * Failure: a frame that could not be written is voided before its commit is answered, as is one
 * that the tables refuse, with all behind it, so that no start brings it back. A sync that failed
 * stops all writing until the next start: nobody knows what the disk holds then. Until kv_resume()
 * succeeds, what could not be voided stops it too. */
#include "storage/engine/kv_wal.h"

#include <assert.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

enum {
    RUN_ENTRY_BYTES_MAX = 64,       /* of a pointer in the tables' batch, */
    ROW_BYTES_MAX = 128,            /* of an extent's row */
};

/* A key that is deleted twice in the batch dies once.
 * Errors: ERR_DISK. Thread: any, under the lock; blocks. */
static enum err count_deletes(struct walled *r, struct walled_batch *b, struct dead *d)
{
    int found = b->moved_count;
    if (b->delete_count + found == 0) return ERR_OK;
    d->all = NEW_ARRAY(struct wal_pointer, (size_t)(b->delete_count + found));
    if (found > 0) mem_copy(d->all, b->moved, (size_t)found * sizeof *d->all);
    for (int i = 0; i < b->delete_count; i++) {
        bool is_pointer = false;
        deleted_add(&r->deleted, bound_bytes(&b->deletes[i]));
        enum err err =
            walled_find(r->tables, bound_bytes(&b->deletes[i]), &is_pointer, &d->all[found]);
        if (err == ERR_OK && is_pointer) found++;
        else if (err != ERR_OK && err != ERR_NOT_FOUND) return ERR_DISK;
    }
    qsort(d->all, (size_t)found, sizeof *d->all, wal_pointer_compare);
    for (int i = 0; i < found; i++) {
        struct wal_pointer p = d->all[i];
        struct wal_extent e;
        if (d->count > 0 && wal_pointer_compare(&d->all[d->count - 1], &p) == 0) continue;
        if (!wal_add_dead(r->wal, p.extent, p.bytes, &e)) continue;
        d->all[d->count++] = p;
        walled_put_extent(b->inner, &e);
    }
    return ERR_OK;
}

/* Those of the batch are joined first: two rows that begin alike are one, which would be the last
 * one's. */
static void put_ranges(struct walled *r, struct walled_batch *b)
{
    CLEANUP(discards_done) struct discards all = {0};
    for (int i = 0; i < b->range_count; i++)
        discards_add(&all, bound_bytes(&b->ranges[i].from), bound_bytes(&b->ranges[i].to));
    for (uint32_t i = 0; i < all.count; i++) {
        struct discard j = discards_joined(&r->discards, bound_bytes(&all.all[i].from),
                                           bound_bytes(&all.all[i].to));
        kv_batch_put(b->inner, KV_DISCARDS, bound_bytes(&j.from), bound_bytes(&j.to));
    }
}

static void put_pointers(struct walled_batch *b)
{
    for (int i = 0; i < b->run_count; i++) {
        uint8_t value[1 + POINTER_BYTES] = {VALUE_POINTER};
        pointer_write(&b->runs[i].at, value + 1);
        kv_batch_put(b->inner, KV_LOG, bytes_of(b->runs[i].key, RUN_KEY_BYTES),
                     bytes_of(value, sizeof value));
    }
}

static bool frees(const struct walled_batch *b)
{
    return b->run_count == 0 && (b->own || b->range_count > 0 || b->delete_count > 0);
}

/* It looks at tables or counts: they must have all that was written. */
static bool wants_alone(const struct walled_batch *b)
{
    return b->own || b->range_count > 0 || b->delete_count > 0 || b->moved_count > 0;
}

/* The frame, not accepted yet; ret_written: some of it may be there, also after an error.
 * Errors: ERR_BUSY - it begins an extent, and others are in line; ERR_DISK. Thread: any, under the
 * lock; blocks. */
static enum err write_frame(struct walled *r, struct walled_batch *b, enum kv_sync sync,
                            bool *ret_written)
{
    const struct wal_extent *sealed;
    if (atomic_load_explicit(&r->sync_failed, memory_order_relaxed)) return ERR_DISK;
    walled_batch_place_parts(b);
    uint64_t batch_max = r->tables->engine->batch_data(b->inner).len + ROW_BYTES_MAX +
                         (uint64_t)b->run_count * RUN_ENTRY_BYTES_MAX;
    TRY(wal_aim(r->wal, b->runs, b->run_count, b->parts, batch_max, frees(b), &sealed));
    put_pointers(b);
    if (sealed != NULL) walled_put_extent(b->inner, sealed);
    struct bytes data = r->tables->engine->batch_data(b->inner);
    assert(data.len <= batch_max);
    *ret_written = true;
    TRY(wal_write(r->wal, b->runs, b->run_count, b->parts, b->part_count, data));
    if (sync == KV_SYNC) wal_zero_ahead(r->wal);
    return ERR_OK;
}

/* A frame that could not be written, or that the tables refuse, with nobody in line.
 * Errors: ERR_DISK. Thread: any, under the lock; blocks. */
static enum err fail(struct walled *r, const struct in_line *c, bool written)
{
    if (written) walled_take_back(r);
    walled_dead_undo(r, &c->dead);
    atomic_store_explicit(&r->stopped, true, memory_order_relaxed);
    return ERR_DISK;
}

static void in_line_done(struct in_line *c)
{
    mem_free(c->dead.all);
}

/* Under the lock, which it lets go of while others are in line, or it is itself. Errors: ERR_DISK.
 * Thread: any; blocks. */
static enum err commit(struct walled *r, struct walled_batch *b, enum kv_sync sync)
{
    CLEANUP(in_line_done) struct in_line c = {.batch = b};
    bool written = false;
    enum err err = count_deletes(r, b, &c.dead);
    put_ranges(r, b);
    if (err == ERR_OK) err = write_frame(r, b, sync, &written);
    if (err == ERR_BUSY) {
        walled_wait_alone(r);
        err = write_frame(r, b, sync, &written);
    }
    if (err == ERR_OK && (sync == KV_SYNC || r->line != NULL)) return walled_line_pass(r, &c);
    if (err == ERR_OK) err = walled_settle(r, &c);
    else if (written) walled_wait_alone(r);
    return err == ERR_OK ? ERR_OK : fail(r, &c, written);
}

enum err walled_commit_locked(struct walled *r, struct walled_batch *b)
{
    return commit(r, b, KV_NO_SYNC);
}

enum err walled_commit(struct kv *kv, struct kv_batch *base, enum kv_sync sync)
{
    struct walled *r = walled_of(kv);
    struct walled_batch *b = (struct walled_batch *)base;
    pthread_mutex_lock(&r->lock);
    enum err err = walled_flush_wait(r);
    if (wants_alone(b)) walled_wait_alone(r);
    else walled_let_others(r);
    if (err == ERR_OK) err = commit(r, b, sync);
    else atomic_store_explicit(&r->stopped, true, memory_order_relaxed);
    bool due = walled_flush_is_due(r);
    pthread_mutex_unlock(&r->lock);
    if (due) walled_flush_soon(r);
    return err;
}

enum err walled_resume(struct kv *kv)
{
    struct walled *r = walled_of(kv);
    walled_lock_alone(r);
    enum err err = atomic_load(&r->sync_failed) ? ERR_DISK : wal_heal(r->wal);
    uint64_t frame;
    if (err == ERR_OK) err = walled_sync_frames(r, &frame);     /* what was healed */
    if (err == ERR_OK) err = kv_resume(r->tables);
    bool retry = err == ERR_OK && r->flush_failed;
    pthread_mutex_unlock(&r->lock);
    if (retry) err = walled_flush_again(r);
    atomic_store_explicit(&r->stopped, err != ERR_OK, memory_order_relaxed);
    return err;
}

bool walled_writes_stopped(struct kv *kv)
{
    return atomic_load_explicit(&walled_of(kv)->stopped, memory_order_relaxed);
}

bool walled_is_full(struct kv *kv)
{
    struct walled *r = walled_of(kv);
    pthread_mutex_lock(&r->lock);
    bool full = wal_is_full(r->wal) && !atomic_load(&r->sync_failed);
    pthread_mutex_unlock(&r->lock);
    return full;
}

bool walled_behind(struct kv *kv)
{
    struct walled *r = walled_of(kv);
    pthread_mutex_lock(&r->lock);
    bool behind = r->tables_bytes > 2 * r->flush_tables_bytes;
    pthread_mutex_unlock(&r->lock);
    return behind;
}

void walled_stats(struct kv *kv, struct kv_stats *ret)
{
    struct walled *r = walled_of(kv);
    kv_stats(r->tables, ret);
    struct wal_stats w;
    wal_stats(r->wal, &w);
    ret->log_bytes = w.bytes;
    ret->disk_bytes += w.bytes;
    ret->live_bytes = w.payload_bytes - w.dead_bytes;
    ret->dead_bytes = w.dead_bytes;
    ret->extents = w.extents;
    ret->replayed_frames = r->replayed;
    ret->crc_calls = crc32c_rocksdb_calls();
}
