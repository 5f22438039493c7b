/* Giving the space of deleted runs back to the disk.
 *
 * A deleted range of KV_LOG is noted alone, so that the commit that deletes it costs nothing. Here
 * its entries are looked through in steps: what their runs take is counted as dead in their
 * extents, then they leave the tables. An extent of which nothing lives goes as a whole: where all
 * topics keep their records equally long, that is all there is to do. Else holes are made in
 * extents of which PUNCH_SHARE more is dead than when it was done last, and what still takes too
 * much of the disk then, as runs of a block or less leave no hole, has what lives in it appended
 * anew. A volume that knows no holes has copies alone. What lives in an extent is found by its own
 * frames, which name their runs.
 *
 * All that an extent loses must be synced as deleted, and its frames in tables, before the disk
 * loses it: a power cut goes back to what was synced, and a start reads the frames that no table
 * has.
 *
 * Work is done in steps of some milliseconds; the lock of commits is held for the commit of a step
 * alone. */
#include <assert.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "storage/engine/keys.h"
#include "storage/engine/kv_wal.h"
#include "base/check.h"

enum {
    SWEEP_KEYS = 4096,          /* looked through in one step */
    SPAN_DELETES_MAX = 32,      /* more are one range */
    PUNCH_SHARE = 25,           /* percent of the payload */
    DISK_SHARE = 150,           /* percent of what lives: an extent that takes more is copied */
    DISK_SPARE_BYTES = 1 << 20, /* and so much always may be */
    SEAL_BYTES_MIN = 4 << 20,   /* dead ones of the extent that is written */
    COPY_BYTES = 512 << 10,     /* in one step */
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
    pthread_mutex_lock(&r->lock);
    put_swept(r, &s, at, b);
    if (!s.more) put_done(r, d, b->inner);
    enum err err = walled_commit_locked(r, b, KV_NO_SYNC);
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

struct place {
    uint32_t at;
    uint32_t bytes;
};

/* What lives in an extent, by its own frames, and what a hole can be made of. */
struct survey {
    struct walled *r;
    const atomic_bool *stop;
    enum err err;
    struct wal_pointer *runs;
    struct bound *keys;
    uint32_t run_count;
    uint32_t run_cap;
    struct place *holes;        /* neighbours are one */
    uint32_t hole_count;
    uint32_t hole_cap;
};

static void survey_done(struct survey *v)
{
    mem_free(v->runs);
    mem_free(v->keys);
    mem_free(v->holes);
}

static void add_hole(struct survey *v, uint32_t at, uint32_t bytes)
{
    struct place *last = v->hole_count > 0 ? &v->holes[v->hole_count - 1] : NULL;
    if (last != NULL && last->at + last->bytes == at) {
        last->bytes += bytes;
        return;
    }
    if (v->hole_count == v->hole_cap) {
        v->hole_cap = v->hole_cap ? v->hole_cap * 2 : 256;
        v->holes = mem_grow(v->holes, v->hole_cap * sizeof *v->holes);
    }
    v->holes[v->hole_count++] = (struct place){at, bytes};
}

static void add_run(struct survey *v, const uint8_t key[RUN_KEY_BYTES],
                    const struct wal_pointer *at)
{
    if (v->run_count == v->run_cap) {
        v->run_cap = v->run_cap ? v->run_cap * 2 : 256;
        v->runs = mem_grow(v->runs, v->run_cap * sizeof *v->runs);
        v->keys = mem_grow(v->keys, v->run_cap * sizeof *v->keys);
    }
    v->runs[v->run_count] = *at;
    v->keys[v->run_count++] = bound_of(bytes_of(key, RUN_KEY_BYTES));
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err lives(struct walled *r, struct bytes key, const struct wal_pointer *at, bool *ret)
{
    struct wal_pointer now;
    bool is_pointer = false;
    enum err err = walled_find(r->tables, key, &is_pointer, &now);
    *ret = err == ERR_OK && is_pointer && now.extent == at->extent &&
           now.position == at->position;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static bool visit_run(void *context, const uint8_t key[RUN_KEY_BYTES],
                      const struct wal_pointer *at)
{
    struct survey *v = context;
    bool alive;
    v->err = lives(v->r, bytes_of(key, RUN_KEY_BYTES), at, &alive);
    if (v->err != ERR_OK || atomic_load(v->stop)) return false;
    if (alive) add_run(v, key, at);
    else add_hole(v, at->position, at->bytes);
    return true;
}

static bool visit_batch(void *context, uint32_t at, uint32_t bytes)
{
    add_hole(context, at, bytes);
    return true;
}

/* Errors: ERR_FORMAT - a frame of it cannot be read; ERR_NOT_FOUND; ERR_DISK. Thread: the sweeper;
 * blocks. */
static enum err survey(struct walled *r, uint64_t extent, const atomic_bool *stop,
                       struct survey *ret)
{
    *ret = (struct survey){.r = r, .stop = stop};
    const struct wal_visit visit = {.context = ret, .run = visit_run, .batch = visit_batch};
    TRY(wal_visit(r->wal, extent, &visit));
    return ret->err;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err punch(struct walled *r, uint64_t extent, const struct survey *v)
{
    for (uint32_t i = 0; i < v->hole_count && r->holes && !atomic_load(v->stop); i++)
        TRY(wal_punch(r->wal, extent, v->holes[i].at, v->holes[i].bytes, &r->holes));
    if (!r->holes)
        log_info("the volume of the data directory knows no holes in files: the space of deleted "
                 "records is given back by copying what is left");
    return ERR_OK;
}

/* One that cannot be read stays where it is. Each is looked up here too: the look under the lock
 * finds it in memory then. Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err read_copies(struct walled *r, struct survey *v, uint32_t first, uint32_t count,
                            uint8_t *to)
{
    for (uint32_t i = first; i < first + count; i++) {
        bool alive;
        TRY(lives(r, bound_bytes(&v->keys[i]), &v->runs[i], &alive));
        enum err err = alive ? wal_read(r->wal, &v->runs[i], to) : ERR_FORMAT;
        to += v->runs[i].bytes;
        if (err == ERR_FORMAT) v->runs[i].extent = 0;
        else TRY(err);
    }
    return ERR_OK;
}

/* Under the lock: what was deleted since is not put again.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err put_copies(struct walled *r, const struct survey *v, uint32_t first,
                           uint32_t count, const uint8_t *from, struct kv_batch *b)
{
    for (uint32_t i = first; i < first + count; i++) {
        bool alive;
        struct bytes key = bound_bytes(&v->keys[i]), run = bytes_of(from, v->runs[i].bytes);
        TRY(lives(r, key, &v->runs[i], &alive));
        from += run.len;
        if (!alive || discards_have(&r->discards, key)) continue;
        walled_batch_delete(b, KV_LOG, key);        /* counts the old place as dead */
        walled_batch_put_parts(b, KV_LOG, key, &run, 1);
    }
    return ERR_OK;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err copy_step(struct walled *r, struct survey *v, uint32_t *next)
{
    uint32_t first = *next, count = 0;
    size_t bytes = 0;
    while (first + count < v->run_count &&
           (count == 0 || bytes + v->runs[first + count].bytes <= COPY_BYTES))
        bytes += v->runs[first + count++].bytes;
    *next = first + count;
    CLEANUP(kv_batch_freep) struct kv_batch *b = own_batch(r);
    CLEANUP(mem_freep) uint8_t *copies = mem_new(bytes);
    TRY(read_copies(r, v, first, count, copies));
    pthread_mutex_lock(&r->lock);
    enum err err = put_copies(r, v, first, count, copies, b);
    if (err == ERR_OK) err = walled_commit_locked(r, (struct walled_batch *)b, KV_NO_SYNC);
    bool due = walled_flush_is_due(r);
    pthread_mutex_unlock(&r->lock);
    if (due) walled_flush_soon(r);
    return err;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err copy(struct walled *r, struct survey *v)
{
    for (uint32_t next = 0; next < v->run_count && !atomic_load(v->stop);)
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
    pthread_mutex_lock(&r->lock);
    if (!drop) wal_set_punched(r->wal, e->number, e);
    struct extent_key key = extent_key(e->number);
    if (drop) kv_batch_delete(b->inner, KV_EXTENTS, KEY_BYTES(key));
    else walled_put_extent(b->inner, e);
    enum err err = walled_commit_locked(r, b, KV_NO_SYNC);
    pthread_mutex_unlock(&r->lock);
    return err;
}

static bool takes_too_much(struct walled *r, const struct wal_extent *e)
{
    uint64_t live = e->payload_bytes - e->dead_bytes;
    return wal_disk_bytes(r->wal, e->number) > live / 100 * DISK_SHARE + DISK_SPARE_BYTES;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err shrink(struct walled *r, struct wal_extent *e, const atomic_bool *stop)
{
    CLEANUP(survey_done) struct survey v;
    enum err err = survey(r, e->number, stop, &v);
    if (err == ERR_FORMAT || err == ERR_NOT_FOUND)
        log_warn("a file of the write-ahead log is damaged: it gives no space back before all in "
                 "it is deleted", {"extent", LOG_I(e->number)});
    else TRY(err);
    if (err == ERR_OK && r->holes) TRY(punch(r, e->number, &v));
    if (err == ERR_OK && takes_too_much(r, e)) TRY(copy(r, &v));
    if (atomic_load(stop)) return ERR_OK;
    return put_row(r, e, /* drop= */ false);
}

static bool is_worth_it(const struct wal_extent *e)
{
    uint64_t more = e->dead_bytes - e->punched_bytes;
    return e->dead_bytes >= e->payload_bytes ||
           (more > 0 && more >= e->payload_bytes / 100 * PUNCH_SHARE);
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err reclaim_extent(struct walled *r, struct wal_extent *e, const atomic_bool *stop)
{
    if (e->dead_bytes < e->payload_bytes) return shrink(r, e, stop);
    TRY(wal_drop(r->wal, e->number));
    return put_row(r, e, /* drop= */ true);
}

/* The extent that is written is sealed once much of it is dead. Under the lock. */
static void seal(struct walled *r, const struct wal_extent *e)
{
    uint64_t payload = wal_here(r->wal).payload_bytes;
    if (e->dead_bytes >= SEAL_BYTES_MIN && e->dead_bytes >= payload / 100 * PUNCH_SHARE)
        wal_want_seal(r->wal);
}

struct found {
    struct wal_extent *all;
    size_t count;
    uint64_t last_frame;
};

static void found_done(struct found *f)
{
    mem_free(f->all);
}

/* Extents up to a frame that have something to give, as they are known now. Under the lock: what a
 * commit counted as dead that is not through yet may come back. */
static void look(struct walled *r, uint64_t frame, struct found *f)
{
    struct wal_extent e;
    for (uint64_t n = 0; wal_extent_from(r->wal, n, &e); n = e.number + 1) {
        if (!e.sealed) seal(r, &e);
        if (!e.sealed || e.last_frame > frame || !is_worth_it(&e)) continue;
        f->all = mem_grow(f->all, (f->count + 1) * sizeof *f->all);
        f->all[f->count++] = e;
        f->last_frame = e.last_frame;
    }
}

/* What dies behind the sync is for the next time. flushes: also those whose frames tables lack. An
 * extent that fails holds up no other: a full disk has no room for copies, but gets whole files
 * back.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err reclaim_pass(struct walled *r, bool flushes, const atomic_bool *stop)
{
    CLEANUP(found_done) struct found f = {0};
    pthread_mutex_lock(&r->lock);
    look(r, flushes ? UINT64_MAX : r->flushed_frame, &f);
    bool flushed = f.last_frame <= r->flushed_frame;
    pthread_mutex_unlock(&r->lock);
    if (f.count == 0) return ERR_OK;
    TRY(flushed ? walled_sync_now(&r->base) : walled_flush(r));
    enum err first = ERR_OK;
    for (size_t i = 0; i < f.count && !atomic_load(stop); i++) {
        enum err err = reclaim_extent(r, &f.all[i], stop);
        if (first == ERR_OK) first = err;
    }
    return first;
}

static void close_fdp(const int *fd)
{
    if (*fd >= 0) close(*fd);
}

/* What needs no flush goes first: that needs room, and one that fails stops all writing. The pass
 * behind each takes what it copied away. While a backup is made nothing leaves the disk. */
enum err walled_reclaim(struct kv *kv, const atomic_bool *stop)
{
    struct walled *r = walled_of(kv);
    enum err first = sweep(r, stop);
    CLEANUP(close_fdp) int lock = r->has_dir ? sync_mark_lock(r->mark.dir, /* wait= */ false) : -1;
    if (r->has_dir && lock < 0) return first;
    for (int pass = 0; pass < 3 && !atomic_load(stop); pass++) {
        enum err err = reclaim_pass(r, /* flushes= */ pass == 1, stop);
        if (first == ERR_OK) first = err;
    }
    return first;
}
