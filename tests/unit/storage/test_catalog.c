#include "storage/engine/catalog_keys.h"
#include "storage/engine/log_keys.h"
#include "catalog_fixture.h"

#define FULL U128_MAX

static void expect_whole(struct cx *f, const char *name, int32_t partitions, int32_t open)
{
    struct topic *t = cx_topic(f, name);
    EXPECT(t != NULL);
    const char *broken = topic_invariant(t);
    EXPECT(broken == NULL);
    EXPECT_EQ(t->partition_count, partitions);
    EXPECT_EQ(topic_open_shards(t), open);
    topic_unref(t);
}

/* Of the newest change. */
static uint64_t version_of(const struct cx *f)
{
    struct topic *all[16];
    uint64_t newest = 0;
    int32_t count = store_topics(f->s, BYTES_NULL, 16, all);
    for (int32_t i = 0; i < count; i++) {
        if (all[i]->version > newest) newest = all[i]->version;
        topic_unref(all[i]);
    }
    return newest;
}

static int64_t open_shards(const struct cx *f)
{
    struct catalog_totals totals;
    store_totals(f->s, &totals);
    return totals.open_shards;
}

TEST(a_topic_is_made_listed_and_read_back_after_a_restart)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    char cluster_id[32];
    bytes_to_text(store_cluster_id(f.s), cluster_id, sizeof cluster_id);
    EXPECT_EQ(strlen(cluster_id), 22);
    EXPECT_OK(cx_create(&f, "b", 4));
    EXPECT_OK(cx_create(&f, "a", -1));
    EXPECT_OK(cx_create(&f, "c", 1));
    uint64_t version = version_of(&f);
    struct topic *before = cx_topic(&f, "b");
    EXPECT(!uuid_is_zero(&before->id));
    EXPECT_EQ(before->created_ms, 1700000000000);
    EXPECT_EQ(topic_nth(before, 0)->created_ms, 1700000000000 - 2000);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct topic *all[4];
        EXPECT_EQ(store_topics(f.s, BYTES_NULL, 4, all), 3);
        EXPECT_STR(all[0]->name, "a");
        EXPECT_STR(all[1]->name, "b");
        EXPECT_STR(all[2]->name, "c");
        EXPECT_EQ(all[0]->partition_count, 1);
        for (int i = 0; i < 3; i++) topic_unref(all[i]);
        EXPECT_EQ(store_topics(f.s, BYTES_LIT("b"), 4, all), 1);
        EXPECT_STR(all[0]->name, "c");
        topic_unref(all[0]);
        expect_whole(&f, "b", 4, 4);
        struct topic *t = store_topic_by_id(f.s, &before->id);
        EXPECT(t != NULL);
        EXPECT_STR(t->name, "b");
        topic_unref(t);
        EXPECT(store_topic(f.s, BYTES_LIT("d")) == NULL);
        EXPECT_EQ(version_of(&f), version);
        EXPECT_EQ(open_shards(&f), 6);
        EXPECT_BYTES(store_cluster_id(f.s), cluster_id);
        if (!restarted) {
            topic_unref(before);
            cx_restart(&f);
            before = cx_topic(&f, "b");
        }
    }
    topic_unref(before);
    cx_done(&f);
}

TEST(illegal_creations_are_refused_in_kafkas_words)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_ERR(cx_create(&f, "", 1), ERR_INVALID_TOPIC_EXCEPTION);
    EXPECT_STR(f.text, "Topic name is invalid: the empty string is not allowed");
    EXPECT_ERR(cx_create(&f, "..", 1), ERR_INVALID_TOPIC_EXCEPTION);
    EXPECT_STR(f.text, "Topic name is invalid: '..' is not allowed");
    EXPECT_ERR(cx_create(&f, "a b", 1), ERR_INVALID_TOPIC_EXCEPTION);
    EXPECT_STR(f.text, "Topic name is invalid: 'a b' contains one or more characters other than "
                       "ASCII alphanumerics, '.', '_' and '-'");
    char longest[251];
    for (int i = 0; i < 250; i++) longest[i] = 'a';
    longest[250] = '\0';
    EXPECT_ERR(cx_create(&f, longest, 1), ERR_INVALID_TOPIC_EXCEPTION);
    EXPECT(strstr(f.text, "is longer than the max allowed length 249") != NULL);
    longest[249] = '\0';
    EXPECT_OK(cx_create(&f, longest, 1));
    EXPECT_ERR(cx_create(&f, "t", 0), ERR_INVALID_PARTITIONS);
    EXPECT_STR(f.text, "Number of partitions was set to an invalid non-positive value.");
    EXPECT_ERR(cx_create(&f, "t", -2), ERR_INVALID_PARTITIONS);
    EXPECT_ERR(cx_create(&f, "t", TOPIC_PARTITIONS_MAX + 1), ERR_POLICY_VIOLATION);
    EXPECT_STR(f.text, "Excessively large number of partitions per request.");
    EXPECT_OK(cx_create(&f, "t.x", 1));
    EXPECT_ERR(cx_create(&f, "t.x", 1), ERR_TOPIC_ALREADY_EXISTS);
    EXPECT_STR(f.text, "Topic 't.x' already exists.");
    EXPECT_ERR(cx_create(&f, "t_x", 1), ERR_INVALID_TOPIC_EXCEPTION);
    EXPECT_STR(f.text, "Topic 't_x' collides with existing topic: t.x");
    struct control stream = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t_x"),
                             .partitions = 1,
                             .account_limits = true};
    EXPECT_OK(cx_control(&f, &stream));
    stream.name = BYTES_LIT("big");
    stream.partitions = f.options.shard_limit;
    EXPECT_ERR(cx_control(&f, &stream), ERR_LIMIT_EXCEEDED);
    struct config_change unknown = {CONFIG_SET, BYTES_LIT("no.such"), BYTES_LIT("1")};
    struct control c = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("u"), .partitions = 1,
                        .configs = &unknown, .config_count = 1};
    EXPECT_ERR(cx_control(&f, &c), ERR_INVALID_CONFIG);
    EXPECT_STR(f.text, "Unknown topic config name: no.such");
    EXPECT(cx_topic(&f, "u") == NULL);
    cx_done(&f);
}

TEST(validate_only_changes_nothing)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    struct control c = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t"), .partitions = 2,
                        .validate_only = true};
    EXPECT_OK(cx_control(&f, &c));
    EXPECT(cx_topic(&f, "t") == NULL);
    EXPECT_OK(cx_create(&f, "t", 2));
    uint64_t version = version_of(&f);
    c.kind = CONTROL_CREATE_PARTITIONS;
    c.partitions = 5;
    EXPECT_OK(cx_control(&f, &c));
    c.partitions = 2;
    EXPECT_ERR(cx_control(&f, &c), ERR_INVALID_PARTITIONS);
    c.kind = CONTROL_DELETE_TOPIC;
    EXPECT_OK(cx_control(&f, &c));
    expect_whole(&f, "t", 2, 2);
    EXPECT_EQ(version_of(&f), version);
    cx_done(&f);
}

TEST(a_deleted_topic_is_gone_and_comes_back_as_another_one)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_ERR(cx_delete(&f, "t"), ERR_UNKNOWN_TOPIC_OR_PARTITION);
    struct control by_id = {.kind = CONTROL_DELETE_TOPIC, .id = {{7}}};
    EXPECT_ERR(cx_control(&f, &by_id), ERR_UNKNOWN_TOPIC_ID);
    EXPECT_OK(cx_create(&f, "t", 2));
    struct topic *first = cx_topic(&f, "t");
    EXPECT_OK(cx_append(&f, "t", 1, NULL));
    struct offset_entry e = {.topic_id = first->id, .offset = 5, .metadata = BYTES_LIT("m")};
    EXPECT_OK(cx_commit(&f, "g", &e, 1));
    by_id.id = first->id;
    EXPECT_OK(cx_control(&f, &by_id));
    EXPECT(cx_topic(&f, "t") == NULL);
    struct log_bounds bounds;
    EXPECT_ERR(plog_bounds(first->partitions[1].log, &bounds), ERR_CLOSED);
    EXPECT_OK(cx_create(&f, "t", 2));
    struct uuid first_id = first->id;
    uint64_t last_log_id = first->partitions[1].log_id;
    topic_unref(first);
    /* Nothing of it is on disk either: offsets begin anew. */
    int64_t offset = -1;
    EXPECT_OK(cx_append(&f, "t", 1, &offset));
    EXPECT_EQ(offset, 0);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct topic *second = cx_topic(&f, "t");
        struct arena arena;
        struct offset_entry found;
        arena_init(&arena, 4096);
        EXPECT(!uuid_equal(&first_id, &second->id));
        EXPECT(second->partitions[0].log_id > last_log_id);
        EXPECT(!store_offset(f.s, BYTES_LIT("g"), &first_id, 0, &arena, &found));
        arena_done(&arena);
        topic_unref(second);
        cx_restart(&f);
    }
    cx_done(&f);
}

TEST(partitions_are_added_by_splits_of_the_widest_shards)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 2));
    EXPECT_ERR(cx_partitions(&f, "t", 2), ERR_INVALID_PARTITIONS);
    EXPECT_STR(f.text, "Topic already has 2 partition(s).");
    EXPECT_ERR(cx_partitions(&f, "t", 1), ERR_INVALID_PARTITIONS);
    EXPECT_STR(f.text, "The topic t currently has 2 partition(s); 1 would not be an increase.");
    EXPECT_ERR(cx_partitions(&f, "t", TOPIC_PARTITIONS_MAX + 1), ERR_POLICY_VIOLATION);
    EXPECT_ERR(cx_partitions(&f, "nope", 3), ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_OK(cx_partitions(&f, "t", 3));
    expect_whole(&f, "t", 3, 3);
    struct topic *t = cx_topic(&f, "t");
    EXPECT_EQ(topic_shard(t, 0)->end_offset, 0);
    EXPECT_EQ(topic_shard(t, 2)->parent, 0);
    EXPECT_EQ(topic_shard(t, 2)->partition, 0);
    EXPECT_EQ(topic_shard(t, 3)->partition, 2);
    EXPECT_EQ(topic_shard(t, 2)->created_ms, 1700000000000 + 1000);
    topic_unref(t);
    /* A retired partition is not counted as free: n partitions were asked for. */
    EXPECT_OK(cx_merge(&f, "t", 2, 3));
    expect_whole(&f, "t", 3, 2);
    EXPECT_OK(cx_partitions(&f, "t", 4));
    expect_whole(&f, "t", 4, 3);
    cx_done(&f);
}

TEST(split_and_merge_move_the_windows)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    for (int i = 0; i < 3; i++) EXPECT_OK(cx_append(&f, "t", 0, NULL));
    EXPECT_ERR(cx_split(&f, "t", 1, 5), ERR_RESOURCE_NOT_FOUND);
    EXPECT_ERR(cx_split(&f, "t", 0, 0), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(cx_split(&f, "t", 0, 1), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(cx_split(&f, "t", 0, FULL), ERR_INVALID_ARGUMENT);
    EXPECT_OK(cx_split(&f, "t", 0, (u128)1 << 127));
    EXPECT_ERR(cx_split(&f, "t", 0, 5), ERR_INVALID_ARGUMENT);
    struct topic *t = cx_topic(&f, "t");
    EXPECT_EQ(t->partition_count, 2);
    EXPECT_EQ(topic_shard(t, 0)->end_offset, 3);
    EXPECT_EQ(topic_shard(t, 1)->first_offset, 3);
    EXPECT_EQ(topic_shard(t, 2)->first_offset, 0);
    EXPECT_EQ(topic_shard_of_hash(t, 5)->index, 1);
    EXPECT_EQ(topic_shard_of_hash(t, FULL)->index, 2);
    topic_unref(t);
    EXPECT_OK(cx_append(&f, "t", 1, NULL));
    EXPECT_ERR(cx_merge(&f, "t", 2, 1), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(cx_merge(&f, "t", 0, 1), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(cx_merge(&f, "t", 1, 9), ERR_RESOURCE_NOT_FOUND);
    EXPECT_OK(cx_merge(&f, "t", 1, 2));
    t = cx_topic(&f, "t");
    EXPECT_EQ(t->partition_count, 2);
    EXPECT_EQ(t->partitions[1].open_shard, -1);
    EXPECT_EQ(topic_forward(t, 1), 0);
    EXPECT_EQ(topic_forward(t, 0), 0);
    EXPECT_EQ(topic_shard(t, 3)->parent, 1);
    EXPECT_EQ(topic_shard(t, 3)->adjacent_parent, 2);
    EXPECT_EQ(topic_shard(t, 3)->created_ms / 1000, topic_shard(t, 2)->created_ms / 1000 + 1);
    EXPECT_EQ(topic_shard(t, 2)->end_offset, 1);
    topic_unref(t);
    /* A produce to the retired partition lands in the log that took over. */
    int64_t offset;
    EXPECT_OK(cx_append(&f, "t", 1, &offset));
    EXPECT_EQ(offset, 3);
    /* The next split takes the retired partition again, from its end. */
    EXPECT_OK(cx_split(&f, "t", 3, (u128)1 << 64));
    t = cx_topic(&f, "t");
    EXPECT_EQ(t->partition_count, 2);
    EXPECT_EQ(topic_shard(t, 5)->partition, 1);
    EXPECT_EQ(topic_shard(t, 5)->first_offset, 1);
    topic_unref(t);
    expect_whole(&f, "t", 2, 2);
    cx_restart(&f);
    expect_whole(&f, "t", 2, 2);
    cx_done(&f);
}

TEST(an_append_under_a_stale_map_is_told_to_move)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    struct topic *stale = cx_topic(&f, "t");
    EXPECT_OK(cx_split(&f, "t", 0, (u128)1 << 127));
    struct cx_append a;
    cx_append_begin(&f, &a, stale, 0, 0, BYTES_LIT("x"));
    cx_turn(&f);
    EXPECT(a.done);
    EXPECT_ERR(a.append.err, ERR_MOVED);
    topic_unref(stale);
    cx_done(&f);
}

TEST(resharding_evens_the_ranges_out)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 2));
    static const int32_t counts[] = {4, 3, 7, 7, 2, 1, 5};
    int32_t partitions = 2;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int32_t n = counts[i];
        EXPECT_OK(cx_reshard(&f, "t", n));
        if (n > partitions) partitions = n;
        expect_whole(&f, "t", partitions, n);      /* never more partitions than the most shards */
        struct topic *t = cx_topic(&f, "t");
        EXPECT_OK(cx_create(&f, "even", n));
        struct topic *even = cx_topic(&f, "even");
        for (int32_t s = 0; s < n; s++)
            EXPECT(topic_nth(t, t->open[s])->hash_first ==
                   topic_nth(even, even->open[s])->hash_first);
        topic_unref(even);
        topic_unref(t);
        EXPECT_OK(cx_delete(&f, "even"));
    }
    EXPECT_ERR(cx_reshard(&f, "t", 0), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(cx_reshard(&f, "t", TOPIC_PARTITIONS_MAX + 1), ERR_LIMIT_EXCEEDED);
    struct control c = {.kind = CONTROL_RESHARD, .name = BYTES_LIT("t"), .account_limits = true,
                        .partitions = f.options.shard_limit + 1};
    EXPECT_ERR(cx_control(&f, &c), ERR_LIMIT_EXCEEDED);
    cx_done(&f);
}

TEST(a_closed_shard_leaves_the_list_when_its_data_has_passed_retention)
{
    struct cx f;
    cx_init(&f);
    f.options.retention_check_ms = 1000;
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    EXPECT_OK(cx_config(&f, "t", CONFIG_SET, "retention.ms", "60000"));
    EXPECT_OK(cx_append(&f, "t", 0, NULL));
    EXPECT_OK(cx_split(&f, "t", 0, (u128)1 << 127));
    cx_advance_ms(30000);
    EXPECT_OK(cx_append(&f, "t", 0, NULL));
    struct topic *t = cx_topic(&f, "t");
    EXPECT_EQ(t->shard_count, 3);
    topic_unref(t);
    for (int i = 0; i < 5; i++) {
        cx_advance_ms(20000);
        cx_turn(&f);
    }
    for (int restarted = 0; restarted < 2; restarted++) {
        t = cx_topic(&f, "t");
        EXPECT_EQ(t->shard_count, 2);
        EXPECT(topic_shard(t, 0) == NULL);
        EXPECT_EQ(topic_shard(t, 1)->parent, 0);        /* its id can still be told */
        EXPECT(topic_invariant(t) == NULL);
        topic_unref(t);
        cx_restart(&f);
    }
    cx_done(&f);
}

TEST(an_empty_closed_shard_stays_for_the_time_of_retention)
{
    struct cx f;
    cx_init(&f);
    f.options.retention_check_ms = 1000;
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    EXPECT_OK(cx_config(&f, "t", CONFIG_SET, "retention.ms", "60000"));
    EXPECT_OK(cx_split(&f, "t", 0, (u128)1 << 127));
    cx_advance_ms(50000);
    cx_turn(&f);
    struct topic *t = cx_topic(&f, "t");
    EXPECT(topic_shard(t, 0) != NULL);
    topic_unref(t);
    cx_advance_ms(20000);
    cx_turn(&f);
    t = cx_topic(&f, "t");
    EXPECT(topic_shard(t, 0) == NULL);
    topic_unref(t);
    cx_done(&f);
}

TEST(configs_tags_and_consumers_are_kept)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    EXPECT_OK(cx_config(&f, "t", CONFIG_SET, "retention.ms", "1000"));
    EXPECT_OK(cx_tag(&f, "t", "k", "v"));
    EXPECT_OK(cx_tag(&f, "t", "k", "w"));
    EXPECT_OK(cx_tag(&f, "t", "gone", ""));
    EXPECT_OK(cx_tag(&f, "t", "gone", NULL));
    EXPECT_OK(cx_consumer(&f, "t", CONTROL_ADD_CONSUMER, "c1"));
    EXPECT_EQ(f.result, 1700000000000);
    EXPECT_ERR(cx_consumer(&f, "t", CONTROL_ADD_CONSUMER, "c1"), ERR_RESOURCE_IN_USE);
    EXPECT_ERR(cx_consumer(&f, "t", CONTROL_REMOVE_CONSUMER, "c2"), ERR_RESOURCE_NOT_FOUND);
    EXPECT_OK(cx_consumer(&f, "t", CONTROL_ADD_CONSUMER, "c2"));
    EXPECT_OK(cx_consumer(&f, "t", CONTROL_REMOVE_CONSUMER, "c1"));
    cx_restart(&f);
    struct topic *t = cx_topic(&f, "t");
    EXPECT_EQ(t->config.retention_ms, 1000);
    EXPECT_EQ(t->tag_count, 1);
    EXPECT_STR(t->tags[0].key, "k");
    EXPECT_STR(t->tags[0].value, "w");
    EXPECT_EQ(t->consumer_count, 1);
    EXPECT_STR(t->consumers[0].name, "c2");
    EXPECT_EQ(t->consumers[0].created_ms, 1700000000000);
    topic_unref(t);
    cx_done(&f);
}

TEST(limits_of_tags_and_consumers_are_reached)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    char name[16];
    for (int i = 0; i < TOPIC_TAGS_MAX; i++) {
        snprintf(name, sizeof name, "k%d", i);
        EXPECT_OK(cx_tag(&f, "t", name, "v"));
    }
    EXPECT_ERR(cx_tag(&f, "t", "one more", "v"), ERR_INVALID_ARGUMENT);
    EXPECT_OK(cx_tag(&f, "t", "k0", "another value"));
    for (int i = 0; i < TOPIC_CONSUMERS_MAX; i++) {
        snprintf(name, sizeof name, "c%d", i);
        EXPECT_OK(cx_consumer(&f, "t", CONTROL_ADD_CONSUMER, name));
    }
    EXPECT_ERR(cx_consumer(&f, "t", CONTROL_ADD_CONSUMER, "one-more"), ERR_LIMIT_EXCEEDED);
    cx_done(&f);
}

TEST(producer_ids_are_never_given_twice)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    int64_t last = -1;
    for (int i = 0; i < 2500; i++) {
        struct control c = {.kind = CONTROL_PRODUCER_ID};
        EXPECT_OK(cx_control(&f, &c));
        EXPECT(f.result > last);
        last = f.result;
        if (i % 700 == 0) cx_restart(&f);
    }
    cx_done(&f);
}

TEST(records_are_deleted_up_to_an_offset)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 2));
    for (int i = 0; i < 5; i++) EXPECT_OK(cx_append(&f, "t", 1, NULL));
    struct control c = {.kind = CONTROL_DELETE_RECORDS, .name = BYTES_LIT("t"), .partitions = 1,
                        .offset = 3};
    EXPECT_OK(cx_control(&f, &c));
    EXPECT_EQ(f.result, 3);
    c.offset = 6;
    EXPECT_ERR(cx_control(&f, &c), ERR_OFFSET_OUT_OF_RANGE);
    c.offset = -2;
    EXPECT_ERR(cx_control(&f, &c), ERR_OFFSET_OUT_OF_RANGE);
    c.offset = -1;
    EXPECT_OK(cx_control(&f, &c));
    EXPECT_EQ(f.result, 5);
    c.partitions = 2;
    EXPECT_ERR(cx_control(&f, &c), ERR_UNKNOWN_TOPIC_OR_PARTITION);
    cx_done(&f);
}

TEST(five_hundred_partitions_are_one_step)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 500));
    expect_whole(&f, "t", 500, 500);
    EXPECT_OK(cx_partitions(&f, "t", 1000));
    expect_whole(&f, "t", 1000, 1000);
    cx_restart(&f);
    expect_whole(&f, "t", 1000, 1000);
    EXPECT_OK(cx_delete(&f, "t"));
    cx_done(&f);
}

static void put(struct cx *f, enum kv_family family, struct bytes key, struct bytes value)
{
    struct kv_batch *b = kv_batch_new(f->kv);
    if (bytes_is_null(value)) kv_batch_delete(b, family, key);
    else kv_batch_put(b, family, key, value);
    EXPECT_OK(kv_commit(f->kv, b, KV_SYNC));
    kv_batch_free(b);
}

TEST(a_directory_that_was_tampered_with_is_refused_and_told_by_check)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    EXPECT_OK(cx_append(&f, "t", 0, NULL));
    EXPECT_OK(cx_append(&f, "t", 0, NULL));
    EXPECT_OK(cx_split(&f, "t", 0, (u128)1 << 127));
    EXPECT_OK(cx_create(&f, "gone", 2));
    EXPECT_OK(cx_append(&f, "gone", 1, NULL));
    EXPECT_OK(cx_delete(&f, "gone"));
    struct topic *t = cx_topic(&f, "t");
    uint64_t log_id = t->partitions[0].log_id;
    topic_unref(t);
    cx_stop(&f);
    EXPECT_EQ(cx_wrong(&f, ""), 0);
    put(&f, KV_CATALOG, BYTES_LIT("0123456789abcdef"), BYTES_LIT("\x01not a record"));
    EXPECT_EQ(cx_wrong(&f, "its record cannot be read"), 1);
    EXPECT_ERR(cx_start(&f), ERR_FORMAT);
    put(&f, KV_CATALOG, BYTES_LIT("0123456789abcdef"), BYTES_NULL);
    struct log_key stray = log_key(log_id + 77, 0);
    put(&f, KV_LOG, KEY_BYTES(stray), BYTES_LIT("x"));
    EXPECT_EQ(cx_wrong(&f, "belongs to no topic"), 1);
    put(&f, KV_LOG, KEY_BYTES(stray), BYTES_NULL);
    put(&f, KV_LOG, BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff" "12345678"), BYTES_LIT("x"));
    EXPECT_EQ(cx_wrong(&f, "log 9223372036854775807 belongs to no topic"), 1);
    put(&f, KV_LOG, BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff" "12345678"), BYTES_NULL);
    struct log_key last = log_key(log_id, 1);
    put(&f, KV_LOG, KEY_BYTES(last), BYTES_NULL);
    EXPECT_EQ(cx_wrong(&f, "a shard's window ends beyond its log"), 2);
    put(&f, KV_META, KEY_CATALOG_COUNTERS, BYTES_LIT("short"));
    EXPECT(cx_wrong(&f, "its counters cannot be read") > 2);
    EXPECT_ERR(cx_start(&f), ERR_FORMAT);
    cx_done(&f);
}

TESTS(RUN(a_topic_is_made_listed_and_read_back_after_a_restart),
      RUN(illegal_creations_are_refused_in_kafkas_words), RUN(validate_only_changes_nothing),
      RUN(a_deleted_topic_is_gone_and_comes_back_as_another_one),
      RUN(partitions_are_added_by_splits_of_the_widest_shards),
      RUN(split_and_merge_move_the_windows), RUN(an_append_under_a_stale_map_is_told_to_move),
      RUN(resharding_evens_the_ranges_out),
      RUN(a_closed_shard_leaves_the_list_when_its_data_has_passed_retention),
      RUN(an_empty_closed_shard_stays_for_the_time_of_retention),
      RUN(configs_tags_and_consumers_are_kept), RUN(limits_of_tags_and_consumers_are_reached),
      RUN(producer_ids_are_never_given_twice), RUN(records_are_deleted_up_to_an_offset),
      RUN(five_hundred_partitions_are_one_step),
      RUN(a_directory_that_was_tampered_with_is_refused_and_told_by_check))
