#include "storage/record.h"

#include "base/cursor.h"
#include "base/mem.h"
#include "storage/draft.h"
#include "storage/keys.h"
#include "base/check.h"

enum {
    FLAG_ON_DEMAND = 1,
    FLAG_INTERNAL = 2,
    FLAG_CONSUMER_TAGS = 4,     /* only when there are some: other records stay as they were */
    FLAGS_KNOWN = 7
};

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
    for (int32_t i = 0; i < t->shard_count; i++) write_shard(&t->shards[i], w);
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

/* A text is kept as a C string, so a NUL inside makes the record illegal. */
static struct bytes read_text(struct cursor *c)
{
    uint32_t len = cursor_u32(c);
    struct bytes text = cursor_take(c, len);
    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) cursor_fail(c);
    return c->err == ERR_OK ? text : BYTES_LIT("");
}

static void read_shard(struct cursor *c, struct topic *t)
{
    struct shard s = {.index = cursor_i32(c)};
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
    if (c->err == ERR_OK) *draft_add_shard(t) = s;
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

static void read_lists(struct cursor *c, struct topic *t, bool consumer_tags)
{
    for (int32_t n = cursor_count(c, false, TOPIC_PARTITION_BYTES); n > 0; n--) {
        int32_t p = draft_add_partition(t, (uint64_t)cursor_i64(c));
        t->partitions[p].forward_hash = read_u128(c);
    }
    for (int32_t n = cursor_count(c, false, TOPIC_SHARD_BYTES); n > 0 && c->err == ERR_OK; n--)
        read_shard(c, t);
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

enum err topic_record_read(struct bytes value, struct topic **ret)
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
    read_lists(&c, t, flags & FLAG_CONSUMER_TAGS);
    t->shard_index_next = shard_index_next;     /* adding the shards counted it up */
    if (c.err != ERR_OK || c.left != 0) return ERR_FORMAT;
    *ret = TAKE(t);
    return ERR_OK;
}
