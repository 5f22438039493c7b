/* Topic values, drafts and the arithmetic of shard windows, without a store. */
#include <stdlib.h>
#include "storage/topic/draft.h"
#include "storage/topic/reshard.h"
#include "base/mem.h"
#include "base/u128.h"
#include "test.h"

static struct topic *topic_of(int32_t partitions)
{
    struct topic *t = draft_new(&(struct uuid){{1}}, BYTES_LIT("t"));
    draft_even_shards(t, partitions, 100, 1000000);
    draft_finish(t);
    EXPECT(topic_invariant(t) == NULL);
    return t;
}

TEST(even_ranges_are_those_of_kinesis)
{
    struct topic *t = topic_of(3);
    char text[U128_TEXT_BYTES];
    EXPECT_STR(u128_to_text(topic_nth(t, 0)->hash_last, text),
               "113427455640312821154458202477256070484");
    EXPECT_STR(u128_to_text(topic_nth(t, 1)->hash_first, text),
               "113427455640312821154458202477256070485");
    EXPECT_STR(u128_to_text(topic_nth(t, 2)->hash_first, text),
               "226854911280625642308916404954512140970");
    EXPECT_STR(u128_to_text(topic_nth(t, 2)->hash_last, text),
               "340282366920938463463374607431768211455");
    EXPECT_EQ(t->partitions[2].log_id, 102);
    topic_unref(t);
    t = topic_of(1);
    EXPECT(topic_nth(t, 0)->hash_first == 0 && topic_nth(t, 0)->hash_last == U128_MAX);
    topic_unref(t);
}

TEST(every_hash_has_its_shard)
{
    static const int32_t counts[] = {1, 2, 3, 7, 1000};
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        struct topic *t = topic_of(counts[n]);
        for (int32_t i = 0; i < counts[n]; i++) {
            EXPECT_EQ(topic_shard_of_hash(t, topic_nth(t, i)->hash_first)->index, i);
            EXPECT_EQ(topic_shard_of_hash(t, topic_nth(t, i)->hash_last)->index, i);
            EXPECT_EQ(topic_shard(t, i)->index, i);
        }
        EXPECT(topic_shard(t, counts[n]) == NULL);
        EXPECT(topic_shard(t, -1) == NULL);
        topic_unref(t);
    }
}

TEST(a_topic_of_one_name_too_long_is_no_stream)
{
    char name[130];
    for (int i = 0; i < 129; i++) name[i] = 'n';
    name[129] = '\0';
    struct topic *t = draft_new(&(struct uuid){{1}}, bytes_of(name, 128));
    EXPECT(topic_is_stream(t));
    t->internal = true;
    EXPECT(!topic_is_stream(t));
    topic_unref(t);
    t = draft_new(&(struct uuid){{1}}, bytes_of(name, 129));
    EXPECT(!topic_is_stream(t));
    topic_unref(t);
}

/* Shards 0..3 on partitions 0..3, then whatever the test does to them. */
struct shape {
    struct topic *t;
    struct reshard r;
    int64_t ends[8];
};

static void shape_init(struct shape *s, int32_t partitions)
{
    *s = (struct shape){.t = topic_of(partitions)};
    for (int i = 0; i < 8; i++) s->ends[i] = 10 * (i + 1);
    s->r = (struct reshard){.draft = s->t, .now_ms = 5000000, .index_first = partitions,
                            .ends = s->ends, .end_count = partitions, .log_id_next = 500};
}

static void shape_check(struct shape *s, int32_t partitions, int32_t open)
{
    draft_finish(s->t);
    EXPECT(topic_invariant(s->t) == NULL);
    EXPECT_EQ(s->t->partition_count, partitions);
    EXPECT_EQ(s->t->open_count, open);
}

TEST(a_split_adds_one_partition)
{
    struct shape s;
    shape_init(&s, 2);
    reshard_split(&s.r, 1, topic_nth(s.t, 1)->hash_first + 1000);
    shape_check(&s, 3, 3);
    EXPECT_EQ(topic_nth(s.t, 1)->end_offset, 20);
    EXPECT_EQ(topic_nth(s.t, 1)->closed_ms, 5000000);
    EXPECT_EQ(topic_nth(s.t, 2)->partition, 1);
    EXPECT_EQ(topic_nth(s.t, 2)->first_offset, 20);
    EXPECT_EQ(topic_nth(s.t, 2)->created_ms, 5001000);
    EXPECT(topic_nth(s.t, 2)->hash_last == topic_nth(s.t, 1)->hash_first + 999);
    EXPECT_EQ(topic_nth(s.t, 3)->partition, 2);
    EXPECT_EQ(topic_nth(s.t, 3)->first_offset, 0);
    EXPECT_EQ(s.t->partitions[2].log_id, 500);
    EXPECT_EQ(s.r.log_id_next, 501);
    topic_unref(s.t);
}

TEST(a_retired_partition_forwards_to_who_has_its_range)
{
    struct shape s;
    shape_init(&s, 4);
    u128 third = topic_nth(s.t, 2)->hash_first;
    reshard_merge(&s.r, 1, 2);
    shape_check(&s, 4, 3);
    EXPECT_EQ(topic_forward(s.t, 2), 1);
    /* The merged shard is split where the retired one began: its range is the upper child's now. */
    s.r.only_new = true;
    reshard_split(&s.r, s.t->partitions[1].open_shard, third);
    shape_check(&s, 5, 4);
    EXPECT_EQ(topic_forward(s.t, 2), 4);
    EXPECT_EQ(topic_forward(s.t, 1), 1);
    /* The next split reuses it. */
    s.r.only_new = false;
    reshard_split(&s.r, 0, 1 << 20);
    shape_check(&s, 5, 5);
    EXPECT_EQ(topic_forward(s.t, 2), 2);
    EXPECT_EQ(topic_nth(s.t, s.t->partitions[2].open_shard)->first_offset, 30);
    topic_unref(s.t);
}

TEST(a_child_is_younger_than_its_parent_even_in_the_same_moment)
{
    struct shape s;
    shape_init(&s, 1);
    reshard_split(&s.r, 0, (u128)1 << 127);
    s.r.index_first = s.t->shard_index_next;        /* the next change */
    reshard_split(&s.r, 1, (u128)1 << 126);
    shape_check(&s, 3, 3);
    EXPECT_EQ(topic_shard(s.t, 1)->created_ms, 5001000);
    EXPECT_EQ(topic_shard(s.t, 3)->created_ms, 5002000);
    topic_unref(s.t);
}

TEST(the_generations_of_one_change_share_a_second)
{
    struct topic *t = topic_of(100);
    struct reshard r = {.draft = t, .now_ms = 5000000, .index_first = 100};
    reshard_even(&r, 101);
    draft_finish(t);
    EXPECT(topic_invariant(t) == NULL);
    for (int32_t i = 0; i < t->open_count; i++)
        EXPECT_EQ(topic_nth(t, t->open[i])->created_ms, 5001000);
    topic_unref(t);
}

TEST(the_plan_without_ends_touches_what_the_real_one_does)
{
    struct shape s;
    shape_init(&s, 4);
    reshard_merge(&s.r, 0, 1);
    draft_finish(s.t);
    struct topic *draft = draft_copy(s.t);
    struct reshard plan = {.draft = draft, .now_ms = 6000000};
    int32_t routes[4], logs[4];
    struct reshard_parts parts = {.routes = routes, .logs = logs};
    reshard_split(&plan, draft->partitions[3].open_shard >= 0 ? 3 : 0,
                  topic_nth(s.t, 3)->hash_first + 9);
    draft_finish(draft);
    reshard_parts(s.t, draft, &parts);
    EXPECT_EQ(parts.route_count, 1);
    EXPECT_EQ(routes[0], 1);        /* retired, reused */
    EXPECT_EQ(parts.log_count, 2);
    EXPECT_EQ(logs[0], 0);          /* its home until now */
    EXPECT_EQ(logs[1], 3);
    reshard_parts(s.t, s.t, &parts);
    EXPECT_EQ(parts.route_count + parts.log_count, 0);
    topic_unref(draft);
    topic_unref(s.t);
}

TEST(evening_out_ends_even_and_wastes_no_partition)
{
    for (int32_t from = 1; from <= 12; from++)
        for (int32_t to = 1; to <= 12; to++) {
            struct topic *t = topic_of(from);
            struct reshard r = {.draft = t, .now_ms = 5000000};
            reshard_even(&r, to);
            draft_finish(t);
            EXPECT(topic_invariant(t) == NULL);
            EXPECT_EQ(t->open_count, to);
            EXPECT_EQ(t->partition_count, from > to ? from : to);
            for (int32_t i = 0; i < to; i++)
                EXPECT(topic_nth(t, t->open[i])->hash_first == draft_even_first(i, to));
            topic_unref(t);
        }
}

TEST(the_widest_shards_are_halved_first)
{
    struct topic *t = topic_of(2);
    struct reshard r = {.draft = t, .now_ms = 5000000, .only_new = true};
    reshard_widest(&r, 6);
    draft_finish(t);
    EXPECT(topic_invariant(t) == NULL);
    EXPECT_EQ(t->partition_count, 8);
    for (int32_t i = 0; i < 8; i++)
        EXPECT(topic_nth(t, t->open[i])->hash_first == draft_even_first(i, 8));
    topic_unref(t);
}

/* One by one is the definition; at once is what a topic with a million closed shards can afford. */
TEST(splits_at_once_are_those_made_one_by_one)
{
    struct topic *at_once = topic_of(3);
    struct reshard r = {.draft = at_once, .now_ms = 5000000, .only_new = true};
    reshard_split(&r, 1, topic_nth(at_once, 1)->hash_first + 12345);
    reshard_merge(&r, 0, 3);
    struct topic *singly = draft_copy(at_once);
    struct reshard other = r;
    other.draft = singly;
    reshard_widest(&r, 500);
    for (int i = 0; i < 500; i++) reshard_widest(&other, 1);
    EXPECT_EQ(at_once->shard_count, singly->shard_count);
    for (int32_t i = 0; i < singly->shard_count; i++)
        assert_memory_equal(topic_nth(at_once, i), topic_nth(singly, i), sizeof(struct shard));
    draft_finish(at_once), draft_finish(singly);
    EXPECT(topic_invariant(at_once) == NULL);
    topic_unref(at_once);
    topic_unref(singly);
}

TEST(shards_expire_from_the_oldest_of_a_partition)
{
    struct shape s;
    shape_init(&s, 1);
    reshard_split(&s.r, 0, (u128)1 << 127);
    s.ends[0] = 15;
    s.r.index_first = 3;
    s.r.now_ms = 4000000;       /* the clock was set back */
    reshard_split(&s.r, 1, (u128)1 << 100);
    draft_finish(s.t);
    int64_t starts[8] = {15};
    draft_nth(s.t, 1)->closed_ms = 4000000;
    /* The older one is kept: so is this. */
    EXPECT_EQ(draft_expire_shards(s.t, starts, 4500000), 0);
    starts[0] = 12;
    EXPECT_EQ(draft_expire_shards(s.t, starts, 9000000), 1);
    EXPECT_EQ(topic_nth(s.t, 0)->index, 1);
    draft_finish(s.t);
    EXPECT(topic_invariant(s.t) == NULL);
    starts[0] = 15;
    EXPECT_EQ(draft_expire_shards(s.t, starts, 9000000), 1);
    draft_finish(s.t);
    EXPECT(topic_invariant(s.t) == NULL);
    topic_unref(s.t);
}

TEST(what_breaks_the_invariant_is_named)
{
    struct topic *t = topic_of(3);
    struct shard good[3];
    mem_copy(good, t->blocks[0]->shards, sizeof good);
    draft_nth(t, 1)->hash_first++;
    EXPECT_STR(topic_invariant(t), "open shards leave a hole or overlap");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    draft_nth(t, 1)->hash_first--;
    EXPECT_STR(topic_invariant(t), "open shards leave a hole or overlap");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    draft_nth(t, 2)->hash_last--;
    EXPECT_STR(topic_invariant(t), "open shards do not end at 2^128 - 1");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    draft_nth(t, 1)->partition = 0;
    EXPECT_STR(topic_invariant(t), "a window behind an open one");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    draft_nth(t, 2)->index = 1;
    EXPECT_STR(topic_invariant(t), "shard indexes do not count up");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    draft_nth(t, 2)->partition = 3;
    EXPECT_STR(topic_invariant(t), "a shard on no partition");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    draft_nth(t, 2)->parent = 1;
    EXPECT_STR(topic_invariant(t), "an open parent");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    draft_nth(t, 0)->end_offset = 4;
    EXPECT_STR(topic_invariant(t), "the list of open shards is stale");
    mem_copy(t->blocks[0]->shards, good, sizeof good);
    EXPECT(topic_invariant(t) == NULL);
    topic_unref(t);
}

TEST(windows_that_do_not_meet_break_the_invariant)
{
    struct shape s;
    shape_init(&s, 1);
    reshard_split(&s.r, 0, (u128)1 << 127);
    draft_finish(s.t);
    draft_nth(s.t, 1)->first_offset++;
    EXPECT_STR(topic_invariant(s.t), "windows of a partition do not meet");
    draft_nth(s.t, 1)->first_offset--;
    draft_nth(s.t, 1)->created_ms = topic_nth(s.t, 0)->created_ms;
    EXPECT(topic_nth(s.t, 0)->end_offset > topic_nth(s.t, 0)->first_offset);
    EXPECT_STR(topic_invariant(s.t), "a child as old as its parent");
    topic_unref(s.t);
}

TEST(lists_of_a_draft_are_sorted_and_replaced)
{
    struct topic *t = topic_of(1);
    draft_set_tag(t, BYTES_LIT("b"), BYTES_LIT("1"));
    draft_set_tag(t, BYTES_LIT("a"), BYTES_LIT("2"));
    draft_set_tag(t, BYTES_LIT("c"), BYTES_LIT(""));
    draft_set_tag(t, BYTES_LIT("b"), BYTES_LIT("3"));
    struct topic *copy = draft_copy(t);
    draft_set_tag(t, BYTES_LIT("a"), BYTES_NULL);
    draft_set_tag(t, BYTES_LIT("nope"), BYTES_NULL);
    EXPECT_EQ(t->tag_count, 2);
    EXPECT_STR(t->tags[0].key, "b");
    EXPECT_STR(t->tags[0].value, "3");
    EXPECT_EQ(copy->tag_count, 3);
    EXPECT_STR(copy->tags[0].key, "a");
    draft_add_consumer(t, BYTES_LIT("x"), 1);
    draft_add_consumer(t, BYTES_LIT("y"), 2);
    EXPECT(draft_remove_consumer(t, BYTES_LIT("x")));
    EXPECT(!draft_remove_consumer(t, BYTES_LIT("x")));
    EXPECT_EQ(t->consumer_count, 1);
    EXPECT_STR(t->consumers[0].name, "y");
    topic_unref(copy);
    topic_unref(t);
}

TESTS(RUN(even_ranges_are_those_of_kinesis), RUN(every_hash_has_its_shard),
      RUN(a_topic_of_one_name_too_long_is_no_stream), RUN(a_split_adds_one_partition),
      RUN(a_retired_partition_forwards_to_who_has_its_range),
      RUN(a_child_is_younger_than_its_parent_even_in_the_same_moment),
      RUN(the_generations_of_one_change_share_a_second),
      RUN(the_plan_without_ends_touches_what_the_real_one_does),
      RUN(evening_out_ends_even_and_wastes_no_partition), RUN(the_widest_shards_are_halved_first),
      RUN(splits_at_once_are_those_made_one_by_one),
      RUN(shards_expire_from_the_oldest_of_a_partition), RUN(what_breaks_the_invariant_is_named),
      RUN(windows_that_do_not_meet_break_the_invariant),
      RUN(lists_of_a_draft_are_sorted_and_replaced))
