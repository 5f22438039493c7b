/* What a page of /metrics has read from disk before it is written: what it finds, that it asks
 * once, that a slow disk holds no page up. */
#include "broker/metrics/look_up.h"
#include "base/net/loop.h"
#include "storage/threads.h"
#include "unit/broker/collect_fixture.h"

static struct loop *loop;

struct waiter {
    struct look_up_wait wait;
    int told;
};

static void on_done(struct look_up_wait *w)
{
    CONTAINER_OF(w, struct waiter, wait)->told++;
}

static void look_up(struct waiter *w)
{
    *w = (struct waiter){.wait.done = on_done};
    broker_look_up(&broker, loop, &w->wait);
    EXPECT_EQ(w->told, 0);
    EXPECT(codecs_turn(store_codecs(cx.s)));        /* where the rows are gathered */
    loop_turn(loop, 0);
}

static void run(void)
{
    for (int i = 0; i < 100; i++) {
        cx_turn(&cx);
        loop_turn(loop, 0);
    }
}

/* Records that arrived 1.5 s apart, in logs that nobody used since the start. */
static void begin_cold(int32_t partitions, int records)
{
    begin();
    loop = loop_new("test");
    EXPECT_OK(cx_create(&cx, "t", partitions));
    for (int i = 0; i < records; i++) {
        EXPECT_OK(cx_append(&cx, "t", 0, NULL));
        cx_advance_ms(1500);
    }
}

static void end_all(void)
{
    run();
    loop_free(loop);
    end();
}

#define LAG(group, value)                                                                          \
    "kafka_consumergroup_lag{consumergroup=\"" group "\",topic=\"t\",partition=\"0\"} " value
#define SECONDS(group, value)                                                                      \
    "kafka_consumergroup_lag_seconds{consumergroup=\"" group                                       \
    "\",topic=\"t\",partition=\"0\"} " value

TEST(a_page_after_a_restart_has_everything)
{
    begin_cold(20, 3);
    commit("g", "t", 0, 1);
    commit("h", "t", 0, 3);
    restart();
    EXPECT_EQ(count_of(scrape(), "kafka_topic_partition_current_offset{"), 0);
    struct waiter w;
    look_up(&w);
    EXPECT_EQ(w.told, 0);
    run();
    EXPECT_EQ(w.told, 1);
    const char *text = scrape();
    EXPECT_EQ(count_of(text, "kafka_topic_partition_current_offset{"), 20);
    EXPECT(has_line(text, "kafka_topic_partition_current_offset{topic=\"t\",partition=\"0\"} 3"));
    EXPECT(has_line(text, LAG("g", "2")));
    EXPECT(has_line(text, SECONDS("g", "3.000")));
    EXPECT(has_line(text, LAG("h", "0")));
    EXPECT(has_line(text, SECONDS("h", "0.000")));
    cx_advance_ms(500);
    look_up(&w);
    EXPECT_EQ(w.told, 1);           /* all is known: nothing was read again */
    EXPECT(has_line(scrape(), SECONDS("g", "3.500")));
    commit("g", "t", 0, 2);         /* another record is the first one now */
    EXPECT_EQ(count_of(scrape(), "lag_seconds{consumergroup=\"g\""), 0);
    look_up(&w);
    run();
    EXPECT_EQ(w.told, 1);
    EXPECT(has_line(scrape(), SECONDS("g", "2.000")));
    end_all();
}

static void delete_records(int64_t before)
{
    struct control c = {.kind = CONTROL_DELETE_RECORDS, .name = BYTES_LIT("t"), .offset = before};
    EXPECT_OK(cx_control(&cx, &c));
}

TEST(what_was_removed_is_not_waited_for)
{
    begin_cold(1, 3);
    commit("g", "t", 0, 0);
    delete_records(2);
    EXPECT(has_line(scrape(), SECONDS("g", "1.500")));
    restart();
    struct waiter w;
    look_up(&w);
    run();
    EXPECT_EQ(w.told, 1);
    EXPECT(has_line(scrape(), SECONDS("g", "1.500")));
    EXPECT(has_line(page, LAG("g", "3")));
    end_all();
}

TEST(a_disk_that_hangs_holds_no_page_up)
{
    enum { PARTITIONS = 3 * LOOK_UPS_MAX };
    begin_cold(PARTITIONS, 0);
    EXPECT_OK(cx_append(&cx, "t", PARTITIONS - 1, NULL));
    commit("g", "t", PARTITIONS - 1, 0);
    restart();
    struct waiter w;
    look_up(&w);
    cx_advance_ms(LOOK_UP_WAIT_MS - 1);
    loop_turn(loop, 0);
    EXPECT_EQ(w.told, 0);
    cx_advance_ms(1);
    loop_turn(loop, 0);
    EXPECT_EQ(w.told, 1);
    run();                          /* what was under way comes back, and no more is begun */
    EXPECT_EQ(w.told, 1);
    EXPECT_EQ(count_of(scrape(), "kafka_topic_partition_current_offset{"), LOOK_UPS_MAX);
    EXPECT_EQ(count_of(page, "lag_seconds{consumergroup=\"g\""), 1);
    look_up(&w);                    /* the next page goes on from there */
    run();
    EXPECT_EQ(w.told, 1);
    EXPECT_EQ(count_of(scrape(), "kafka_topic_partition_current_offset{"), PARTITIONS);
    end_all();
}

TEST(a_page_that_nobody_waits_for_reads_no_more)
{
    begin_cold(3 * LOOK_UPS_MAX, 0);
    restart();
    struct waiter w;
    look_up(&w);
    w.wait.gone = true;
    run();
    EXPECT_EQ(w.told, 1);
    EXPECT_EQ(count_of(scrape(), "kafka_topic_partition_current_offset{"), LOOK_UPS_MAX);
    end_all();
}

TEST(a_read_that_fails_leaves_its_number_out)
{
    begin_cold(2, 3);
    commit("g", "t", 0, 1);
    restart();
    struct waiter w;
    look_up(&w);
    EXPECT_OK(cx_delete(&cx, "t"));
    run();
    EXPECT_EQ(w.told, 1);
    EXPECT_EQ(count_of(scrape(), "\"t\""), 0);
    end_all();
}

TESTS(RUN(a_page_after_a_restart_has_everything), RUN(what_was_removed_is_not_waited_for),
      RUN(a_disk_that_hangs_holds_no_page_up), RUN(a_page_that_nobody_waits_for_reads_no_more),
      RUN(a_read_that_fails_leaves_its_number_out))
