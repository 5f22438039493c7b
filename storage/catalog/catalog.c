/* The catalog in memory and on disk.
 *
 * In memory: three hash tables over the same entries (name, id, name with '.' as '_') and an array
 * in name order, under one lock that nobody holds while taking another or blocking. On disk: one
 * record a topic, with blocks of shards behind it (record.c), and the counters, which every write
 * carries along: their version tells after a failed commit whether it took place all the same, and
 * log ids can never be given twice.
 *
 * Rejected: protobuf-c for the records (a table of fixed layouts is shorter than its schema and its
 * glue, and the reader must check every bound anyway). */
#include "storage/catalog/catalog.h"

#include <assert.h>
#include <pthread.h>
#include "base/map.h"
#include "base/mem.h"
#include "storage/engine/catalog_keys.h"
#include "storage/log/worker.h"
#include "storage/topic/config.h"
#include "storage/topic/draft.h"
#include "storage/topic/record.h"
#include "base/check.h"

enum {
    PRODUCER_ID_BLOCK = 1000, /* ids made durable at once; a restart loses the rest of a block */
    UNIFIED_BYTES = TOPIC_NAME_BYTES_MAX + 1,
};

struct entry {
    struct map_node by_name;
    struct map_node by_id;
    struct map_node by_unified; /* of its name as catalog_collision() sees it */
    struct topic *topic;
};

struct catalog {
    struct store *store;
    struct kv *kv;
    char cluster_id[CLUSTER_ID_BYTES + 1];

    /* The controller's. */
    struct catalog_counters next; /* as of the next write */
    int64_t producer_id_next;     /* < next.producer_id_next, which is durable */

    pthread_rwlock_t lock; /* leaf: guards what follows */
    uint64_t version;
    struct map names;
    struct map ids;
    struct map unified;
    struct entry **sorted;
    int32_t count;
    int32_t cap;
    struct catalog_totals totals;
};

/* ---- The table; the lock is held */

static uint64_t id_hash(const struct uuid *id)
{
    return bytes_hash(bytes_of(id, sizeof *id));
}

static struct bytes unify(struct bytes name, char to[UNIFIED_BYTES])
{
    size_t len = name.len < UNIFIED_BYTES ? name.len : UNIFIED_BYTES - 1;
    for (size_t i = 0; i < len; i++) to[i] = name.data[i] == '.' ? '_' : (char)name.data[i];
    return bytes_of(to, len);
}

static struct entry *find_name(const struct catalog *c, struct bytes name)
{
    for (struct map_node *n = map_first(&c->names, bytes_hash(name)); n != NULL; n = map_next(n)) {
        struct entry *e = CONTAINER_OF(n, struct entry, by_name);
        if (bytes_equal(topic_name(e->topic), name)) return e;
    }
    return NULL;
}

static struct entry *find_id(const struct catalog *c, const struct uuid *id)
{
    for (struct map_node *n = map_first(&c->ids, id_hash(id)); n != NULL; n = map_next(n)) {
        struct entry *e = CONTAINER_OF(n, struct entry, by_id);
        if (uuid_equal(&e->topic->id, id)) return e;
    }
    return NULL;
}

/* Where the first name > after stands, or would stand. */
static int32_t position_after(const struct catalog *c, struct bytes after)
{
    int32_t low = 0, high = c->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (bytes_compare(topic_name(c->sorted[middle]->topic), after) <= 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void count_topic(struct catalog *c, const struct topic *t, int sign)
{
    c->totals.topics += sign;
    c->totals.partitions += sign * t->partition_count;
    c->totals.shards += sign * t->shard_count;
    c->totals.tag_bytes += sign * topic_tag_bytes(t);
    if (!topic_is_stream(t)) return;
    c->totals.open_shards += sign * t->open_count;
    if (t->on_demand) c->totals.on_demand_streams += sign;
}

static void add_entry(struct catalog *c, struct topic *t)
{
    char unified[UNIFIED_BYTES];
    struct entry *e = NEW(struct entry);
    e->topic = topic_ref(t);
    map_put(&c->names, &e->by_name, bytes_hash(topic_name(t)));
    map_put(&c->ids, &e->by_id, id_hash(&t->id));
    map_put(&c->unified, &e->by_unified, bytes_hash(unify(topic_name(t), unified)));
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 16;
        c->sorted = mem_grow(c->sorted, (size_t)c->cap * sizeof *c->sorted);
    }
    int32_t at = position_after(c, topic_name(t));
    mem_move(c->sorted + at + 1, c->sorted + at, (size_t)(c->count - at) * sizeof *c->sorted);
    c->sorted[at] = e;
    c->count++;
    count_topic(c, t, 1);
}

/* Returns the value that stood there, whose reference is now the caller's. */
static struct topic *remove_entry(struct catalog *c, struct entry *e)
{
    struct topic *t = e->topic;
    int32_t at = position_after(c, topic_name(t)) - 1;
    assert(c->sorted[at] == e);
    mem_move(c->sorted + at, c->sorted + at + 1, (size_t)(c->count - at - 1) * sizeof *c->sorted);
    c->count--;
    map_remove(&c->names, &e->by_name);
    map_remove(&c->ids, &e->by_id);
    map_remove(&c->unified, &e->by_unified);
    count_topic(c, t, -1);
    mem_free(e);
    return t;
}

static void replace(struct catalog *c, struct topic *t)
{
    struct topic *before = NULL;
    pthread_rwlock_wrlock(&c->lock);
    struct entry *e = find_id(c, &t->id);
    if (e != NULL && t->deleted) {
        before = remove_entry(c, e);
    } else if (e != NULL) {
        before = e->topic;
        count_topic(c, before, -1);
        e->topic = topic_ref(t);
        count_topic(c, t, 1);
    } else {
        add_entry(c, t);
    }
    c->version = t->version;
    pthread_rwlock_unlock(&c->lock);
    topic_unref(before); /* outside: it may be the last one, and logs go with it */
}

/* ---- Look-ups */

struct topic *store_topic(struct store *s, struct bytes name)
{
    struct catalog *c = store_catalog(s);
    pthread_rwlock_rdlock(&c->lock);
    struct entry *e = find_name(c, name);
    struct topic *t = e ? topic_ref(e->topic) : NULL;
    pthread_rwlock_unlock(&c->lock);
    return t;
}

struct topic *store_topic_by_id(struct store *s, const struct uuid *id)
{
    struct catalog *c = store_catalog(s);
    pthread_rwlock_rdlock(&c->lock);
    struct entry *e = find_id(c, id);
    struct topic *t = e ? topic_ref(e->topic) : NULL;
    pthread_rwlock_unlock(&c->lock);
    return t;
}

int32_t store_topics(struct store *s, struct bytes after, int32_t max, struct topic **ret_topics)
{
    struct catalog *c = store_catalog(s);
    int32_t n = 0;
    pthread_rwlock_rdlock(&c->lock);
    int32_t at = bytes_is_null(after) ? 0 : position_after(c, after);
    while (n < max && at < c->count) ret_topics[n++] = topic_ref(c->sorted[at++]->topic);
    pthread_rwlock_unlock(&c->lock);
    return n;
}

struct bytes store_cluster_id(const struct store *s)
{
    return bytes_str(store_catalog((struct store *)s)->cluster_id);
}

void store_totals(struct store *s, struct catalog_totals *ret)
{
    catalog_totals(store_catalog(s), ret);
}

void catalog_totals(struct catalog *c, struct catalog_totals *ret)
{
    pthread_rwlock_rdlock(&c->lock);
    *ret = c->totals;
    pthread_rwlock_unlock(&c->lock);
}

struct topic *catalog_collision(struct catalog *c, struct bytes name)
{
    char wanted[UNIFIED_BYTES], have[UNIFIED_BYTES];
    struct bytes unified = unify(name, wanted);
    struct topic *found = NULL;
    pthread_rwlock_rdlock(&c->lock);
    struct map_node *n = map_first(&c->unified, bytes_hash(unified));
    for (; n != NULL && found == NULL; n = map_next(n)) {
        struct topic *t = CONTAINER_OF(n, struct entry, by_unified)->topic;
        bool same = bytes_equal(unify(topic_name(t), have), unified);
        if (same && !bytes_equal(topic_name(t), name)) found = topic_ref(t);
    }
    pthread_rwlock_unlock(&c->lock);
    return found;
}

/* ---- Writing */

static enum kv_sync sync_of(struct store *s)
{
    return store_options(s)->durability_power ? KV_SYNC : KV_NO_SYNC;
}

static void stage_counters(const struct catalog *c, struct kv_batch *b)
{
    uint8_t value[CATALOG_COUNTERS_BYTES];
    catalog_counters_write(&c->next, value);
    kv_batch_put(b, KV_META, KEY_CATALOG_COUNTERS, bytes_of(value, sizeof value));
}

uint64_t catalog_take_log_ids(struct catalog *c, int32_t count)
{
    uint64_t first = c->next.log_id_next;
    c->next.log_id_next += (uint64_t)count;
    return first;
}

void catalog_attach_logs(struct catalog *c, struct topic *draft)
{
    for (int32_t i = 0; i < draft->partition_count; i++) {
        struct partition *p = &draft->partitions[i];
        if (p->log == NULL) p->log = store_log_new(c->store, p->log_id);
    }
}

/* Whether what can be read now is what a start would find. An engine that is merely full has taken
 * back what it refused, and goes on taking deletes: then it need not take other writes again, which
 * only room would bring. The sync is for what was taken back just now. */
static bool outcome_is_known(struct catalog *c)
{
    return kv_resume(c->kv) == ERR_OK || (kv_is_full(c->kv) && kv_sync_now(c->kv) == ERR_OK);
}

enum err catalog_settle(struct catalog *c, struct topic *draft)
{
    struct catalog_counters have = {0};
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    if (!outcome_is_known(c)) return ERR_DISK;
    enum err err = kv_get(c->kv, KV_META, KEY_CATALOG_COUNTERS, &value);
    if (err == ERR_OK) err = catalog_counters_read(slab_bytes(value), &have);
    else if (err == ERR_NOT_FOUND) err = ERR_OK; /* the first write of all */
    if (err != ERR_OK) return ERR_DISK;
    if (have.version != draft->version) return ERR_KAFKA_STORAGE_ERROR;
    /* Written, but perhaps it was the sync that failed. */
    if (sync_of(c->store) == KV_SYNC && kv_sync_now(c->kv) != ERR_OK) return ERR_DISK;
    replace(c, draft);
    return ERR_OK;
}

enum err catalog_write(struct catalog *c, struct kv_batch *b, struct topic *draft)
{
    const struct entry *e = find_id(c, &draft->id);     /* none but the controller changes it */
    const struct topic *before = e != NULL ? e->topic : NULL;
    const char *broken = topic_invariant_since(draft, before);
    assert(broken == NULL);
    draft->version = ++c->next.version; /* used up even when the commit fails */
    topic_stage(draft, before, b);
    stage_counters(c, b);
    if (kv_commit(c->kv, b, sync_of(c->store)) != ERR_OK) return catalog_settle(c, draft);
    replace(c, draft);
    return ERR_OK;
}

enum err catalog_producer_id(struct catalog *c, int64_t *ret)
{
    if (c->producer_id_next == c->next.producer_id_next) {
        CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(c->kv);
        /* Ids are skipped when the commit fails: they may have become durable. */
        int64_t first = c->next.producer_id_next;
        c->next.producer_id_next += PRODUCER_ID_BLOCK;
        stage_counters(c, b);
        enum err err = kv_commit(c->kv, b, sync_of(c->store));
        c->producer_id_next = err == ERR_OK ? first : c->next.producer_id_next;
        if (err != ERR_OK) {
            (void)!kv_resume(c->kv); /* so that the next one has a chance */
            return ERR_KAFKA_STORAGE_ERROR;
        }
    }
    *ret = c->producer_id_next++;
    return ERR_OK;
}

/* ---- Start and end */

/* Errors: ERR_DISK; ERR_FORMAT. Thread: main, at start; blocks. */
static enum err load_topic(struct catalog *c, struct kv_iter *it)
{
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    struct topic_key key;
    if (kv_iter_key(it).len != sizeof key.data) return ERR_FORMAT;
    mem_copy(key.data, kv_iter_key(it).data, sizeof key.data);
    TRY(topic_record_read(kv_iter_value(it), it, &t));
    struct topic_key expected = topic_key(&t->id);
    if (!bytes_equal(KEY_BYTES(key), KEY_BYTES(expected))) return ERR_FORMAT;
    config_resolve(t, &store_options(c->store)->topic_defaults);
    draft_finish(t);
    if (topic_invariant(t) != NULL || find_name(c, topic_name(t)) != NULL) return ERR_FORMAT;
    catalog_attach_logs(c, t);
    add_entry(c, t);
    return ERR_OK;
}

/* Errors: ERR_DISK; ERR_FORMAT. Thread: main, at start; blocks. */
static enum err load_topics(struct catalog *c)
{
    CLEANUP(kv_iter_freep)
    struct kv_iter *it = kv_iter_new(c->kv, KV_CATALOG, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) TRY(load_topic(c, it));
    return kv_iter_error(it);
}

/* The counters and the cluster's id; a new directory gets both in one write.
 * Errors: ERR_DISK; ERR_FORMAT. Thread: main, at start; blocks. */
static enum err load_meta(struct catalog *c)
{
    CLEANUP(slab_unrefp) struct slab *id = NULL;
    CLEANUP(slab_unrefp) struct slab *counters = NULL;
    enum err err = kv_get(c->kv, KV_META, KEY_CLUSTER_ID, &id);
    if (err == ERR_NOT_FOUND) {
        struct uuid fresh = uuid_random();
        CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(c->kv);
        c->next = (struct catalog_counters){.version = 1, .log_id_next = 1};
        uuid_to_text(&fresh, c->cluster_id);
        kv_batch_put(b, KV_META, KEY_CLUSTER_ID, bytes_str(c->cluster_id));
        stage_counters(c, b);
        return kv_commit(c->kv, b, KV_NO_SYNC);
    }
    TRY(err);
    if (id->len != CLUSTER_ID_BYTES) return ERR_FORMAT;
    bytes_to_text(slab_bytes(id), c->cluster_id, sizeof c->cluster_id);
    TRY(kv_get(c->kv, KV_META, KEY_CATALOG_COUNTERS, &counters));
    return catalog_counters_read(slab_bytes(counters), &c->next);
}

static void catalog_closep(struct catalog **c)
{
    catalog_close(*c);
    *c = NULL;
}

enum err catalog_open(struct store *s, struct catalog **ret)
{
    CLEANUP(catalog_closep) struct catalog *c = NEW(struct catalog);
    c->store = s;
    c->kv = store_kv(s);
    /* Loops look up all the time: a change must not wait for a moment when none does. */
    pthread_rwlockattr_t kind;
    pthread_rwlockattr_init(&kind);
    pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&c->lock, &kind);
    pthread_rwlockattr_destroy(&kind);
    TRY(load_meta(c));
    c->version = c->next.version;
    c->producer_id_next = c->next.producer_id_next;
    TRY(load_topics(c));
    *ret = TAKE(c);
    return ERR_OK;
}

void catalog_publish_all(struct catalog *c)
{
    for (int32_t i = 0; i < c->count; i++) store_logs_publish(c->store, c->sorted[i]->topic);
}

void catalog_close(struct catalog *c)
{
    if (c == NULL) return;
    while (c->count > 0) topic_unref(remove_entry(c, c->sorted[c->count - 1]));
    map_done(&c->names);
    map_done(&c->ids);
    map_done(&c->unified);
    mem_free(c->sorted);
    pthread_rwlock_destroy(&c->lock);
    mem_free(c);
}
