/* The tables of a data directory: RocksDB through its C interface, without a log of its own.
 *
 * Two column families: "log" for pointers to record batches and small ones themselves, and
 * "default" for all other kv_families, each behind a byte of its own. Rejected: a column family
 * each, which costs three syncs more at the first start and a memtable ever after; one for all, as
 * the hint below is one for a whole family and mistakes ranges that begin with a key. Batches were
 * compressed by their producers, so nothing is compressed here.
 *
 * Memtables are written out by flush_begin() alone (kv_wal_flush.c): they have room for several
 * times what is in them by then.
 *
 * A write-out that fails stops all writing inside RocksDB; reads go on. From a full disk it
 * recovers by itself, some seconds after there is room again, which kv_resume() finds out by an
 * empty write. Any other failure lasts until the next start. */
#include "storage/engine/kv_engine.h"

#include <assert.h>
#include <poll.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/engine/tables.h"
#include "base/check.h"

enum {
    /* More than a memtable gets before it is written out, also by a start: it may apply all of a
     * flush that was not through and what came meanwhile, half as much again in a memtable. */
    WRITE_BUFFER_BYTES = 128 << 20,
    WRITE_BUFFERS_MAX = 3,
    BACKGROUND_JOBS = 2,
    L0_TRIGGER = 2,
    L0_MUCH = 1000,
    CACHE_BYTES = 16 << 20,
    CACHE_TIER = 1,                    /* rocksdb::kBlockCacheTier */
    OPEN_FILES_MAX = 512,
    INFO_LOG_BYTES = 4 << 20,
    INFO_LOGS_MAX = 2,
    INFO_LEVEL_WARN = 2,
    BATCH_KEEP_BYTES = 4 << 20,        /* a larger batch gives its memory back when cleared */
    HINT_BYTES = 8,                    /* keys of KV_LOG begin with 8 bytes for each log */
    FLUSH_LOOK_MS = 2,
    FLUSH_LOOKS_MAX = 30000,
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
    rocksdb_column_family_handle_t *columns[COLUMN_COUNT];
    atomic_bool stopped;                           /* the last write failed */
    uint64_t errors_before;                        /* the flush */
    bool flush_refused;
};

struct rocks_batch {
    struct kv_batch base;
    struct rocks *kv;
    rocksdb_writebatch_t *batch;
};

struct rocks_iter {
    struct kv_iter base;
    rocksdb_iterator_t *it;
    rocksdb_readoptions_t *read;
    bool begun;
    bool backwards;
    bool now;                                       /* of what RocksDB's own memory has */
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
    const char *data[TABLE_PARTS_MAX];
    size_t lens[TABLE_PARTS_MAX];
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
                                      struct bytes to, enum kv_walk walk)
{
    struct rocks *r = rocks_of(kv);
    struct rocks_iter *it = mem_new(sizeof *it + 1 + from.len + 1 + to.len);
    it->base.engine = &rocks_engine;
    it->backwards = walk == KV_DOWN;
    it->now = walk == KV_UP_NOW;
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
    rocksdb_readoptions_set_fill_cache(it->read, family != KV_LOG || walk == KV_UP_AGAIN);
    if (it->now) {
        rocksdb_readoptions_set_read_tier(it->read, CACHE_TIER);
        /* Whoever frees the last iterator on old files and memtables does not free those. */
        rocksdb_readoptions_set_background_purge_on_iterator_cleanup(it->read, true);
    }
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

static struct bytes rocks_iter_value(struct kv_iter *it)
{
    size_t len;
    const char *data = rocksdb_iter_value(((const struct rocks_iter *)it)->it, &len);
    return bytes_of(data, len);
}

static size_t rocks_iter_value_len(const struct kv_iter *it)
{
    size_t len;
    (void)rocksdb_iter_value(((const struct rocks_iter *)it)->it, &len);
    return len;
}

static struct slab *rocks_iter_slab(struct kv_iter *it)
{
    (void)it;
    return NULL;
}

static enum err rocks_iter_error(const struct kv_iter *it)
{
    CLEANUP(text_freep) char *text = NULL;
    rocksdb_iter_get_error(((const struct rocks_iter *)it)->it, &text);
    if (text == NULL) return ERR_OK;
    return ((const struct rocks_iter *)it)->now ? ERR_COLD : ERR_DISK;  /* the others find out */
}

static void rocks_iter_free(struct kv_iter *base)
{
    struct rocks_iter *it = (struct rocks_iter *)base;
    rocksdb_iter_destroy(it->it);
    rocksdb_readoptions_destroy(it->read);
    mem_free(it);
}

/* ---- Writing */

static enum err write_batch(struct rocks *r, rocksdb_writebatch_t *batch)
{
    /* RocksDB counts each key comparison in a thread-local unless told not to, a tenth of a
     * write. */
    static _Thread_local bool is_quiet;
    if (!is_quiet) rocksdb_set_perf_level(rocksdb_disable);
    is_quiet = true;
    CLEANUP(text_freep) char *text = NULL;
    rocksdb_write(r->db, r->write, batch, &text);
    atomic_store_explicit(&r->stopped, text != NULL, memory_order_relaxed);
    return text == NULL ? ERR_OK : ERR_DISK;
}

static enum err rocks_commit(struct kv *kv, struct kv_batch *base, enum kv_sync sync)
{
    (void)sync;     /* the log in front of it is what is synced */
    return write_batch(rocks_of(kv), batch_of(base)->batch);
}

static struct bytes rocks_batch_data(const struct kv_batch *base)
{
    size_t bytes;
    const char *data = rocksdb_writebatch_data(((const struct rocks_batch *)base)->batch, &bytes);
    return bytes_of(data, bytes);
}

static enum err rocks_apply(struct kv *kv, struct bytes data)
{
    rocksdb_writebatch_t *batch =
        rocksdb_writebatch_create_from((const char *)data.data, data.len);
    enum err err = write_batch(rocks_of(kv), batch);
    rocksdb_writebatch_destroy(batch);
    return err;
}

static enum err rocks_sync_now(struct kv *kv)
{
    (void)kv;
    return ERR_OK;
}

static enum err rocks_resume(struct kv *kv)
{
    rocksdb_writebatch_t *nothing = rocksdb_writebatch_create();
    enum err err = write_batch(rocks_of(kv), nothing);
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

/* ---- Writing memtables out */

static uint64_t errors(const struct rocks *r)
{
    return property(r, COLUMN_SMALL, "rocksdb.background-errors");
}

/* RocksDB takes the memtables as they are now before the call returns; a new one of each family
 * takes what comes. */
static void rocks_flush_begin(struct kv *kv)
{
    struct rocks *r = rocks_of(kv);
    rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(o, 0);
    r->errors_before = errors(r);
    r->flush_refused = false;
    for (int c = 0; c < COLUMN_COUNT; c++) {
        CLEANUP(text_freep) char *text = NULL;
        rocksdb_flush_cf(r->db, o, r->columns[c], &text);
        r->flush_refused |= text != NULL;
    }
    rocksdb_flushoptions_destroy(o);
}

/* The C interface has no call that waits for what another one began. */
static enum err rocks_flush_end(struct kv *kv)
{
    const struct rocks *r = rocks_of(kv);
    for (int look = 0; look < FLUSH_LOOKS_MAX && !r->flush_refused; look++) {
        uint64_t left = 0;
        for (int c = 0; c < COLUMN_COUNT; c++)
            left += property(r, c, "rocksdb.num-immutable-mem-table");
        bool failed = errors(r) > r->errors_before;
        if (left == 0 && !failed) return ERR_OK;
        if (failed) break;
        poll(NULL, 0, FLUSH_LOOK_MS);
    }
    return ERR_DISK;
}

static enum err rocks_reclaim(struct kv *kv, const atomic_bool *stop)
{
    (void)kv, (void)stop;
    return ERR_OK;
}

static bool rocks_is_full(struct kv *kv)
{
    (void)kv;
    return false;
}

static bool rocks_behind(struct kv *kv)
{
    return property(rocks_of(kv), COLUMN_SMALL, "rocksdb.actual-delayed-write-rate") > 0;
}

static void rocks_stats(struct kv *kv, struct kv_stats *ret)
{
    struct rocks *r = rocks_of(kv);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        ret->disk_bytes += property(r, c, "rocksdb.total-sst-files-size");
        ret->memtable_bytes += property(r, c, "rocksdb.size-all-mem-tables");
    }
    ret->cache_bytes = rocksdb_cache_get_usage(r->cache);
    ret->crc_calls = crc32c_rocksdb_calls();
}

/* ---- Life */

static void rocks_close(struct kv *kv)
{
    struct rocks *r = rocks_of(kv);
    if (r->db != NULL) {
        for (int c = 0; c < COLUMN_COUNT; c++)
            rocksdb_column_family_handle_destroy(r->columns[c]);
        rocksdb_close(r->db);
    }
    rocksdb_readoptions_destroy(r->read);
    rocksdb_writeoptions_destroy(r->write);
    rocksdb_options_destroy(r->options);
    rocksdb_options_destroy(r->log_options);
    rocksdb_block_based_options_destroy(r->table);
    rocksdb_cache_destroy(r->cache);
    mem_free(r);
}

static const struct kv_engine rocks_engine = {
    .close = rocks_close,
    .get = rocks_get,
    .iter_new = rocks_iter_new,
    .iter_next = rocks_iter_next,
    .iter_key = rocks_iter_key,
    .iter_value = rocks_iter_value,
    .iter_value_len = rocks_iter_value_len,
    .iter_slab = rocks_iter_slab,
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
    .is_full = rocks_is_full,
    .behind = rocks_behind,
    .reclaim = rocks_reclaim,
    .stats = rocks_stats,
    .batch_data = rocks_batch_data,
    .apply = rocks_apply,
    .flush_begin = rocks_flush_begin,
    .flush_end = rocks_flush_end,
};

/* What every family has. */
static rocksdb_options_t *family_options(struct rocks *r)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(o, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, WRITE_BUFFERS_MAX);
    rocksdb_options_set_level0_file_num_compaction_trigger(o, L0_TRIGGER);
    /* Else a flush, which holds up all writers while it takes the memtables, would wait for
     * compactions. */
    rocksdb_options_set_level0_slowdown_writes_trigger(o, L0_MUCH);
    rocksdb_options_set_level0_stop_writes_trigger(o, L0_MUCH);
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

static void set_options(struct rocks *r, bool look_only)
{
    r->cache = rocksdb_cache_create_lru(CACHE_BYTES);
    r->table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(r->table, r->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(r->table, 1);
    rocksdb_options_t *o = r->options = family_options(r);
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_max_background_jobs(o, BACKGROUND_JOBS);
    rocksdb_options_set_max_open_files(o, OPEN_FILES_MAX);
    /* It would start 16 threads a family at each open, two thirds of the time to open. */
    rocksdb_options_set_max_file_opening_threads(o, 1);
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(o, 1);
    rocksdb_options_set_info_log_level(o, INFO_LEVEL_WARN);
    rocksdb_options_set_max_log_file_size(o, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(o, INFO_LOGS_MAX);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    set_by_text(&r->options, "avoid_flush_during_shutdown=true");
    r->log_options = family_options(r);
    rocksdb_options_set_disable_auto_compactions(r->options, look_only);
    rocksdb_options_set_disable_auto_compactions(r->log_options, look_only);
    hint_by_log(r);
    r->read = rocksdb_readoptions_create();
    r->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(r->write, 1);
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

/* text: what went wrong, NULL nothing. */
static void open_db(struct rocks *r, const char *dir, char **text)
{
    const rocksdb_options_t *of[COLUMN_COUNT] = {
        [COLUMN_SMALL] = r->options, [COLUMN_LOG] = r->log_options,
    };
    r->db = rocksdb_open_column_families(r->options, dir, COLUMN_COUNT, column_names, of,
                                         r->columns, text);
    if (*text != NULL) r->db = NULL;
}

enum err tables_open(const char *dir, bool look_only, struct kv **ret, char **ret_text)
{
    CLEANUP(rocks_closep) struct rocks *r = NEW(struct rocks);
    *r = (struct rocks){.base.engine = &rocks_engine};
    set_options(r, look_only);
    CLEANUP(text_freep) char *text = NULL;
    open_db(r, dir, &text);
    if (text != NULL) {
        if (ret_text != NULL) *ret_text = mem_string(text, strlen(text));
        return open_error(text);
    }
    *ret = &TAKE(r)->base;
    return ERR_OK;
}
