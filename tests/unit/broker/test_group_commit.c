/* Commits, subscriptions, expiry, and what administrators see and do. */
#include "base/mem.h"
#include "unit/broker/group_sim.h"
#include "unit/broker/subscribed.h"

enum { DAY_MS = 24 * 60 * 60 * 1000, WEEK_MS = 7 * DAY_MS };

/* Consumer protocol metadata: version 0, the topics, no user data. Text with embedded NULs, so it
 * goes in by length. */
static void enter_subscribed(struct sim *s, const char *name, struct bytes metadata)
{
    struct sim_client *c = sim_client(s, name);
    struct group_protocol range = {BYTES_LIT("range"), metadata};
    struct join_in in = {
        .group_id = s->group_id,
        .member_id = BYTES_LIT(""),
        .client_id = bytes_str(name),
        .client_host = BYTES_LIT("/127.0.0.1"),
        .protocol_type = BYTES_LIT("consumer"),
        .protocols = &range,
        .protocol_count = 1,
        .session_ms = 1800000,
        .rebalance_ms = 60000,
        .random = {1, ++s->random},
    };
    groups_join(s->groups, s->now_ms, &in, sim_token(s, c), &s->out);
    sim_deliver(s);
}
#define TOPICS_T1_T2 BYTES_LIT("\0\0\0\0\0\2\0\2t1\0\2t2\0\0\0\0")

TEST(a_commit_from_outside_makes_a_group_and_needs_it_empty)
{
    SIM(s);
    EXPECT_OK(sim_commit(s, NULL, -1));
    EXPECT_STR(sim_describe(s), "Empty");
    EXPECT_OK(sim_commit(s, NULL, -1));
    SIM_STABLE(s, "a");
    EXPECT_ERR(sim_commit(s, NULL, -1), ERR_UNKNOWN_MEMBER_ID);
    EXPECT_OK(sim_leave(s, "a"));
    EXPECT_OK(sim_commit(s, NULL, -1));
}

TEST(a_member_commits_in_its_generation)
{
    SIM(s);
    SIM_STABLE(s, "a");
    EXPECT_OK(sim_commit(s, "a", 1));
    EXPECT_ERR(sim_commit(s, "a", 0), ERR_ILLEGAL_GENERATION);
    EXPECT_ERR(sim_commit(s, "a", 2), ERR_ILLEGAL_GENERATION);
    EXPECT_ERR(sim_commit(s, "a", -1), ERR_ILLEGAL_GENERATION);
    EXPECT_ERR(sim_commit(s, NULL, 1), ERR_UNKNOWN_MEMBER_ID);
    struct commit_in in = {s->group_id, bytes_str(sim_client(s, "a")->member_id), BYTES_LIT("i"),
                           1, true};
    EXPECT_ERR(groups_commit(s->groups, 0, &in), ERR_UNKNOWN_MEMBER_ID);
}

TEST(the_error_of_a_missing_group_depends_on_the_version)
{
    SIM(s);
    struct commit_in in = {s->group_id, BYTES_LIT("m"), BYTES_NULL, 3, true};
    EXPECT_ERR(groups_commit(s->groups, 0, &in), ERR_GROUP_ID_NOT_FOUND);
    in.group_not_found_known = false;
    EXPECT_ERR(groups_commit(s->groups, 0, &in), ERR_ILLEGAL_GENERATION);
    EXPECT_EQ(groups_count(s->groups), 0);
    s->now_ms = 1;
    EXPECT_OK(sim_commit(s, NULL, -1));
    EXPECT_ERR(groups_commit(s->groups, 0, &in), ERR_UNKNOWN_MEMBER_ID);
}

TEST(a_commit_from_outside_meets_the_limit_of_groups)
{
    struct groups_config config;
    groups_config_default(&config);
    config.groups_max = 0;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    EXPECT_ERR(sim_commit(s, NULL, -1), ERR_COORDINATOR_NOT_AVAILABLE);
}

TEST(commits_and_rebalances)
{
    SIM(s);
    SIM_STABLE(s, "a", "b");
    sim_join(s, "a");
    /* b may still save its work before it rejoins, but not while assignments are made. */
    EXPECT_OK(sim_commit(s, "b", 1));
    sim_join(s, "b");
    EXPECT_ERR(sim_commit(s, "b", 2), ERR_REBALANCE_IN_PROGRESS);
    EXPECT_ERR(sim_commit(s, "b", 1), ERR_ILLEGAL_GENERATION);
}

TEST(a_commit_keeps_the_session_alive)
{
    SIM(s);
    SIM_STABLE(s, "a");
    for (int at = 9000; at < 60000; at += 9000) {
        sim_run_to(s, at);
        EXPECT_OK(sim_commit(s, "a", 1));
    }
    EXPECT_STR(sim_describe(s), "Stable range a=a");
}

TEST(metadata_is_measured_in_utf16_units)
{
    struct groups_config config;
    groups_config_default(&config);
    config.offset_metadata_chars_max = 4;
    EXPECT_OK(groups_check_metadata(&config, BYTES_NULL));
    EXPECT_OK(groups_check_metadata(&config, BYTES_LIT("abcd")));
    EXPECT_ERR(groups_check_metadata(&config, BYTES_LIT("abcde")), ERR_OFFSET_METADATA_TOO_LARGE);
    EXPECT_OK(groups_check_metadata(&config, BYTES_LIT("\u00e9\u00e9\u20ac\u20ac")));
    EXPECT_OK(groups_check_metadata(&config, BYTES_LIT("\u20ac\u20ac\u20ac\u20ac")));
    EXPECT_ERR(groups_check_metadata(&config, BYTES_LIT("\u20ac\u20ac\u20ac\u20ac\u20ac")),
               ERR_OFFSET_METADATA_TOO_LARGE);
    EXPECT_OK(groups_check_metadata(&config, BYTES_LIT("\U0001f600\U0001f600")));
    EXPECT_ERR(groups_check_metadata(&config, BYTES_LIT("\U0001f600\U0001f600.")),
               ERR_OFFSET_METADATA_TOO_LARGE);
}

/* Largest commits that Apache Kafka 4.4.0 takes with message.max.bytes at its default: partitions
 * of "pc", each with so much metadata. */
TEST(a_commit_is_measured_as_kafka_writes_it)
{
    const struct {
        size_t group_len, metadata_len;
        int32_t largest;
    } seen[] = {{1, 0, 16512}, {1, 100, 6355}, {1, 1000, 983}, {1, 4096, 251}, {100, 0, 6393}};
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        size_t bytes = 61;
        int32_t n = 0;
        for (; bytes <= 1048588; n++)
            bytes += groups_commit_record_bytes(seen[i].group_len, 2, seen[i].metadata_len, false,
                                                n);
        EXPECT_EQ(n - 1, seen[i].largest);
    }
}

TEST(subscribed_topics_are_read_from_the_members)
{
    SIM(s);
    EXPECT(!is_subscribed(s->groups, s->group_id, BYTES_LIT("t1")));
    enter_subscribed(s, "a", TOPICS_T1_T2);
    EXPECT(is_subscribed(s->groups, s->group_id, BYTES_LIT("t3")));   /* not known yet */
    sim_settle(s);
    EXPECT(is_subscribed(s->groups, s->group_id, BYTES_LIT("t1")));
    EXPECT(is_subscribed(s->groups, s->group_id, BYTES_LIT("t2")));
    EXPECT(!is_subscribed(s->groups, s->group_id, BYTES_LIT("t3")));
    EXPECT_OK(sim_leave(s, "a"));
    EXPECT(!is_subscribed(s->groups, s->group_id, BYTES_LIT("t1")));
}

TEST(unreadable_subscriptions_count_as_all_topics)
{
    static const struct bytes broken[] = {
        BYTES_LIT(""), BYTES_LIT("\0"), BYTES_LIT("\0\0\0\0\0\2\0\2t1"),
        BYTES_LIT("\0\0\x7f\xff\xff\xff"), BYTES_LIT("\0\0\0\0\0\1\xff\xff"),
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        SIM(s);
        enter_subscribed(s, "a", TOPICS_T1_T2);
        enter_subscribed(s, "b", broken[i]);
        sim_settle(s);
        EXPECT(is_subscribed(s->groups, s->group_id, BYTES_LIT("t3")));
    }
}

/* A look at all of them would hold the loop. */
TEST(subscriptions_to_too_many_topics_count_as_all_topics)
{
    enum { HEAD_BYTES = 6, NAME_BYTES = 3 };
    for (int32_t more = 0; more < 2; more++) {
        int32_t names = GROUP_SUBSCRIBED_NAMES_MAX - 2 + more;     /* the other member has two */
        size_t len = HEAD_BYTES + (size_t)names * NAME_BYTES;
        uint8_t *metadata = mem_new(len);
        store_be32(metadata + 2, (uint32_t)names);
        for (size_t at = HEAD_BYTES; at < len; at += NAME_BYTES)
            mem_copy(metadata + at, "\0\1x", NAME_BYTES);
        SIM(s);
        enter_subscribed(s, "a", TOPICS_T1_T2);
        enter_subscribed(s, "b", bytes_of(metadata, len));
        sim_settle(s);
        EXPECT(is_subscribed(s->groups, s->group_id, BYTES_LIT("t1")));
        EXPECT_EQ(is_subscribed(s->groups, s->group_id, BYTES_LIT("t3")), more == 1);
        mem_free(metadata);
    }
}

TEST(offsets_are_deleted_from_consumers_and_empty_groups_only)
{
    SIM(s);
    EXPECT_ERR(groups_offset_delete(s->groups, s->group_id), ERR_GROUP_ID_NOT_FOUND);
    sim_enter(s, "w", .type = "connect");
    EXPECT_ERR(groups_offset_delete(s->groups, s->group_id), ERR_NON_EMPTY_GROUP);
    sim_settle(s);
    EXPECT_ERR(groups_offset_delete(s->groups, s->group_id), ERR_NON_EMPTY_GROUP);
    EXPECT_OK(sim_leave(s, "w"));
    EXPECT_OK(groups_offset_delete(s->groups, s->group_id));
    enter_subscribed(s, "a", TOPICS_T1_T2);
    EXPECT_OK(groups_offset_delete(s->groups, s->group_id));
}

static bool expired(struct sim *s, int64_t now_ms, const char *topic, int64_t commit_ms,
                    int64_t expire_ms)
{
    return !is_subscribed(s->groups, s->group_id, bytes_str(topic)) &&
           groups_offset_expired(s->groups, now_ms, s->group_id, commit_ms, expire_ms);
}

TEST(retention_of_a_self_assigned_consumer_counts_from_the_commit)
{
    SIM(s);
    EXPECT(!expired(s, INT64_MAX, "t1", 0, -1));       /* no such group */
    EXPECT_OK(sim_commit(s, NULL, -1));
    EXPECT(!expired(s, 50 + WEEK_MS - 1, "t1", 50, -1));
    EXPECT(expired(s, 50 + WEEK_MS, "t1", 50, -1));
    EXPECT(!expired(s, 99, "t1", 50, 100));            /* OffsetCommit v2..4 set its own time */
    EXPECT(expired(s, 100, "t1", 50, 100));
}

TEST(retention_of_a_group_counts_while_it_is_empty)
{
    SIM(s);
    enter_subscribed(s, "a", TOPICS_T1_T2);
    EXPECT(!expired(s, 10LL * WEEK_MS, "t3", 0, -1));  /* not Stable: wait and see */
    sim_settle(s);
    sim_sync(s, "a", "a=1");
    EXPECT(!expired(s, 10LL * WEEK_MS, "t1", 0, -1));  /* subscribed */
    EXPECT(expired(s, 10LL * WEEK_MS, "t3", 0, -1));   /* given up */
    EXPECT(!expired(s, 10LL * WEEK_MS, "t3", 9LL * WEEK_MS + 1, -1));
    s->now_ms = DAY_MS;
    EXPECT_OK(sim_leave(s, "a"));
    EXPECT(!expired(s, DAY_MS + (int64_t)WEEK_MS - 1, "t1", 0, -1));
    EXPECT(expired(s, DAY_MS + (int64_t)WEEK_MS, "t1", 0, -1));
}

TEST(offsets_of_other_kinds_of_groups_stay_while_there_are_members)
{
    SIM(s);
    sim_enter(s, "w", .type = "connect", .session_ms = 1800000);
    sim_settle(s);
    sim_sync(s, "w", "w=1");
    EXPECT(!expired(s, 10LL * WEEK_MS, "t1", 0, -1));
    EXPECT(!expired(s, 10LL * WEEK_MS, "t1", 0, 1));
}

TEST(a_restored_group_keeps_its_offsets_for_a_whole_retention)
{
    SIM(s);
    groups_restore(s->groups, 1000, s->group_id);
    groups_restore(s->groups, 2000, s->group_id);
    groups_check(s->groups);
    EXPECT_STR(sim_describe(s), "Empty");
    EXPECT(!expired(s, 1000 + WEEK_MS - 1, "t1", -WEEK_MS, -1));
    EXPECT(expired(s, 1000 + WEEK_MS, "t1", -WEEK_MS, -1));
    EXPECT(!expired(s, 1000 + WEEK_MS, "t1", 1001, -1));
    SIM_STABLE(s, "a");
    EXPECT_OK(sim_leave(s, "a"));
    EXPECT(expired(s, s->now_ms + WEEK_MS, "t1", 1001, -1));
}

TEST(restoring_ignores_the_limit_of_groups)
{
    struct groups_config config;
    groups_config_default(&config);
    config.groups_max = 1;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    groups_restore(s->groups, 0, BYTES_LIT("one"));
    groups_restore(s->groups, 0, BYTES_LIT("two"));
    EXPECT_EQ(groups_count(s->groups), 2);
    groups_check(s->groups);
}

TEST(only_an_empty_group_is_deleted)
{
    SIM(s);
    EXPECT_ERR(groups_delete(s->groups, 0, s->group_id), ERR_GROUP_ID_NOT_FOUND);
    sim_enter(s, "a");
    EXPECT_ERR(groups_delete(s->groups, 0, s->group_id), ERR_NON_EMPTY_GROUP);
    sim_settle(s);
    EXPECT_ERR(groups_delete(s->groups, 0, s->group_id), ERR_NON_EMPTY_GROUP);
    sim_sync(s, "a", "a=1");
    EXPECT_ERR(groups_delete(s->groups, 0, s->group_id), ERR_NON_EMPTY_GROUP);
    EXPECT_OK(sim_leave(s, "a"));
    sim_join(s, "p");      /* pending members do not hold it */
    EXPECT_OK(groups_delete(s->groups, 0, s->group_id));
    groups_check(s->groups);
    EXPECT_EQ(groups_count(s->groups), 0);
    EXPECT_EQ(groups_next_deadline_ms(s->groups), INT64_MAX);
    EXPECT_STR(sim_describe(s), "Dead");
}

TEST(a_description_is_a_copy_with_every_field)
{
    SIM(s);
    sim_join(s, "c", .instance = "ic", .metadata = "meta");
    sim_settle(s);
    sim_sync(s, "c", "c=part");
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct group_description d;
    EXPECT_OK(groups_describe(s->groups, s->group_id, &arena, &d));
    EXPECT_OK(sim_leave(s, "c"));
    EXPECT_STR(d.state, "Stable");
    EXPECT_BYTES(d.protocol_type, "consumer");
    EXPECT_BYTES(d.protocol_name, "range");
    EXPECT_EQ(d.member_count, 1);
    EXPECT_BYTES(d.members[0].member_id, sim_client(s, "c")->member_id);
    EXPECT_BYTES(d.members[0].instance_id, "ic");
    EXPECT_BYTES(d.members[0].client_id, "c");
    EXPECT_BYTES(d.members[0].client_host, "/127.0.0.1");
    EXPECT_BYTES(d.members[0].metadata, "meta");
    EXPECT_BYTES(d.members[0].assignment, "part");
    arena_done(&arena);
}

TEST(a_description_that_does_not_fit_is_refused)
{
    SIM(s);
    SIM_STABLE(s, "a", "b");
    for (size_t cap = 0;; cap += 16) {
        struct arena arena;
        arena_init(&arena, cap);
        struct group_description d = {.state = "untouched"};
        enum err err = groups_describe(s->groups, s->group_id, &arena, &d);
        arena_done(&arena);
        if (err == ERR_OK) break;
        EXPECT_ERR(err, ERR_TOO_LARGE);
        EXPECT_STR(d.state, "untouched");
    }
    struct arena none;
    arena_init(&none, 0);
    struct group_listing *list;
    uint32_t count;
    EXPECT_ERR(groups_list(s->groups, &(struct group_list_filter){0}, &none, &list, &count),
               ERR_TOO_LARGE);
}

static int listed(struct sim *s, const char *state, const char *type)
{
    struct bytes states[] = {BYTES_LIT("Dead"), bytes_str(state)};
    struct bytes types[] = {bytes_str(type)};
    struct group_list_filter filter = {states, state ? 2 : 0, types, type ? 1 : 0};
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct group_listing *list;
    uint32_t count;
    EXPECT_OK(groups_list(s->groups, &filter, &arena, &list, &count));
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_STR(list[i].type, "classic");
        bool stable = bytes_equal_str(list[i].group_id, "g1");
        EXPECT_STR(list[i].state, stable ? "Stable" : "Empty");
        EXPECT_BYTES(list[i].protocol_type, stable ? "consumer" : "");
    }
    arena_done(&arena);
    return (int)count;
}

TEST(lists_are_filtered_by_state_and_type)
{
    SIM(s);
    EXPECT_EQ(listed(s, NULL, NULL), 0);
    SIM_STABLE(s, "a");
    for (int i = 0; i < 40; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%d", i);
        groups_restore(s->groups, 0, bytes_str(id));
    }
    EXPECT_EQ(listed(s, NULL, NULL), 41);
    EXPECT_EQ(listed(s, "Stable", NULL), 1);
    EXPECT_EQ(listed(s, " eMPTY\t", NULL), 40);
    EXPECT_EQ(listed(s, "PreparingRebalance", NULL), 0);
    EXPECT_EQ(listed(s, "", NULL), 0);
    EXPECT_EQ(listed(s, NULL, "Classic"), 41);
    EXPECT_EQ(listed(s, "stable", "classic"), 1);
    EXPECT_EQ(listed(s, NULL, "consumer"), 0);
    EXPECT_EQ(listed(s, NULL, "nonsense"), 0);
}

TEST(an_offset_of_a_clock_that_was_ahead_counts_from_the_start)
{
    SIM(s);
    int64_t week_ms = s->config.offset_retention_ms, ahead_ms = INT64_C(16000000000000);
    groups_restore(s->groups, 0, s->group_id);
    EXPECT(!expired(s, week_ms - 1, "t", ahead_ms, -1));
    EXPECT(expired(s, week_ms, "t", ahead_ms, -1));
}

TESTS(RUN(an_offset_of_a_clock_that_was_ahead_counts_from_the_start),
      RUN(a_commit_from_outside_makes_a_group_and_needs_it_empty),
      RUN(a_member_commits_in_its_generation),
      RUN(the_error_of_a_missing_group_depends_on_the_version),
      RUN(a_commit_from_outside_meets_the_limit_of_groups), RUN(commits_and_rebalances),
      RUN(a_commit_keeps_the_session_alive), RUN(metadata_is_measured_in_utf16_units),
      RUN(a_commit_is_measured_as_kafka_writes_it),
      RUN(subscribed_topics_are_read_from_the_members),
      RUN(subscriptions_to_too_many_topics_count_as_all_topics),
      RUN(unreadable_subscriptions_count_as_all_topics),
      RUN(offsets_are_deleted_from_consumers_and_empty_groups_only),
      RUN(retention_of_a_self_assigned_consumer_counts_from_the_commit),
      RUN(retention_of_a_group_counts_while_it_is_empty),
      RUN(offsets_of_other_kinds_of_groups_stay_while_there_are_members),
      RUN(a_restored_group_keeps_its_offsets_for_a_whole_retention),
      RUN(restoring_ignores_the_limit_of_groups), RUN(only_an_empty_group_is_deleted),
      RUN(a_description_is_a_copy_with_every_field),
      RUN(a_description_that_does_not_fit_is_refused), RUN(lists_are_filtered_by_state_and_type))
