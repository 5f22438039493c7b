/* The test of the test: each promise that the ledger compares, broken by hand. */
#include "sim/ledger.h"
#include "sim/ledger_group.h"
#include "test.h"

static struct ledger l;
static struct ledger_group g;

static void begin(void)
{
    l = (struct ledger){.retention_ms = -1};
    g = (struct ledger_group){0};
}

/* A record that was acknowledged at this offset of log 0, and is still there. */
static int32_t stored(int64_t offset, int64_t sent_ms)
{
    char key[LEDGER_TEXT_BYTES], value[LEDGER_TEXT_BYTES];
    int32_t number = ledger_new(&l, 0, sent_ms);
    ledger_key(number, key);
    ledger_value(number, value);
    ledger_acknowledge(&l, number, offset);
    for (enum ledger_door door = 0; door < LEDGER_DOORS; door++) {
        ledger_see(&l, door, 0, offset, key, value);
        ledger_last(&l, door, key);
    }
    return number;
}

/* From the front of the log. */
static void drop(int32_t number)
{
    l.records[number].last[LEDGER_KAFKA] = l.records[number].last[LEDGER_KINESIS] = false;
    l.log_start[0] = l.records[number].offset + 1;
}

static void expect_wrong(const char *text)
{
    ledger_close(&l);
    if (strstr(l.wrong, text) == NULL) fail_msg("\"%s\" is not \"%s\"", l.wrong, text);
}

TEST(retention_takes_what_is_past_its_time_and_nothing_else)
{
    begin();
    int32_t old = stored(0, 1000);
    stored(1, 5000);
    ledger_retention_asked(&l, 3000);
    ledger_time(&l, 4001);
    drop(old);
    expect_wrong("");
    EXPECT_EQ(l.expired, 1);
    ledger_retention_is(&l, 1000000);
    ledger_time(&l, 100000);            /* is kept so long again */
    drop(1);
    expect_wrong("record 1 is lost");
}

TEST(what_goes_stands_in_front_of_what_stays)
{
    begin();
    stored(0, 1000);
    int32_t second = stored(1, 1000);
    ledger_retention_asked(&l, 10);
    ledger_time(&l, 5000);
    drop(second);                       /* and the first one is there */
    expect_wrong("record 0 is there at offset 0, the log starts at 2");
}

TEST(what_was_dropped_behind_the_start_of_its_log_is_lost)
{
    begin();
    int32_t only = stored(4, 1000);
    ledger_retention_asked(&l, 10);
    ledger_time(&l, 5000);
    drop(only);
    l.log_start[0] = 0;
    expect_wrong("record 0 is gone at offset 4, the log starts at 0");
}

TEST(what_had_to_be_refused_is_nowhere)
{
    begin();
    int32_t number = ledger_new(&l, 0, 0);
    l.records[number].never = true;
    ledger_see(&l, LEDGER_KAFKA, 0, 0, "key-00000", "value-000000");
    expect_wrong("record 0 had to be refused");
}

TEST(a_batch_that_is_there_twice_is_found)
{
    begin();
    stored(0, 0);
    ledger_see(&l, LEDGER_KAFKA, 0, 7, "key-00000", "value-000000");
    expect_wrong("record 0 is at 0:0 and at 0:7");
}

TEST(a_subscription_brings_all_in_front_of_where_it_is)
{
    begin();
    int32_t push = ledger_push_begin(&l, 0, 1);
    for (int64_t offset = 0; offset < 4; offset++) stored(offset, 0);
    ledger_pushed(&l, push, "key-00001", 1);
    ledger_pushed(&l, push, "key-00002", 2);
    expect_wrong("");                   /* the first is in front of it, the last behind */
    ledger_push_is_at(&l, push, 4);
    expect_wrong("record 3 was not pushed by subscription 0");
}

TEST(a_subscription_does_not_go_back)
{
    begin();
    stored(0, 0);
    int32_t push = ledger_push_begin(&l, 0, 0);
    ledger_pushed(&l, push, "key-00000", 0);
    ledger_pushed(&l, push, "key-00000", 0);
    expect_wrong("subscription 0 goes back from 1 to 0");
}

TEST(a_partition_has_one_member_a_generation)
{
    begin();
    ledger_group_assigned(&l, &g, 0, 1, 0x3);
    ledger_group_assigned(&l, &g, 1, 1, 0x4);
    ledger_group_assigned(&l, &g, 1, 2, 0x1);
    ledger_group_assigned(&l, &g, 0, 1, 0x7);       /* heard late */
    expect_wrong("");
    ledger_group_assigned(&l, &g, 0, 2, 0x1);
    expect_wrong("generation 2 gives a partition to two members");
}

TEST(a_commit_of_an_old_generation_and_one_that_goes_back_are_found)
{
    begin();
    g.sent[1] = 9;
    ledger_group_committed(&l, &g, 1, 5, false);
    ledger_group_read(&l, &g, 1, 7, ledger_group_least(&g, 1));
    expect_wrong("");
    EXPECT_EQ(ledger_group_least(&g, 1), 7);
    ledger_group_read(&l, &g, 1, 6, ledger_group_least(&g, 1));
    expect_wrong("offset 6 is committed, 7 was acknowledged or read");
    begin();
    ledger_group_read(&l, &g, 0, 1, 0);
    expect_wrong("nobody committed 1");
    begin();
    ledger_group_committed(&l, &g, 0, 1, true);
    expect_wrong("a member of an old generation committed 1");
}

TESTS(RUN(retention_takes_what_is_past_its_time_and_nothing_else),
      RUN(what_goes_stands_in_front_of_what_stays),
      RUN(what_was_dropped_behind_the_start_of_its_log_is_lost),
      RUN(what_had_to_be_refused_is_nowhere), RUN(a_batch_that_is_there_twice_is_found),
      RUN(a_subscription_brings_all_in_front_of_where_it_is),
      RUN(a_subscription_does_not_go_back), RUN(a_partition_has_one_member_a_generation),
      RUN(a_commit_of_an_old_generation_and_one_that_goes_back_are_found))
