/* Commits that share a sync.
 *
 * A commit writes its frame under the lock and then stands in line. The first one whose turn it is
 * syncs the log, without the lock, for all that were in line when it began; those that come
 * meanwhile write their frames behind, and the next sync is theirs. Only then do the tables get
 * what was synced, in the order of the frames: nobody reads what a power cut could take back, and
 * tables always hold what a start would make of the same frames.
 *
 * What looks at tables or counts to make its frame - deletes, ranges, the sweeper's - first waits
 * until the line has ended, and lets nobody join it meanwhile. So does a frame that begins an
 * extent. */
#include <assert.h>
#include "storage/engine/kv_wal.h"
#include "base/check.h"

void walled_dead_undo(struct walled *r, const struct dead *d)
{
    struct wal_extent e;
    for (int i = 0; i < d->count; i++)
        (void)wal_add_dead(r->wal, d->all[i].extent, -(uint64_t)d->all[i].bytes, &e);
}

enum err walled_sync_frames(struct walled *r, uint64_t *ret_frame)
{
    if (wal_sync(r->wal, ret_frame) == ERR_OK) return ERR_OK;
    atomic_store(&r->sync_failed, true);
    return ERR_DISK;
}

/* They are void, and that is synced: a power cut that took the zeros over a header and left the
 * rest would bring it back. After a sync that failed nobody can say what one would leave. */
void walled_take_back(struct walled *r)
{
    uint64_t frame;
    if (wal_void(r->wal) == ERR_OK && !atomic_load(&r->sync_failed))
        (void)!walled_sync_frames(r, &frame);
    atomic_store_explicit(&r->stopped, true, memory_order_relaxed);
}

enum err walled_settle(struct walled *r, const struct in_line *c)
{
    const struct walled_batch *b = c->batch;
    TRY(kv_commit(r->tables, b->inner, KV_NO_SYNC));
    struct wal_place before = wal_here(r->wal);
    wal_accept(r->wal);
    r->log_bytes += wal_here(r->wal).position - before.position;
    r->tables_bytes += kv_batch_bytes(b->inner);
    r->ranges += b->other_ranges;
    if (b->range_count > 0) {
        pthread_mutex_lock(&r->discards_lock);
        for (int i = 0; i < b->range_count; i++)
            discards_add(&r->discards, bound_bytes(&b->ranges[i].from),
                         bound_bytes(&b->ranges[i].to));
        pthread_mutex_unlock(&r->discards_lock);
    }
    atomic_store_explicit(&r->stopped, false, memory_order_relaxed);
    return ERR_OK;
}

/* ---- The line */

static void leave(struct walled *r, enum err err)
{
    struct in_line *c = r->line;
    r->line = c->next;
    c->err = err;
    c->through = true;
}

/* All of them: a start that found no frame in front of theirs would not find theirs either. */
static void refuse(struct walled *r)
{
    walled_take_back(r);
    while (r->line != NULL) {
        walled_dead_undo(r, &r->line->dead);
        leave(r, ERR_DISK);
    }
}

/* Syncs for all that are in line now. */
static void lead(struct walled *r)
{
    const struct in_line *last = r->line_last;
    r->syncing = true;
    pthread_mutex_unlock(&r->lock);
    uint64_t frame;
    enum err err = walled_sync_frames(r, &frame);
    pthread_mutex_lock(&r->lock);
    for (bool more = true; more && err == ERR_OK;) {
        more = r->line != last;
        err = walled_settle(r, r->line);
        if (err == ERR_OK) leave(r, ERR_OK);
    }
    if (err != ERR_OK) refuse(r);
    r->syncing = false;
    pthread_cond_broadcast(&r->settled);
}

enum err walled_line_pass(struct walled *r, struct in_line *c)
{
    if (r->line == NULL) r->line = c;
    else r->line_last->next = c;
    r->line_last = c;
    while (!c->through) {
        if (r->syncing) pthread_cond_wait(&r->settled, &r->lock);
        else lead(r);
    }
    return c->err;
}

void walled_wait_alone(struct walled *r)
{
    if (r->line == NULL) return;
    r->alone_begun++;
    while (r->line != NULL) pthread_cond_wait(&r->settled, &r->lock);
    r->alone_ended++;
    pthread_cond_broadcast(&r->settled);
}

void walled_lock_alone(struct walled *r)
{
    pthread_mutex_lock(&r->lock);
    walled_wait_alone(r);
}

void walled_let_others(struct walled *r)
{
    uint64_t begun = r->alone_begun;        /* those that come later would never end */
    while (r->alone_ended < begun) pthread_cond_wait(&r->settled, &r->lock);
}
