/* A Kafka door over a store in memory without a thread: loop and store are turned by hand. */
#ifndef TESTS_TURNED_DOOR_H
#define TESTS_TURNED_DOOR_H

#include <errno.h>
#include "tests/conn_pair.h"
#include "unit/broker/broker_fixture.h"

enum { TURNS_MAX = 1000 };

struct turned_door {
    struct kv *kv;
    struct store *store;
    struct loop *loop;
    struct broker *broker;
    struct net_counters counters;
    struct budget budget, waiting;
    struct door door;
    struct conn_home home;
};

static inline void turned_begin(struct turned_door *d)
{
    *d = (struct turned_door){.kv = kv_mem_new()};
    struct store_options options;
    store_options_default(&options);
    options.kv = kv_mem_share(d->kv);
    options.manual = true;
    EXPECT_OK(store_open(&options, &d->store, NULL));
    d->loop = loop_new("test");
    struct broker_options with;
    broker_options_default(&with);
    d->broker = broker_new(&with, d->store, &d->loop, 1);
    budget_init(&d->budget, 64 << 20);
    budget_init(&d->waiting, 64 << 20);
    net_counters_init(&d->counters, "kafka");
    d->door = (struct door){.name = "kafka", .budget = &d->budget, .waiting = &d->waiting,
                            .frames = broker_door_new(d->broker, NULL)};
    net_limits_init(&d->door.limits);
    d->home = conn_pair_home(d->loop, &d->door, &d->counters);
}

static inline struct client *turned_client(struct turned_door *d)
{
    struct client *c = NEW(struct client);
    c->fd = conn_pair_open(&d->home);
    arena_init(&c->arena, 64 << 20);
    return c;
}

static inline void turned_client_gone(struct turned_door *d, struct client *c)
{
    client_close(c);
    conn_pair_turn(&d->home);
}

static inline void turned_end(struct turned_door *d)
{
    EXPECT_EQ(d->home.count, 0);
    loop_stop(d->loop);
    store_finish(d->store, &d->loop, 1);
    broker_free(d->broker);
    store_close(d->store);
    loop_free(d->loop);
    frame_home_done(&d->home);
    EXPECT_EQ(atomic_load(&d->budget.used), 0);
    EXPECT_EQ(atomic_load(&d->waiting.used), 0);
    kv_close(d->kv);
}

static inline bool turned_is_answered(const struct client *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Turns both until nothing is left to do, but for what waits. */
static inline void turned_settle(struct turned_door *d)
{
    for (int i = 0; i < 8; i++) {
        while (store_turn(d->store)) continue;
        conn_pair_turn(&d->home);
    }
}

/* Turns the store and the loop in turn; returns how often until the answer is there. */
static inline int turned_until_answered(struct turned_door *d, const struct client *c)
{
    for (int rounds = 0;; rounds++) {
        EXPECT(rounds < TURNS_MAX);
        if (turned_is_answered(c)) return rounds;
        while (store_turn(d->store)) continue;
        for (int i = 0; i < 4; i++) conn_pair_turn(&d->home);
    }
}

/* In turns, for what the socket does not hold at once. */
static inline void turned_take(struct turned_door *d, struct client *c, size_t len)
{
    EXPECT(len <= sizeof c->bytes);
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(c->fd, c->bytes + got, len - got, MSG_DONTWAIT);
        EXPECT(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0) got += (size_t)n;
        else conn_pair_turn(&d->home);
    }
}

/* TURNED_RECEIVE(&door, client, heartbeat, &response): after turned_until_answered(). */
#define TURNED_RECEIVE(d, c, name, response)                                                       \
    do {                                                                                           \
        turned_take((d), (c), 4);                                                                  \
        uint32_t len_ = load_be32((c)->bytes);                                                     \
        turned_take((d), (c), len_);                                                               \
        struct cursor in_ = client_read((c), len_);                                                \
        EXPECT_OK(name##_response_decode(&in_, (c)->version, (response)));                         \
        EXPECT_EQ(in_.left, 0);                                                                    \
    } while (0)

/* All that is in w, and turns for the loop to take it out. */
static inline void turned_write(struct turned_door *d, struct client *c, struct writer *w)
{
    for (size_t sent = 0; sent < w->len;) {
        ssize_t n = send(c->fd, w->data + sent, w->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
        conn_pair_turn(&d->home);
    }
    writer_done(w);
}

/* TURNED_SEND(&door, client, HEARTBEAT, heartbeat, 4, &request), in turns. */
#define TURNED_SEND(d, c, NAME, name, version, request)                                            \
    do {                                                                                           \
        struct writer out_;                                                                        \
        client_begin((c), KAFKA_API_##NAME, (version), &out_);                                     \
        name##_request_encode(&out_, (version), (request));                                        \
        EXPECT_OK(out_.err);                                                                       \
        store_be32(out_.data, (uint32_t)out_.len - 4);                                             \
        turned_write((d), (c), &out_);                                                             \
    } while (0)

/* TURNED_EXCHANGE(&door, client, HEARTBEAT, heartbeat, 4, &request, &response) */
#define TURNED_EXCHANGE(d, c, NAME, name, version, request, response)                              \
    do {                                                                                           \
        TURNED_SEND(d, c, NAME, name, version, request);                                           \
        turned_until_answered((d), (c));                                                           \
        RECEIVE(c, name, response);                                                                \
    } while (0)

static inline void turned_topic_of(struct turned_door *d, struct client *c, const char *name,
                                   int32_t partitions)
{
    struct create_topics_request_topic topic;
    struct create_topics_request in = one_topic(&topic, name, partitions);
    struct create_topics_response out;
    TURNED_EXCHANGE(d, c, CREATE_TOPICS, create_topics, 7, &in, &out);
    EXPECT_EQ(out.topics[0].error_code, 0);
}

/* Topic "t" of one partition. */
static inline void turned_topic(struct turned_door *d, struct client *c)
{
    turned_topic_of(d, c, "t", 1);
}

#endif
