#include "storage/topic/record.h"

#include <assert.h>
#include "base/cursor.h"
#include "base/mem.h"
#include "storage/engine/catalog_keys.h"
#include "storage/topic/draft.h"
#include "base/check.h"

enum {
    FLAG_ON_DEMAND = 1,
    FLAG_INTERNAL = 2,
    FLAG_CONSUMER_TAGS = 4,     /* only when there are some: other records stay as they were */
    FLAGS_KNOWN = 7,
    RECORD_BYTES_MAX = 64 << 20,
};

/* Those before the last one, which may be full too. */
static int32_t full_blocks(int32_t shards)
{
    return shards > 0 ? (shards - 1) / SHARD_BLOCK_MAX : 0;
}

static void write_u128(struct writer *w, u128 v)
{
    writer_i64(w, (int64_t)(v >> 64));
    writer_i64(w, (int64_t)v);
}

static u128 read_u128(struct cursor *c)
{
    u128 high = (uint64_t)cursor_i64(c);
    return high << 64 | (uint64_t)cursor_i64(c);
}

static void write_shard(const struct shard *s, struct writer *w)
{
    writer_i32(w, s->index);
    writer_i32(w, s->partition);
    writer_i64(w, s->first_offset);
    writer_i64(w, s->end_offset);
    write_u128(w, s->hash_first);
    write_u128(w, s->hash_last);
    writer_i32(w, s->parent);
    writer_i32(w, s->adjacent_parent);
    writer_i64(w, s->created_ms);
    writer_i64(w, s->closed_ms);
}

static void write_text(struct writer *w, const char *text)
{
    writer_i32(w, (int32_t)bytes_str(text).len);
    writer_bytes_raw(w, bytes_str(text));
}

static void write_tags(const struct topic_tag *tags, int32_t count, struct writer *w)
{
    writer_i32(w, count);
    for (int32_t i = 0; i < count; i++) {
        write_text(w, tags[i].key);
        write_text(w, tags[i].value);
    }
}

static int flags_of(const struct topic *t)
{
    int flags = (t->on_demand ? FLAG_ON_DEMAND : 0) | (t->internal ? FLAG_INTERNAL : 0);
    for (int32_t i = 0; i < t->consumer_count; i++)
        if (t->consumers[i].tag_count > 0) flags |= FLAG_CONSUMER_TAGS;
    return flags;
}

void topic_record_write(const struct topic *t, struct writer *w)
{
    int flags = flags_of(t);
    writer_i8(w, TOPIC_RECORD_VERSION);
    writer_i8(w, (int8_t)flags);
    writer_raw(w, &t->id, sizeof t->id);
    writer_i64(w, (int64_t)t->version);
    writer_i64(w, t->created_ms);
    writer_i32(w, t->shard_index_next);
    write_text(w, t->name);
    writer_i32(w, t->partition_count);
    for (int32_t i = 0; i < t->partition_count; i++) {
        writer_i64(w, (int64_t)t->partitions[i].log_id);
        write_u128(w, t->partitions[i].forward_hash);
    }
    writer_i32(w, t->shard_count);
    for (int32_t i = full_blocks(t->shard_count) * SHARD_BLOCK_MAX; i < t->shard_count; i++)
        write_shard(topic_nth(t, i), w);
    writer_i32(w, t->setting_count);
    for (int32_t i = 0; i < t->setting_count; i++) {
        write_text(w, t->settings[i].name);
        write_text(w, t->settings[i].value);
    }
    write_tags(t->tags, t->tag_count, w);
    writer_i32(w, t->consumer_count);
    for (int32_t i = 0; i < t->consumer_count; i++) {
        const struct stream_consumer *c = &t->consumers[i];
        write_text(w, c->name);
        writer_i64(w, c->created_ms);
        if (flags & FLAG_CONSUMER_TAGS) write_tags(c->tags, c->tag_count, w);
    }
}

static void stage_block(const struct topic *t, int32_t block, struct kv_batch *b)
{
    struct topic_block_key key = topic_block_key(&t->id, block);
    struct writer w;
    writer_init(&w, SHARD_BLOCK_MAX * TOPIC_SHARD_BYTES);
    for (int32_t i = 0; i < SHARD_BLOCK_MAX; i++) write_shard(&t->blocks[block]->shards[i], &w);
    assert(w.err == ERR_OK);
    kv_batch_put(b, KV_CATALOG, KEY_BYTES(key), bytes_of(w.data, w.len));
    writer_done(&w);
}

void topic_stage(const struct topic *t, const struct topic *before, struct kv_batch *b)
{
    int32_t stored = before != NULL ? full_blocks(before->shard_count) : 0;
    int32_t count = t->deleted ? 0 : full_blocks(t->shard_count);
    for (int32_t i = 0; i < count; i++)
        if (i >= stored || !topic_shares_block(t, before, i)) stage_block(t, i, b);
    for (int32_t i = count; i < stored; i++) {
        struct topic_block_key gone = topic_block_key(&t->id, i);
        kv_batch_delete(b, KV_CATALOG, KEY_BYTES(gone));
    }
    struct topic_key key = topic_key(&t->id);
    if (t->deleted) {
        kv_batch_delete(b, KV_CATALOG, KEY_BYTES(key));
        return;
    }
    struct writer record;
    writer_init(&record, RECORD_BYTES_MAX);
    topic_record_write(t, &record);
    assert(record.err == ERR_OK); /* every list of a topic is bounded far below */
    kv_batch_put(b, KV_CATALOG, KEY_BYTES(key), bytes_of(record.data, record.len));
    writer_done(&record);
}

/* A text is kept as a C string, so a NUL inside makes the record illegal. */
static struct bytes read_text(struct cursor *c)
{
    uint32_t len = cursor_u32(c);
    struct bytes text = cursor_take(c, len);
    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) cursor_fail(c);
    return c->err == ERR_OK ? text : BYTES_LIT("");
}

static struct shard read_shard(struct cursor *c, const struct topic *t)
{
    struct shard s = {.index = cursor_i32(c), .child = -1};
    s.partition = cursor_i32(c);
    s.first_offset = cursor_i64(c);
    s.end_offset = cursor_i64(c);
    s.hash_first = read_u128(c);
    s.hash_last = read_u128(c);
    s.parent = cursor_i32(c);
    s.adjacent_parent = cursor_i32(c);
    s.created_ms = cursor_i64(c);
    s.closed_ms = cursor_i64(c);
    if (s.partition < 0 || s.partition >= t->partition_count) cursor_fail(c);
    return s;
}

/* The list of shards as the record has it. */
struct shard_list {
    int32_t blocks;     /* full ones, each an entry behind the record */
    int32_t count;
    struct shard last[SHARD_BLOCK_MAX];
};

static void read_shards(struct cursor *c, const struct topic *t, struct shard_list *ret)
{
    int32_t all = cursor_i32(c);
    if (all < 0 || all > TOPIC_SHARDS_MAX) cursor_fail(c);
    ret->blocks = c->err == ERR_OK ? full_blocks(all) : 0;
    ret->count = c->err == ERR_OK ? all - ret->blocks * SHARD_BLOCK_MAX : 0;
    for (int32_t i = 0; i < ret->count; i++) ret->last[i] = read_shard(c, t);
}

/* The next entry must be this block. Errors: ERR_FORMAT; ERR_DISK. Thread: any; blocks. */
static enum err read_block(struct kv_iter *it, int32_t block, struct topic *t)
{
    if (!kv_iter_next(it)) {
        TRY(kv_iter_error(it));
        return ERR_FORMAT;
    }
    struct topic_block_key expected = topic_block_key(&t->id, block);
    if (!bytes_equal(kv_iter_key(it), KEY_BYTES(expected))) return ERR_FORMAT;
    struct cursor c;
    cursor_init(&c, kv_iter_value(it), NULL);
    for (int32_t i = 0; i < SHARD_BLOCK_MAX; i++) {
        struct shard s = read_shard(&c, t);
        if (c.err != ERR_OK) return ERR_FORMAT;
        *draft_add_shard(t) = s;
    }
    return c.left == 0 ? ERR_OK : ERR_FORMAT;
}

static void read_consumer(struct cursor *c, struct topic *t, bool tags)
{
    struct bytes name = read_text(c);
    struct stream_consumer *consumer = draft_add_consumer(t, name, cursor_i64(c));
    for (int32_t n = tags ? cursor_count(c, false, 2 * 4) : 0; n > 0 && c->err == ERR_OK; n--) {
        struct bytes key = read_text(c);
        draft_set_consumer_tag(consumer, key, read_text(c));
    }
}

static void read_lists(struct cursor *c, struct topic *t, bool consumer_tags,
                       struct shard_list *ret_shards)
{
    for (int32_t n = cursor_count(c, false, TOPIC_PARTITION_BYTES); n > 0; n--) {
        int32_t p = draft_add_partition(t, (uint64_t)cursor_i64(c));
        t->partitions[p].forward_hash = read_u128(c);
    }
    read_shards(c, t, ret_shards);
    for (int32_t n = cursor_count(c, false, 2 * 4); n > 0 && c->err == ERR_OK; n--) {
        struct bytes name = read_text(c);
        draft_set_setting(t, name, read_text(c));
    }
    for (int32_t n = cursor_count(c, false, 2 * 4); n > 0 && c->err == ERR_OK; n--) {
        struct bytes key = read_text(c);
        draft_set_tag(t, key, read_text(c));
    }
    for (int32_t n = cursor_count(c, false, 4 + 8); n > 0 && c->err == ERR_OK; n--)
        read_consumer(c, t, consumer_tags);
}

enum err topic_record_read(struct bytes value, struct kv_iter *blocks, struct topic **ret)
{
    struct cursor c;
    cursor_init(&c, value, NULL);
    int8_t version = cursor_i8(&c), flags = cursor_i8(&c);
    struct bytes raw_id = cursor_take(&c, sizeof(struct uuid));
    int64_t topic_version = cursor_i64(&c), created_ms = cursor_i64(&c);
    int32_t shard_index_next = cursor_i32(&c);
    struct bytes name = read_text(&c);
    if (c.err != ERR_OK || version != TOPIC_RECORD_VERSION || (flags & ~FLAGS_KNOWN) != 0)
        return ERR_FORMAT;
    struct uuid id;
    mem_copy(&id, raw_id.data, sizeof id);
    CLEANUP(topic_unrefp) struct topic *t = draft_new(&id, name);
    t->version = (uint64_t)topic_version;
    t->created_ms = created_ms;
    t->on_demand = flags & FLAG_ON_DEMAND;
    t->internal = flags & FLAG_INTERNAL;
    struct shard_list shards;
    read_lists(&c, t, flags & FLAG_CONSUMER_TAGS, &shards);
    if (c.err != ERR_OK || c.left != 0) return ERR_FORMAT;
    if (shards.blocks > 0 && blocks == NULL) return ERR_FORMAT;
    for (int32_t i = 0; i < shards.blocks; i++) TRY(read_block(blocks, i, t));
    for (int32_t i = 0; i < shards.count; i++) *draft_add_shard(t) = shards.last[i];
    t->shard_index_next = shard_index_next;     /* adding the shards counted it up */
    *ret = TAKE(t);
    return ERR_OK;
}
