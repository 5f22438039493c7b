/* The engine behind a data directory: RocksDB through its C interface.
 *
 * Two column families: "log" for record batches, whose values go to blob files, and "default" for
 * all other kv_families, each behind a byte of its own. Rejected: a column family each, which costs
 * three syncs more at the first start (122 -> 71 ms with these two) and a memtable ever after. A
 * compaction of the log moves keys only, and each byte is written twice in all (write-ahead log,
 * blob). Batches were compressed by their producers, so nothing is compressed here.
 *
 * A write that fails stops all writing inside RocksDB; reads go on. From a full disk it recovers by
 * itself, some seconds after as much room is there as its largest write buffer has (it writes that
 * out first), which kv_resume() finds out by an empty write. Any other failure - and a sync that
 * failed, after which nobody knows what the disk holds - lasts until the next start. */
#include "storage/engine/kv_engine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/engine/damage.h"
#include "storage/engine/sync_mark.h"
#include "storage/engine/wal_sync.h"
#include "base/check.h"

enum {
    WRITE_BUFFER_BYTES = 48 << 20,     /* of KV_LOG: grows only as it is filled */
    SMALL_BUFFER_BYTES = 4 << 20,      /* of the other families */
    WRITE_BUFFERS_MAX = 3,
    BLOB_FILE_BYTES = 128 << 20,
    BLOB_BYTES_MIN = 1024,
    BACKGROUND_JOBS = 2,
    L0_TRIGGER = 2,
    CACHE_BYTES = 16 << 20,
    OPEN_FILES_MAX = 512,
    INFO_LOG_BYTES = 4 << 20,
    INFO_LOGS_MAX = 2,
    INFO_LEVEL_WARN = 2,
    BATCH_KEEP_BYTES = 4 << 20,        /* a larger batch gives its memory back when cleared */
    SETTLE_BYTES_MIN = 8 << 20,
    HINT_BYTES = 8,                    /* keys of KV_LOG begin with 8 bytes for each log */
    RECOVER_ALL_THAT_CAN_BE_READ = 3,  /* WALRecoveryMode::kSkipAnyCorruptedRecords */
    OPEN_ATTEMPTS = 3,
    COMPACT_FORCE = 2,                 /* BottommostLevelCompaction::kForce */
    GARBAGE_SHARE = 45,                /* percent of the blob files */
    GARBAGE_BYTES_MIN = 64 << 20,
    RANGES_MAX = 128,                  /* deleted ones that a memtable may hold */
    HOLD_WAL_BUFFERS = 4,              /* the write-ahead log may be this many write buffers long */
};

enum column { COLUMN_SMALL, COLUMN_LOG, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {
    [COLUMN_SMALL] = "default", [COLUMN_LOG] = "log",
};

/* On-disk format: the byte in front of the keys of a family; none for those of KV_LOG. */
static const uint8_t family_bytes[KV_FAMILY_COUNT] = {
#define FAMILY(NAME, byte) [KV_##NAME] = byte,
#include "storage/parts.def"
};

/* Two families with one byte do not compile. */
__attribute__((unused)) static void family_bytes_differ(uint8_t of_family)
{
    switch (of_family) {
#define FAMILY(NAME, byte) case byte:
#include "storage/parts.def"
    default: break;
    }
}

struct rocks {
    struct kv base;
    rocksdb_t *db;
    rocksdb_options_t *options;                    /* of the database and of COLUMN_SMALL */
    rocksdb_options_t *log_options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_writeoptions_t *write_sync;
    rocksdb_column_family_handle_t *columns[COLUMN_COUNT];
    atomic_int ranges;                             /* deleted since the last flush */
    atomic_bool stopped;                           /* the last write failed */
    atomic_bool sync_failed;                       /* for good: see above */
    pthread_mutex_t sync_lock;                     /* one sync at a time; guards what follows */
    struct wal_sync wal_sync;
    uint64_t synced;                               /* all up to this position is */
    struct sync_mark mark;
    struct sync_file manifest;                     /* as of the latest mark */
    bool read_only;
    int dir_fd;                                    /* holds the directory's lock; -1: none */
};

struct rocks_batch {
    struct kv_batch base;
    struct rocks *kv;
    rocksdb_writebatch_t *batch;
    int ranges;                                    /* that it deletes */
};

struct rocks_iter {
    struct kv_iter base;
    rocksdb_iterator_t *it;
    rocksdb_readoptions_t *read;
    bool begun;
    bool backwards;
    size_t prefix_len;                              /* in front of each key */
    size_t from_len;                                /* with the prefix */
    uint8_t bounds[];                               /* from, then to: RocksDB borrows them */
};

static const struct kv_engine rocks_engine;

static struct rocks *rocks_of(struct kv *kv)
{
    assert(kv->engine == &rocks_engine);
    return (struct rocks *)kv;
}

static void text_freep(char **text)
{
    rocksdb_free(*text);
}

/* ---- Where a family's keys are */

static rocksdb_column_family_handle_t *column_of(const struct rocks *r, enum kv_family family)
{
    return r->columns[family == KV_LOG ? COLUMN_LOG : COLUMN_SMALL];
}

static size_t prefix_len(enum kv_family family)
{
    return family == KV_LOG ? 0 : 1;
}

/* A key in the two parts that RocksDB joins. */
struct key_parts {
    const char *data[2];
    size_t len[2];
};

static struct key_parts parts_of(enum kv_family family, struct bytes key)
{
    return (struct key_parts){.data = {(const char *)&family_bytes[family], (const char *)key.data},
                              .len = {prefix_len(family), key.len}};
}

/* Writes the key of the column into to, which has room for one byte more than key; returns its
 * end. */
static uint8_t *place_key(enum kv_family family, struct bytes key, uint8_t *to)
{
    if (prefix_len(family) > 0) *to++ = family_bytes[family];
    mem_copy(to, key.data, key.len);
    return to + key.len;
}

/* ---- Batches */

static struct rocks_batch *batch_of(struct kv_batch *b)
{
    assert(b->engine == &rocks_engine);
    return (struct rocks_batch *)b;
}

static struct kv_batch *rocks_batch_new(struct kv *kv)
{
    struct rocks_batch *b = NEW(struct rocks_batch);
    *b = (struct rocks_batch){.base.engine = &rocks_engine, .kv = rocks_of(kv),
                              .batch = rocksdb_writebatch_create()};
    return &b->base;
}

static void rocks_batch_free(struct kv_batch *base)
{
    rocksdb_writebatch_destroy(batch_of(base)->batch);
    mem_free(base);
}

static size_t rocks_batch_bytes(const struct kv_batch *base)
{
    size_t bytes;
    (void)rocksdb_writebatch_data(((const struct rocks_batch *)base)->batch, &bytes);
    return bytes;
}

static void rocks_batch_clear(struct kv_batch *base)
{
    struct rocks_batch *b = batch_of(base);
    b->ranges = 0;
    if (rocks_batch_bytes(base) > BATCH_KEEP_BYTES) {
        rocksdb_writebatch_destroy(b->batch);
        b->batch = rocksdb_writebatch_create();
    } else {
        rocksdb_writebatch_clear(b->batch);
    }
}

static void rocks_batch_put_parts(struct kv_batch *base, enum kv_family family, struct bytes key,
                                  const struct bytes *parts, int part_count)
{
    struct rocks_batch *b = batch_of(base);
    struct key_parts k = parts_of(family, key);
    const char *data[KV_PARTS_MAX];
    size_t lens[KV_PARTS_MAX];
    for (int i = 0; i < part_count; i++) {
        data[i] = parts[i].data ? (const char *)parts[i].data : "";
        lens[i] = parts[i].len;
    }
    rocksdb_writebatch_putv_cf(b->batch, column_of(b->kv, family), 2, k.data, k.len, part_count,
                               data, lens);
}

static void rocks_batch_delete(struct kv_batch *base, enum kv_family family, struct bytes key)
{
    struct rocks_batch *b = batch_of(base);
    struct key_parts k = parts_of(family, key);
    rocksdb_writebatch_deletev_cf(b->batch, column_of(b->kv, family), 2, k.data, k.len);
}

static void rocks_batch_delete_range(struct kv_batch *base, enum kv_family family,
                                     struct bytes from, struct bytes to)
{
    struct rocks_batch *b = batch_of(base);
    assert(family != KV_LOG || from.len < HINT_BYTES || from.data[HINT_BYTES - 1] % 2 == 0);
    struct key_parts first = parts_of(family, from), last = parts_of(family, to);
    b->ranges++;
    rocksdb_writebatch_delete_rangev_cf(b->batch, column_of(b->kv, family), 2, first.data,
                                        first.len, last.data, last.len);
}

/* ---- Reading */

static enum err rocks_get(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret)
{
    struct rocks *r = rocks_of(kv);
    CLEANUP(text_freep) char *text = NULL;
    CLEANUP(mem_freep) uint8_t *place = mem_new(1 + key.len);
    size_t place_len = (size_t)(place_key(family, key, place) - place);
    rocksdb_pinnableslice_t *found = rocksdb_get_pinned_cf(
        r->db, r->read, column_of(r, family), (const char *)place, place_len, &text);
    if (text != NULL) return ERR_DISK;
    if (found == NULL) return ERR_NOT_FOUND;
    size_t len;
    const char *data = rocksdb_pinnableslice_value(found, &len);
    struct slab *slab = slab_new(NULL, len);
    if (slab != NULL) {
        mem_copy(slab->data, data, len);
        slab->len = len;
        *ret = slab;
    }
    rocksdb_pinnableslice_destroy(found);
    return slab != NULL ? ERR_OK : ERR_BUSY;
}

static struct kv_iter *rocks_iter_new(struct kv *kv, enum kv_family family, struct bytes from,
                                      struct bytes to, bool backwards)
{
    struct rocks *r = rocks_of(kv);
    struct rocks_iter *it = mem_new(sizeof *it + 1 + from.len + 1 + to.len);
    it->base.engine = &rocks_engine;
    it->backwards = backwards;
    it->prefix_len = prefix_len(family);
    uint8_t *first_end = place_key(family, from, it->bounds);
    uint8_t *end = place_key(family, to, first_end);
    it->from_len = (size_t)(first_end - it->bounds);
    bool has_end = !bytes_is_null(to);
    if (!has_end && it->prefix_len > 0) {       /* the whole family, and no further */
        (*first_end)++;
        has_end = true;
    }
    it->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(it->read, family != KV_LOG);
    rocksdb_readoptions_set_iterate_lower_bound(it->read, (const char *)it->bounds, it->from_len);
    if (has_end)
        rocksdb_readoptions_set_iterate_upper_bound(it->read, (const char *)first_end,
                                                    (size_t)(end - first_end));
    it->it = rocksdb_create_iterator_cf(r->db, it->read, column_of(r, family));
    return &it->base;
}

static bool rocks_iter_next(struct kv_iter *base)
{
    struct rocks_iter *it = (struct rocks_iter *)base;
    if (!it->begun) {
        it->begun = true;
        if (it->backwards) rocksdb_iter_seek_to_last(it->it);
        else rocksdb_iter_seek(it->it, (const char *)it->bounds, it->from_len);
    } else if (rocksdb_iter_valid(it->it)) {
        if (it->backwards) rocksdb_iter_prev(it->it);
        else rocksdb_iter_next(it->it);
    }
    return rocksdb_iter_valid(it->it);
}

static struct bytes rocks_iter_key(const struct kv_iter *it)
{
    size_t len;
    const struct rocks_iter *i = (const struct rocks_iter *)it;
    const char *data = rocksdb_iter_key(i->it, &len);
    return bytes_of(data + i->prefix_len, len - i->prefix_len);
}

static struct bytes rocks_iter_value(const struct kv_iter *it)
{
    size_t len;
    const char *data = rocksdb_iter_value(((const struct rocks_iter *)it)->it, &len);
    return bytes_of(data, len);
}

static enum err rocks_iter_error(const struct kv_iter *it)
{
    CLEANUP(text_freep) char *text = NULL;
    rocksdb_iter_get_error(((const struct rocks_iter *)it)->it, &text);
    return text == NULL ? ERR_OK : ERR_DISK;
}

static void rocks_iter_free(struct kv_iter *base)
{
    struct rocks_iter *it = (struct rocks_iter *)base;
    rocksdb_iter_destroy(it->it);
    rocksdb_readoptions_destroy(it->read);
    mem_free(it);
}

/* ---- Writing */

static enum err write_batch(struct rocks *r, rocksdb_writebatch_t *batch, enum kv_sync sync)
{
    /* RocksDB counts each key comparison in a thread-local unless told not to, a tenth of a
     * write. */
    static _Thread_local bool is_quiet;
    if (!is_quiet) rocksdb_set_perf_level(rocksdb_disable);
    is_quiet = true;
    if (atomic_load_explicit(&r->sync_failed, memory_order_relaxed)) return ERR_DISK;
    CLEANUP(text_freep) char *text = NULL;
    rocksdb_write(r->db, sync == KV_SYNC ? r->write_sync : r->write, batch, &text);
    atomic_store_explicit(&r->stopped, text != NULL, memory_order_relaxed);
    return text == NULL ? ERR_OK : ERR_DISK;
}

/* Writes both memtables out. Both, as a write-ahead log lives until the slower one was. */
static void flush(struct rocks *r, bool wait)
{
    rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(o, wait);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        CLEANUP(text_freep) char *text = NULL;
        rocksdb_flush_cf(r->db, o, r->columns[c], &text);
    }
    rocksdb_flushoptions_destroy(o);
}

/* The ranges that were deleted lie in a memtable as they came. Each read after one more sorts all
 * of them anew and cuts those that overlap into pieces, a list for each: 10,000 trims of one log
 * made a gigabyte of it, reads of seconds, and a next start of minutes, as recovery does the same.
 * In a table they are sorted for good and of each piece the newest is kept. So a memtable with
 * RANGES_MAX of them is written out, as full as it is: by then a read pays some 50 us. */
static enum err rocks_commit(struct kv *kv, struct kv_batch *base, enum kv_sync sync)
{
    struct rocks *r = rocks_of(kv);
    const struct rocks_batch *b = batch_of(base);
    TRY(write_batch(r, b->batch, sync));
    if (b->ranges == 0) return ERR_OK;
    int before = atomic_fetch_add(&r->ranges, b->ranges);
    if (before < RANGES_MAX && before + b->ranges >= RANGES_MAX) {
        atomic_store(&r->ranges, 0);
        flush(r, /* wait= */ false);
    }
    return ERR_OK;
}

static void unlockp(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}

/* The file that says which tables there are. False: there is none. */
static bool manifest_name(const char *dir, char to[SYNC_NAME_BYTES])
{
    char path[4096];
    snprintf(path, sizeof path, "%s/CURRENT", dir);
    FILE *f = fopen(path, "re");
    bool read = f != NULL && fgets(to, SYNC_NAME_BYTES, f) != NULL;
    if (f != NULL) fclose(f);
    if (read) to[strcspn(to, "\n")] = '\0';
    return read;
}

/* All up to the position is synced, and with it all that was written before now_ms. A mark that
 * could not be written is written with the next sync: an older one is right, too. */
static void renew_mark(struct rocks *r, uint64_t position, int64_t now_ms)
{
    char name[SYNC_NAME_BYTES];
    if (manifest_name(r->mark.dir, name) &&
        sync_file_extend(&r->manifest, r->mark.dir, name) == ERR_OK)
        (void)!sync_mark_write(&r->mark, position, &r->manifest, now_ms);
}

/* Whoever finds a sync under way waits for it: only then is it known whether nothing is left to
 * do. */
static enum err rocks_sync_now(struct kv *kv)
{
    struct rocks *r = rocks_of(kv);
    CLEANUP(unlockp) pthread_mutex_t *lock = &r->sync_lock;
    pthread_mutex_lock(lock);
    if (atomic_load(&r->sync_failed)) return ERR_DISK;
    int64_t now_ms = clock_wall_ms();           /* before: what comes after it may lie behind */
    uint64_t position = rocksdb_get_latest_sequence_number(r->db);
    enum err err = position > r->synced ? wal_sync_now(&r->wal_sync) : ERR_OK;
    if (err == ERR_OK) {
        r->synced = position;
        renew_mark(r, position, now_ms);
        return ERR_OK;
    }
    atomic_store(&r->sync_failed, true);
    atomic_store(&r->stopped, true);
    return err;
}

static enum err rocks_resume(struct kv *kv)
{
    rocksdb_writebatch_t *nothing = rocksdb_writebatch_create();
    enum err err = write_batch(rocks_of(kv), nothing, KV_NO_SYNC);
    rocksdb_writebatch_destroy(nothing);
    return err;
}

static bool rocks_writes_stopped(struct kv *kv)
{
    return atomic_load_explicit(&rocks_of(kv)->stopped, memory_order_relaxed);
}

static uint64_t property(const struct rocks *r, enum column column, const char *name)
{
    uint64_t v = 0;
    return rocksdb_property_int_cf(r->db, r->columns[column], name, &v) == 0 ? v : 0;
}

static void compact(struct rocks *r, const struct bytes *from, const struct bytes *to, bool force)
{
    rocksdb_compactoptions_t *o = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(o, 0);
    if (force) rocksdb_compactoptions_set_bottommost_level_compaction(o, COMPACT_FORCE);
    rocksdb_compact_range_cf_opt(r->db, r->columns[COLUMN_LOG], o,
                                 from ? (const char *)from->data : NULL, from ? from->len : 0,
                                 to ? (const char *)to->data : NULL, to ? to->len : 0);
    rocksdb_compactoptions_destroy(o);
}

static void set_blob_gc(struct rocks *r, bool on)
{
    const char *const names[] = {"enable_blob_garbage_collection",
                                 "blob_garbage_collection_age_cutoff"};
    const char *const values[] = {on ? "true" : "false", "1.0"};
    CLEANUP(text_freep) char *text = NULL;
    rocksdb_set_options_cf(r->db, r->columns[COLUMN_LOG], 2, names, values, &text);
}

/* Compacts what lies in the range: only keys move, and blob files that nothing names any more go.
 * What lives long keeps a blob file whose other values are gone: once that is GARBAGE_SHARE of all,
 * the live ones are copied together. So a byte is copied at most once for each dead one that goes;
 * RocksDB's own rule, by age, copied live data with every compaction: a third of the CPU. */
static enum err rocks_reclaim(struct kv *kv, struct bytes from, struct bytes to)
{
    struct rocks *r = rocks_of(kv);
    compact(r, &from, &to, false);
    uint64_t garbage = property(r, COLUMN_LOG, "rocksdb.live-blob-file-garbage-size");
    uint64_t all = property(r, COLUMN_LOG, "rocksdb.live-blob-file-size");
    if (garbage >= GARBAGE_BYTES_MIN && garbage > all / 100 * GARBAGE_SHARE) {
        set_blob_gc(r, true);
        compact(r, NULL, NULL, true);
        set_blob_gc(r, false);
    }
    return rocks_writes_stopped(kv) ? ERR_DISK : ERR_OK;
}

/* WRITE_BUFFERS_MAX full ones stop all writes of all families until one is on disk. */
static bool rocks_behind(struct kv *kv)
{
    const struct rocks *r = rocks_of(kv);
    return property(r, COLUMN_SMALL, "rocksdb.num-immutable-mem-table") > 0 ||
           property(r, COLUMN_SMALL, "rocksdb.actual-delayed-write-rate") > 0;
}

static void rocks_stats(struct kv *kv, struct kv_stats *ret)
{
    struct rocks *r = rocks_of(kv);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        uint64_t blobs = property(r, c, "rocksdb.total-blob-file-size");
        ret->blob_bytes += blobs;
        ret->disk_bytes += blobs + property(r, c, "rocksdb.total-sst-files-size");
        ret->memtable_bytes += property(r, c, "rocksdb.size-all-mem-tables");
    }
    ret->cache_bytes = rocksdb_cache_get_usage(r->cache);
    ret->crc_calls = crc32c_rocksdb_calls();
}

/* ---- Life */

/* What is only in the write-ahead log is read again at the next start: when that is much, it is
 * written out now. A disk that fails here was reported before. */
static void settle(struct rocks *r)
{
    (void)!rocks_sync_now(&r->base);
    if (property(r, COLUMN_LOG, "rocksdb.cur-size-all-mem-tables") >= SETTLE_BYTES_MIN)
        flush(r, /* wait= */ true);
}

static void rocks_close(struct kv *kv)
{
    struct rocks *r = rocks_of(kv);
    if (r->db != NULL) {
        if (!r->read_only) settle(r);
        for (int c = 0; c < COLUMN_COUNT; c++)
            rocksdb_column_family_handle_destroy(r->columns[c]);
        rocksdb_close(r->db);
        if (!r->read_only && !atomic_load(&r->sync_failed))
            renew_mark(r, sync_mark_position(&r->mark), clock_wall_ms());   /* nothing changes */
    }
    if (r->dir_fd >= 0) close(r->dir_fd);
    sync_mark_done(&r->mark);
    rocksdb_readoptions_destroy(r->read);
    rocksdb_writeoptions_destroy(r->write);
    rocksdb_writeoptions_destroy(r->write_sync);
    rocksdb_options_destroy(r->options);
    rocksdb_options_destroy(r->log_options);
    rocksdb_block_based_options_destroy(r->table);
    rocksdb_cache_destroy(r->cache);
    wal_sync_done(&r->wal_sync);
    pthread_mutex_destroy(&r->sync_lock);
    mem_free(r);
}

static const struct kv_engine rocks_engine = {
    .close = rocks_close,
    .get = rocks_get,
    .iter_new = rocks_iter_new,
    .iter_next = rocks_iter_next,
    .iter_key = rocks_iter_key,
    .iter_value = rocks_iter_value,
    .iter_error = rocks_iter_error,
    .iter_free = rocks_iter_free,
    .batch_new = rocks_batch_new,
    .batch_free = rocks_batch_free,
    .batch_clear = rocks_batch_clear,
    .batch_bytes = rocks_batch_bytes,
    .batch_put_parts = rocks_batch_put_parts,
    .batch_delete = rocks_batch_delete,
    .batch_delete_range = rocks_batch_delete_range,
    .commit = rocks_commit,
    .sync_now = rocks_sync_now,
    .resume = rocks_resume,
    .writes_stopped = rocks_writes_stopped,
    .behind = rocks_behind,
    .reclaim = rocks_reclaim,
    .stats = rocks_stats,
};

/* What every family has. */
static rocksdb_options_t *family_options(struct rocks *r, uint64_t write_buffer_bytes)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(o, write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(o, WRITE_BUFFERS_MAX);
    rocksdb_options_set_level0_file_num_compaction_trigger(o, L0_TRIGGER);
    rocksdb_options_set_block_based_table_factory(o, r->table);
    return o;
}

/* For options that the C interface has no call for, but reads as text; a library that does not know
 * it goes without. */
static void set_by_text(rocksdb_options_t **o, const char *text)
{
    CLEANUP(text_freep) char *error = NULL;
    rocksdb_options_t *with = rocksdb_options_create();
    rocksdb_get_options_from_string(*o, text, with, &error);
    if (error == NULL) {
        rocksdb_options_t *plain = *o;
        *o = with;
        with = plain;
    }
    rocksdb_options_destroy(with);
}

/* Runs of a log arrive in key order between those of all other logs: with the place of its last one
 * remembered by the log id in front of the key, the next one goes in without a search (64 logs, one
 * batch each a turn: 5.6 -> 3.4 us CPU). RocksDB 7.8 mixes these places up between a memtable's
 * keys and its deleted ranges: hence no range may begin with the 8 bytes that some key begins with,
 * which rocks_batch_delete_range() asserts. */
static void hint_by_log(struct rocks *r)
{
    set_by_text(&r->log_options, "memtable_insert_with_hint_prefix_extractor=fixed:8");
}

static void set_options(struct rocks *r, const struct kv_options *k)
{
    uint64_t buffer = k->write_buffer_bytes ? k->write_buffer_bytes : WRITE_BUFFER_BYTES;
    r->cache = rocksdb_cache_create_lru(CACHE_BYTES);
    r->table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(r->table, r->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(r->table, 1);
    rocksdb_options_t *o = r->options = family_options(r, SMALL_BUFFER_BYTES);
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_max_background_jobs(o, k->background_jobs ? k->background_jobs
                                                                  : BACKGROUND_JOBS);
    rocksdb_options_set_max_open_files(o, OPEN_FILES_MAX);
    /* It would start 16 threads a family at each open, two thirds of the time to open. */
    rocksdb_options_set_max_file_opening_threads(o, 1);
    rocksdb_options_set_max_total_wal_size(o, buffer * HOLD_WAL_BUFFERS);
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(o, 1);
    rocksdb_options_set_info_log_level(o, INFO_LEVEL_WARN);
    rocksdb_options_set_max_log_file_size(o, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(o, INFO_LOGS_MAX);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_t *l = r->log_options = family_options(r, buffer);
    rocksdb_options_set_enable_blob_files(l, 1);
    rocksdb_options_set_min_blob_size(l, k->blob_bytes_min ? k->blob_bytes_min : BLOB_BYTES_MIN);
    rocksdb_options_set_blob_file_size(l, k->blob_file_bytes ? k->blob_file_bytes
                                                             : BLOB_FILE_BYTES);
    hint_by_log(r);
    r->read = rocksdb_readoptions_create();
    r->write = rocksdb_writeoptions_create();
    r->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->write_sync, 1);
}

enum err kv_rocksdb_make(const char *dir)
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

static enum err open_error(const char *text)
{
    if (strstr(text, "/LOCK") != NULL) return ERR_BUSY;
    if (strstr(text, "Column families not opened") != NULL) return ERR_FORMAT;
    return ERR_DISK;
}

static void rocks_closep(struct rocks **r)
{
    if (*r != NULL) rocks_close(&(*r)->base);
}

static void set_text(char **ret_text, const char *text)
{
    if (ret_text != NULL) *ret_text = mem_string(text, strlen(text));
}

/* RocksDB takes a lock of its own, but by then the directory was looked at, and read-only it takes
 * none.
 * Errors: ERR_BUSY; ERR_DISK. Thread: main. */
static enum err lock_dir(struct rocks *r, const char *dir, char **ret_text)
{
    r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir_fd >= 0 && flock(r->dir_fd, (r->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
        return ERR_OK;
    enum err err = r->dir_fd >= 0 && errno == EWOULDBLOCK ? ERR_BUSY : ERR_DISK;
    set_text(ret_text, strerror(errno));
    return err;
}

/* What RocksDB refuses, and how it is opened all the same, with r->base.damage telling of it:
 * - A write-ahead log is missing that another one follows: without the list that it keeps of them.
 *   Not read-only, where it then ends the process by an assertion, as it cannot write that the list
 *   is no more.
 * - A log is damaged, and one column was written out since while the other was not: what cannot be
 *   read is left out and the rest taken, as no moment is left at which both were whole.
 * False: there is no other way. */
static bool find_other_way(struct rocks *r, rocksdb_options_t *listed, const rocksdb_options_t **o,
                           const char *text)
{
    if (strstr(text, "ahead of WALs") != NULL) {
        rocksdb_options_set_wal_recovery_mode(listed, RECOVER_ALL_THAT_CAN_BE_READ);
        rocksdb_options_set_wal_recovery_mode(r->options, RECOVER_ALL_THAT_CAN_BE_READ);
    } else if (strstr(text, "WAL") != NULL && !r->read_only) *o = r->options;
    else return false;
    r->base.damage.lost_writes = 1;             /* at least */
    damage_say(&r->base.damage, "%s", text);
    return true;
}

/* text: what went wrong, NULL nothing. */
static void open_db(struct rocks *r, const char *dir, char **text)
{
    rocksdb_options_t *listed = rocksdb_options_create_copy(r->options);
    set_by_text(&listed, "track_and_verify_wals_in_manifest=true");
    const rocksdb_options_t *o = listed;
    for (int attempt = 1;; attempt++) {
        const rocksdb_options_t *of[COLUMN_COUNT] = {
            [COLUMN_SMALL] = o, [COLUMN_LOG] = r->log_options,
        };
        r->db = r->read_only
                    ? rocksdb_open_for_read_only_column_families(
                          o, dir, COLUMN_COUNT, column_names, of, r->columns, 0, text)
                    : rocksdb_open_column_families(o, dir, COLUMN_COUNT, column_names, of,
                                                   r->columns, text);
        if (*text == NULL) break;
        r->db = NULL;
        if (attempt == OPEN_ATTEMPTS || !find_other_way(r, listed, &o, *text)) break;
        text_freep(text);
        *text = NULL;
    }
    rocksdb_options_destroy(listed);
}

/* Errors: as kv_rocksdb_open(). Thread: main; blocks. */
static enum err open_looked_after(struct rocks *r, const char *dir, char **ret_text)
{
    char name[SYNC_NAME_BYTES];
    bool may_make = true;
    struct kv_damage *d = &r->base.damage;
    TRY(lock_dir(r, dir, ret_text));
    sync_mark_read(&r->mark, dir);
    TRY(damage_before(&r->mark, dir, manifest_name(dir, name), &may_make, ret_text));
    /* From before the first thing is stored there is a mark, so that a missing one means
     * something. */
    if (may_make && !r->read_only) TRY(sync_mark_write(&r->mark, 0, &r->manifest, clock_wall_ms()));
    if (!r->read_only) aside_begin(dir);
    CLEANUP(text_freep) char *text = NULL;
    open_db(r, dir, &text);
    if (text != NULL) {
        set_text(ret_text, text);
        return open_error(text);
    }
    uint64_t position = rocksdb_get_latest_sequence_number(r->db);
    /* Read-only it writes no words of its own. */
    damage_after(&r->mark, position, r->read_only ? NULL : dir, d);
    if (r->read_only) return ERR_OK;
    r->synced = position;       /* what was only in the log is in tables now */
    aside_end(dir, d->lost_writes > 0 || d->damaged_bytes > 0, clock_wall_ms(), d);
    /* An empty one is marked; the first sync renews that, and no start waits for a second one. */
    if (!may_make) renew_mark(r, position, clock_wall_ms());
    return ERR_OK;
}

enum err kv_rocksdb_open(const char *dir, const struct kv_options *options, struct kv **ret,
                         char **ret_text)
{
    if (!options->read_only && kv_rocksdb_make(dir) != ERR_OK) {
        set_text(ret_text, strerror(errno));
        return ERR_DISK;
    }
    CLEANUP(rocks_closep) struct rocks *r = NEW(struct rocks);
    *r = (struct rocks){.base.engine = &rocks_engine, .read_only = options->read_only,
                        .dir_fd = -1};
    pthread_mutex_init(&r->sync_lock, NULL);
    wal_sync_init(&r->wal_sync, dir);
    set_options(r, options);
    TRY(open_looked_after(r, dir, ret_text));
    *ret = &TAKE(r)->base;
    return ERR_OK;
}
