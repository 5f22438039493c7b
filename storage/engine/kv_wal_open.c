/* Opening a data directory: the tables as they were written out last, and the frames of the
 * write-ahead log behind that applied to them again, up to the last whole one.
 *
 * 1. The mark in each family of tables says which frames it has: the older one counts. What is
 *    applied twice to the other - puts, deletes and ranges, in their order - ends as it was.
 * 2. Frames follow on one another by number. Behind the sync mark a power cut may have left any
 *    part of a frame, so the runs' bytes are checked there, unless the system has run ever since.
 * 3. What is known of the extents and of the ranges to be swept is read from the tables.
 * 4. What lies behind the last whole frame goes, and appends go on there. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "storage/engine/damage.h"
#include "storage/engine/kv_wal.h"
#include "storage/engine/shadow.h"
#include "storage/engine/tables.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

static void set_text(char **ret_text, const char *text)
{
    if (ret_text != NULL && *ret_text == NULL) *ret_text = mem_string(text, strlen(text));
}

/* ---- What the tables know */

/* Errors: ERR_FORMAT; ERR_DISK. Thread: the opening's; blocks. */
static enum err get_mark(struct kv *tables, enum kv_family family, struct bytes key,
                         struct wal_place *ret)
{
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    *ret = (struct wal_place){0};
    enum err err = kv_get(tables, family, key, &value);
    if (err == ERR_NOT_FOUND) return ERR_OK;
    TRY(err);
    return mark_read(slab_bytes(value), ret);
}

static enum err older_mark(struct kv *tables, struct wal_place *ret)
{
    struct wal_place log;
    TRY(get_mark(tables, KV_EXTENTS, KEY_MARK, ret));
    TRY(get_mark(tables, KV_LOG, KEY_LOG_MARK, &log));
    if (log.frame < ret->frame || log.store_id == 0) *ret = log;
    return ERR_OK;
}

/* An extent that is not as it was: told once, as what it holds is told whenever it is read. What is
 * left of a file stays known, or the next start would take it for a leftover. */
static void lose_extent(struct walled *r, const struct wal_extent *e, struct kv_batch *b)
{
    struct extent_key key = extent_key(e->number);
    struct wal_extent left;
    if (wal_extent_from(r->wal, e->number, &left) && left.number == e->number)
        walled_put_extent(b, &left);
    else kv_batch_delete(b, KV_EXTENTS, KEY_BYTES(key));
    if (e->dead_bytes >= e->payload_bytes) return;      /* it was to go, and its row with it */
    char name[EXTENT_NAME_BYTES];
    extent_name(e->number, name);
    damage_say(&r->base.damage, "%s is missing or cut short: up to %" PRIu64 " bytes of records",
               name, e->payload_bytes - e->dead_bytes);
    r->base.damage.lost_writes++;
}

/* Errors: ERR_FORMAT; ERR_DISK. Thread: the opening's; blocks. */
static enum err read_extents(struct walled *r, struct kv_batch *lost)
{
    struct extent_key from = extent_key(0);
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(r->tables, KV_EXTENTS, KEY_BYTES(from), BYTES_LIT("F"), false);
    while (kv_iter_next(it)) {
        struct wal_extent e;
        TRY(extent_value_read(kv_iter_key(it), kv_iter_value(it), &e));
        enum err err = wal_know(r->wal, &e);
        if (err == ERR_NOT_FOUND) lose_extent(r, &e, lost);
        else TRY(err);
    }
    return kv_iter_error(it);
}

static enum err read_discards(struct walled *r)
{
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(r->tables, KV_DISCARDS, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) {
        struct bytes from = kv_iter_key(it), to = kv_iter_value(it);
        if (from.len > DISCARD_KEY_BYTES || to.len > DISCARD_KEY_BYTES) return ERR_FORMAT;
        discards_add(&r->discards, from, to);
    }
    return kv_iter_error(it);
}

/* ---- What the log has more */

static enum err apply(void *context, const struct wal_frame *frame)
{
    struct walled *r = context;
    r->replayed++;
    r->tables_bytes += frame->batch.len;
    r->log_bytes += frame->payload_bytes + frame->batch.len;
    return r->tables->engine->apply(r->tables, frame->batch);
}

static void lose_after(struct walled *r, const struct wal_end *end, const char *dir)
{
    struct kv_damage *d = &r->base.damage;
    damage_after(&r->mark, end, d);
    if (d->lost_writes > 0 && !r->read_only)
        aside_keep(dir, end->place.extent, clock_wall_ms(), d);
}

/* Errors: ERR_FORMAT; ERR_DISK. Thread: the opening's; blocks. */
static enum err recover(struct walled *r, const char *dir, uint64_t store_id)
{
    struct wal_place from;
    struct wal_end end;
    TRY(older_mark(r->tables, &from));
    r->flushed_frame = from.frame;
    uint64_t verify_from = 0;
    if (dir != NULL)
        verify_from = sync_mark_same_boot(&r->mark) ? UINT64_MAX : sync_mark_position(&r->mark);
    TRY(wal_walk(r->wal, &from, verify_from, r, apply, &end));
    if (dir != NULL) lose_after(r, &end, dir);
    CLEANUP(kv_batch_freep) struct kv_batch *lost = kv_batch_new(r->tables);
    TRY(read_extents(r, lost));
    TRY(read_discards(r));
    TRY(wal_begin(r->wal, &end.place, store_id));
    if (r->read_only) return ERR_OK;
    TRY(wal_drop_unknown(r->wal));
    return kv_commit(r->tables, lost, KV_NO_SYNC);
}

/* ---- Life */

static const struct kv_engine walled_engine = {
    .close = walled_close,
    .get = walled_get,
    .iter_new = walled_iter_new,
    .iter_next = walled_iter_next,
    .iter_key = walled_iter_key,
    .iter_value = walled_iter_value,
    .iter_value_len = walled_iter_value_len,
    .iter_slab = walled_iter_slab,
    .iter_error = walled_iter_error,
    .iter_free = walled_iter_free,
    .batch_new = walled_batch_new,
    .batch_free = walled_batch_free,
    .batch_clear = walled_batch_clear,
    .batch_bytes = walled_batch_bytes,
    .batch_put_parts = walled_batch_put_parts,
    .batch_delete = walled_batch_delete,
    .batch_delete_range = walled_batch_delete_range,
    .commit = walled_commit,
    .sync_now = walled_sync_now,
    .resume = walled_resume,
    .writes_stopped = walled_writes_stopped,
    .is_full = walled_is_full,
    .behind = walled_behind,
    .reclaim = walled_reclaim,
    .stats = walled_stats,
    .check = walled_check,
};

static struct walled *walled_new(const struct kv_options *o, struct kv *tables,
                                 struct files *files)
{
    struct walled *r = NEW(struct walled);
    *r = (struct walled){
        .base.engine = &walled_engine, .tables = tables, .files = files,
        .read_only = o->read_only, .dir_fd = -1, .holes = true,
        .extent_bytes = o->extent_bytes ? o->extent_bytes : WAL_EXTENT_BYTES,
        .flush_tables_bytes = o->flush_tables_bytes ? o->flush_tables_bytes : FLUSH_TABLES_BYTES,
        .flush_log_bytes = o->flush_log_bytes ? o->flush_log_bytes : FLUSH_LOG_BYTES,
    };
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->discards_lock, NULL);
    pthread_mutex_init(&r->sync_lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    pthread_cond_init(&r->settled, NULL);
    return r;
}

/* What tables have in memory alone is applied again by the next start: it is written out, so that
 * this is quick. A disk that fails here was reported before. */
void walled_close(struct kv *kv)
{
    struct walled *r = walled_of(kv);
    walled_flusher_stop(r);
    if (r->wal != NULL && !r->read_only) {
        if (r->tables_bytes > 0) (void)!walled_flush(r);
        (void)!walled_sync_now(kv);
    }
    kv_close(r->tables);
    if (r->has_dir && !r->read_only && !atomic_load(&r->sync_failed))
        mark_renew(&r->mark, &r->manifest, sync_mark_position(&r->mark), clock_wall_ms());
    wal_close(r->wal);
    files_free(r->files);
    if (r->shadow != NULL) shadow_remove(r->shadow);
    mem_free(r->shadow);
    if (r->dir_fd >= 0) close(r->dir_fd);
    sync_mark_done(&r->mark);
    discards_done(&r->discards);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->discards_lock);
    pthread_mutex_destroy(&r->sync_lock);
    pthread_cond_destroy(&r->changed);
    pthread_cond_destroy(&r->settled);
    mem_free(r);
}

/* Ends one that never opened: nothing is written. */
static void walled_dropp(struct walled **r)
{
    if (*r == NULL) return;
    (*r)->read_only = true;
    walled_close(&(*r)->base);
}

enum err kv_wal_open(struct kv *tables, struct files *files, const struct kv_options *options,
                     uint64_t store_id, struct kv **ret)
{
    CLEANUP(walled_dropp) struct walled *r = walled_new(options, tables, files);
    const struct wal_options o = {.extent_bytes = options->extent_bytes,
                                  .read_only = options->read_only};
    TRY(wal_open(files, &o, &r->wal));
    TRY(recover(r, NULL, store_id));
    *ret = &TAKE(r)->base;
    return ERR_OK;
}

enum err kv_make_dir(const char *dir)
{
    size_t len = strlen(dir);
    CLEANUP(mem_freep) char *path = mem_string(dir, len);
    for (size_t i = 1; i < len; i++) {
        if (path[i] != '/') continue;
        path[i] = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST) return ERR_DISK;
        path[i] = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERR_OK : ERR_DISK;
}

/* RocksDB takes a lock of its own, but by then the directory was looked at, and read-only it takes
 * none.
 * Errors: ERR_BUSY; ERR_DISK. Thread: main. */
static enum err lock_dir(struct walled *r, const char *dir, char **ret_text)
{
    r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir_fd >= 0 && flock(r->dir_fd, (r->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
        return ERR_OK;
    enum err err = r->dir_fd >= 0 && errno == EWOULDBLOCK ? ERR_BUSY : ERR_DISK;
    set_text(ret_text, strerror(errno));
    return err;
}

/* Errors: as tables_open(). Thread: main; blocks. */
static enum err open_tables(struct walled *r, const char *dir, char **ret_text)
{
    if (!r->read_only) return tables_open(dir, false, &r->tables, ret_text);
    char path[SHADOW_PATH_BYTES] = "";
    enum err err = shadow_make(dir, path);
    if (path[0] != '\0') r->shadow = mem_string(path, strlen(path));
    if (err != ERR_OK) {
        set_text(ret_text, "no copy of its tables' list could be made under TMPDIR");
        return err;
    }
    return tables_open(path, true, &r->tables, ret_text);
}

/* Errors: as kv_open(). Thread: main; blocks. */
static enum err open_dir(struct walled *r, const char *dir, const struct kv_options *options,
                         char **ret_text)
{
    char name[SYNC_NAME_BYTES];
    bool may_make = true;
    TRY(lock_dir(r, dir, ret_text));
    sync_mark_read(&r->mark, dir);
    const char *list = manifest_name(dir, name) ? name : NULL;
    TRY(damage_before(&r->mark, dir, list, &may_make, ret_text));
    /* From before the first thing is stored there is a mark, so that a missing one means
     * something. */
    if (may_make && !r->read_only) TRY(sync_mark_write(&r->mark, 0, &r->manifest, clock_wall_ms()));
    TRY(open_tables(r, dir, ret_text));
    r->files = files_os_new(dir);
    const struct wal_options o = {.extent_bytes = options->extent_bytes,
                                  .read_only = options->read_only};
    TRY(wal_open(r->files, &o, &r->wal));
    uint64_t store_id = 0;
    while (store_id == 0)
        if (getrandom(&store_id, sizeof store_id, 0) < 0) return ERR_DISK;
    TRY(recover(r, dir, store_id));
    r->has_dir = true;
    if (r->read_only) return ERR_OK;
    /* An empty one is marked; the first sync renews that, and no start waits for a second one. */
    if (!may_make) TRY(walled_sync_now(&r->base));
    walled_flusher_start(r);
    return ERR_OK;
}

enum err kv_open(const char *dir, const struct kv_options *options, struct kv **ret,
                 char **ret_text)
{
    if (ret_text != NULL) *ret_text = NULL;
    if (!options->read_only && kv_make_dir(dir) != ERR_OK) {
        set_text(ret_text, strerror(errno));
        return ERR_DISK;
    }
    CLEANUP(walled_dropp) struct walled *r = walled_new(options, NULL, NULL);
    TRY(open_dir(r, dir, options, ret_text));
    *ret = &TAKE(r)->base;
    return ERR_OK;
}
