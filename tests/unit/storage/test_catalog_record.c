/* The catalog's bytes on disk: a golden record, what reads back, what is refused.
 * DIGLOT_GOLDEN=write writes the golden file anew, after a change of the layout with a new
 * version. */
#include <stdio.h>
#include <stdlib.h>
#include "storage/engine/catalog_keys.h"
#include "storage/engine/offset_keys.h"
#include "storage/topic/draft.h"
#include "storage/topic/record.h"
#include "storage/topic/reshard.h"
#include "test.h"

#define GOLDEN "tests/golden/storage/topic_v2.bin"

static struct topic *sample(void)
{
    static const uint8_t id[16] = {0xa1, 0xb2, 0xc3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    struct uuid uuid;
    for (int i = 0; i < 16; i++) ((uint8_t *)&uuid)[i] = id[i];
    struct topic *t = draft_new(&uuid, BYTES_LIT("orders"));
    t->version = 77;
    t->created_ms = 1700000000123;
    t->on_demand = true;
    draft_even_shards(t, 2, 5, 1699999998123);
    draft_finish(t);
    const int64_t ends[] = {1000, 2000};
    struct reshard r = {.draft = t, .now_ms = 1700000009000, .index_first = 2, .ends = ends,
                        .end_count = 2, .log_id_next = 9};
    reshard_split(&r, 0, (u128)1 << 100);
    draft_finish(t);
    reshard_merge(&r, t->open[1], t->open[2]);
    draft_set_setting(t, BYTES_LIT("retention.ms"), BYTES_LIT("86400000"));
    draft_set_tag(t, BYTES_LIT("team"), BYTES_LIT("payments"));
    draft_add_consumer(t, BYTES_LIT("fan-out"), 1700000001000);
    draft_finish(t);
    EXPECT(topic_invariant(t) == NULL);
    return t;
}

static void write_sample(struct writer *w)
{
    struct topic *t = sample();
    writer_init(w, 1 << 16);
    topic_record_write(t, w);
    EXPECT_OK(w->err);
    topic_unref(t);
}

TEST(the_record_is_the_golden_one)
{
    struct writer w;
    write_sample(&w);
    if (getenv("DIGLOT_GOLDEN") != NULL) {
        FILE *out = fopen(GOLDEN, "wb");
        EXPECT(out != NULL && fwrite(w.data, 1, w.len, out) == w.len && fclose(out) == 0);
    }
    uint8_t golden[4096];
    FILE *in = fopen(GOLDEN, "rb");
    EXPECT(in != NULL);
    size_t len = fread(golden, 1, sizeof golden, in);
    fclose(in);
    EXPECT_EQ(len, w.len);
    assert_memory_equal(golden, w.data, len);
    writer_done(&w);
}

TEST(a_record_reads_back_as_it_was)
{
    struct writer w, again;
    write_sample(&w);
    struct topic *t = NULL;
    EXPECT_OK(topic_record_read(bytes_of(w.data, w.len), NULL, &t));
    draft_finish(t);
    EXPECT(topic_invariant(t) == NULL);
    EXPECT_EQ(t->version, 77);
    EXPECT_STR(t->name, "orders");
    EXPECT(t->on_demand && !t->internal);
    EXPECT_EQ(t->shard_count, 5);
    EXPECT_EQ(t->shard_index_next, 5);
    EXPECT_EQ(topic_forward(t, 1), 2);
    EXPECT_STR(t->settings[0].value, "86400000");
    writer_init(&again, 1 << 16);
    topic_record_write(t, &again);
    EXPECT(bytes_equal(bytes_of(w.data, w.len), bytes_of(again.data, again.len)));
    topic_unref(t);
    writer_done(&again);
    writer_done(&w);
}

TEST(tags_of_consumers_read_back_and_cost_nothing_without)
{
    struct writer plain, w;
    write_sample(&plain);
    struct topic *t = sample(), *read = NULL;
    draft_set_consumer_tag(draft_add_consumer(t, BYTES_LIT("tagged"), 1700000002000),
                           BYTES_LIT("team"), BYTES_LIT("blue"));
    writer_init(&w, 1 << 16);
    topic_record_write(t, &w);
    EXPECT_EQ(plain.data[1] & 4, 0);
    EXPECT_EQ(w.data[1] & 4, 4);
    /* Two counts and the consumer: name, time, key, value. */
    EXPECT_EQ(w.len, plain.len + 4 + 4 + 4 + 6 + 8 + 4 + 4 + 4 + 4);
    for (size_t len = 0; len < w.len; len++)
        EXPECT_ERR(topic_record_read(bytes_of(w.data, len), NULL, &read), ERR_FORMAT);
    EXPECT_OK(topic_record_read(bytes_of(w.data, w.len), NULL, &read));
    EXPECT_EQ(read->consumer_count, 2);
    EXPECT_EQ(read->consumers[0].tag_count, 0);
    EXPECT_EQ(read->consumers[1].tag_count, 1);
    EXPECT_STR(read->consumers[1].tags[0].key, "team");
    EXPECT_STR(read->consumers[1].tags[0].value, "blue");
    struct topic *copy = draft_copy(read);
    EXPECT_STR(copy->consumers[1].tags[0].value, "blue");
    EXPECT(draft_remove_consumer(copy, BYTES_LIT("tagged")));
    topic_unref(copy);
    topic_unref(read);
    topic_unref(t);
    writer_done(&w);
    writer_done(&plain);
}

TEST(a_record_cut_anywhere_or_with_more_behind_it_is_refused)
{
    struct writer w;
    write_sample(&w);
    struct topic *t = NULL;
    for (size_t len = 0; len < w.len; len++)
        EXPECT_ERR(topic_record_read(bytes_of(w.data, len), NULL, &t), ERR_FORMAT);
    writer_i8(&w, 0);
    EXPECT_ERR(topic_record_read(bytes_of(w.data, w.len), NULL, &t), ERR_FORMAT);
    EXPECT(t == NULL);
    writer_done(&w);
}

TEST(a_newer_record_or_an_unknown_flag_is_refused)
{
    struct writer w;
    write_sample(&w);
    struct topic *t = NULL;
    w.data[0] = TOPIC_RECORD_VERSION + 1;
    EXPECT_ERR(topic_record_read(bytes_of(w.data, w.len), NULL, &t), ERR_FORMAT);
    w.data[0] = TOPIC_RECORD_VERSION;
    w.data[1] |= 8;
    EXPECT_ERR(topic_record_read(bytes_of(w.data, w.len), NULL, &t), ERR_FORMAT);
    w.data[1] &= 7;
    w.data[38] = '\0';          /* a NUL inside the name */
    w.data[42] = '\0';
    EXPECT_ERR(topic_record_read(bytes_of(w.data, w.len), NULL, &t), ERR_FORMAT);
    writer_done(&w);
}

TEST(the_last_shard_index_of_all_is_read)
{
    struct writer w;
    write_sample(&w);
    struct topic *t = NULL;
    store_be32(w.data + 34, INT32_MAX);         /* the next one */
    EXPECT_OK(topic_record_read(bytes_of(w.data, w.len), NULL, &t));
    EXPECT_EQ(t->shard_index_next, INT32_MAX);
    topic_unref(t);
    writer_done(&w);
}

TEST(no_byte_turned_over_crashes_the_reader)
{
    struct writer w;
    write_sample(&w);
    for (size_t i = 0; i < w.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct topic *t = NULL;
            w.data[i] ^= (uint8_t)(1 << bit);
            if (topic_record_read(bytes_of(w.data, w.len), NULL, &t) == ERR_OK) {
                draft_finish(t);
                topic_invariant(t);
            }
            topic_unref(t);
            w.data[i] ^= (uint8_t)(1 << bit);
        }
    writer_done(&w);
}

TEST(offset_keys_keep_groups_together)
{
    uint8_t key[OFFSET_KEY_BYTES_MAX], front[OFFSET_KEY_BYTES_MAX];
    struct uuid id = {{9, 8, 7}}, got_id;
    struct bytes group = BYTES_NULL;
    int32_t partition;
    size_t len = offset_key_write(BYTES_LIT("group"), &id, 258, key);
    EXPECT_EQ(len, 2 + 5 + 16 + 4);
    EXPECT_OK(offset_key_read(bytes_of(key, len), &group, &got_id, &partition));
    EXPECT_BYTES(group, "group");
    EXPECT(uuid_equal(&id, &got_id));
    EXPECT_EQ(partition, 258);
    EXPECT_EQ(offset_group_key_write(BYTES_LIT("group"), front), 7);
    assert_memory_equal(front, key, 7);
    EXPECT_EQ(key[len - 2], 1);
    EXPECT_EQ(key[len - 1], 2);
    EXPECT_ERR(offset_key_read(bytes_of(key, len - 1), &group, &got_id, &partition), ERR_FORMAT);
    EXPECT_ERR(offset_key_read(bytes_of(key, 5), &group, &got_id, &partition), ERR_FORMAT);
    key[1]++;
    EXPECT_ERR(offset_key_read(bytes_of(key, len), &group, &got_id, &partition), ERR_FORMAT);
}

TEST(offset_values_are_as_documented)
{
    uint8_t value[OFFSET_VALUE_HEADER_BYTES + 2];
    struct offset_value v = {.offset = 1, .leader_epoch = -1, .commit_ms = 3, .expire_ms = -1}, got;
    offset_value_write(&v, value);
    value[28] = 'm';
    value[29] = 'd';
    static const uint8_t golden[] = "\0\0\0\0\0\0\0\1\377\377\377\377\0\0\0\0\0\0\0\3"
                                    "\377\377\377\377\377\377\377\377md";
    assert_memory_equal(value, golden, sizeof value);
    struct bytes metadata = BYTES_NULL;
    EXPECT_OK(offset_value_read(bytes_of(value, sizeof value), &got, &metadata));
    EXPECT_BYTES(metadata, "md");
    EXPECT_EQ(got.commit_ms, 3);
    EXPECT_ERR(offset_value_read(bytes_of(value, 27), &got, &metadata), ERR_FORMAT);
}

TESTS(RUN(the_record_is_the_golden_one), RUN(a_record_reads_back_as_it_was),
      RUN(tags_of_consumers_read_back_and_cost_nothing_without),
      RUN(a_record_cut_anywhere_or_with_more_behind_it_is_refused),
      RUN(a_newer_record_or_an_unknown_flag_is_refused), RUN(the_last_shard_index_of_all_is_read),
      RUN(no_byte_turned_over_crashes_the_reader), RUN(offset_keys_keep_groups_together),
      RUN(offset_values_are_as_documented))
