#include "storage/topic/draft.h"

#include <assert.h>
#include <stdlib.h>
#include "base/mem.h"
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
        log_ref_take(partition_log_ref(&t->partitions[i]));
    t->shard_count = from->shard_count;
    t->shard_index_next = from->shard_index_next;
    t->blocks = copy(from->blocks, topic_block_count(from), sizeof(struct shard_block *));
    for (int32_t i = 0; i < topic_block_count(t); i++)
        atomic_fetch_add_explicit(&t->blocks[i]->refs, 1, memory_order_relaxed);
    t->finished_count = from->finished_count;
    t->open_count = from->open_count;
    t->open = copy(from->open, from->open_count, sizeof *t->open);
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

static size_t block_bytes(int32_t count)
{
    return sizeof(struct shard_block) + (size_t)count * sizeof(struct shard);
}

/* Other values may hold the block: then the draft gets a copy. */
static struct shard_block *own_block(struct topic *t, int32_t number)
{
    struct shard_block *shared = t->blocks[number];
    if (atomic_load_explicit(&shared->refs, memory_order_acquire) == 1) return shared;
    int32_t count = topic_block_shards(t, number), cap = 1;
    while (cap < count) cap *= 2;
    struct shard_block *own = mem_array(1, block_bytes(cap));
    atomic_init(&own->refs, 1);
    mem_copy(own->shards, shared->shards, (size_t)count * sizeof *own->shards);
    shard_block_unref(shared);
    return t->blocks[number] = own;
}

struct shard *draft_nth(struct topic *t, int32_t position)
{
    return &own_block(t, position / SHARD_BLOCK_MAX)->shards[position % SHARD_BLOCK_MAX];
}

static void append_shard(struct topic *t, const struct shard *s)
{
    int32_t number = t->shard_count / SHARD_BLOCK_MAX, at = t->shard_count % SHARD_BLOCK_MAX;
    if (at == 0) {
        t->blocks = grow(t->blocks, number, sizeof(struct shard_block *));
        t->blocks[number] = mem_array(1, block_bytes(1));
        atomic_init(&t->blocks[number]->refs, 1);
    } else {
        struct shard_block *own = own_block(t, number);
        if ((at & (at - 1)) == 0) own = mem_grow(own, block_bytes(2 * at)); /* 1, 2, 4, 8 ... */
        t->blocks[number] = own;
    }
    t->blocks[number]->shards[at] = *s;
    t->shard_count++;
}

struct shard *draft_add_shard(struct topic *t)
{
    append_shard(t, &(struct shard){.index = t->shard_index_next++, .end_offset = -1, .parent = -1,
                                    .adjacent_parent = -1, .child = -1});
    return draft_nth(t, t->shard_count - 1);
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
    CLEANUP(topic_unrefp) struct topic *all = draft_new(&t->id, topic_name(t));
    all->shard_count = t->shard_count;
    all->blocks = TAKE(t->blocks);
    t->shard_count = t->finished_count = t->open_count = 0;     /* positions change */
    for (int32_t i = 0; i < all->shard_count; i++) {
        const struct shard *s = topic_nth(all, i);
        if (s->end_offset == -1 || s->end_offset > log_starts[s->partition] ||
            s->closed_ms > closed_by_ms)
            keeps[s->partition] = true;
        if (keeps[s->partition]) append_shard(t, s);
    }
    return all->shard_count - t->shard_count;
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

static int by_range(const void *a, const void *b, void *topic)
{
    const struct shard *x = topic_nth(topic, *(const int32_t *)a);
    const struct shard *y = topic_nth(topic, *(const int32_t *)b);
    return x->hash_first < y->hash_first ? -1 : x->hash_first > y->hash_first;
}

static void add_child(struct topic *t, int32_t parent, int32_t child)
{
    int32_t at = topic_shard_at(t, parent);
    if (at == t->shard_count || topic_nth(t, at)->index != parent) return;
    if (topic_nth(t, at)->child == -1) draft_nth(t, at)->child = child;
}

void draft_finish(struct topic *t)
{
    int32_t open = 0;
    for (int32_t i = 0; t->finished_count == 0 && i < t->partition_count; i++)
        t->partitions[i].open_shard = -1;
    for (int32_t i = 0; i < t->open_count; i++) {
        int32_t at = t->open[i], partition = topic_nth(t, at)->partition;
        if (topic_nth(t, at)->end_offset == -1) t->open[open++] = at;
        else if (t->partitions[partition].open_shard == at)
            t->partitions[partition].open_shard = -1;
    }
    size_t room = (size_t)(open + t->shard_count - t->finished_count);
    t->open = mem_grow(t->open, (room ? room : 1) * sizeof *t->open);
    for (int32_t i = t->finished_count; i < t->shard_count; i++) {
        const struct shard s = *topic_nth(t, i);
        add_child(t, s.parent, s.index);
        add_child(t, s.adjacent_parent, s.index);
        t->partitions[s.partition].forward_hash = s.hash_first;
        if (s.end_offset != -1) continue;
        t->open[open++] = i;
        t->partitions[s.partition].open_shard = i;
    }
    t->open_count = open;
    t->finished_count = t->shard_count;
    qsort_r(t->open, (size_t)open, sizeof *t->open, by_range, t);
}
