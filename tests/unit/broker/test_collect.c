/* /metrics of the Kafka door: names of kafka_exporter, values that move, limits, names that must
 * not break the page. */
#include "unit/broker/broker_fixture.h"
#include "base/metrics.h"
#include "broker/collect.h"
#include "broker/group/groups.h"
#include "unit/storage/catalog_fixture.h"

static struct cx cx;
static char page[4 << 20];

static const char *scrape(struct broker *b)
{
    struct writer out;
    writer_init(&out, sizeof page - 1);
    broker_collect(&out, b);
    EXPECT_OK(out.err);
    bytes_to_text(bytes_of(out.data, out.len), page, sizeof page);
    writer_done(&out);
    return page;
}

static bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[len] == '\n') return true;
    return false;
}

static int count_of(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) count++;
    return count;
}

struct fake {
    struct broker broker;
};

static void start(struct fake *f)
{
    cx_init(&cx);
    EXPECT_OK(cx_start(&cx));
    f->broker = (struct broker){.store = cx.s, .options.node_id = 7};
}

static void commit(const char *group, const char *topic, int32_t partition, int64_t offset)
{
    struct topic *t = store_topic(cx.s, bytes_str(topic));
    struct offset_entry entry = {
        .topic_id = t->id, .partition = partition, .offset = offset, .metadata = BYTES_LIT(""),
        .expire_ms = -1};
    EXPECT_OK(cx_commit(&cx, group, &entry, 1));
    topic_unref(t);
}

TEST(a_log_not_used_yet_shows_its_partition_and_no_offsets)
{
    struct fake f;
    start(&f);
    EXPECT_OK(cx_create(&cx, "t", 2));
    cx_restart(&cx);                /* logs open at first use */
    f.broker.store = cx.s;
    const char *text = scrape(&f.broker);
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
    text = scrape(&f.broker);
    EXPECT(has_line(
        text,
        "kafka_consumergroup_current_offset{consumergroup=\"g\",topic=\"t\",partition=\"0\"} 5"));
    EXPECT_EQ(count_of(text, "kafka_consumergroup_lag{"), 0);       /* not known: nothing is told */
    EXPECT_EQ(count_of(text, "kafka_consumergroup_lag_sum{"), 0);
    cx_done(&cx);
}

TEST(offsets_and_lag_follow_appends_and_commits)
{
    struct fake f;
    start(&f);
    EXPECT_OK(cx_create(&cx, "a", 2));
    EXPECT_OK(cx_create(&cx, "b", 1));
    for (int i = 0; i < 10; i++) EXPECT_OK(cx_append(&cx, "a", 0, NULL));
    for (int i = 0; i < 3; i++) EXPECT_OK(cx_append(&cx, "a", 1, NULL));
    EXPECT_OK(cx_append(&cx, "b", 0, NULL));
    commit("g", "a", 0, 4);
    commit("g", "b", 0, 1);
    commit("g", "a", 1, 1);
    commit("h", "a", 0, 99);        /* beyond the end: no lag, not a negative one */
    const char *text = scrape(&f.broker);
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
    EXPECT(has_line(scrape(&f.broker),
                    "kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"a\"} 2"));
    EXPECT_OK(cx_delete(&cx, "a"));
    EXPECT_EQ(count_of(scrape(&f.broker), "\"a\""), 0);
    cx_done(&cx);
}

TEST(each_name_has_one_head_and_odd_names_do_not_break_the_page)
{
    struct fake f;
    start(&f);
    EXPECT_OK(cx_create(&cx, "t", 1));
    commit("a\"b\\c\nd", "t", 0, 1);
    commit("\xff\xfe", "t", 0, 1);
    const char *text = scrape(&f.broker);
    EXPECT(strstr(text, "{consumergroup=\"a\\\"b\\\\c\\nd\",") != NULL);
    EXPECT(strstr(text, "{consumergroup=\"??\",") != NULL);
    EXPECT_EQ(count_of(text, "# TYPE kafka_consumergroup_current_offset gauge"), 1);
    EXPECT_EQ(count_of(text, "# TYPE kafka_topic_partition_current_offset gauge"), 1);
    cx_done(&cx);
}

TEST(what_is_beyond_the_limit_is_counted)
{
#ifdef DIGLOT_SANITIZED
    skip();        /* takes it a minute and shows nothing that a topic of few partitions does not */
#endif
    struct fake f;
    start(&f);
    EXPECT_OK(cx_create(&cx, "a", COLLECT_PARTITIONS_MAX - 1));
    EXPECT_OK(cx_create(&cx, "b", 5));
    const char *text = scrape(&f.broker);
    EXPECT_EQ(count_of(text, "kafka_topic_partition_leader{"), COLLECT_PARTITIONS_MAX);
    EXPECT(has_line(text, "diglot_collect_hidden{what=\"partitions\"} 4"));
    EXPECT(has_line(text, "diglot_collect_hidden{what=\"offsets\"} 0"));
    EXPECT(has_line(text, "kafka_topic_partitions{topic=\"b\"} 5"));
    cx_done(&cx);
}

TEST(members_of_a_group_are_a_gauge_that_goes_with_it)
{
    const char *labels = "consumergroup=\"crew\"";
    collect_members(BYTES_LIT("crew"), 3);
    struct metric *m = metric_get(METRIC_GAUGE, "kafka_consumergroup_members", "", labels);
    EXPECT_EQ(metric_value(m), 3);
    collect_members(BYTES_LIT("crew"), 0);
    EXPECT_EQ(metric_value(m), 0);
    collect_members(BYTES_LIT("crew"), GROUP_GONE);
    struct writer out;
    writer_init(&out, sizeof page - 1);
    metrics_write(&out);
    bytes_to_text(bytes_of(out.data, out.len), page, sizeof page);
    EXPECT_EQ(count_of(page, "crew"), 0);
    writer_done(&out);
}

TESTS(RUN(a_log_not_used_yet_shows_its_partition_and_no_offsets),
      RUN(offsets_and_lag_follow_appends_and_commits),
      RUN(each_name_has_one_head_and_odd_names_do_not_break_the_page),
      RUN(what_is_beyond_the_limit_is_counted),
      RUN(members_of_a_group_are_a_gauge_that_goes_with_it))
