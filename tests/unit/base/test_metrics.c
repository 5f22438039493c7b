#include "base/metrics.h"
#include <pthread.h>
#include <stdlib.h>
#include "test.h"

/* The whole exposition as text; the next call overwrites it. */
static const char *shown(void)
{
    static char *text;
    struct writer out;
    writer_init(&out, 64 << 20);
    metrics_write(&out);
    EXPECT_OK(out.err);
    free(text);
    text = malloc(out.len + 1);
    memcpy(text, out.data, out.len);
    text[out.len] = '\0';
    writer_done(&out);
    return text;
}

static void expect_shown(const char *text)
{
    if (strstr(shown(), text) == NULL) print_error("missing: %s\nin: %.3000s\n", text, shown());
    assert_non_null(strstr(shown(), text));
}

TEST(counters_and_gauges_are_shown_by_family)
{
    struct metric *a = metric_get(METRIC_COUNTER, "t_records_total", "Records.", "topic=\"a\"");
    struct metric *other = metric_get(METRIC_GAUGE, "t_connections", "Open.", NULL);
    struct metric *b = metric_get(METRIC_COUNTER, "t_records_total", "Records.", "topic=\"b\"");
    EXPECT(a != b);
    EXPECT(metric_get(METRIC_COUNTER, "t_records_total", "Records.", "topic=\"a\"") == a);
    metric_add(a, 2);
    metric_add(a, 3);
    metric_add(b, 1);
    metric_set(other, 7);
    metric_add(other, -8);
    EXPECT_EQ(metric_value(a), 5);
    EXPECT_EQ(metric_value(other), -1);
    expect_shown("# HELP t_records_total Records.\n# TYPE t_records_total counter\n"
                 "t_records_total{topic=\"a\"} 5\nt_records_total{topic=\"b\"} 1\n"
                 "# HELP t_connections Open.\n# TYPE t_connections gauge\nt_connections -1\n");
}

TEST(a_histogram_counts_into_cumulative_buckets_in_seconds)
{
    struct metric *h = metric_get(METRIC_HISTOGRAM, "t_request_seconds", "Time.", "api=\"Fetch\"");
    metric_observe_us(h, 0);
    metric_observe_us(h, 50);
    metric_observe_us(h, 51);
    metric_observe_us(h, 60 * 1000000);
    EXPECT_EQ(metric_value(h), 4);
    expect_shown("# TYPE t_request_seconds histogram\n"
                 "t_request_seconds_bucket{api=\"Fetch\",le=\"5e-05\"} 2\n"
                 "t_request_seconds_bucket{api=\"Fetch\",le=\"0.0001\"} 3\n");
    expect_shown("t_request_seconds_bucket{api=\"Fetch\",le=\"10\"} 3\n"
                 "t_request_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 4\n"
                 "t_request_seconds_sum{api=\"Fetch\"} 60.000101\n"
                 "t_request_seconds_count{api=\"Fetch\"} 4\n");
    struct metric *bare = metric_get(METRIC_HISTOGRAM, "t_bare_seconds", "Time.", NULL);
    metric_observe_us(bare, 1);
    expect_shown("t_bare_seconds_bucket{le=\"5e-05\"} 1\n");
    expect_shown("t_bare_seconds_count 1\n");
}

TEST(a_gauge_that_is_hidden_is_forgotten_and_can_come_back)
{
    static const char *const labels[] = {"topic=\"x\"", "topic=\"y\"", "topic=\"z\""};
    metric_hide("t_gone", labels[0]);
    for (int i = 0; i < 3; i++) metric_show("t_gone", "Goes.", labels[i], i + 1);
    metric_show("t_gone", "Goes.", labels[2], 30);
    metric_hide("t_gone", labels[1]);
    expect_shown("t_gone{topic=\"x\"} 1\nt_gone{topic=\"z\"} 30\n");
    metric_hide("t_gone", labels[2]);
    metric_show("t_gone", "Goes.", labels[1], 2);
    expect_shown("t_gone{topic=\"x\"} 1\nt_gone{topic=\"y\"} 2\n");
    metric_hide("t_gone", labels[0]);
    metric_hide("t_gone", labels[1]);
    EXPECT(strstr(shown(), "t_gone") == NULL);
}

TEST(labels_are_escaped)
{
    struct writer out;
    writer_init(&out, 1 << 10);
    metrics_label(&out, BYTES_LIT("a\"b\\c\nd"));
    EXPECT_BYTES(bytes_of(out.data, out.len), "\"a\\\"b\\\\c\\nd\"");
    writer_done(&out);
}

static void show_many(uint32_t i, bool hide)
{
    char labels[32];
    snprintf(labels, sizeof labels, "i=\"%u\"", i);
    if (hide) metric_hide("t_many", labels);
    else metric_show("t_many", "Many.", labels, i);
}

static atomic_bool over;

/* Looks up one series in front of many and one behind them. */
static void *count_both(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        metric_add(metric_get(METRIC_COUNTER, "t_before_total", "Before.", NULL), 1);
        metric_add(metric_get(METRIC_COUNTER, "t_behind_total", "Behind.", NULL), 1);
    }
    return NULL;
}

static long long value_on(const char *page, const char *line)
{
    const char *at = strstr(page, line);
    EXPECT(at != NULL);
    return strtoll(at + strlen(line), NULL, 10);
}

/* What was counted while the page was written is seen in what it shows last. */
TEST(a_page_holds_up_nobody_who_looks_for_a_series)
{
    enum { MANY = 60000, MEANWHILE = 16, PAGES_MAX = 20 };
    metric_get(METRIC_COUNTER, "t_before_total", "Before.", NULL);
    for (uint32_t i = 0; i < MANY; i++) {
        char labels[32];
        snprintf(labels, sizeof labels, "i=\"%u\"", i);
        metric_show("t_between", "Between.", labels, i);
    }
    metric_get(METRIC_COUNTER, "t_behind_total", "Behind.", NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, count_both, NULL);
    long long most = 0;
    for (int pages = 0; pages < PAGES_MAX && most < MEANWHILE; pages++) {
        const char *page = shown();
        long long more = value_on(page, "\nt_behind_total ") - value_on(page, "\nt_before_total ");
        if (more > most) most = more;
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    for (uint32_t i = 0; i < MANY; i++) {
        char labels[32];
        snprintf(labels, sizeof labels, "i=\"%u\"", i);
        metric_hide("t_between", labels);
    }
    EXPECT(most >= MEANWHILE);
}

static void *come_and_go(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; !atomic_load(&over); i++) {
        show_many(2 * (i % 1000) + 1, false);
        show_many(2 * ((i + 500) % 1000) + 1, true);
    }
    return NULL;
}

/* Every other one comes and goes meanwhile. */
TEST(what_stays_is_on_each_page_once)
{
    enum { STAY = 1000, PAGES = 200 };
    for (uint32_t i = 0; i < STAY; i++) show_many(2 * i, false);
    atomic_store(&over, false);
    pthread_t thread;
    pthread_create(&thread, NULL, come_and_go, NULL);
    for (int pages = 0; pages < PAGES; pages++) {
        int seen = 0;
        for (const char *at = shown(); (at = strstr(at, "\nt_many{i=\"")) != NULL; at++)
            seen += (at[strcspn(at + 1, "}") - 1] - '0') % 2 == 0;
        EXPECT_EQ(seen, STAY);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    for (uint32_t i = 0; i < 2 * STAY; i++) show_many(i, true);
    EXPECT(strstr(shown(), "t_many") == NULL);
}

static void collect(struct writer *out, void *context)
{
    metrics_head(out, "t_collected", "gauge", "Computed.");
    writer_printf(out, "t_collected{n=\"%d\"} 1\n", *(int *)context);
}

TEST(sixteen_collectors_write_theirs)
{
    static int numbers[METRICS_COLLECTORS_MAX];
    for (int i = 0; i < METRICS_COLLECTORS_MAX; i++) {
        numbers[i] = i;
        metrics_collector(collect, &numbers[i]);
    }
    expect_shown("t_collected{n=\"0\"} 1\n");
    expect_shown("t_collected{n=\"15\"} 1\n");
}

TEST(beyond_the_limit_a_shared_series_takes_everything)
{
    struct metric *kept = metric_get(METRIC_COUNTER, "t_kept_total", "Kept.", NULL);
    for (uint32_t i = 0; i < METRICS_MAX; i++) show_many(i, false);
    struct metric *overflow = metric_get(METRIC_GAUGE, "t_late", "Late.", NULL);
    EXPECT(overflow != kept);
    metric_set(overflow, 0);
    EXPECT(metric_get(METRIC_HISTOGRAM, "t_late_seconds", "Late.", NULL) == overflow);
    EXPECT(metric_get(METRIC_COUNTER, "t_kept_total", "Kept.", NULL) == kept);
    metric_add(overflow, 41);
    metric_observe_us(overflow, 5);
    expect_shown("diglot_metrics_overflow 42\n");
    EXPECT(strstr(shown(), "diglot_metrics_refused_total 0\n") == NULL);

    show_many(0, true);
    EXPECT(metric_get(METRIC_GAUGE, "t_late", "Late.", NULL) != overflow);
    metric_hide("t_late", NULL);
    for (uint32_t i = 1; i < METRICS_MAX; i++) show_many(i, true);
    EXPECT(strstr(shown(), "t_many") == NULL);
}

static void *count(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        metric_add(metric_get(METRIC_COUNTER, "t_shared_total", "Shared.", NULL), 1);
        metric_observe_us(arg, i);
        if (i % 1000 == 0) {
            struct metric *own = metric_get(METRIC_GAUGE, "t_own", "Own.", NULL);
            metric_set(own, i);
            struct writer out;
            writer_init(&out, 1 << 20);
            metrics_write(&out);
            writer_done(&out);
        }
    }
    return NULL;
}

TEST(threads_count_together)
{
    struct metric *h = metric_get(METRIC_HISTOGRAM, "t_shared_seconds", "Shared.", NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, count, h);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    EXPECT_EQ(metric_value(metric_get(METRIC_COUNTER, "t_shared_total", "Shared.", NULL)), 40000);
    EXPECT_EQ(metric_value(h), 40000);
}

TESTS(RUN(counters_and_gauges_are_shown_by_family),
      RUN(a_histogram_counts_into_cumulative_buckets_in_seconds),
      RUN(a_gauge_that_is_hidden_is_forgotten_and_can_come_back), RUN(labels_are_escaped),
      RUN(beyond_the_limit_a_shared_series_takes_everything), RUN(threads_count_together),
      RUN(a_page_holds_up_nobody_who_looks_for_a_series), RUN(what_stays_is_on_each_page_once),
      RUN(sixteen_collectors_write_theirs))
