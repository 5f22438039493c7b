/* /metrics of the Kafka door: names of kafka_exporter, values that move, limits, names that must
 * not break the page. */
#include <pthread.h>
#include "base/mem.h"
#include "base/metrics.h"
#include "broker/group/groups.h"
#include "unit/broker/collect_fixture.h"

TEST(a_log_not_used_yet_shows_its_partition_and_no_offsets)
{
    begin();
    EXPECT_OK(cx_create(&cx, "t", 2));
    restart();                      /* logs open at first use */
    const char *text = scrape();
    EXPECT(has_line(text, "kafka_brokers 1"));
    EXPECT(has_line(text, "kafka_topic_partitions{topic=\"t\"} 2"));
    EXPECT(has_line(text, "kafka_topic_partition_leader{topic=\"t\",partition=\"1\"} 7"));
    EXPECT(
        has_line(text, "kafka_topic_partition_leader_is_preferred{topic=\"t\",partition=\"0\"} 1"));
    EXPECT(has_line(text, "kafka_topic_partition_replicas{topic=\"t\",partition=\"0\"} 1"));
    EXPECT(has_line(text, "kafka_topic_partition_in_sync_replica{topic=\"t\",partition=\"0\"} 1"));
    EXPECT(has_line(
        text, "kafka_topic_partition_under_replicated_partition{topic=\"t\",partition=\"0\"} 0"));
    EXPECT_EQ(count_of(text, "kafka_topic_partition_current_offset{"), 0);
    EXPECT_EQ(count_of(text, "kafka_topic_partition_oldest_offset{"), 0);
    commit("g", "t", 0, 5);
    text = scrape();
    EXPECT(has_line(
        text,
        "kafka_consumergroup_current_offset{consumergroup=\"g\",topic=\"t\",partition=\"0\"} 5"));
    EXPECT_EQ(count_of(text, "kafka_consumergroup_lag{"), 0);       /* not known: nothing is told */
    EXPECT_EQ(count_of(text, "kafka_consumergroup_lag_sum{"), 0);
    EXPECT_EQ(count_of(text, "kafka_consumergroup_lag_seconds{"), 0);
    end();
}

TEST(offsets_and_lag_follow_appends_and_commits)
{
    begin();
    EXPECT_OK(cx_create(&cx, "a", 2));
    EXPECT_OK(cx_create(&cx, "b", 1));
    for (int i = 0; i < 10; i++) EXPECT_OK(cx_append(&cx, "a", 0, NULL));
    for (int i = 0; i < 3; i++) EXPECT_OK(cx_append(&cx, "a", 1, NULL));
    EXPECT_OK(cx_append(&cx, "b", 0, NULL));
    commit("g", "a", 0, 4);
    commit("g", "b", 0, 1);
    commit("g", "a", 1, 1);
    commit("h", "a", 0, 99);        /* beyond the end: no lag, not a negative one */
    const char *text = scrape();
    EXPECT(has_line(text, "kafka_topic_partition_current_offset{topic=\"a\",partition=\"0\"} 10"));
    EXPECT(has_line(text, "kafka_topic_partition_oldest_offset{topic=\"a\",partition=\"0\"} 0"));
    EXPECT(has_line(text,
                    "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"a\",partition=\"0\"} 6"));
    EXPECT(has_line(text,
                    "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"a\",partition=\"1\"} 2"));
    EXPECT(has_line(text, "kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"a\"} 8"));
    EXPECT(has_line(text, "kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"b\"} 0"));
    EXPECT(has_line(text,
                    "kafka_consumergroup_current_offset_sum{consumergroup=\"g\",topic=\"a\"} 5"));
    EXPECT(has_line(text,
                    "kafka_consumergroup_lag{consumergroup=\"h\",topic=\"a\",partition=\"0\"} 0"));
    commit("g", "a", 0, 10);
    EXPECT(has_line(scrape(),
                    "kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"a\"} 2"));
    EXPECT_OK(cx_delete(&cx, "a"));
    EXPECT_EQ(count_of(scrape(), "\"a\""), 0);
    end();
}

#define SECONDS(group, value)                                                                      \
    "kafka_consumergroup_lag_seconds{consumergroup=\"" group                                       \
    "\",topic=\"t\",partition=\"0\"} " value

TEST(committed_offsets_at_the_end_of_the_numbers_have_a_sum)
{
    begin();
    EXPECT_OK(cx_create(&cx, "a", 2));
    commit("high", "a", 0, INT64_MAX);
    commit("high", "a", 1, INT64_MAX);
    const char *text = scrape();
    EXPECT(has_line(text,
                    "kafka_consumergroup_current_offset_sum{consumergroup=\"high\",topic=\"a\"} "
                    "9223372036854775807"));
    end();
}

TEST(lag_seconds_is_the_age_of_the_first_record_that_waits)
{
    begin();
    EXPECT_OK(cx_create(&cx, "t", 1));
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(cx_append(&cx, "t", 0, NULL));
        cx_advance_ms(1500);
    }
    commit("first", "t", 0, 0);
    commit("second", "t", 0, 1);
    commit("done", "t", 0, 3);
    commit("beyond", "t", 0, 9);
    const char *text = scrape();
    EXPECT(has_line(text, SECONDS("first", "4.500")));
    EXPECT(has_line(text, SECONDS("second", "3.000")));
    EXPECT(has_line(text, SECONDS("done", "0.000")));
    EXPECT(has_line(text, SECONDS("beyond", "0.000")));
    cx_now_us -= 10 * 1000 * 1000;          /* a clock that was set back: never below 0 */
    EXPECT(has_line(scrape(), SECONDS("first", "0.000")));
    end();
}

TEST(each_name_has_one_head_and_odd_names_do_not_break_the_page)
{
    begin();
    EXPECT_OK(cx_create(&cx, "t", 1));
    commit("a\"b\\c\nd", "t", 0, 1);
    commit("\xff\xfe", "t", 0, 1);
    const char *text = scrape();
    EXPECT(strstr(text, "{consumergroup=\"a\\\"b\\\\c\\nd\",") != NULL);
    EXPECT(strstr(text, "{consumergroup=\"?""?~") != NULL);
    EXPECT_EQ(count_of(text, "# TYPE kafka_consumergroup_current_offset gauge"), 1);
    EXPECT_EQ(count_of(text, "# TYPE kafka_topic_partition_current_offset gauge"), 1);
    end();
}

TEST(what_is_beyond_the_limit_is_counted)
{
#ifdef DIGLOT_SANITIZED
    skip();        /* takes it a minute and shows nothing that a topic of few partitions does not */
#endif
    begin();
    EXPECT_OK(cx_create(&cx, "a", COLLECT_PARTITIONS_MAX - 1));
    EXPECT_OK(cx_create(&cx, "b", 5));
    const char *text = scrape();
    EXPECT_EQ(count_of(text, "kafka_topic_partition_leader{"), COLLECT_PARTITIONS_MAX);
    EXPECT(has_line(text, "diglot_collect_hidden{what=\"partitions\"} 4"));
    EXPECT(has_line(text, "diglot_collect_hidden{what=\"offsets\"} 0"));
    EXPECT(has_line(text, "kafka_topic_partitions{topic=\"b\"} 5"));
    end();
}

static const char *registry(void)
{
    struct writer out;
    writer_init(&out, sizeof page - 1);
    metrics_write(&out);
    bytes_to_text(bytes_of(out.data, out.len), page, sizeof page);
    writer_done(&out);
    return page;
}

TEST(members_of_a_group_are_a_gauge_that_goes_with_it)
{
    collect_members(BYTES_LIT("crew"), 3);
    EXPECT(has_line(registry(), "kafka_consumergroup_members{consumergroup=\"crew\"} 3"));
    collect_members(BYTES_LIT("crew"), 0);
    EXPECT(has_line(registry(), "kafka_consumergroup_members{consumergroup=\"crew\"} 0"));
    collect_members(BYTES_LIT("crew"), GROUP_GONE);
    EXPECT_EQ(count_of(registry(), "crew"), 0);
}

static void *come_and_go(void *group_id)
{
    for (int i = 0; i < 2000; i++) {
        collect_members(*(struct bytes *)group_id, i);
        collect_members(*(struct bytes *)group_id, GROUP_GONE);
    }
    return NULL;
}

TEST(groups_whose_names_cannot_be_shown_are_series_of_their_own)
{
    static const struct bytes names[] = {
        BYTES_LIT("nul\0x"), BYTES_LIT("nul\0y"), BYTES_LIT("nul?x"), BYTES_LIT("nul\x01x"),
        BYTES_LIT("\xff"), BYTES_LIT("\xfe"), BYTES_LIT("tab\tx"), BYTES_LIT("cr\rx")};
    enum { NAMES = sizeof names / sizeof names[0] };
    for (int i = 0; i < NAMES; i++) collect_members(names[i], 100 + i);
    const char *text = registry();
    EXPECT_EQ(count_of(text, "kafka_consumergroup_members{"), NAMES);
    for (const char *c = text; *c != '\0'; c++) EXPECT(*c == '\n' || (*c >= ' ' && *c != 0x7f));
    EXPECT(has_line(text, "kafka_consumergroup_members{consumergroup=\"nul?x\"} 102"));
    for (int i = 0; i < NAMES; i++) collect_members(names[i], GROUP_GONE);
    EXPECT_EQ(count_of(registry(), "kafka_consumergroup_members{"), 0);
}

/* 2,300 groups with the longest ids: a page beyond all bounds, were they shown as they are. */
TEST(long_group_ids_are_shown_short_and_the_page_stays_small)
{
    enum { GROUPS = 2300, ID_BYTES = 32000, BYTES_A_GROUP = 400 };
    char *id = mem_new(ID_BYTES + 1);
    size_t before = strlen(registry());
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < GROUPS; i++) {
            int len = snprintf(id, ID_BYTES, "%d.", i);
            for (int at = len; at < ID_BYTES; at++) id[at] = 'g';
            snprintf(id + ID_BYTES - 8, 9, "%08d", i);
            collect_members(bytes_of(id, ID_BYTES), k == 0 ? i : GROUP_GONE);
        }
        size_t more = strlen(registry()) - before;
        if (k == 0) EXPECT(more > GROUPS * 256 && more < GROUPS * BYTES_A_GROUP);
        else EXPECT(more < BYTES_A_GROUP);      /* the head of the family */
    }
    mem_free(id);
}

TEST(offsets_of_groups_with_long_names_beyond_the_limit_are_counted)
{
    enum { GROUPS = 6000, ID_BYTES = 1000 };
    begin();
    EXPECT_OK(cx_create(&cx, "t", 1));
    char id[ID_BYTES + 1];
    for (int i = 0; i < GROUPS; i++) {
        snprintf(id, sizeof id, "%0*d", ID_BYTES, i);
        commit(id, "t", 0, 1);
    }
    const char *text = scrape();
    int shown = count_of(text, "kafka_consumergroup_current_offset{");
    EXPECT(shown > 1000 && shown < GROUPS);
    char line[80];
    snprintf(line, sizeof line, "diglot_collect_hidden{what=\"offsets\"} %d", GROUPS - shown);
    EXPECT(has_line(text, line));
    end();
}

TEST(a_group_that_comes_and_goes_on_two_threads)
{
    struct bytes one = BYTES_LIT("g"), two = one;
    pthread_t other;
    EXPECT_EQ(pthread_create(&other, NULL, come_and_go, &one), 0);
    come_and_go(&two);
    pthread_join(other, NULL);
}

TESTS(RUN(a_log_not_used_yet_shows_its_partition_and_no_offsets),
      RUN(committed_offsets_at_the_end_of_the_numbers_have_a_sum),
      RUN(offsets_and_lag_follow_appends_and_commits),
      RUN(lag_seconds_is_the_age_of_the_first_record_that_waits),
      RUN(each_name_has_one_head_and_odd_names_do_not_break_the_page),
      RUN(what_is_beyond_the_limit_is_counted),
      RUN(members_of_a_group_are_a_gauge_that_goes_with_it),
      RUN(groups_whose_names_cannot_be_shown_are_series_of_their_own),
      RUN(long_group_ids_are_shown_short_and_the_page_stays_small),
      RUN(offsets_of_groups_with_long_names_beyond_the_limit_are_counted),
      RUN(a_group_that_comes_and_goes_on_two_threads))
