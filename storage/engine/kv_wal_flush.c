/* Syncing, and writing the tables out.
 *
 * What is in a table on disk must be in the log as well, or a power cut would leave tables that are
 * ahead of it: pointers to runs that are not there. So a flush syncs the log first, while writers
 * go on; then, with them locked out, once more, which finds little, and takes the memtables as they
 * are then. Tables are never written out otherwise (kv_rocksdb.c gives memtables room for more than
 * they ever get).
 *
 * Both families of tables are written out apart. Each holds a mark of the last frame in it, put
 * right before; a start begins behind the older one, and what it applies twice to the other is the
 * same again. */
#include <assert.h>
#include "base/clock.h"
#include "base/mem.h"
#include "storage/engine/damage.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

/* Whoever finds a sync under way waits for it: only then is it known whether nothing is left to
 * do. */
enum err walled_sync_now(struct kv *kv)
{
    struct walled *r = walled_of(kv);
    pthread_mutex_lock(&r->sync_lock);
    int64_t now_ms = clock_wall_ms();           /* before: what comes after it may lie behind */
    uint64_t frame;
    enum err err = walled_sync_frames(r, &frame);
    if (err != ERR_OK) atomic_store(&r->stopped, true);
    else if (r->has_dir) mark_renew(&r->mark, &r->manifest, frame, now_ms);
    pthread_mutex_unlock(&r->sync_lock);
    return err;
}

/* And the row of an extent that the next frame would tell of: a start that begins behind it would
 * not know that extent. */
static enum err put_marks(struct walled *r)
{
    struct wal_extent sealed;
    struct wal_place here = wal_here(r->wal);
    uint8_t value[MARK_VALUE_BYTES];
    mark_write(&here, value);
    CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(r->tables);
    kv_batch_put(b, KV_EXTENTS, KEY_MARK, bytes_of(value, sizeof value));
    kv_batch_put(b, KV_LOG, KEY_LOG_MARK, bytes_of(value, sizeof value));
    if (wal_untold(r->wal, &sealed)) walled_put_extent(b, &sealed);
    return kv_commit(r->tables, b, KV_NO_SYNC);
}

/* Under the lock. Errors: ERR_DISK. Thread: the flush's; blocks. */
static enum err begin(struct walled *r, uint64_t *ret_frame)
{
    TRY(walled_sync_frames(r, ret_frame));
    TRY(put_marks(r));
    r->tables->engine->flush_begin(r->tables);
    r->tables_bytes = r->log_bytes = 0;
    r->ranges = 0;
    return ERR_OK;
}

enum err walled_flush(struct walled *r)
{
    uint64_t frame = 0;
    pthread_mutex_lock(&r->lock);
    while (r->flushing) pthread_cond_wait(&r->changed, &r->lock);
    r->flushing = true;
    r->flush_wanted = false;
    pthread_mutex_unlock(&r->lock);
    enum err err = walled_sync_now(&r->base);
    if (err == ERR_OK) {
        pthread_mutex_lock(&r->lock);
        err = begin(r, &frame);
        pthread_mutex_unlock(&r->lock);
    }
    if (err == ERR_OK) err = r->tables->engine->flush_end(r->tables);
    pthread_mutex_lock(&r->lock);
    r->flushing = false;
    r->flush_failed = err != ERR_OK;        /* kv_resume() tries again */
    if (err == ERR_OK) r->flushed_frame = frame;
    else atomic_store(&r->stopped, true);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return err;
}

bool walled_flush_is_due(const struct walled *r)
{
    return !r->flush_wanted && !r->flushing && !r->flush_failed &&
           (r->tables_bytes >= r->flush_tables_bytes || r->log_bytes >= r->flush_log_bytes ||
            r->ranges >= FLUSH_RANGES);
}

void walled_flush_soon(struct walled *r)
{
    if (!r->has_flusher) {
        (void)!walled_flush(r);
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->flush_wanted = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

enum err walled_flush_again(struct walled *r)
{
    if (!r->has_flusher) return walled_flush(r);
    walled_flush_soon(r);
    return ERR_DISK;
}

enum err walled_flush_wait(struct walled *r)
{
    while (r->tables_bytes >= FLUSH_TIMES_MAX * r->flush_tables_bytes ||
           r->log_bytes >= FLUSH_TIMES_MAX * r->flush_log_bytes) {
        if (r->flush_failed) return ERR_DISK;
        if (!r->flushing && !r->flush_wanted) return ERR_OK;
        pthread_cond_wait(&r->changed, &r->lock);
    }
    return ERR_OK;
}

/* ---- The thread */

static void *flusher_main(void *arg)
{
    struct walled *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        if (r->flush_wanted) {
            pthread_mutex_unlock(&r->lock);
            (void)!walled_flush(r);
            pthread_mutex_lock(&r->lock);
        } else {
            pthread_cond_wait(&r->changed, &r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

void walled_flusher_start(struct walled *r)
{
    int failed = pthread_create(&r->flusher, NULL, flusher_main, r);
    assert(!failed);
    pthread_setname_np(r->flusher, "flusher");
    r->has_flusher = true;
}

void walled_flusher_stop(struct walled *r)
{
    if (!r->has_flusher) return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->flusher, NULL);
    r->has_flusher = false;
}
