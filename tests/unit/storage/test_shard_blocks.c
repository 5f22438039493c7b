/* Topics of more shards than one block holds: a change makes and writes the blocks that it changes
 * and no others, and what lies on disk is whole at every count. */
#include "catalog_fixture.h"
#include "storage/engine/catalog_keys.h"
#include "storage/topic/record.h"

enum { SPLIT_OR_MERGE_BLOCKS_MAX = 2 };     /* that of the parents, and the last one */

/* All that is kept of the shards, and of what is worked out of them. */
static void dump(const struct topic *t, struct writer *out)
{
    writer_init(out, 1 << 24);
    topic_record_write(t, out);
    for (int32_t i = 0; i < t->shard_count; i++) {
        const struct shard *s = topic_nth(t, i);
        writer_printf(out, "%d %d %d %d %d ", s->index, s->partition, s->parent,
                      s->adjacent_parent, s->child);
        writer_i64(out, s->first_offset);
        writer_i64(out, s->end_offset);
        writer_i64(out, s->created_ms);
        writer_i64(out, s->closed_ms);
        writer_raw(out, &s->hash_first, sizeof s->hash_first);
        writer_raw(out, &s->hash_last, sizeof s->hash_last);
    }
    for (int32_t i = 0; i < t->open_count; i++) writer_i32(out, t->open[i]);
    for (int32_t i = 0; i < t->partition_count; i++) writer_i32(out, t->partitions[i].open_shard);
    EXPECT_OK(out->err);
}

static void expect_back_after_restart(struct cx *f)
{
    struct writer before, after;
    struct topic *t = cx_topic(f, "t");
    EXPECT(topic_invariant(t) == NULL);
    dump(t, &before);
    topic_unref(t);
    cx_restart(f);
    t = cx_topic(f, "t");
    dump(t, &after);
    EXPECT(bytes_equal(bytes_of(before.data, before.len), bytes_of(after.data, after.len)));
    topic_unref(t);
    writer_done(&before);
    writer_done(&after);
}

static int64_t entries(struct cx *f)
{
    int64_t count = 0;
    struct kv_iter *it = kv_iter_new(f->kv, KV_CATALOG, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) count++;
    EXPECT_OK(kv_iter_error(it));
    kv_iter_free(it);
    return count;
}

static void split_or_merge(struct cx *f, int32_t *shard)
{
    struct topic *t = cx_topic(f, "t");
    bool split = t->open_count == 1;
    topic_unref(t);
    if (split) EXPECT_OK(cx_split(f, "t", *shard, (u128)1 << 127));
    else EXPECT_OK(cx_merge(f, "t", *shard, *shard + 1));
    *shard += split ? 1 : 2;
}

TEST(a_block_stands_behind_its_topic_by_number)
{
    struct uuid id = {{0xa1, 2, 3}};
    struct topic_block_key key = topic_block_key(&id, 0x01020304);
    static const uint8_t expected[] = "\xa1\2\3\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4";
    EXPECT_EQ(sizeof key.data, sizeof expected - 1);
    assert_memory_equal(key.data, expected, sizeof key.data);
}

TEST(a_change_makes_and_writes_no_more_of_a_thousand_shards_than_of_three)
{
    struct cx f;
    int32_t shard = 0;
    size_t bytes_max = 0;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    for (int i = 0; i < 700; i++) {
        struct topic *before = cx_topic(&f, "t");
        split_or_merge(&f, &shard);
        struct topic *after = cx_topic(&f, "t");
        int32_t made = 0;
        for (int32_t b = 0; b < topic_block_count(after); b++)
            made += !topic_shares_block(after, before, b);
        EXPECT(made >= 1 && made <= SPLIT_OR_MERGE_BLOCKS_MAX);
        struct kv_batch *b = kv_batch_new(f.kv);
        topic_stage(after, before, b);
        if (kv_batch_bytes(b) > bytes_max) bytes_max = kv_batch_bytes(b);
        kv_batch_free(b);
        topic_unref(before);
        topic_unref(after);
    }
    EXPECT(bytes_max <= 3 * SHARD_BLOCK_MAX * TOPIC_SHARD_BYTES);
    EXPECT_EQ(entries(&f), 1 + 1050 / SHARD_BLOCK_MAX);
    expect_back_after_restart(&f);
    cx_done(&f);
}

/* Between the two blocks that change lie shared ones, whose windows are of the same partitions. */
TEST(a_shard_that_was_open_from_the_first_block_on_is_split_behind_many)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 2));
    int32_t shard = 0;
    for (int i = 0; i < 200; i++) {
        EXPECT_OK(cx_append(&f, "t", 0, NULL));
        if (i % 2 == 0) EXPECT_OK(cx_split(&f, "t", shard, (u128)1 << 126));
        else EXPECT_OK(cx_merge(&f, "t", shard, shard + 1));
        shard += i % 2 ? 2 : i == 0 ? 2 : 1;
    }
    EXPECT_OK(cx_split(&f, "t", 1, (u128)3 << 126));
    expect_back_after_restart(&f);
    cx_done(&f);
}

TEST(shards_of_every_count_come_back)
{
    struct cx f;
    int32_t shard = 0;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    for (int i = 0; i < 100; i++) {
        split_or_merge(&f, &shard);
        EXPECT_OK(cx_append(&f, "t", 0, NULL));
        expect_back_after_restart(&f);
    }
    EXPECT_OK(cx_reshard(&f, "t", 100));
    expect_back_after_restart(&f);
    EXPECT_OK(cx_reshard(&f, "t", 3));
    expect_back_after_restart(&f);
    cx_done(&f);
}

TEST(what_expires_or_is_deleted_leaves_no_block_behind)
{
    struct cx f;
    int32_t shard = 0;
    cx_init(&f);
    f.options.retention_check_ms = 1000;
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    EXPECT_OK(cx_config(&f, "t", CONFIG_SET, "retention.ms", "5000"));
    for (int i = 0; i < 101; i++) split_or_merge(&f, &shard);
    EXPECT_EQ(entries(&f), 3);
    cx_advance_ms(3000);
    for (int i = 0; i < 50; i++) split_or_merge(&f, &shard);
    EXPECT_EQ(entries(&f), 4);
    cx_advance_ms(3000);
    for (int i = 0; i < 3; i++) {               /* the first ones go, the others stay */
        cx_advance_ms(100);
        cx_turn(&f);
    }
    struct topic *t = cx_topic(&f, "t");
    EXPECT(t->shard_count > SHARD_BLOCK_MAX && t->shard_count < 80);
    topic_unref(t);
    EXPECT_EQ(entries(&f), 2);
    expect_back_after_restart(&f);
    EXPECT_OK(cx_delete(&f, "t"));
    EXPECT_EQ(entries(&f), 0);
    cx_done(&f);
}

/* Puts value (null: nothing) in place of a block; the directory is refused and check tells why. */
static void expect_refused(struct cx *f, struct bytes key, struct bytes value)
{
    struct slab *good = NULL;
    enum err had = kv_get(f->kv, KV_CATALOG, key, &good);
    struct kv_batch *b = kv_batch_new(f->kv);
    if (bytes_is_null(value)) kv_batch_delete(b, KV_CATALOG, key);
    else kv_batch_put(b, KV_CATALOG, key, value);
    EXPECT_OK(kv_commit(f->kv, b, KV_SYNC));
    EXPECT(cx_wrong(f, "its record cannot be read") >= 1);
    EXPECT_ERR(cx_start(f), ERR_FORMAT);
    kv_batch_clear(b);
    if (had == ERR_OK) kv_batch_put(b, KV_CATALOG, key, slab_bytes(good));
    else kv_batch_delete(b, KV_CATALOG, key);
    EXPECT_OK(kv_commit(f->kv, b, KV_SYNC));
    EXPECT_EQ(cx_wrong(f, ""), 0);
    kv_batch_free(b);
    slab_unref(good);
}

TEST(a_block_that_is_missing_or_broken_or_too_many_is_refused_and_told_by_check)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 3 * SHARD_BLOCK_MAX));
    struct topic *t = cx_topic(&f, "t");
    EXPECT_EQ(t->open_count, 3 * SHARD_BLOCK_MAX);
    cx_stop(&f);
    EXPECT_EQ(entries(&f), 3);                  /* the last one, full too, is in the record */
    uint8_t zeros[SHARD_BLOCK_MAX * TOPIC_SHARD_BYTES + 1] = {0};
    for (int32_t i = 0; i < 2; i++) {
        struct topic_block_key key = topic_block_key(&t->id, i);
        expect_refused(&f, KEY_BYTES(key), BYTES_NULL);
        expect_refused(&f, KEY_BYTES(key), bytes_of(zeros, sizeof zeros));
        expect_refused(&f, KEY_BYTES(key), bytes_of(zeros, sizeof zeros - 2));
    }
    struct topic_block_key beyond = topic_block_key(&t->id, 2);
    expect_refused(&f, KEY_BYTES(beyond), bytes_of(zeros, sizeof zeros - 1));
    EXPECT_OK(cx_start(&f));
    topic_unref(t);
    cx_done(&f);
}

TESTS(RUN(a_block_stands_behind_its_topic_by_number),
      RUN(a_change_makes_and_writes_no_more_of_a_thousand_shards_than_of_three),
      RUN(a_shard_that_was_open_from_the_first_block_on_is_split_behind_many),
      RUN(shards_of_every_count_come_back), RUN(what_expires_or_is_deleted_leaves_no_block_behind),
      RUN(a_block_that_is_missing_or_broken_or_too_many_is_refused_and_told_by_check))
