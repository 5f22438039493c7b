#include "storage/draft.h"

#include <assert.h>
#include <stdlib.h>
#include "base/mem.h"
#include "storage/worker.h"
#include "base/check.h"

/* Arrays grow by one element at a time but in steps of a power of two, so that a topic of thousands
 * of partitions is made in linear time; the capacity follows from the count alone. */
static void *grow(void *array, int32_t count, size_t element)
{
    bool full = (count & (count - 1)) == 0; /* 0, 1, 2, 4, 8 ... */
    return full ? mem_grow(array, (size_t)(count ? 2 * count : 1) * element) : array;
}

static void *copy(const void *array, int32_t count, size_t element)
{
    size_t cap = 1;
    while (cap < (size_t)count) cap *= 2;
    void *to = mem_array(cap, element);
    mem_copy(to, array, (size_t)count * element);
    return to;
}

static char *text(struct bytes b)
{
    return mem_string((const char *)b.data, b.len);
}

struct topic *draft_new(const struct uuid *id, struct bytes name)
{
    struct topic *t = NEW(struct topic);
    atomic_init(&t->refs, 1);
    t->id = *id;
    t->name = text(name);
    t->name_len = name.len;
    return t;
}

static void copy_consumer(struct topic *t, const struct stream_consumer *from)
{
    struct stream_consumer *c = draft_add_consumer(t, bytes_str(from->name), from->created_ms);
    for (int32_t i = 0; i < from->tag_count; i++)
        draft_set_consumer_tag(c, bytes_str(from->tags[i].key), bytes_str(from->tags[i].value));
}

struct topic *draft_copy(const struct topic *from)
{
    struct topic *t = draft_new(&from->id, topic_name(from));
    t->version = from->version;
    t->created_ms = from->created_ms;
    t->on_demand = from->on_demand;
    t->internal = from->internal;
    t->deleted = from->deleted;
    t->config = from->config;
    t->partition_count = from->partition_count;
    t->partitions = copy(from->partitions, from->partition_count, sizeof *t->partitions);
    for (int32_t i = 0; i < t->partition_count; i++)
        if (t->partitions[i].log != NULL) plog_ref(t->partitions[i].log);
    t->shard_count = from->shard_count;
    t->shard_index_next = from->shard_index_next;
    t->shards = copy(from->shards, from->shard_count, sizeof *t->shards);
    for (int32_t i = 0; i < from->setting_count; i++)
        draft_set_setting(t, bytes_str(from->settings[i].name), bytes_str(from->settings[i].value));
    for (int32_t i = 0; i < from->tag_count; i++)
        draft_set_tag(t, bytes_str(from->tags[i].key), bytes_str(from->tags[i].value));
    for (int32_t i = 0; i < from->consumer_count; i++) copy_consumer(t, &from->consumers[i]);
    return t;
}

int32_t draft_add_partition(struct topic *t, uint64_t log_id)
{
    t->partitions = grow(t->partitions, t->partition_count, sizeof *t->partitions);
    t->partitions[t->partition_count] = (struct partition){.log_id = log_id, .open_shard = -1};
    return t->partition_count++;
}

struct shard *draft_add_shard(struct topic *t)
{
    t->shards = grow(t->shards, t->shard_count, sizeof *t->shards);
    struct shard *s = &t->shards[t->shard_count++];
    *s = (struct shard){
        .index = t->shard_index_next++, .end_offset = -1, .parent = -1, .adjacent_parent = -1};
    return s;
}

u128 draft_even_first(int32_t i, int32_t count)
{
    /* floor(2^128 / count), where 2^128 itself does not fit */
    u128 width = count == 1 ? 0 : (U128_MAX - (u128)count + 1) / (u128)count + 1;
    return width * (u128)i;
}

void draft_even_shards(struct topic *t, int32_t count, uint64_t first_log_id, int64_t created_ms)
{
    assert(t->partition_count == 0 && count > 0);
    for (int32_t i = 0; i < count; i++) {
        struct shard *s = draft_add_shard(t);
        s->partition = draft_add_partition(t, first_log_id + (uint64_t)i);
        s->hash_first = draft_even_first(i, count);
        s->hash_last = i == count - 1 ? U128_MAX : draft_even_first(i + 1, count) - 1;
        s->created_ms = created_ms;
    }
}

int32_t draft_expire_shards(struct topic *t, const int64_t *log_starts, int64_t closed_by_ms)
{
    /* A partition keeps a suffix of its windows, also when the clock was set back between two. */
    CLEANUP(mem_freep) bool *keeps = NEW_ARRAY(bool, (size_t)t->partition_count);
    int32_t kept = 0;
    for (int32_t i = 0; i < t->shard_count; i++) {
        const struct shard *s = &t->shards[i];
        if (s->end_offset == -1 || s->end_offset > log_starts[s->partition] ||
            s->closed_ms > closed_by_ms)
            keeps[s->partition] = true;
        if (keeps[s->partition]) t->shards[kept++] = *s;
    }
    int32_t removed = t->shard_count - kept;
    t->shard_count = kept;
    return removed;
}

/* Settings and tags are pairs of the same shape, kept in the order of their names. */
struct pair {
    char *name;
    char *value;
};
static_assert(sizeof(struct pair) == sizeof(struct topic_setting), "set_pair() serves both");
static_assert(sizeof(struct pair) == sizeof(struct topic_tag), "set_pair() serves both");

static struct pair *set_pair(struct pair *pairs, int32_t *count, struct bytes name,
                             struct bytes value)
{
    int32_t at = 0;
    int order = 1;
    while (at < *count && (order = bytes_compare(bytes_str(pairs[at].name), name)) < 0) at++;
    if (at < *count && order == 0) {
        mem_free(pairs[at].value);
        if (!bytes_is_null(value)) {
            pairs[at].value = text(value);
            return pairs;
        }
        mem_free(pairs[at].name);
        mem_move(pairs + at, pairs + at + 1, (size_t)(*count - at - 1) * sizeof *pairs);
        --*count;
        return pairs;
    }
    if (bytes_is_null(value)) return pairs;
    pairs = mem_grow(pairs, (size_t)(*count + 1) * sizeof *pairs);
    mem_move(pairs + at + 1, pairs + at, (size_t)(*count - at) * sizeof *pairs);
    pairs[at] = (struct pair){.name = text(name), .value = text(value)};
    ++*count;
    return pairs;
}

void draft_set_setting(struct topic *t, struct bytes name, struct bytes value)
{
    t->settings = (void *)set_pair((void *)t->settings, &t->setting_count, name, value);
}

void draft_set_tag(struct topic *t, struct bytes key, struct bytes value)
{
    t->tags = (void *)set_pair((void *)t->tags, &t->tag_count, key, value);
}

struct stream_consumer *draft_add_consumer(struct topic *t, struct bytes name, int64_t created_ms)
{
    t->consumers = mem_grow(t->consumers, (size_t)(t->consumer_count + 1) * sizeof *t->consumers);
    struct stream_consumer *c = &t->consumers[t->consumer_count++];
    *c = (struct stream_consumer){.name = text(name), .created_ms = created_ms};
    return c;
}

void draft_set_consumer_tag(struct stream_consumer *c, struct bytes key, struct bytes value)
{
    c->tags = (void *)set_pair((void *)c->tags, &c->tag_count, key, value);
}

bool draft_remove_consumer(struct topic *t, struct bytes name)
{
    for (int32_t i = 0; i < t->consumer_count; i++) {
        if (!bytes_equal_str(name, t->consumers[i].name)) continue;
        stream_consumer_done(&t->consumers[i]);
        t->consumers[i] = t->consumers[--t->consumer_count];
        return true;
    }
    return false;
}

static int by_range(const void *a, const void *b, void *shards)
{
    const struct shard *x = (struct shard *)shards + *(const int32_t *)a;
    const struct shard *y = (struct shard *)shards + *(const int32_t *)b;
    return x->hash_first < y->hash_first ? -1 : x->hash_first > y->hash_first;
}

void draft_finish(struct topic *t)
{
    for (int32_t i = 0; i < t->partition_count; i++) t->partitions[i].open_shard = -1;
    mem_free(t->open);
    t->open = NEW_ARRAY(int32_t, (size_t)t->shard_count);
    t->open_count = 0;
    for (int32_t i = 0; i < t->shard_count; i++) t->shards[i].child = -1;
    for (int32_t i = t->shard_count - 1; i >= 0; i--) {
        const int32_t parents[] = {t->shards[i].parent, t->shards[i].adjacent_parent};
        for (int k = 0; k < 2; k++) {
            struct shard *parent = (struct shard *)topic_shard(t, parents[k]);
            if (parent != NULL) parent->child = i;
        }
    }
    for (int32_t i = 0; i < t->shard_count; i++) {
        struct shard *s = &t->shards[i];
        t->partitions[s->partition].forward_hash = s->hash_first;
        if (s->end_offset != -1) continue;
        t->open[t->open_count++] = i;
        t->partitions[s->partition].open_shard = i;
    }
    qsort_r(t->open, (size_t)t->open_count, sizeof *t->open, by_range, t->shards);
}
