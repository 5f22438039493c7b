/* Large requests take turns on their loop: one that takes long begins in a turn of its own, and
 * catalog changes are asked for some at a time. Everything is turned by hand. */
#include <unistd.h>
#include "broker/changes.h"
#include "protocol/kafka/msg/list_offsets.h"
#include "tests/conn_pair.h"
#include "unit/broker/broker_fixture.h"

enum { CLIENTS = 4, PARTITIONS = 20000, RESOURCES = 2000, NAME_CHARS = 8, TURNS_MAX = 1000 };

static struct kv *kv;
static struct store *store;
static struct loop *loop;
static struct broker *broker;
static struct net_counters counters;
static struct budget budget;
static struct door door;
static struct conn_home home;

static void begin(void)
{
    kv = kv_mem_new();
    struct store_options options;
    store_options_default(&options);
    options.kv = kv_mem_share(kv);
    options.manual = true;
    EXPECT_OK(store_open(&options, &store, NULL));
    loop = loop_new("test");
    struct broker_options with;
    broker_options_default(&with);
    broker = broker_new(&with, store, &loop, 1);
    budget_init(&budget, 64 << 20);
    net_counters_init(&counters, "kafka");
    door = (struct door){.name = "kafka", .budget = &budget,
                         .frames = broker_door_new(broker, NULL)};
    net_limits_init(&door.limits);
    home = conn_pair_home(loop, &door, &counters);
}

static struct client *client_new(void)
{
    struct client *c = NEW(struct client);
    c->fd = conn_pair_open(&home);
    arena_init(&c->arena, 64 << 20);
    return c;
}

static void client_gone(struct client *c)
{
    client_close(c);
    loop_turn(loop, 0);
}

static void end(void)
{
    EXPECT_EQ(home.count, 0);
    loop_stop(loop);
    store_finish(store, &loop, 1);
    broker_free(broker);
    store_close(store);
    loop_free(loop);
    frame_home_done(&home);
    EXPECT_EQ(atomic_load(&budget.used), 0);
    kv_close(kv);
}

static bool is_answered(const struct client *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* "0000000", "0000001" ... in one block. */
static struct bytes *names_new(int32_t count)
{
    struct bytes *names = mem_new((size_t)count * (sizeof(struct bytes) + NAME_CHARS));
    char *text = (char *)(names + count);
    for (int32_t i = 0; i < count; i++, text += NAME_CHARS) {
        snprintf(text, NAME_CHARS, "%07d", i);
        names[i] = bytes_str(text);
    }
    return names;
}

/* All that is in w, and turns for the loop to take it out. */
static void send_in_turns(struct client *c, struct writer *w)
{
    for (size_t sent = 0; sent < w->len;) {
        ssize_t n = send(c->fd, w->data + sent, w->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
        loop_turn(loop, 0);
    }
    writer_done(w);
}

/* Of partitions that are not there, all but the last byte. */
static void send_list_offsets(struct client *c, char *ret_last)
{
    struct list_offsets_request_partition *partitions =
        NEW_ARRAY(struct list_offsets_request_partition, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) {
        partitions[i] = LIST_OFFSETS_REQUEST_PARTITION_INIT;
        partitions[i].partition_index = i;
    }
    struct list_offsets_request_topic topic = LIST_OFFSETS_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.partitions = partitions;
    topic.partitions_count = PARTITIONS;
    struct list_offsets_request in = LIST_OFFSETS_REQUEST_INIT;
    in.topics = &topic;
    in.topics_count = 1;
    struct writer w;
    client_begin(c, KAFKA_API_LIST_OFFSETS, 1, &w);
    list_offsets_request_encode(&w, 1, &in);
    store_be32(w.data, (uint32_t)w.len - 4);
    *ret_last = (char)w.data[--w.len];
    send_in_turns(c, &w);
    mem_free(partitions);
}

TEST(large_requests_that_come_together_begin_one_a_turn)
{
    begin();
    struct client *c[CLIENTS];
    char last[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = client_new();
        send_list_offsets(c[i], &last[i]);
    }
    for (int i = 0; i < CLIENTS; i++) EXPECT_EQ(send(c[i]->fd, &last[i], 1, MSG_NOSIGNAL), 1);
    int answered = 0, turns = 0, before = 0;
    for (; answered < CLIENTS; turns++) {
        EXPECT(turns < TURNS_MAX);
        loop_turn(loop, 0);
        answered = 0;
        for (int i = 0; i < CLIENTS; i++) answered += is_answered(c[i]);
        EXPECT(answered - before <= 1);
        before = answered;
    }
    for (int i = 0; i < CLIENTS; i++) client_gone(c[i]);
    end();
}

/* Nobody waits for it: it is dropped before it begins. */
TEST(a_large_request_whose_client_left_does_not_begin)
{
    begin();
    struct client *a = client_new(), *b = client_new();
    char last[2];
    send_list_offsets(a, &last[0]);
    send_list_offsets(b, &last[1]);
    EXPECT_EQ(send(a->fd, &last[0], 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(send(b->fd, &last[1], 1, MSG_NOSIGNAL), 1);
    client_gone(a);
    client_gone(b);
    for (int i = 0; i < 4; i++) loop_turn(loop, 0);
    end();
}

/* Turns the store and the loop in turn; returns how often until the answer is there. */
static int rounds_until_answered(struct client *c)
{
    for (int rounds = 0;; rounds++) {
        EXPECT(rounds < TURNS_MAX);
        if (is_answered(c)) return rounds;
        while (store_turn(store)) continue;
        for (int i = 0; i < 4; i++) loop_turn(loop, 0);
    }
}

TEST(changes_of_one_request_are_asked_for_some_at_a_time)
{
    begin();
    struct client *c = client_new();
    struct bytes *names = names_new(RESOURCES);
    struct create_topics_request_topic *topics =
        NEW_ARRAY(struct create_topics_request_topic, RESOURCES);
    for (int i = 0; i < RESOURCES; i++) {
        topics[i] = CREATE_TOPICS_REQUEST_TOPIC_INIT;
        topics[i].name = names[i];
        topics[i].num_partitions = topics[i].replication_factor = 1;
    }
    struct create_topics_request in = CREATE_TOPICS_REQUEST_INIT;
    in.topics = topics;
    in.topics_count = RESOURCES;
    in.validate_only = true;
    struct writer w;
    client_begin(c, KAFKA_API_CREATE_TOPICS, 4, &w);
    create_topics_request_encode(&w, 4, &in);
    store_be32(w.data, (uint32_t)w.len - 4);
    send_in_turns(c, &w);
    EXPECT(rounds_until_answered(c) >= RESOURCES / CHANGES_UNDER_WAY_MAX);
    struct create_topics_response out;
    RECEIVE(c, create_topics, &out);
    EXPECT_EQ(out.topics_count, RESOURCES);
    for (int i = 0; i < RESOURCES; i++) {
        EXPECT(bytes_equal(out.topics[i].name, names[i]));
        EXPECT_EQ(out.topics[i].error_code, 0);
    }
    client_gone(c);
    mem_free(topics);
    mem_free(names);
    end();
}

TESTS(RUN(large_requests_that_come_together_begin_one_a_turn),
      RUN(a_large_request_whose_client_left_does_not_begin),
      RUN(changes_of_one_request_are_asked_for_some_at_a_time))
