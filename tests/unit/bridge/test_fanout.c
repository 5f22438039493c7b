/* SubscribeToShard from its first byte to its last: pushes, heartbeats, take-over, shard end,
 * clients that leave, sleep or are too slow. All on a clock that only the test moves. */
#include "bridge/fanout.h"
#include "unit/bridge/meter_fixture.h"

static struct bx f;
static struct bx_client *boss;          /* for what is not a subscription */
static char consumer[256];

static void register_consumer(void)
{
    EXPECT_EQ(BX_CALL(&f, boss, "RegisterStreamConsumer",
                      "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/"
                      "s\",\"ConsumerName\":\"c\"}"),
              200);
    snprintf(consumer, sizeof consumer, "%s", bx_text(boss->body, "\"ConsumerARN\":\""));
}

static void begin(int shards)
{
    bx_init(&f);
    EXPECT_OK(cx_create(&f.cx, "s", shards));
    boss = bx_connect(&f);
    register_consumer();
    bx_put(&f, boss, "s", "AAAA");      /* opens the log */
}

static struct bx_client *subscribe(int shard, const char *type)
{
    struct bx_client *c = bx_connect(&f);
    char body[1024];
    snprintf(body, sizeof body,
             "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-%012d\",\"StartingPosition\":{\"Type\":"
             "\"%s\"}}",
             consumer, shard, type);
    bx_send(&f, c, "SubscribeToShard", body);
    bx_turn(&f);
    return c;
}

/* What came, with its zero bytes turned into dots so that it can be searched as text. */
static const char *seen(struct bx_client *c)
{
    for (size_t i = 0; i < c->len; i++)
        if (c->bytes[i] == '\0') c->bytes[i] = '.';
    return c->bytes;
}

static int events(struct bx_client *c)
{
    return bx_count(seen(c), "\"MillisBehindLatest\"");
}

static int records(struct bx_client *c)
{
    return bx_count(seen(c), "\"PartitionKey\"");
}

static bool is_over(struct bx_client *c)
{
    return c->len >= 5 && memcmp(c->bytes + c->len - 5, "0\r\n\r\n", 5) == 0;
}

TEST(records_are_pushed_after_an_initial_response)
{
    begin(1);
    struct bx_client *c = subscribe(0, "TRIM_HORIZON");
    const char *initial = strstr(seen(c), "initial-response"),
               *event = strstr(c->bytes, "SubscribeToShardEvent");
    EXPECT(strncmp(c->bytes, "HTTP/1.1 200", 12) == 0);
    EXPECT(initial != NULL && event != NULL && initial < event);
    EXPECT_EQ(records(c), 1);
    EXPECT_HAS(seen(c), "\"ContinuationSequenceNumber\"");
    bx_put(&f, boss, "s", "AQEB");
    EXPECT_EQ(records(c), 2);           /* no time went by: nothing polls */
    EXPECT_HAS(seen(c), "\"AQEB\"");
    bx_done(&f);
}

TEST(latest_begins_behind_what_is_there)
{
    begin(1);
    struct bx_client *c = subscribe(0, "LATEST");
    EXPECT_EQ(records(c), 0);
    bx_put(&f, boss, "s", "AQEB");
    EXPECT_EQ(records(c), 1);
    bx_done(&f);
}

TEST(an_empty_event_comes_at_least_every_five_seconds_until_five_minutes_are_over)
{
    begin(1);
    struct bx_client *c = subscribe(0, "LATEST");
    for (int second = 5; second <= 295; second += 5) {
        int before = events(c);
        bx_advance(&f, 5000);
        EXPECT(events(c) > before);
    }
    EXPECT_EQ(records(c), 0);
    EXPECT(!is_over(c));
    EXPECT_EQ(events(c), bx_count(seen(c), "\"ContinuationSequenceNumber\""));
    bx_advance(&f, 6000);
    EXPECT(is_over(c));
    EXPECT_LACKS(seen(c), "Exception");
    bx_done(&f);
}

TEST(a_second_subscription_waits_five_seconds_and_then_takes_over)
{
    begin(1);
    struct bx_client *first = subscribe(0, "LATEST");
    bx_advance(&f, 4900);
    struct bx_client *refused = subscribe(0, "LATEST");
    EXPECT(strncmp(refused->bytes, "HTTP/1.1 400", 12) == 0);
    EXPECT_HAS(refused->bytes, "ResourceInUseException");
    EXPECT_HAS(refused->bytes, "Another active subscription exists for this consumer: "
                               "000000000000:s:shardId-000000000000:c");
    EXPECT(!is_over(first));
    bx_advance(&f, 200);
    struct bx_client *second = subscribe(0, "LATEST");
    EXPECT(strncmp(second->bytes, "HTTP/1.1 200", 12) == 0);
    EXPECT(is_over(first));
    EXPECT_HAS(seen(first), "ResourceInUseException");
    bx_put(&f, boss, "s", "AQEB");
    EXPECT_EQ(records(first), 0);
    EXPECT_EQ(records(second), 1);
    bx_done(&f);
}

TEST(another_shard_is_another_subscription)
{
    begin(2);
    struct bx_client *c0 = subscribe(0, "TRIM_HORIZON"), *c1 = subscribe(1, "TRIM_HORIZON");
    EXPECT(!is_over(c0) && !is_over(c1));
    EXPECT_EQ(records(c0) + records(c1), 1);
    bx_done(&f);
}

TEST(a_shard_that_ends_names_its_children_once_and_no_continuation)
{
    begin(1);
    struct bx_client *c = subscribe(0, "TRIM_HORIZON");
    EXPECT_OK(cx_split(&f.cx, "s", 0, bx_half()));
    bx_turn(&f);
    EXPECT(is_over(c));                 /* no time went by: the change itself wakes */
    bx_put(&f, boss, "s", "AQEB");      /* goes to a child, perhaps on the same partition */
    bx_advance(&f, 5000);
    EXPECT_EQ(records(c), 1);
    EXPECT_EQ(bx_count(seen(c), "\"ChildShards\""), 1);
    const char *last = strstr(seen(c), "\"ChildShards\"");
    EXPECT_HAS(last, "shardId-000000000001");
    EXPECT_HAS(last, "shardId-000000000002");
    EXPECT_LACKS(last, "\"ContinuationSequenceNumber\"");
    /* Whoever comes later gets the same. */
    bx_disconnect(c);
    bx_turn(&f);
    struct bx_client *late = subscribe(0, "TRIM_HORIZON");
    EXPECT(is_over(late));
    EXPECT_EQ(records(late), 1);
    EXPECT_EQ(bx_count(seen(late), "\"ChildShards\""), 1);
    bx_done(&f);
}

/* The latest event's. */
static const char *continuation(struct bx_client *c)
{
    static const char name[] = "\"ContinuationSequenceNumber\":\"";
    const char *at = strstr(seen(c), name), *last = at;
    for (; at != NULL; at = strstr(at + 1, name)) last = at;
    EXPECT(last != NULL);
    return bx_text(last, name);
}

static struct bx_client *go_on(const char *type, const char *number)
{
    struct bx_client *c = bx_connect(&f);
    char body[1024];
    snprintf(body, sizeof body,
             "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-000000000000\",\"StartingPosition\":{"
             "\"Type\":\"%s\",\"SequenceNumber\":\"%s\"}}",
             consumer, type, number);
    bx_send(&f, c, "SubscribeToShard", body);
    bx_turn(&f);
    EXPECT(strncmp(c->bytes, "HTTP/1.1 200", 12) == 0);
    return c;
}

/* At it or after it, from an event with records or without: each record comes once. */
TEST(a_reader_goes_on_where_the_event_says_and_gets_each_record_once)
{
    static const char *const types[] = {"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"};
    for (int type = 0; type < 2; type++) {
        begin(1);
        for (int i = 0; i < 2; i++) bx_put(&f, boss, "s", "AQEB");
        struct bx_client *c = subscribe(0, "TRIM_HORIZON");
        EXPECT_EQ(records(c), 3);
        char number[128], later[128];
        snprintf(number, sizeof number, "%s", continuation(c));
        EXPECT_EQ(strlen(number), 56);
        char own[160];
        snprintf(own, sizeof own, "\"SequenceNumber\":\"%s\"", number);
        EXPECT_LACKS(seen(c), own);             /* of no record */
        bx_advance(&f, 6000);
        EXPECT(events(c) > 1);
        EXPECT(strcmp(number, continuation(c)) <= 0);       /* of an event without records */
        c = go_on(types[type], number);
        EXPECT_EQ(records(c), 0);
        bx_put(&f, boss, "s", "AgIC");
        EXPECT_EQ(records(c), 1);
        EXPECT_HAS(seen(c), "AgIC");
        snprintf(later, sizeof later, "%s", continuation(c));
        EXPECT(strcmp(number, later) < 0);
        /* An iterator takes it too. */
        const char *const numbers[] = {number, later};
        for (int i = 0; i < 2; i++) {
            EXPECT_EQ(BX_CALL(&f, boss, "GetShardIterator",
                              "{\"StreamName\":\"s\",\"ShardId\":\"shardId-000000000000\","
                              "\"ShardIteratorType\":\"%s\",\"StartingSequenceNumber\":\"%s\"}",
                              types[type], numbers[i]),
                      200);
            EXPECT_EQ(bx_read(&f, boss, bx_text(boss->body, "\"ShardIterator\":\"")), 200);
            EXPECT_EQ(bx_count(boss->body, "\"PartitionKey\""), 1 - i);
        }
        EXPECT_EQ(BX_CALL(&f, boss, "PutRecord",
                          "{\"StreamName\":\"s\",\"Data\":\"\",\"PartitionKey\":\"k\","
                          "\"SequenceNumberForOrdering\":\"%s\"}",
                          later),
                  200);
        EXPECT(strcmp(later, bx_text(boss->body, "\"SequenceNumber\":\"")) < 0);
        bx_done(&f);
    }
}

/* Before anything was written: in front of the first record. */
TEST(a_reader_of_an_empty_shard_is_told_where_to_go_on)
{
    bx_init(&f);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    boss = bx_connect(&f);
    register_consumer();
    struct bx_client *c = subscribe(0, "LATEST");
    bx_advance(&f, 5000);
    char number[128];
    snprintf(number, sizeof number, "%s", continuation(c));
    bx_put(&f, boss, "s", "AQEB");
    EXPECT_EQ(records(c), 1);
    EXPECT(strcmp(number, bx_text(boss->body, "\"SequenceNumber\":\"")) < 0);
    bx_advance(&f, 5000);
    EXPECT_EQ(records(go_on("AFTER_SEQUENCE_NUMBER", number)), 1);
    bx_done(&f);
}

TEST(a_log_that_is_not_open_is_read_from_disk)
{
    begin(1);
    bx_restart(&f);
    boss = bx_connect(&f);
    struct bx_client *c = subscribe(0, "TRIM_HORIZON");
    EXPECT_EQ(records(c), 1);
    bx_put(&f, boss, "s", "AQEB");
    EXPECT_EQ(records(c), 2);
    bx_done(&f);
}

TEST(a_client_that_leaves_while_its_watch_flies_harms_nobody)
{
    begin(1);
    struct bx_client *c = subscribe(0, "LATEST");
    EXPECT_OK(cx_append(&f.cx, "s", 0, NULL));      /* the watch fired, the loop has not seen it */
    bx_disconnect(c);
    bx_turn(&f);
    struct bx_client *early = subscribe(0, "LATEST");
    EXPECT_HAS(early->bytes, "ResourceInUseException");         /* AWS counts calls */
    bx_advance(&f, 5000);
    struct bx_client *next = subscribe(0, "LATEST");
    EXPECT(strncmp(next->bytes, "HTTP/1.1 200", 12) == 0);      /* its place is free */
    bx_disconnect(next);
    bx_loop_turn(&f);
    EXPECT_OK(cx_append(&f.cx, "s", 0, NULL));
    bx_done(&f);
}

TEST(a_client_that_leaves_before_its_position_is_known_harms_nobody)
{
    begin(1);
    struct bx_client *c = bx_connect(&f);
    char body[1024];
    snprintf(body, sizeof body,
             "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-000000000000\",\"StartingPosition\":{"
             "\"Type\":\"AT_TIMESTAMP\","
             "\"Timestamp\":1}}",
             consumer);
    bx_send(&f, c, "SubscribeToShard", body);
    bx_loop_turn(&f);                   /* storage has the look-up */
    bx_disconnect(c);
    bx_loop_turn(&f);
    bx_done(&f);
}

TEST(a_slow_client_holds_back_its_own_stream_and_loses_nothing)
{
    enum { COUNT = 64, BYTES = 200 << 10 };
    begin(1);
    static char data[BYTES + 1];
    memset(data, 'A', BYTES);
    struct bx_client *slow = subscribe(0, "LATEST");
    slow->paused = true;
    char *body = NEW_ARRAY(char, BYTES + 256);
    for (int i = 0; i < COUNT; i++) {
        snprintf(body, BYTES + 256,
                 "{\"StreamName\":\"s\",\"PartitionKey\":\"n%d\",\"Data\":\"%s\"}", i, data);
        EXPECT_EQ(bx_call(&f, boss, "PutRecord", body), 200);
    }
    mem_free(body);
    /* What was made into events is bounded, and the door's memory with it. */
    long pushed = strtol(meter_shown(f.bridge, "subscribe_to_shard_event_records_sum",
                                     "stream_name=\"s\",consumer_name=\"c\""),
                         NULL, 10);
    EXPECT(pushed > 0 && pushed < COUNT / 2);
    slow->paused = false;
    for (int i = 0; i < 200 && records(slow) < COUNT; i++) bx_turn(&f);
    EXPECT_EQ(records(slow), COUNT);
    const char *at = seen(slow);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "\"n%d\"", i);
        at = strstr(at, key);
        EXPECT(at != NULL);
    }
    bx_done(&f);
}

/* Bytes that were made into events of all consumers of the stream. */
static long pushed_bytes(int consumers)
{
    long bytes = 0;
    for (int i = 0; i < consumers; i++) {
        char labels[64];
        snprintf(labels, sizeof labels, "stream_name=\"s\",consumer_name=\"c%d\"", i);
        bytes += strtol(meter_shown(f.bridge, "subscribe_to_shard_event_bytes_sum", labels), NULL,
                        10);
    }
    return bytes;
}

/* So many records of some size, which all consumers then have to catch up with, and the one record
 * of begin(). */
enum { BACKLOG = 40, BACKLOG_BYTES = 128 << 10 };

static void store_backlog(void)
{
    char *body = NEW_ARRAY(char, BACKLOG_BYTES + 256);
    int head = snprintf(body, 128, "{\"StreamName\":\"s\",\"PartitionKey\":\"k\",\"Data\":\"");
    memset(body + head, 'A', BACKLOG_BYTES);
    snprintf(body + head + BACKLOG_BYTES, 8, "\"}");
    for (int i = 0; i < BACKLOG; i++) EXPECT_EQ(bx_call(&f, boss, "PutRecord", body), 200);
    mem_free(body);
}

/* Each a consumer of its own, c0 and so on; they have not been answered yet. */
static void subscribe_all(struct bx_client **clients, int count)
{
    char asks[BX_CLIENTS_MAX][512];
    for (int i = 0; i < count; i++) {
        EXPECT_EQ(BX_CALL(&f, boss, "RegisterStreamConsumer",
                          "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\","
                          "\"ConsumerName\":\"c%d\"}",
                          i),
                  200);
        snprintf(asks[i], sizeof asks[i],
                 "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-000000000000\","
                 "\"StartingPosition\":{\"Type\":\"TRIM_HORIZON\"}}",
                 bx_text(boss->body, "\"ConsumerARN\":\""));
        clients[i] = bx_connect(&f);
    }
    for (int i = 0; i < count; i++) bx_send(&f, clients[i], "SubscribeToShard", asks[i]);
}

/* Of the client that has the fewest. */
static int least_records(struct bx_client **clients, int count)
{
    int least = records(clients[0]);
    for (int i = 1; i < count; i++)
        if (records(clients[i]) < least) least = records(clients[i]);
    return least;
}

/* All of them have much to catch up with: nobody else on the loop waits for more than a turn's
 * worth, and none of them for the others. */
TEST(subscriptions_of_a_loop_take_turns)
{
    enum { CONSUMERS = 6, TURN_BYTES_MOST = 2200 << 10 };
    begin(1);
    store_backlog();
    struct bx_client *clients[CONSUMERS];
    subscribe_all(clients, CONSUMERS);
    for (int turn = 0; turn < 2000 && least_records(clients, CONSUMERS) <= BACKLOG; turn++) {
        long before = pushed_bytes(CONSUMERS);
        cx_turn(&f.cx);
        bx_loop_turn(&f);
        EXPECT(pushed_bytes(CONSUMERS) - before < TURN_BYTES_MOST);
        int most = 0;
        for (int i = 0; i < CONSUMERS; i++) {
            int have = records(clients[i]);
            most = have > most ? have : most;
        }
        EXPECT(turn < 4 || most - least_records(clients, CONSUMERS) <= 16);
    }
    EXPECT_EQ(least_records(clients, CONSUMERS), BACKLOG + 1);
    bx_done(&f);
}

/* There is memory for the events of two at a time: the others wait for them, each gets all of its
 * records, and what is taken stays within the limit. */
TEST(events_that_are_being_made_share_the_loops_memory)
{
    enum { CONSUMERS = 6, LIMIT = 1 << 20 };
    begin(1);
    struct push_line *line = &f.bridge->loops[0].line;
    line->memory.limit = LIMIT;
    store_backlog();
    struct bx_client *clients[CONSUMERS];
    subscribe_all(clients, CONSUMERS);
    bool waited = false;
    size_t most = 0;
    for (int turn = 0; turn < 2000 && least_records(clients, CONSUMERS) <= BACKLOG; turn++) {
        cx_turn(&f.cx);
        bx_loop_turn(&f);
        size_t used = atomic_load(&line->memory.used);
        most = used > most ? used : most;
        waited |= line->starved.first != NULL;
    }
    EXPECT_EQ(least_records(clients, CONSUMERS), BACKLOG + 1);
    EXPECT(waited && most > LIMIT / 2 && most <= BUDGET_HARD * LIMIT);
    EXPECT_EQ(atomic_load(&line->memory.used), 0);
    bx_done(&f);
}

/* The same when clients leave while they wait. */
TEST(who_leaves_while_it_waits_for_memory_harms_nobody)
{
    enum { CONSUMERS = 6 };
    begin(1);
    struct push_line *line = &f.bridge->loops[0].line;
    line->memory.limit = 1 << 20;
    store_backlog();
    struct bx_client *clients[CONSUMERS];
    subscribe_all(clients, CONSUMERS);
    for (int turn = 0; turn < 100 && line->starved.first == NULL; turn++) {
        cx_turn(&f.cx);
        bx_loop_turn(&f);
    }
    EXPECT(line->starved.first != NULL);
    for (int i = 1; i < CONSUMERS; i++) bx_disconnect(clients[i]);
    for (int turn = 0; turn < 200 && records(clients[0]) <= BACKLOG; turn++) bx_turn(&f);
    EXPECT_EQ(records(clients[0]), BACKLOG + 1);
    EXPECT(line->starved.first == NULL);
    EXPECT_EQ(atomic_load(&line->memory.used), 0);
    bx_done(&f);
}

/* An event that does not fit comes later; meanwhile the client hears that it is not forgotten. */
TEST(an_event_for_which_there_is_no_memory_comes_later)
{
    enum { LIMIT = 400 << 10, BYTES = 1200 << 10 };     /* in base64: more than twice LIMIT */
    begin(1);
    struct bx_client *c = subscribe(0, "LATEST");
    f.bridge->loops[0].line.memory.limit = LIMIT;
    char *body = NEW_ARRAY(char, BYTES + 256);
    int head = snprintf(body, 128, "{\"StreamName\":\"s\",\"PartitionKey\":\"k\",\"Data\":\"");
    memset(body + head, 'A', BYTES);
    snprintf(body + head + BYTES, 8, "\"}");
    EXPECT_EQ(bx_call(&f, boss, "PutRecord", body), 200);
    mem_free(body);
    int before = events(c);
    bx_advance(&f, 10000);
    EXPECT(records(c) == 0 && events(c) >= before + 2 && !is_over(c));
    f.bridge->loops[0].line.memory.limit = FANOUT_LOOP_BYTES;
    bx_advance(&f, 100);
    EXPECT_EQ(records(c), 1);
    EXPECT_EQ(atomic_load(&f.bridge->loops[0].line.memory.used), 0);
    bx_done(&f);
}

/* Where much waits to be sent already, each of them takes little more. */
TEST(slow_subscriptions_share_the_loops_room)
{
    enum { COUNT = 64, BYTES = 32 << 10, PUSHED_MOST = 600 << 10 };
    begin(1);
    char *body = NEW_ARRAY(char, BYTES + 256);
    int head = snprintf(body, 128, "{\"StreamName\":\"s\",\"PartitionKey\":\"k\",\"Data\":\"");
    memset(body + head, 'A', BYTES);
    snprintf(body + head + BYTES, 8, "\"}");
    struct bx_client *slow = subscribe(0, "LATEST");
    slow->paused = true;
    room_promise(loop_room(f.loop), ROOM_BYTES);
    for (int i = 0; i < COUNT; i++) EXPECT_EQ(bx_call(&f, boss, "PutRecord", body), 200);
    mem_free(body);
    long pushed = strtol(meter_shown(f.bridge, "subscribe_to_shard_event_bytes_sum",
                                     "stream_name=\"s\",consumer_name=\"c\""),
                         NULL, 10);
    EXPECT(pushed > 0 && pushed < PUSHED_MOST);
    room_release(loop_room(f.loop), ROOM_BYTES);
    slow->paused = false;
    for (int i = 0; i < 400 && records(slow) < COUNT; i++) bx_turn(&f);
    EXPECT_EQ(records(slow), COUNT);
    bx_done(&f);
}

TEST(heartbeats_go_on_after_the_pipe_was_full)
{
    begin(1);
    static char body[900 << 10];
    int head = snprintf(body, sizeof body,
                        "{\"StreamName\":\"s\",\"PartitionKey\":\"k\",\"Data\":\"");
    memset(body + head, 'A', 800 << 10);
    snprintf(body + head + (800 << 10), 8, "\"}");
    for (int i = 0; i < 6; i++) EXPECT_EQ(bx_call(&f, boss, "PutRecord", body), 200);
    /* 3.5 MiB, an event a record: the fourth and each one after it overdraws the 2 MiB a second. */
    limits_set(f.limits, LIMITS_KINESIS);
    struct bx_client *c = subscribe(0, "TRIM_HORIZON");
    EXPECT(records(c) < 6);
    bx_advance(&f, 3000);
    EXPECT_EQ(records(c), 7);
    for (int i = 0; i < 3; i++) {
        int before = events(c);
        bx_advance(&f, 5000);
        EXPECT(events(c) > before);
    }
    bx_done(&f);
}

TEST(a_consumer_or_stream_that_goes_ends_the_subscription)
{
    begin(1);
    struct bx_client *c = subscribe(0, "LATEST");
    EXPECT_EQ(BX_CALL(&f, boss, "DeregisterStreamConsumer", "{\"ConsumerARN\":\"%s\"}", consumer),
              200);
    bx_turn(&f);
    EXPECT(is_over(c));
    EXPECT_HAS(seen(c), "ResourceNotFoundException");
    bx_done(&f);

    begin(1);
    c = subscribe(0, "LATEST");
    EXPECT_EQ(BX_CALL(&f, boss, "DeleteStream",
                      "{\"StreamName\":\"s\",\"EnforceConsumerDeletion\":true}"),
              200);
    bx_turn(&f);
    EXPECT(is_over(c));
    EXPECT_HAS(seen(c), "ResourceNotFoundException");
    bx_done(&f);
}

TESTS(RUN(records_are_pushed_after_an_initial_response), RUN(latest_begins_behind_what_is_there),
      RUN(an_empty_event_comes_at_least_every_five_seconds_until_five_minutes_are_over),
      RUN(a_second_subscription_waits_five_seconds_and_then_takes_over),
      RUN(another_shard_is_another_subscription),
      RUN(a_shard_that_ends_names_its_children_once_and_no_continuation),
      RUN(a_reader_goes_on_where_the_event_says_and_gets_each_record_once),
      RUN(a_reader_of_an_empty_shard_is_told_where_to_go_on),
      RUN(a_log_that_is_not_open_is_read_from_disk),
      RUN(a_client_that_leaves_while_its_watch_flies_harms_nobody),
      RUN(a_client_that_leaves_before_its_position_is_known_harms_nobody),
      RUN(a_slow_client_holds_back_its_own_stream_and_loses_nothing),
      RUN(subscriptions_of_a_loop_take_turns),
      RUN(events_that_are_being_made_share_the_loops_memory),
      RUN(who_leaves_while_it_waits_for_memory_harms_nobody),
      RUN(an_event_for_which_there_is_no_memory_comes_later),
      RUN(slow_subscriptions_share_the_loops_room),
      RUN(heartbeats_go_on_after_the_pipe_was_full),
      RUN(a_consumer_or_stream_that_goes_ends_the_subscription))
