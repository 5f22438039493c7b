/* Giving the space of deleted runs back to the disk.
 *
 * A deleted range of KV_LOG is noted alone, so that the commit that deletes it costs nothing. Here
 * its entries are looked through in steps: what their runs take is counted as dead in their
 * extents, then they leave the tables. An extent of which nothing lives goes as a whole: where all
 * topics keep their records equally long, that is all there is to do. Else, once the log takes more
 * than DISK_SHARE of what lives in it, extents are emptied, those first of which least lives, as
 * with each moment more of the others dies by itself: large holes are made in them, and where that
 * does not do, what lives is appended anew. A volume that knows no holes has copies alone; a full
 * disk has no room for copies, and gets every hole there is.
 *
 * All that an extent loses must be synced as deleted, and its frames in tables, before the disk
 * loses it: a power cut goes back to what was synced, and a start reads the frames that no table
 * has.
 *
 * Work is done in steps of some milliseconds; the lock of commits is held for the commit of a step
 * alone. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/survey.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

enum {
    SWEEP_KEYS = 4096,          /* looked through in one step */
    SPAN_DELETES_MAX = 32,      /* more are one range */
    DISK_SHARE = 125,           /* percent of what lives that all may take, and a fourth of a whole
                                   extent; an extent that was emptied likewise, and a 128th */
    DEAD_SHARE_MIN = 10,        /* percent of an extent that died since it was emptied last */
    HOLE_BYTES_MIN = 64 << 10,  /* smaller ones cost more than a copy of what is around them */
    SEAL_BYTES_MIN = 4 << 20,   /* dead ones of the extent that is written, */
    SEAL_SHARE = 25,            /* and percent of it */
    COPY_BYTES = 512 << 10,     /* in one step */
    ROUND_MS = 500,
};

static struct kv_batch *own_batch(struct walled *r)
{
    struct kv_batch *b = walled_batch_new(&r->base);
    ((struct walled_batch *)b)->own = true;
    return b;
}

/* ---- Sweeping */

struct swept {
    struct bound next;          /* first key that was not looked at */
    bool more;
    int count;
    struct wal_extent *extents; /* what died in each: number and dead_bytes */
    int extent_count;
    int extent_cap;
    struct bound keys[SPAN_DELETES_MAX];
};

static void swept_done(struct swept *s)
{
    mem_free(s->extents);
}

/* Runs of a log lie in few extents, those of one commit in one: the last one is looked at first. */
static void count_dead(struct swept *s, const struct wal_pointer *p)
{
    int i = s->extent_count - 1;
    while (i >= 0 && s->extents[i].number != p->extent) i--;
    if (i < 0) {
        if (s->extent_count == s->extent_cap) {
            s->extent_cap = s->extent_cap ? s->extent_cap * 2 : 8;
            s->extents = mem_grow(s->extents, (size_t)s->extent_cap * sizeof *s->extents);
        }
        i = s->extent_count++;
        s->extents[i] = (struct wal_extent){.number = p->extent};
    }
    s->extents[i].dead_bytes += p->bytes;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err look_through(struct walled *r, const struct bound *from, const struct bound *to,
                             struct swept *s)
{
    s->next = *to;
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(r->tables, KV_LOG, bound_bytes(from), bound_bytes(to), false);
    while (kv_iter_next(it)) {
        if (s->count == SWEEP_KEYS) {
            s->next = bound_of(kv_iter_key(it));
            s->more = true;
            break;
        }
        if (s->count < SPAN_DELETES_MAX) s->keys[s->count] = bound_of(kv_iter_key(it));
        s->count++;
        struct wal_pointer p;
        struct bytes value = kv_iter_value(it);
        if (value.len == 1 + POINTER_BYTES && value.data[0] == VALUE_POINTER &&
            pointer_read(bytes_slice(value, 1, POINTER_BYTES), &p) == ERR_OK)
            count_dead(s, &p);
    }
    return kv_iter_error(it);
}

/* RocksDB's tables mix up a key and a range that begin alike in a memtable (kv_rocksdb.c): a range
 * begins in front of all keys of a log. */
static struct bound range_begin(const struct bound *from)
{
    struct bound b = *from;
    if (b.len < 8 || b.data[7] % 2 == 0) return b;
    b.data[7]--;
    for (int i = 8; i < RUN_KEY_BYTES; i++) b.data[i] = 0xff;
    b.len = RUN_KEY_BYTES;
    return b;
}

static void put_swept(struct walled *r, struct swept *s, const struct bound *from,
                      struct walled_batch *b)
{
    for (int i = 0; i < s->extent_count; i++) {
        struct wal_extent e;
        if (wal_add_dead(r->wal, s->extents[i].number, s->extents[i].dead_bytes, &e))
            walled_put_extent(b->inner, &e);
        else s->extents[i].dead_bytes = 0;
    }
    if (s->count <= SPAN_DELETES_MAX) {
        for (int i = 0; i < s->count; i++)
            kv_batch_delete(b->inner, KV_LOG, bound_bytes(&s->keys[i]));
    } else {
        struct bound begin = range_begin(from);
        kv_batch_delete_range(b->inner, KV_LOG, bound_bytes(&begin), bound_bytes(&s->next));
        b->other_ranges++;
    }
}

/* The range is through, unless it has grown since: its row goes, and those that it swallowed. */
static void put_done(struct walled *r, const struct discard *d, struct kv_batch *inner)
{
    struct discard now =
        discards_joined(&r->discards, bound_bytes(&d->from), bound_bytes(&d->to));
    if (!bytes_equal(bound_bytes(&now.to), bound_bytes(&d->to))) return;
    CLEANUP(kv_iter_freep) struct kv_iter *it = kv_iter_new(
        r->tables, KV_DISCARDS, bound_bytes(&d->from), bound_bytes(&d->to), false);
    while (kv_iter_next(it)) kv_batch_delete(inner, KV_DISCARDS, kv_iter_key(it));
}

/* One step: what was looked through goes. Errors: ERR_FORMAT - what lies there cannot be read;
 * ERR_DISK. Thread: the sweeper; blocks. */
static enum err sweep_step(struct walled *r, const struct discard *d, struct bound *at,
                           bool *ret_more)
{
    CLEANUP(swept_done) struct swept s = {0};
    if (look_through(r, at, &d->to, &s) != ERR_OK) return ERR_FORMAT;
    CLEANUP(kv_batch_freep) struct kv_batch *base = own_batch(r);
    struct walled_batch *b = (struct walled_batch *)base;
    walled_lock_alone(r);
    put_swept(r, &s, at, b);
    if (!s.more) put_done(r, d, b->inner);
    enum err err = walled_commit_locked(r, b);
    if (err == ERR_OK && !s.more) {
        pthread_mutex_lock(&r->discards_lock);
        (void)discards_remove(&r->discards, d);
        pthread_mutex_unlock(&r->discards_lock);
    }
    struct wal_extent e;
    for (int i = 0; err != ERR_OK && i < s.extent_count; i++)
        (void)wal_add_dead(r->wal, s.extents[i].number, -s.extents[i].dead_bytes, &e);
    bool due = walled_flush_is_due(r);
    pthread_mutex_unlock(&r->lock);
    if (due) walled_flush_soon(r);
    *at = s.next;
    *ret_more = s.more;
    return err;
}

/* A range in damaged tables keeps what it has, and holds up no other.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err sweep(struct walled *r, const atomic_bool *stop)
{
    bool unread = false;
    pthread_mutex_lock(&r->discards_lock);
    CLEANUP(discards_done) struct discards all =
        discards_of(&r->discards, BYTES_LIT(""), BYTES_NULL);
    pthread_mutex_unlock(&r->discards_lock);
    for (uint32_t i = 0; i < all.count; i++) {
        struct bound at = all.all[i].from;
        bool more = true;
        while (more) {
            if (atomic_load(stop)) return ERR_OK;
            enum err err = sweep_step(r, &all.all[i], &at, &more);
            if (err != ERR_OK && err != ERR_FORMAT) return err;
            if (err != ERR_OK) more = false;
            unread |= err != ERR_OK;
        }
    }
    return unread ? ERR_DISK : ERR_OK;
}

/* ---- Extents */

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err lives(struct walled *r, const struct survey_run *run, bool *ret)
{
    struct wal_pointer now;
    bool is_pointer = false;
    enum err err =
        walled_find(r->tables, bytes_of(run->key, RUN_KEY_BYTES), &is_pointer, &now);
    *ret = err == ERR_OK && is_pointer && wal_pointer_compare(&now, &run->at) == 0;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err punch(struct walled *r, uint64_t extent, const struct survey *v,
                      const atomic_bool *stop)
{
    uint32_t least = walled_is_full(&r->base) ? 0 : HOLE_BYTES_MIN;
    for (uint32_t i = 0; i < v->hole_count && r->holes && !atomic_load(stop); i++)
        if (v->holes[i].bytes >= least)
            TRY(wal_punch(r->wal, extent, v->holes[i].at, v->holes[i].bytes, &r->holes));
    if (!r->holes)
        log_info("the volume of the data directory knows no holes in files: the space of deleted "
                 "records is given back by copying what is left");
    return ERR_OK;
}

/* One that cannot be read stays where it is. Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err read_copies(struct walled *r, struct survey_run *runs, uint32_t count,
                            uint8_t *to)
{
    for (uint32_t i = 0; i < count; i++) {
        enum err err = wal_read(r->wal, &runs[i].at, to);
        to += runs[i].at.bytes;
        if (err == ERR_FORMAT) runs[i].alive = false;
        else TRY(err);
    }
    return ERR_OK;
}

/* Under the lock: what was deleted since the survey is not put again. Only what may have been is
 * looked up, which may read the disk.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err put_copies(struct walled *r, const struct survey_run *runs, uint32_t count,
                           const uint8_t *from, struct walled_batch *b)
{
    for (uint32_t i = 0; i < count; from += runs[i++].at.bytes) {
        bool alive = runs[i].alive;
        struct bytes key = bytes_of(runs[i].key, RUN_KEY_BYTES);
        if (alive && deleted_may_have(&r->deleted, key)) TRY(lives(r, &runs[i], &alive));
        if (alive && !discards_have(&r->discards, key))
            walled_batch_move(b, key, &runs[i].at, bytes_of(from, runs[i].at.bytes));
    }
    return ERR_OK;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err copy_step(struct walled *r, struct survey *v, uint32_t *next)
{
    struct survey_run *runs = v->runs + *next;
    uint32_t left = v->run_count - *next, count = 0;
    size_t bytes = 0;
    while (count < left && (count == 0 || bytes + runs[count].at.bytes <= COPY_BYTES))
        bytes += runs[count++].at.bytes;
    *next += count;
    CLEANUP(kv_batch_freep) struct kv_batch *base = own_batch(r);
    struct walled_batch *b = (struct walled_batch *)base;
    CLEANUP(mem_freep) uint8_t *copies = mem_new(bytes);
    TRY(read_copies(r, runs, count, copies));
    walled_lock_alone(r);
    enum err err = put_copies(r, runs, count, copies, b);
    if (err == ERR_OK) err = walled_commit_locked(r, b);
    bool due = walled_flush_is_due(r);
    pthread_mutex_unlock(&r->lock);
    if (due) walled_flush_soon(r);
    return err;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err copy(struct walled *r, struct survey *v, const atomic_bool *stop)
{
    for (uint32_t next = 0; next < v->run_count && !atomic_load(stop);)
        TRY(copy_step(r, v, &next));
    return ERR_OK;
}

/* Commits the extent's row, now that its holes are made, or that it goes. What is counted and the
 * row are of one moment: a commit in between would have its own row written over by an older one.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err put_row(struct walled *r, struct wal_extent *e, bool drop)
{
    CLEANUP(kv_batch_freep) struct kv_batch *base = own_batch(r);
    struct walled_batch *b = (struct walled_batch *)base;
    walled_lock_alone(r);
    if (!drop) wal_set_punched(r->wal, e->number, e);
    struct extent_key key = extent_key(e->number);
    if (drop) kv_batch_delete(b->inner, KV_EXTENTS, KEY_BYTES(key));
    else walled_put_extent(b->inner, e);
    enum err err = walled_commit_locked(r, b);
    pthread_mutex_unlock(&r->lock);
    return err;
}

static uint64_t live_bytes(const struct wal_extent *e)
{
    return e->payload_bytes - e->dead_bytes;
}

static bool takes_too_much(struct walled *r, const struct wal_extent *e)
{
    return wal_disk_bytes(r->wal, e->number) > live_bytes(e) / 100 * DISK_SHARE + e->end / 128;
}

/* A part of an extent is surveyed, and what is asked for is done with it.
 * Errors: ERR_DISK; of survey_take(). Thread: the sweeper; blocks. */
static enum err shrink_part(struct walled *r, const struct wal_extent *e, bool copies,
                            uint32_t *at, const atomic_bool *stop)
{
    CLEANUP(survey_done) struct survey v;
    bool is_whole = *at == 0;
    TRY(survey_take(r->wal, r->tables, e->number, *at, stop, &v));
    if (atomic_load(stop)) return ERR_OK;
    *at = v.next;
    is_whole &= v.next == 0;
    if (!copies && r->holes && v.hole_count > 0) {
        TRY(walled_sync_now(&r->base));         /* the survey saw what was deleted since the last */
        TRY(punch(r, e->number, &v, stop));
    }
    /* One survey does for both where it has the whole extent. */
    return copies || (is_whole && takes_too_much(r, e)) ? copy(r, &v, stop) : ERR_OK;
}

/* Errors: ERR_DISK; of survey_take(). Thread: the sweeper; blocks. */
static enum err shrink_all(struct walled *r, const struct wal_extent *e, const atomic_bool *stop)
{
    bool in_parts = false;
    uint32_t at = 0;
    for (int copies = 0; copies <= 1; copies++) {
        do {
            TRY(shrink_part(r, e, copies, &at, stop));
            in_parts |= at != 0;
        } while (at != 0 && !atomic_load(stop));
        if (!in_parts || !takes_too_much(r, e) || atomic_load(stop)) break;
    }
    return ERR_OK;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err shrink(struct walled *r, struct wal_extent *e, const atomic_bool *stop)
{
    walled_lock_alone(r);
    r->deleted = (struct deleted){0};
    pthread_mutex_unlock(&r->lock);
    enum err err = shrink_all(r, e, stop);
    if (atomic_load(stop)) return ERR_OK;
    if (err == ERR_FORMAT || err == ERR_NOT_FOUND)
        log_warn("a file of the write-ahead log is damaged: it gives no space back before all in "
                 "it is deleted", {"extent", LOG_I(e->number)});
    else TRY(err);
    return put_row(r, e, /* drop= */ false);
}

static bool is_dead(const struct wal_extent *e)
{
    return e->dead_bytes >= e->payload_bytes;
}

static bool is_worth_it(const struct wal_extent *e)
{
    uint64_t more = e->dead_bytes - e->punched_bytes;
    return is_dead(e) || (more > 0 && more >= e->payload_bytes / 100 * DEAD_SHARE_MIN);
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err reclaim_extent(struct walled *r, struct wal_extent *e, const atomic_bool *stop)
{
    if (!is_dead(e)) return shrink(r, e, stop);
    TRY(wal_drop(r->wal, e->number));
    return put_row(r, e, /* drop= */ true);
}

/* The extent that is written is sealed once much of it is dead. Under the lock. */
static void seal(struct walled *r, const struct wal_extent *e)
{
    uint64_t payload = wal_here(r->wal).payload_bytes;
    if (e->dead_bytes >= SEAL_BYTES_MIN && e->dead_bytes >= payload / 100 * SEAL_SHARE)
        wal_want_seal(r->wal);
}

/* Extents that have something to give, those of which least lives first. */
struct found {
    struct wal_extent *all;
    size_t count;
    struct wal_stats stats;     /* of all extents */
};

static void found_done(struct found *f)
{
    mem_free(f->all);
}

static int by_share(const void *a, const void *b)
{
    const struct wal_extent *x = a, *y = b;
    double share_x = (double)live_bytes(x) / (double)(x->payload_bytes + 1);
    double share_y = (double)live_bytes(y) / (double)(y->payload_bytes + 1);
    return share_x < share_y ? -1 : share_x > share_y;
}

/* Up to a frame, as they are known now. Under the lock: what a commit counted as dead that is not
 * through yet may come back. */
static void look(struct walled *r, uint64_t frame, struct found *f)
{
    struct wal_extent e;
    for (uint64_t n = 0; wal_extent_from(r->wal, n, &e); n = e.number + 1) {
        if (!e.sealed) seal(r, &e);
        if (!e.sealed || e.last_frame > frame || !is_worth_it(&e)) continue;
        f->all = mem_grow(f->all, (f->count + 1) * sizeof *f->all);
        f->all[f->count++] = e;
    }
    if (f->count > 0) qsort(f->all, f->count, sizeof *f->all, by_share);
    wal_stats(r->wal, &f->stats);
}

/* How many of them, from the first one on, are to be emptied. */
static size_t choose(struct walled *r, const struct found *f)
{
    uint64_t live = f->stats.payload_bytes - f->stats.dead_bytes;
    int64_t excess = (int64_t)f->stats.bytes -
                     (int64_t)(live / 100 * DISK_SHARE + r->extent_bytes / 4);
    for (size_t i = 0; i < f->count; i++)       /* which may have holes already */
        excess -= (int64_t)f->all[i].end - (int64_t)wal_disk_bytes(r->wal, f->all[i].number);
    if (walled_is_full(&r->base)) excess = INT64_MAX;
    size_t count = 0;
    for (; count < f->count && (excess > 0 || is_dead(&f->all[count])); count++)
        excess -= (int64_t)wal_disk_bytes(r->wal, f->all[count].number) -
                  (int64_t)live_bytes(&f->all[count]);
    return count;
}

/* What dies behind the sync is for the next time. flushes: also those whose frames tables lack. An
 * extent that fails holds up no other: a full disk has no room for copies, but gets whole files
 * back. ret_some: something was given back.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err reclaim_pass(struct walled *r, bool flushes, const atomic_bool *stop,
                             bool *ret_some)
{
    CLEANUP(found_done) struct found f = {0};
    walled_lock_alone(r);
    uint64_t flushed_frame = r->flushed_frame, last_frame = 0;
    look(r, flushes ? UINT64_MAX : flushed_frame, &f);
    pthread_mutex_unlock(&r->lock);
    size_t count = choose(r, &f);
    if (count == 0) return ERR_OK;
    for (size_t i = 0; i < count; i++)
        if (f.all[i].last_frame > last_frame) last_frame = f.all[i].last_frame;
    TRY(last_frame <= flushed_frame ? walled_sync_now(&r->base) : walled_flush(r));
    enum err first = ERR_OK;
    int64_t until_ms = clock_mono_ms() + ROUND_MS;
    for (size_t i = 0; i < count && !atomic_load(stop) && (i == 0 || clock_mono_ms() < until_ms);
         i++) {
        enum err err = reclaim_extent(r, &f.all[i], stop);
        if (first == ERR_OK) first = err;
        if (err == ERR_OK) *ret_some = true;
        else wal_set_punched(r->wal, f.all[i].number, &f.all[i]);   /* others come first now */
    }
    return first;
}

/* For ROUND_MS, or one extent. What needs no flush goes first: that needs room, and one that fails
 * stops all writing. While a backup is made nothing leaves the disk.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err reclaim_round(struct walled *r, const atomic_bool *stop, bool *ret_some)
{
    *ret_some = false;
    enum err first = sweep(r, stop);
    CLEANUP(close_fdp) int lock = r->has_dir ? sync_mark_lock(r->mark.dir, /* wait= */ false) : -1;
    if (r->has_dir && lock < 0) return first;
    for (int flushes = 0; flushes < 2 && !*ret_some && !atomic_load(stop); flushes++) {
        enum err err = reclaim_pass(r, flushes, stop, ret_some);
        if (first == ERR_OK) first = err;
    }
    return first;
}

/* Each round sees what died meanwhile, and what the one before copied away. */
enum err walled_reclaim(struct kv *kv, const atomic_bool *stop)
{
    bool some = true;
    enum err err = ERR_OK;
    while (some && !atomic_load(stop)) {
        enum err round = reclaim_round(walled_of(kv), stop, &some);
        if (err == ERR_OK) err = round;
    }
    return err;
}
