/* Topic values: their life and their look-ups. Values are made through draft.h. */
#include "storage/topic/topic.h"

#include <assert.h>
#include "base/mem.h"
#include "protocol/batch/recode.h"
#include "base/check.h"

enum { ALLOCATION_BYTES = 16 };     /* what an allocation takes besides what was asked for */

struct topic *topic_ref(struct topic *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

static void tags_free(struct topic_tag *tags, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        mem_free(tags[i].key);
        mem_free(tags[i].value);
    }
    mem_free(tags);
}

void stream_consumer_done(struct stream_consumer *c)
{
    mem_free(c->name);
    tags_free(c->tags, c->tag_count);
}

void shard_block_unref(struct shard_block *b)
{
    if (b == NULL) return;
    unsigned before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) mem_free(b);
}

static void topic_free(struct topic *t)
{
    for (int32_t i = 0; i < t->partition_count; i++)
        log_ref_drop(partition_log_ref(&t->partitions[i]));
    for (int32_t i = 0; i < t->setting_count; i++) {
        mem_free(t->settings[i].name);
        mem_free(t->settings[i].value);
    }
    tags_free(t->tags, t->tag_count);
    for (int32_t i = 0; i < t->consumer_count; i++) stream_consumer_done(&t->consumers[i]);
    mem_free(t->partitions);
    for (int32_t i = 0; i < topic_block_count(t); i++) shard_block_unref(t->blocks[i]);
    mem_free(t->blocks);
    mem_free(t->open);
    mem_free(t->settings);
    mem_free(t->consumers);
    mem_free(t->name);
    mem_free(t);
}

void topic_unref(struct topic *t)
{
    if (t == NULL) return;
    unsigned before = atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) topic_free(t);
}

void topic_unrefp(struct topic **t)
{
    topic_unref(*t);
    *t = NULL;
}

struct bytes topic_name(const struct topic *t)
{
    return bytes_of(t->name, t->name_len);
}

struct batch_packing topic_packing(const struct topic *t)
{
    assert(t->config.compression_type >= 0 && t->config.compression_type < CODEC_COUNT);
    return (struct batch_packing){
        .codec = (enum batch_codec)t->config.compression_type,
        .level = t->config.compression_level[t->config.compression_type],
        .bytes_max = (uint32_t)t->config.max_message_bytes,
    };
}

bool topic_is_stream(const struct topic *t)
{
    return !t->internal && t->name_len <= STREAM_NAME_BYTES_MAX;
}

bool topic_shares_block(const struct topic *t, const struct topic *before, int32_t block)
{
    return before != NULL && block < topic_block_count(before) &&
           t->blocks[block] == before->blocks[block];
}

int32_t topic_shard_at(const struct topic *t, int32_t index)
{
    int32_t low = 0, high = t->shard_count;
    if (high == 0 || index <= topic_nth(t, 0)->index) return 0;
    if (index > topic_nth(t, high - 1)->index) return high;
    /* Each shard has another index, so where none is missing both bounds are the place itself. */
    int64_t most = (int64_t)index - topic_nth(t, 0)->index;
    int64_t least = (int64_t)high - 1 - (topic_nth(t, high - 1)->index - index);
    if (most < high) high = (int32_t)most;
    if (least > low) low = (int32_t)least;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (topic_nth(t, middle)->index < index) low = middle + 1;
        else high = middle;
    }
    return low;
}

const struct shard *topic_shard(const struct topic *t, int32_t index)
{
    int32_t at = topic_shard_at(t, index);
    return at < t->shard_count && topic_nth(t, at)->index == index ? topic_nth(t, at) : NULL;
}

const struct shard *topic_shard_of_hash(const struct topic *t, u128 hash)
{
    int32_t low = 0, high = t->open_count - 1; /* the last one whose range begins at or below */
    assert(high >= 0);
    while (low < high) {
        int32_t middle = low + (high - low + 1) / 2;
        if (topic_nth(t, t->open[middle])->hash_first <= hash) low = middle;
        else high = middle - 1;
    }
    return topic_nth(t, t->open[low]);
}

int32_t topic_forward(const struct topic *t, int32_t partition)
{
    assert(partition >= 0 && partition < t->partition_count);
    const struct partition *p = &t->partitions[partition];
    if (p->open_shard >= 0) return partition;
    return topic_shard_of_hash(t, p->forward_hash)->partition;
}

static int64_t tag_bytes(const struct topic_tag *tags, int32_t count)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < count; i++)
        bytes += (int64_t)(sizeof *tags + strlen(tags[i].key) + strlen(tags[i].value) +
                           2 * ALLOCATION_BYTES);
    return bytes;
}

int64_t topic_tag_bytes(const struct topic *t)
{
    int64_t bytes = tag_bytes(t->tags, t->tag_count);
    for (int32_t i = 0; i < t->consumer_count; i++) {
        const struct stream_consumer *c = &t->consumers[i];
        bytes += (int64_t)(sizeof *c + strlen(c->name) + ALLOCATION_BYTES) +
                 tag_bytes(c->tags, c->tag_count);
    }
    return bytes;
}

int32_t topic_open_shards(const struct topic *t)
{
    return t->open_count;
}

static const char *check_ranges(const struct topic *t)
{
    u128 next = 0;
    for (int32_t i = 0; i < t->open_count; i++) {
        const struct shard *s = topic_nth(t, t->open[i]);
        if (s->end_offset != -1 || s->closed_ms != 0) return "an open shard has an end";
        if (s->hash_first != next) return "open shards leave a hole or overlap";
        if (s->hash_last < s->hash_first) return "a shard's range is empty";
        next = s->hash_last + 1;
        if ((next == 0) != (i == t->open_count - 1)) return "open shards do not end at 2^128 - 1";
        if (t->partitions[s->partition].open_shard != t->open[i])
            return "two open shards on a partition";
    }
    return t->open_count > 0 ? NULL : "no open shard";
}

/* A parent that holds no record may have been made in the same second, by the same change. */
static bool is_younger(const struct shard *child, const struct shard *parent)
{
    int64_t later_s = child->created_ms / 1000 - parent->created_ms / 1000;
    return later_s > 0 || (later_s == 0 && parent->end_offset == parent->first_offset);
}

struct windows {
    const struct topic *topic;
    int64_t *ends;      /* by partition: of the latest window looked at; -1 open, -2 none yet */
    int32_t open;       /* shards looked at */
};

/* Windows of one partition, in index order, meet exactly: a record is in one of them or, older
 * than all, in one that expired. */
static const char *check_window(struct windows *w, int32_t position)
{
    const struct topic *t = w->topic;
    const struct shard *s = topic_nth(t, position);
    if (s->partition < 0 || s->partition >= t->partition_count) return "a shard on no partition";
    if (s->index < 0 || s->index >= t->shard_index_next) return "a shard index beyond the next one";
    if (position > 0 && s->index <= topic_nth(t, position - 1)->index)
        return "shard indexes do not count up";
    if (s->parent >= s->index || s->adjacent_parent >= s->index)
        return "a parent younger than its child";
    if (s->first_offset < 0) return "a window before the log";
    if (s->end_offset != -1 && s->end_offset < s->first_offset)
        return "a window that ends before it begins";
    int64_t *end = &w->ends[s->partition];
    if (*end == -1) return "a window behind an open one";
    if (*end >= 0 && *end != s->first_offset) return "windows of a partition do not meet";
    *end = s->end_offset;
    w->open += s->end_offset == -1;
    const struct shard *parent = topic_shard(t, s->parent);
    if (parent != NULL && parent->end_offset == -1) return "an open parent";
    if (parent != NULL && !is_younger(s, parent)) return "a child as old as its parent";
    return NULL;
}

const char *topic_invariant_since(const struct topic *t, const struct topic *before)
{
    CLEANUP(mem_freep) int64_t *ends = NEW_ARRAY(int64_t, (size_t)t->partition_count);
    struct windows w = {.topic = t, .ends = ends};
    bool neighbours = false;        /* the block before this one was looked at */
    for (int32_t b = 0; b < topic_block_count(t); b++) {
        bool shared = topic_shares_block(t, before, b);
        for (int32_t i = 0; !shared && !neighbours && i < t->partition_count; i++) ends[i] = -2;
        neighbours = !shared;
        if (shared) continue;
        for (int32_t i = 0; i < topic_block_shards(t, b); i++) {
            const char *broken = check_window(&w, b * SHARD_BLOCK_MAX + i);
            if (broken != NULL) return broken;
        }
    }
    if (before == NULL ? w.open != t->open_count : w.open > t->open_count)
        return "the list of open shards is stale";
    if (t->partition_count < t->open_count) return "more open shards than partitions";
    return check_ranges(t);
}

const char *topic_invariant(const struct topic *t)
{
    return topic_invariant_since(t, NULL);
}

bool topic_name_is_legal(struct bytes name)
{
    if (name.len == 0 || name.len > TOPIC_NAME_BYTES_MAX) return false;
    if (bytes_equal_str(name, ".") || bytes_equal_str(name, "..")) return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t ch = name.data[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (!letter && !(ch >= '0' && ch <= '9') && ch != '.' && ch != '_' && ch != '-')
            return false;
    }
    return true;
}
