/* Tables of series: sums, rates, maxima that fade, the limit of keys, keys that are gone, several
 * tables on one page. */
#include "base/meter.h"
#include <pthread.h>
#include <stdatomic.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "test.h"

enum { MINUTE_US = 60 * 1000 * 1000, KEYS_MAX = 8 };
enum { BYTES, PER_SECOND, AGE };

static const struct meter_series series[] = {
    [BYTES] = {METER_SUM, "t_bytes_sum", "Bytes."},
    [PER_SECOND] = {METER_RATE, "t_bytes_per_second", "Bytes a second."},
    [AGE] = {METER_MAXIMUM, "t_age_maximum", "Age."},
};

static void write_label(struct writer *out, const void *who)
{
    writer_text(out, "who=");
    metrics_label(out, bytes_str(who));
}

/* The first byte of a key's id says whether it is there. */
static bool is_there(void *context, const struct meter_key *key)
{
    if (context != NULL) atomic_fetch_add((atomic_int *)context, 1);
    return key->id.bytes[0] != 0;
}

static const struct meter_plan plan = {
    .series = series,
    .series_count = 3,
    .keys_max = KEYS_MAX,
    .labels_beyond = "who=\"\"",
    .write_labels = write_label,
    .is_alive = is_there,
};

static struct meter_key key_of(uint8_t there, uint64_t part)
{
    return (struct meter_key){.id.bytes = {there}, .part = part};
}

static void add(struct meters *m, uint64_t part, const char *who, int64_t bytes)
{
    struct meter_key key = key_of(1, part);
    struct meter_delta d = {.by = {[BYTES] = bytes, [PER_SECOND] = bytes}};
    meter_add(m, &key, who, &d);
}

static void add_age(struct meters *m, int64_t age)
{
    struct meter_key key = key_of(1, 0);
    meter_add(m, &key, "a", &(struct meter_delta){.by[AGE] = age, .seen = 1 << AGE});
}

/* The page as text; the next call overwrites it. */
static const char *show_all(struct meters *const *tables, uint32_t count)
{
    static char page[1 << 20];
    struct writer out;
    writer_init(&out, sizeof page - 1);
    meters_write(tables, count, &out);
    EXPECT_OK(out.err);
    bytes_to_text(bytes_of(out.data, out.len), page, sizeof page);
    writer_done(&out);
    return page;
}

static const char *show(struct meters *m)
{
    return show_all(&m, 1);
}
#define EXPECT_HAS(text, word) EXPECT(strstr((text), (word)) != NULL)
#define EXPECT_LACKS(text, word) EXPECT(strstr((text), (word)) == NULL)

TEST(a_page_is_in_order_of_names_and_labels)
{
    struct meters *m = meters_new(&plan, NULL);
    EXPECT_STR(show(m), "");
    add(m, 0, "b", 5);
    add(m, 1, "a", 1);
    add(m, 0, "renamed since", 2);      /* the text is made once */
    EXPECT_HAS(show(m), "# HELP t_bytes_sum Bytes.\n# TYPE t_bytes_sum counter\n"
                        "t_bytes_sum{who=\"a\"} 1\nt_bytes_sum{who=\"b\"} 7\n"
                        "# HELP t_bytes_per_second Bytes a second.\n"
                        "# TYPE t_bytes_per_second gauge\n");
    EXPECT_LACKS(show(m), "t_age_maximum");
    meters_free(m);
    meters_free(NULL);
}

TEST(a_zeroed_delta_makes_series_and_adds_nothing)
{
    struct meters *m = meters_new(&plan, NULL);
    struct meter_key key = key_of(1, 0);
    meter_add(m, &key, "a", &(struct meter_delta){0});
    EXPECT_HAS(show(m), "\nt_bytes_sum{who=\"a\"} 0\n");
    EXPECT_HAS(show(m), "\nt_bytes_per_second{who=\"a\"} 0.000\n");
    EXPECT_LACKS(show(m), "t_age_maximum");
    meters_free(m);
}

TEST(a_rate_is_of_this_minute_and_the_one_before)
{
#define RATE "\nt_bytes_per_second{who=\"a\"} "
    static int64_t us = 7 * (int64_t)MINUTE_US;
    clock_fake(&us);
    struct meters *m = meters_new(&plan, NULL);
    add(m, 0, "a", 90);
    EXPECT_HAS(show(m), RATE "1.500\n");
    us += MINUTE_US / 2;
    EXPECT_HAS(show(m), RATE "1.000\n");
    us += MINUTE_US / 2;                    /* the minute turned */
    EXPECT_HAS(show(m), RATE "1.500\n");
    add(m, 0, "a", 30);
    us += MINUTE_US / 2;
    EXPECT_HAS(show(m), RATE "1.333\n");
    us += MINUTE_US / 2;
    EXPECT_HAS(show(m), RATE "0.500\n");
    us += MINUTE_US;
    EXPECT_HAS(show(m), RATE "0.000\n");
    us += 5 * (int64_t)MINUTE_US;           /* a pause of several minutes leaves nothing over */
    add(m, 0, "a", 60);
    EXPECT_HAS(show(m), RATE "1.000\n");
    EXPECT_HAS(show(m), "\nt_bytes_sum{who=\"a\"} 180\n");
    clock_fake(NULL);
    meters_free(m);
}

TEST(a_maximum_fades)
{
#define MAXIMUM "\nt_age_maximum{who=\"a\"} "
    static int64_t us = 0;
    clock_fake(&us);
    struct meters *m = meters_new(&plan, NULL);
    struct meter_key key = key_of(1, 0);
    meter_add(m, &key, "a", &(struct meter_delta){.by[AGE] = 7});    /* not seen */
    EXPECT_LACKS(show(m), "t_age_maximum");
    add_age(m, 5);
    add_age(m, 900);
    add_age(m, 5);
    EXPECT_HAS(show(m), MAXIMUM "900\n");
    us += MINUTE_US;
    add_age(m, 0);
    EXPECT_HAS(show(m), MAXIMUM "900\n");
    us += MINUTE_US;
    EXPECT_HAS(show(m), MAXIMUM "0\n");     /* which was seen */
    us += MINUTE_US;
    EXPECT_LACKS(show(m), "t_age_maximum");
    add_age(m, -3);
    EXPECT_HAS(show(m), MAXIMUM "-3\n");
    clock_fake(NULL);
    meters_free(m);
}

TEST(keys_beyond_the_limit_share_one_line)
{
    struct meters *m = meters_new(&plan, NULL);
    for (uint64_t i = 0; i < KEYS_MAX; i++) add(m, i, "a", 1);
    EXPECT_LACKS(show(m), "who=\"\"");
    add(m, KEYS_MAX, "late", 3);
    add(m, KEYS_MAX + 1, "later", 4);
    add(m, 0, "a", 10);                     /* who has series keeps them */
    EXPECT_HAS(show(m), "t_bytes_sum{who=\"\"} 7\n");
    EXPECT_HAS(show(m), "t_bytes_sum{who=\"a\"} 11\n");
    EXPECT_LACKS(show(m), "late");
    meters_free(m);
}

static void write_whole_label(struct writer *out, const void *who)
{
    writer_printf(out, "who=\"%s\"", (const char *)who);
}

TEST(labels_beyond_the_limit_share_that_line)
{
    static char name[METER_LABELS_BYTES_MAX];
    memset(name, 'x', sizeof name - 1);
    struct meter_plan whole = plan;         /* metrics_label() shortens each value */
    whole.write_labels = write_whole_label;
    struct meters *m = meters_new(&whole, NULL);
    add(m, 0, name, 3);
    add(m, 1, "a", 1);
    EXPECT_HAS(show(m), "t_bytes_sum{who=\"\"} 3\nt_bytes_sum{who=\"a\"} 1\n");
    EXPECT_LACKS(show(m), "xx");
    meters_free(m);
}

TEST(gone_keys_are_forgotten)
{
    atomic_int asked = 0;
    struct meters *m = meters_new(&plan, &asked);
    struct meter_key gone = key_of(0, 0);
    struct meter_delta d = {.by[BYTES] = 5};
    for (gone.part = 0; gone.part < KEYS_MAX; gone.part++) meter_add(m, &gone, "gone", &d);
    EXPECT_STR(show(m), "");
    EXPECT_EQ(asked, KEYS_MAX);
    EXPECT_STR(show(m), "");
    EXPECT_EQ(asked, KEYS_MAX);             /* they are not in the table any more */
    gone.part = 0;
    meter_add(m, &gone, "gone", &d);        /* a request that ended late */
    add(m, 0, "here", 1);                   /* there is room again; same part, another id */
    EXPECT_HAS(show(m), "t_bytes_sum{who=\"here\"} 1\n");
    EXPECT_LACKS(show(m), "gone");
    EXPECT_LACKS(show(m), "who=\"\"");
    EXPECT_EQ(asked, KEYS_MAX + 2 + 2);
    meters_free(m);
}

TEST(a_name_of_two_tables_has_one_head)
{
    static const struct meter_series of_parts[] = {
        {METER_SUM, "t_parts_only_sum", "Parts."},
        {METER_SUM, "t_bytes_sum", "Bytes."},
    };
    static const struct meter_plan parts_plan = {
        .series = of_parts, .series_count = 2, .keys_max = 2, .labels_beyond = "part=\"\"",
        .write_labels = write_label, .is_alive = is_there};
    struct meters *tables[] = {meters_new(&plan, NULL), meters_new(&parts_plan, NULL)};
    struct meter_key key = key_of(1, 3);
    meter_add(tables[1], &key, "part", &(struct meter_delta){.by = {8, 9}});
    EXPECT_STR(show_all(tables, 2),         /* nothing of the table whose name it was first */
               "# HELP t_bytes_sum Bytes.\n# TYPE t_bytes_sum counter\n"
               "t_bytes_sum{who=\"part\"} 9\n"
               "# HELP t_parts_only_sum Parts.\n# TYPE t_parts_only_sum counter\n"
               "t_parts_only_sum{who=\"part\"} 8\n");
    add(tables[0], 3, "whole", 7);
    EXPECT_HAS(show_all(tables, 2), "t_bytes_sum{who=\"whole\"} 7\nt_bytes_sum{who=\"part\"} 9\n");
    const char *head = strstr(show_all(tables, 2), "# TYPE t_bytes_sum ");
    EXPECT(head != NULL && strstr(head + 1, "# TYPE t_bytes_sum ") == NULL);
    meters_free(tables[0]);
    meters_free(tables[1]);
}

TEST(odd_bytes_stay_inside_their_label)
{
    struct meters *m = meters_new(&plan, NULL);
    add(m, 0, "q\"b\\n\nu\xff", 1);
    EXPECT_HAS(show(m), "t_bytes_sum{who=\"q\\\"b\\\\n\\nu?~");       /* and a hash of all of it */
    EXPECT_HAS(show(m), "\"} 1\n");
    meters_free(m);
}

/* ---- Threads */

enum { ROUNDS = 20000, WRITERS = 3 };

static void *add_much(void *table)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct meter_key gone = key_of(0, (uint64_t)i);
        meter_add(table, &gone, "gone", &(struct meter_delta){.by[BYTES] = 1});
        add(table, 1, "here", 2);
    }
    return NULL;
}

TEST(adding_and_showing_at_once)
{
    struct meters *m = meters_new(&plan, NULL);
    add(m, 1, "here", 0);                   /* its own series, whoever comes first */
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) pthread_create(&threads[i], NULL, add_much, m);
    for (int i = 0; i < 200; i++) EXPECT_LACKS(show(m), "gone");
    for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
    char want[64];
    snprintf(want, sizeof want, "t_bytes_sum{who=\"here\"} %d\n", 2 * ROUNDS * WRITERS);
    EXPECT_HAS(show(m), want);
    meters_free(m);
}

TESTS(RUN(a_page_is_in_order_of_names_and_labels),
      RUN(a_zeroed_delta_makes_series_and_adds_nothing),
      RUN(a_rate_is_of_this_minute_and_the_one_before), RUN(a_maximum_fades),
      RUN(keys_beyond_the_limit_share_one_line), RUN(labels_beyond_the_limit_share_that_line),
      RUN(gone_keys_are_forgotten), RUN(a_name_of_two_tables_has_one_head),
      RUN(odd_bytes_stay_inside_their_label), RUN(adding_and_showing_at_once))
