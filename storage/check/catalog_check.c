/* What `diglot check` proves about the catalog and about what it says of the logs: records that
 * cannot be read, broken invariants of shards, ids given twice, windows that end beyond their log,
 * logs that belong to no topic. */
#include "storage/catalog/catalog.h"

#include <inttypes.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/writer.h"
#include "storage/check/walk.h"
#include "storage/control/control.h"
#include "storage/engine/catalog_keys.h"
#include "storage/engine/runs.h"
#include "storage/log/stored.h"
#include "storage/topic/draft.h"
#include "storage/topic/record.h"
#include "base/check.h"

struct check {
    struct kv *kv;
    struct writer *out;
    int64_t wrong;
    struct catalog_counters counters;
    uint64_t *log_ids; /* of all partitions */
    size_t log_count;
};

static void complain(struct check *k, const char *name, const char *what)
{
    writer_printf(k->out, "catalog: topic %s: %s\n", name, what);
    k->wrong++;
}

static void complain_log(struct check *k, uint64_t log_id, const char *what)
{
    writer_printf(k->out, "catalog: log %" PRIu64 " %s\n", log_id, what);
    k->wrong++;
}

/* Errors: ERR_DISK. Thread: any; blocks. */
static enum err check_logs(struct check *k, const struct topic *t)
{
    CLEANUP(mem_freep) int64_t *ends = NEW_ARRAY(int64_t, (size_t)t->partition_count);
    for (int32_t i = 0; i < t->partition_count; i++) {
        uint64_t id = t->partitions[i].log_id;
        enum err err = stored_end(k->kv, id, &ends[i]);
        if (err == ERR_FORMAT) complain_log(k, id, "has a start that cannot be read");
        else TRY(err);
        k->log_ids[k->log_count++] = id;
        if (id >= k->counters.log_id_next) complain_log(k, id, "has an id that was never given");
    }
    for (int32_t i = 0; i < t->shard_count; i++) {
        const struct shard *s = topic_nth(t, i);
        int64_t end = s->end_offset == -1 ? s->first_offset : s->end_offset;
        if (end > ends[s->partition]) complain(k, t->name, "a shard's window ends beyond its log");
    }
    return ERR_OK;
}

struct check_producers {
    const struct topic *topic;
    int32_t partition;
    bool astray;
};

static bool check_producer(void *context, const struct producer_entry *e)
{
    struct check_producers *c = context;
    int32_t addressed = e->partition_addressed;
    if (addressed < 0 || addressed >= c->topic->partition_count ||
        topic_forward(c->topic, addressed) != c->partition)
        c->astray = true;
    return !c->astray;
}

/* A producer is known where what is addressed so goes, and nowhere else. Errors: ERR_DISK.
 * Thread: any; blocks. */
static enum err check_homes(struct check *k, const struct topic *t)
{
    for (int32_t i = 0; i < t->partition_count; i++) {
        struct check_producers c = {.topic = t, .partition = i};
        enum err err = walk_producers(k->kv, t->partitions[i].log_id, check_producer, &c);
        if (err == ERR_DISK) return err;        /* one that cannot be read is the walk's to tell */
        if (c.astray)
            complain_log(k, t->partitions[i].log_id,
                         "knows a producer of a partition that goes elsewhere");
    }
    return ERR_OK;
}

/* Errors: ERR_DISK. Thread: any; blocks. */
static enum err check_topic(struct check *k, struct kv_iter *it)
{
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    struct topic_key key = {{0}};
    bool whole = kv_iter_key(it).len == sizeof key.data;
    if (whole) mem_copy(key.data, kv_iter_key(it).data, sizeof key.data);
    enum err err = topic_record_read(kv_iter_value(it), it, &t);
    if (err == ERR_FORMAT) {
        complain(k, "(unreadable)", "its record cannot be read");
        return ERR_OK;
    }
    TRY(err);
    struct topic_key expected = topic_key(&t->id);
    if (!whole || !bytes_equal(KEY_BYTES(key), KEY_BYTES(expected)))
        complain(k, t->name, "stands under another id");
    if (!topic_name_is_legal(topic_name(t))) complain(k, "(unreadable)", "its name is not legal");
    if (t->version > k->counters.version) complain(k, t->name, "newer than the catalog");
    draft_finish(t);
    const char *broken = topic_invariant(t);
    if (broken != NULL) complain(k, t->name, broken);
    size_t room = k->log_count + (size_t)t->partition_count + 1;
    k->log_ids = mem_grow(k->log_ids, room * sizeof *k->log_ids);
    TRY(check_logs(k, t));
    return broken == NULL ? check_homes(k, t) : ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Every log that has data is some partition's, and no log is two's.
 * Errors: ERR_DISK. Thread: any; blocks. */
static enum err check_ids(struct check *k)
{
    if (k->log_count > 0) qsort(k->log_ids, k->log_count, sizeof *k->log_ids, by_number);
    for (size_t i = 1; i < k->log_count; i++)
        if (k->log_ids[i] == k->log_ids[i - 1])
            complain_log(k, k->log_ids[i], "has two partitions");
    for (uint64_t id = 0;; id++) {
        enum err err = runs_log_from(k->kv, id, &id);
        if (err == ERR_FORMAT) complain_log(k, id, "is followed by a key that is none");
        if (err == ERR_FORMAT || err == ERR_NOT_FOUND) return ERR_OK;
        TRY(err);
        bool known = k->log_count > 0 &&
                     bsearch(&id, k->log_ids, k->log_count, sizeof id, by_number) != NULL;
        if (!known) complain_log(k, id, "belongs to no topic");
        if (id == LOG_ID_MAX) return ERR_OK;
    }
}

/* Errors: ERR_DISK. Thread: any; blocks. */
static enum err check_all(struct check *k)
{
    CLEANUP(kv_iter_freep)
    struct kv_iter *it = kv_iter_new(k->kv, KV_CATALOG, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) TRY(check_topic(k, it));
    TRY(kv_iter_error(it));
    return check_ids(k);
}

enum err catalog_check(struct kv *kv, struct writer *out, int64_t *ret_wrong)
{
    struct check k = {.kv = kv, .out = out};
    CLEANUP(slab_unrefp) struct slab *counters = NULL;
    enum err err = kv_get(kv, KV_META, KEY_CATALOG_COUNTERS, &counters);
    if (err != ERR_OK && err != ERR_NOT_FOUND) return err;
    if (err == ERR_NOT_FOUND ||
        catalog_counters_read(slab_bytes(counters), &k.counters) != ERR_OK) {
        writer_text(out, "catalog: its counters cannot be read\n");
        k.wrong++;
    }
    err = check_all(&k);
    mem_free(k.log_ids);
    TRY(err);
    *ret_wrong = k.wrong;
    return ERR_OK;
}
