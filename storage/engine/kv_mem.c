/* The engine for tests: everything in memory, deterministic, with faults by count of calls.
 *
 * A family is an array of entries sorted by key. Two states are kept: what was committed, and what
 * of it was synced, with the commits in between as a list; a power cut goes back to the second. An
 * iterator takes references to all entries of its range, so it sees the moment it was made. */
#include "storage/engine/kv_engine.h"

#include <assert.h>
#include <pthread.h>
#include "base/mem.h"
#include "base/check.h"

/* Immutable once made; shared by both states and the iterators. */
struct mem_entry {
    atomic_uint refs;
    size_t key_len;
    size_t value_len;
    uint8_t data[];             /* key, then value */
};

struct mem_map {
    struct mem_entry **entries;
    size_t count;
    size_t cap;
};

enum mem_op_kind { MEM_PUT, MEM_DELETE, MEM_DELETE_RANGE };

struct mem_op {
    enum mem_op_kind kind;
    enum kv_family family;
    struct mem_entry *entry;    /* PUT: the entry; DELETE: key only; DELETE_RANGE: from = key, to =
                                   value */
};

struct mem_batch {
    struct kv_batch base;
    struct mem_op *ops;
    size_t count;
    size_t cap;
    size_t bytes;
    uint8_t *data;              /* mem_batch_data()'s */
    size_t data_len;
    size_t data_cap;
};

struct mem_kv {
    struct kv base;
    pthread_mutex_t lock;               /* leaf: a threaded store may stand on this engine too */
    int handles;
    struct mem_map now[KV_FAMILY_COUNT];
    struct mem_map synced[KV_FAMILY_COUNT];
    struct mem_batch *unsynced;         /* all operations committed since the last sync */
    struct kv_mem_faults faults;
    int64_t calls;
    bool faulted;
    bool crashed;
    bool cold;
    bool full;                          /* writes fail, reads do not */
    bool stopped;                       /* the last write failed */
    bool behind;
    bool lose_next;
    enum err flush_err;
    struct kv_mem_deletes deletes;
};

struct mem_iter {
    struct kv_iter base;
    struct mem_kv *kv;
    struct mem_entry **entries;
    size_t count;
    size_t next;                /* entries[next - 1] is the current one */
    bool backwards;
    enum err err;
};

static const struct kv_engine mem_engine;

static struct mem_kv *mem_of(struct kv *kv)
{
    assert(kv->engine == &mem_engine);
    return (struct mem_kv *)kv;
}

static void unlockp(struct mem_kv **m)
{
    pthread_mutex_unlock(&(*m)->lock);
}

static struct mem_kv *locked(struct mem_kv *m)
{
    pthread_mutex_lock(&m->lock);
    return m;
}

/* One call more; true when it has to fail. Under the lock. */
static bool fault_now(struct mem_kv *m)
{
    if (m->crashed) return true;
    int64_t call = m->calls++;
    if (m->faults.fail_at < 0 || call < m->faults.fail_at) return false;
    if (call - m->faults.fail_at > m->faults.fail_count) return false;
    m->faulted = true;
    m->crashed = m->faults.crash;
    return true;
}

static struct bytes entry_key(const struct mem_entry *e)
{
    return bytes_of(e->data, e->key_len);
}

static struct bytes entry_value(const struct mem_entry *e)
{
    return bytes_of(e->data + e->key_len, e->value_len);
}

static struct mem_entry *entry_new(struct bytes key, const struct bytes *parts, int part_count)
{
    size_t value_len = 0;
    for (int i = 0; i < part_count; i++) value_len += parts[i].len;
    struct mem_entry *e = mem_new(sizeof *e + key.len + value_len);
    atomic_init(&e->refs, 1);
    e->key_len = key.len;
    e->value_len = value_len;
    mem_copy(e->data, key.data, key.len);
    uint8_t *at = e->data + key.len;
    for (int i = 0; i < part_count; i++) {
        mem_copy(at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    return e;
}

static struct mem_entry *entry_ref(struct mem_entry *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

static void entry_unref(struct mem_entry *e)
{
    if (atomic_fetch_sub(&e->refs, 1) == 1) mem_free(e);
}

/* Index of the first entry whose key is >= key. */
static size_t map_find(const struct mem_map *map, struct bytes key)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(entry_key(map->entries[middle]), key) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static bool map_has(const struct mem_map *map, size_t at, struct bytes key)
{
    return at < map->count && bytes_equal(entry_key(map->entries[at]), key);
}

static void map_remove(struct mem_map *map, size_t first, size_t next)
{
    for (size_t i = first; i < next; i++) entry_unref(map->entries[i]);
    mem_move(map->entries + first, map->entries + next, (map->count - next) * sizeof *map->entries);
    map->count -= next - first;
}

static void map_put(struct mem_map *map, struct mem_entry *e)
{
    size_t at = map_find(map, entry_key(e));
    if (map_has(map, at, entry_key(e))) {
        entry_unref(map->entries[at]);
        map->entries[at] = entry_ref(e);
        return;
    }
    if (map->count == map->cap) {
        map->cap = map->cap ? map->cap * 2 : 64;
        map->entries = mem_grow(map->entries, map->cap * sizeof *map->entries);
    }
    mem_move(map->entries + at + 1, map->entries + at, (map->count - at) * sizeof *map->entries);
    map->entries[at] = entry_ref(e);
    map->count++;
}

static void map_clear(struct mem_map *map)
{
    map_remove(map, 0, map->count);
    mem_free(map->entries);
    *map = (struct mem_map){0};
}

static void ops_apply(struct mem_map *maps, const struct mem_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct mem_op *op = &b->ops[i];
        struct mem_map *map = &maps[op->family];
        size_t at = map_find(map, entry_key(op->entry));
        if (op->kind == MEM_PUT) {
            map_put(map, op->entry);
        } else if (op->kind == MEM_DELETE) {
            if (map_has(map, at, entry_key(op->entry))) map_remove(map, at, at + 1);
        } else {
            size_t next = map_find(map, entry_value(op->entry));
            if (at < next) map_remove(map, at, next);
        }
    }
}

/* ---- Batches */

static struct mem_batch *batch_of(struct kv_batch *b)
{
    assert(b->engine == &mem_engine);
    return (struct mem_batch *)b;
}

static struct kv_batch *mem_batch_new(struct kv *kv)
{
    (void)kv;
    struct mem_batch *b = NEW(struct mem_batch);
    b->base.engine = &mem_engine;
    return &b->base;
}

static void mem_batch_clear(struct kv_batch *base)
{
    struct mem_batch *b = batch_of(base);
    for (size_t i = 0; i < b->count; i++) entry_unref(b->ops[i].entry);
    b->count = 0;
    b->bytes = 0;
}

static void mem_batch_free(struct kv_batch *base)
{
    mem_batch_clear(base);
    mem_free(batch_of(base)->ops);
    mem_free(batch_of(base)->data);
    mem_free(base);
}

static size_t mem_batch_bytes(const struct kv_batch *b)
{
    return ((const struct mem_batch *)b)->bytes;
}

/* Takes over the caller's reference to e. */
static void batch_add(struct mem_batch *b, enum mem_op_kind kind, enum kv_family family,
                      struct mem_entry *e)
{
    assert(family < KV_FAMILY_COUNT);
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->ops = mem_grow(b->ops, b->cap * sizeof *b->ops);
    }
    b->ops[b->count++] = (struct mem_op){.kind = kind, .family = family, .entry = e};
    b->bytes += e->key_len + e->value_len;
}

static void mem_batch_put_parts(struct kv_batch *b, enum kv_family family, struct bytes key,
                                const struct bytes *parts, int part_count)
{
    batch_add(batch_of(b), MEM_PUT, family, entry_new(key, parts, part_count));
}

static void mem_batch_delete(struct kv_batch *b, enum kv_family family, struct bytes key)
{
    batch_add(batch_of(b), MEM_DELETE, family, entry_new(key, NULL, 0));
}

static void mem_batch_delete_range(struct kv_batch *b, enum kv_family family, struct bytes from,
                                   struct bytes to)
{
    batch_add(batch_of(b), MEM_DELETE_RANGE, family, entry_new(from, &to, 1));
}

/* ---- Reading */

static enum err mem_get(struct kv *kv, enum kv_family family, struct bytes key, struct slab **ret)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    if (fault_now(m)) return ERR_DISK;
    const struct mem_map *map = &m->now[family];
    size_t at = map_find(map, key);
    if (!map_has(map, at, key)) return ERR_NOT_FOUND;
    *ret = slab_copy(entry_value(map->entries[at]));
    return ERR_OK;
}

static struct kv_iter *mem_iter_new(struct kv *kv, enum kv_family family, struct bytes from,
                                    struct bytes to, enum kv_walk walk)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    struct mem_iter *it = NEW(struct mem_iter);
    *it = (struct mem_iter){.base.engine = &mem_engine, .kv = m, .backwards = walk == KV_DOWN};
    if (walk == KV_UP_NOW && m->cold) {
        it->err = ERR_COLD;
        return &it->base;
    }
    if (fault_now(m)) {
        it->err = ERR_DISK;
        return &it->base;
    }
    const struct mem_map *map = &m->now[family];
    size_t first = map_find(map, from);
    size_t next = bytes_is_null(to) ? map->count : map_find(map, to);
    it->count = next > first ? next - first : 0;
    it->entries = NEW_ARRAY(struct mem_entry *, it->count);
    for (size_t i = 0; i < it->count; i++) it->entries[i] = entry_ref(map->entries[first + i]);
    return &it->base;
}

static bool mem_iter_next(struct kv_iter *base)
{
    struct mem_iter *it = (struct mem_iter *)base;
    if (it->err != ERR_OK) return false;
    CLEANUP(unlockp) struct mem_kv *m = locked(it->kv);
    if (fault_now(m)) {
        it->err = ERR_DISK;
        return false;
    }
    if (it->next > it->count) return false;
    it->next++;
    return it->next <= it->count;
}

static const struct mem_entry *iter_entry(const struct kv_iter *base)
{
    const struct mem_iter *it = (const struct mem_iter *)base;
    assert(it->next >= 1 && it->next <= it->count);
    return it->entries[it->backwards ? it->count - it->next : it->next - 1];
}

static struct bytes mem_iter_key(const struct kv_iter *it)
{
    return entry_key(iter_entry(it));
}

static struct bytes mem_iter_value(struct kv_iter *it)
{
    return entry_value(iter_entry(it));
}

static size_t mem_iter_value_len(const struct kv_iter *it)
{
    return iter_entry(it)->value_len;
}

static struct slab *mem_iter_slab(struct kv_iter *it)
{
    (void)it;
    return NULL;
}

static enum err mem_iter_error(const struct kv_iter *it)
{
    return ((const struct mem_iter *)it)->err;
}

static void mem_iter_free(struct kv_iter *base)
{
    struct mem_iter *it = (struct mem_iter *)base;
    for (size_t i = 0; i < it->count; i++) entry_unref(it->entries[i]);
    mem_free(it->entries);
    mem_free(it);
}

/* ---- Writing */

static void sync_all(struct mem_kv *m)
{
    ops_apply(m->synced, m->unsynced);
    mem_batch_clear(&m->unsynced->base);
}

static bool frees(const struct mem_batch *b)
{
    bool deletes = false;
    for (size_t i = 0; i < b->count; i++) {
        if (b->ops[i].family != KV_LOG) continue;
        if (b->ops[i].kind == MEM_PUT) return false;
        deletes = true;
    }
    return deletes;
}

/* Errors: ERR_DISK. Thread: any, under the lock. */
static enum err commit(struct mem_kv *m, const struct mem_batch *b, enum kv_sync sync)
{
    bool was_crashed = m->crashed;
    bool fails = fault_now(m);
    if (m->lose_next) {
        m->lose_next = false;
        return ERR_OK;
    }
    if (m->full && !frees(b)) return ERR_DISK;
    if (fails && (was_crashed || !m->faults.applied)) return ERR_DISK;
    ops_apply(m->now, b);
    for (size_t i = 0; i < b->count; i++) {
        m->deletes.keys += b->ops[i].kind == MEM_DELETE;
        m->deletes.ranges += b->ops[i].kind == MEM_DELETE_RANGE;
    }
    for (size_t i = 0; i < b->count; i++)
        batch_add(m->unsynced, b->ops[i].kind, b->ops[i].family, entry_ref(b->ops[i].entry));
    /* What was not synced is not to be seen either: no engine lets a reader see what it lost. */
    if (sync == KV_SYNC) sync_all(m);
    return fails ? ERR_DISK : ERR_OK;
}

static enum err mem_commit(struct kv *kv, struct kv_batch *base, enum kv_sync sync)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    enum err err = commit(m, batch_of(base), sync);
    m->stopped = err != ERR_OK;
    return err;
}

static enum err mem_sync_now(struct kv *kv)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    if (fault_now(m)) return ERR_DISK;
    sync_all(m);
    return ERR_OK;
}

static enum err mem_resume(struct kv *kv)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    m->stopped = fault_now(m) || m->full;
    return m->stopped ? ERR_DISK : ERR_OK;
}

static bool mem_writes_stopped(struct kv *kv)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    return m->stopped;
}

static bool mem_is_full(struct kv *kv)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    return m->full && m->stopped;
}

static bool mem_behind(struct kv *kv)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    return m->behind;
}

static enum err mem_reclaim(struct kv *kv, const atomic_bool *stop)
{
    (void)stop;
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    return fault_now(m) ? ERR_DISK : ERR_OK;
}

static void mem_stats(struct kv *kv, struct kv_stats *ret)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    for (int f = 0; f < KV_FAMILY_COUNT; f++)
        for (size_t i = 0; i < m->now[f].count; i++)
            ret->memtable_bytes += m->now[f].entries[i]->key_len + m->now[f].entries[i]->value_len;
}

static enum err mem_check(struct kv *kv, void *context,
                          void (*fault)(void *context, const char *text))
{
    (void)kv, (void)context, (void)fault;
    return ERR_OK;
}

/* ---- As tables behind a write-ahead log: what lasts is what was synced */

static void data_add(struct mem_batch *b, const void *data, size_t len)
{
    if (b->data_len + len > b->data_cap) {
        b->data_cap = (b->data_len + len) * 2;
        b->data = mem_grow(b->data, b->data_cap);
    }
    mem_copy(b->data + b->data_len, data, len);
    b->data_len += len;
}

/* Each operation: kind, family, lengths of key and value, both. */
enum { OP_HEADER_BYTES = 1 + 1 + 4 + 4 };

static struct bytes mem_batch_data(const struct kv_batch *base)
{
    struct mem_batch *b = batch_of((struct kv_batch *)(uintptr_t)base);
    b->data_len = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct mem_op *op = &b->ops[i];
        uint8_t header[OP_HEADER_BYTES] = {(uint8_t)op->kind, (uint8_t)op->family};
        store_be32(header + 2, (uint32_t)op->entry->key_len);
        store_be32(header + 6, (uint32_t)op->entry->value_len);
        data_add(b, header, sizeof header);
        data_add(b, op->entry->data, op->entry->key_len + op->entry->value_len);
    }
    return bytes_of(b->data, b->data_len);
}

static enum err mem_apply(struct kv *kv, struct bytes data)
{
    CLEANUP(kv_batch_freep) struct kv_batch *b = mem_batch_new(kv);
    while (data.len > 0) {
        if (data.len < OP_HEADER_BYTES) return ERR_FORMAT;
        enum mem_op_kind kind = data.data[0];
        enum kv_family family = data.data[1];
        uint64_t key_len = load_be32(data.data + 2), value_len = load_be32(data.data + 6);
        if (family >= KV_FAMILY_COUNT || data.len - OP_HEADER_BYTES < key_len + value_len)
            return ERR_FORMAT;
        struct bytes value = bytes_slice(data, OP_HEADER_BYTES + key_len, value_len);
        batch_add(batch_of(b), kind, family,
                  entry_new(bytes_slice(data, OP_HEADER_BYTES, key_len), &value, 1));
        size_t len = OP_HEADER_BYTES + key_len + value_len;
        data = bytes_slice(data, len, data.len - len);
    }
    return mem_commit(kv, b, KV_NO_SYNC);
}

static void mem_flush_begin(struct kv *kv)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    m->flush_err = fault_now(m) ? ERR_DISK : ERR_OK;
    if (m->flush_err == ERR_OK) sync_all(m);
}

static enum err mem_flush_end(struct kv *kv)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    return m->flush_err;
}

static void mem_close(struct kv *kv)
{
    struct mem_kv *m = mem_of(kv);
    if (--m->handles > 0) return;
    for (int f = 0; f < KV_FAMILY_COUNT; f++) {
        map_clear(&m->now[f]);
        map_clear(&m->synced[f]);
    }
    mem_batch_free(&m->unsynced->base);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static const struct kv_engine mem_engine = {
    .close = mem_close,
    .get = mem_get,
    .iter_new = mem_iter_new,
    .iter_next = mem_iter_next,
    .iter_key = mem_iter_key,
    .iter_value = mem_iter_value,
    .iter_value_len = mem_iter_value_len,
    .iter_slab = mem_iter_slab,
    .iter_error = mem_iter_error,
    .iter_free = mem_iter_free,
    .batch_new = mem_batch_new,
    .batch_free = mem_batch_free,
    .batch_clear = mem_batch_clear,
    .batch_bytes = mem_batch_bytes,
    .batch_put_parts = mem_batch_put_parts,
    .batch_delete = mem_batch_delete,
    .batch_delete_range = mem_batch_delete_range,
    .commit = mem_commit,
    .sync_now = mem_sync_now,
    .resume = mem_resume,
    .writes_stopped = mem_writes_stopped,
    .is_full = mem_is_full,
    .behind = mem_behind,
    .reclaim = mem_reclaim,
    .stats = mem_stats,
    .check = mem_check,
    .batch_data = mem_batch_data,
    .apply = mem_apply,
    .flush_begin = mem_flush_begin,
    .flush_end = mem_flush_end,
};

struct kv *kv_mem_new(void)
{
    struct mem_kv *m = NEW(struct mem_kv);
    m->base.engine = &mem_engine;
    pthread_mutex_init(&m->lock, NULL);
    m->handles = 1;
    m->faults.fail_at = -1;
    m->unsynced = batch_of(mem_batch_new(&m->base));
    return &m->base;
}

struct kv *kv_mem_share(struct kv *kv)
{
    mem_of(kv)->handles++;
    return kv;
}

struct kv *kv_mem_copy_synced(struct kv *kv)
{
    const struct mem_kv *from = mem_of(kv);
    struct kv *copy = kv_mem_new();
    struct mem_kv *to = mem_of(copy);
    for (int f = 0; f < KV_FAMILY_COUNT; f++)
        for (size_t i = 0; i < from->synced[f].count; i++) {
            map_put(&to->now[f], from->synced[f].entries[i]);
            map_put(&to->synced[f], from->synced[f].entries[i]);
        }
    return copy;
}

void kv_mem_set_faults(struct kv *kv, const struct kv_mem_faults *faults)
{
    struct mem_kv *m = mem_of(kv);
    m->faults = *faults;
    m->calls = 0;
    m->faulted = false;
}

void kv_mem_set_behind(struct kv *kv, bool behind)
{
    mem_of(kv)->behind = behind;
}

void kv_mem_set_cold(struct kv *kv, bool cold)
{
    CLEANUP(unlockp) struct mem_kv *m = locked(mem_of(kv));
    m->cold = cold;
}

void kv_mem_set_full(struct kv *kv, bool full)
{
    mem_of(kv)->full = full;
}

void kv_mem_lose_next(struct kv *kv)
{
    mem_of(kv)->lose_next = true;
}

bool kv_mem_faulted(const struct kv *kv)
{
    return ((const struct mem_kv *)kv)->faulted;
}

struct kv_mem_deletes kv_mem_deletes(struct kv *kv)
{
    struct mem_kv *m = mem_of(kv);
    struct kv_mem_deletes deletes = m->deletes;
    m->deletes = (struct kv_mem_deletes){0};
    return deletes;
}

void kv_mem_reopen(struct kv *kv, bool power_loss)
{
    struct mem_kv *m = mem_of(kv);
    m->crashed = false;
    m->faults = (struct kv_mem_faults){.fail_at = -1};
    if (!power_loss) return;
    mem_batch_clear(&m->unsynced->base);
    for (int f = 0; f < KV_FAMILY_COUNT; f++) {
        map_clear(&m->now[f]);
        for (size_t i = 0; i < m->synced[f].count; i++)
            map_put(&m->now[f], m->synced[f].entries[i]);
    }
}
