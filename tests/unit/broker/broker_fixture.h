/* A whole Kafka door over a store in memory: loops on threads, a listener on a free port, and
 * blocking clients that speak any API at any version through the generated codec. */
#ifndef TESTS_BROKER_FIXTURE_H
#define TESTS_BROKER_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/net/listener.h"
#include "broker/broker.h"
#include "broker/state.h"
#include "protocol/kafka/api.h"
#include "protocol/kafka/msg/reverse.h"
#include "storage/engine/kv.h"
#include "test.h"

enum { DOOR_LOOPS = 3, CLIENT_WAIT_S = UNTIL_MS / 1000, CLIENT_BYTES = 16 << 20 };

struct door_fixture {
    struct kv *kv;                  /* outlives the store: door_close(), door_open() is a restart */
    struct broker_options options;
    struct store *store;
    struct loop *loops[DOOR_LOOPS];
    struct broker *broker;
    struct budget budget;
    struct listener *listener;
    uint16_t port;
};

static inline void door_open(struct door_fixture *f)
{
    struct store_options options;
    store_options_default(&options);
    options.kv = kv_mem_share(f->kv);
    options.worker_count = 1;
    options.reader_count = 1;
    EXPECT_OK(store_open(&options, &f->store, NULL));
    for (uint32_t i = 0; i < DOOR_LOOPS; i++) {
        f->loops[i] = loop_new("test");
        loop_index_set(f->loops[i], i);
    }
    f->broker = broker_new(&f->options, f->store, f->loops, DOOR_LOOPS);
    budget_init(&f->budget, 256 << 20);
    struct door door = {.name = "kafka", .budget = &f->budget,
                        .frames = broker_door_new(f->broker, NULL)};
    net_limits_init(&door.limits);
    for (uint32_t i = 0; i < DOOR_LOOPS; i++) loop_start(f->loops[i]);
    EXPECT_OK(listener_open("127.0.0.1:0", &door, f->loops, DOOR_LOOPS, &f->listener));
    struct net_address address;
    listener_address(f->listener, &address);
    f->port = address.port;
}

static inline void door_close(struct door_fixture *f)
{
    listener_close(f->listener, 0);
    for (uint32_t i = 0; i < DOOR_LOOPS; i++) loop_stop(f->loops[i]);
    broker_free(f->broker);
    store_close(f->store);
    for (uint32_t i = 0; i < DOOR_LOOPS; i++) loop_free(f->loops[i]);
    listener_free(f->listener);
}

static inline void door_init(struct door_fixture *f)
{
    *f = (struct door_fixture){.kv = kv_mem_new()};
    broker_options_default(&f->options);
}

static inline void door_done(struct door_fixture *f)
{
    door_close(f);
    kv_close(f->kv);
}

/* ---- Clients */

struct client {
    int fd;
    int32_t correlation;
    const struct kafka_api *api;        /* of the last request */
    int16_t version;
    struct arena arena;                 /* of the last answer */
    uint8_t bytes[CLIENT_BYTES];
};

static inline struct client *client_open(const struct door_fixture *f)
{
    struct client *c = NEW(struct client);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(c->fd >= 0);
    struct timeval wait = {.tv_sec = CLIENT_WAIT_S};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    EXPECT_EQ(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
    arena_init(&c->arena, 64 << 20);
    return c;
}

static inline void client_close(struct client *c)
{
    close(c->fd);
    arena_done(&c->arena);
    mem_free(c);
}

static inline void client_begin(struct client *c, enum kafka_api_index api, int16_t version,
                                struct writer *w)
{
    c->api = &kafka_apis[api];
    c->version = version;
    writer_init(w, CLIENT_BYTES);
    writer_i32(w, 0);                   /* the size comes in client_send() */
    writer_i16(w, c->api->key);
    writer_i16(w, version);
    writer_i32(w, ++c->correlation);
    writer_string(w, BYTES_LIT("a-client"), false);
    if (version >= c->api->flexible_min) writer_uvarint(w, 0);
}

static inline void client_send(struct client *c, struct writer *w)
{
    EXPECT_OK(w->err);
    store_be32(w->data, (uint32_t)w->len - 4);
    for (size_t sent = 0; sent < w->len;) {
        ssize_t n = send(c->fd, w->data + sent, w->len - sent, MSG_NOSIGNAL);
        EXPECT(n > 0);
        sent += (size_t)n;
    }
    writer_done(w);
}

/* False when the server closed the connection. */
static inline bool client_take(struct client *c, size_t len)
{
    EXPECT(len <= sizeof c->bytes);
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(c->fd, c->bytes + got, len - got, 0);
        if (n == 0) return false;
        EXPECT(n > 0);
        got += (size_t)n;
    }
    return true;
}

/* Of an answer in c->bytes; the cursor stands at its body, and the last request was its own. */
static inline struct cursor client_read(struct client *c, uint32_t len)
{
    arena_reset(&c->arena);
    struct cursor in;
    cursor_init(&in, bytes_of(c->bytes, len), &c->arena);
    EXPECT_EQ(cursor_i32(&in), c->correlation);
    if (c->version >= c->api->flexible_min && c->api->key != 18) cursor_skip_tags(&in);
    return in;
}

static inline struct cursor client_receive(struct client *c)
{
    EXPECT(client_take(c, 4));
    uint32_t len = load_be32(c->bytes);
    EXPECT(client_take(c, len));
    return client_read(c, len);
}

/* SEND(client, HEARTBEAT, heartbeat, 4, &request); RECEIVE(client, heartbeat, &response). */
#define SEND(c, NAME, name, version, request)                                                      \
    do {                                                                                           \
        struct writer out_;                                                                        \
        client_begin((c), KAFKA_API_##NAME, (version), &out_);                                     \
        name##_request_encode(&out_, (version), (request));                                        \
        client_send((c), &out_);                                                                   \
    } while (0)
#define RECEIVE(c, name, response)                                                                 \
    do {                                                                                           \
        struct cursor in_ = client_receive(c);                                                     \
        EXPECT_OK(name##_response_decode(&in_, (c)->version, (response)));                         \
        EXPECT_EQ(in_.left, 0);                                                                    \
    } while (0)
#define EXCHANGE(c, NAME, name, version, request, response)                                        \
    do {                                                                                           \
        SEND(c, NAME, name, version, request);                                                     \
        RECEIVE(c, name, response);                                                                \
    } while (0)

/* To create one topic; it may be used until topic ends. */
static inline struct create_topics_request one_topic(struct create_topics_request_topic *topic,
                                                     const char *name, int32_t partitions)
{
    *topic = CREATE_TOPICS_REQUEST_TOPIC_INIT;
    topic->name = bytes_str(name);
    topic->num_partitions = partitions;
    topic->replication_factor = 1;
    struct create_topics_request in = CREATE_TOPICS_REQUEST_INIT;
    in.topics = topic;
    in.topics_count = 1;
    return in;
}

/* Returns the topic's id. */
static inline struct uuid client_create_topic(struct client *c, const char *name,
                                              int32_t partitions)
{
    struct create_topics_request_topic topic;
    struct create_topics_request in = one_topic(&topic, name, partitions);
    struct create_topics_response out;
    EXCHANGE(c, CREATE_TOPICS, create_topics, 7, &in, &out);
    EXPECT_EQ(out.topics_count, 1);
    EXPECT_EQ(out.topics[0].error_code, 0);
    return out.topics[0].topic_id;
}

/* Runs fn(context) on a loop's thread and waits for it. */
struct loop_errand {
    struct job job, back;
    struct mailbox done;
    void (*run)(void *context);
    void *context;
};

static inline void loop_errand_run(struct job *job)
{
    struct loop_errand *e = CONTAINER_OF(job, struct loop_errand, job);
    e->run(e->context);
    mailbox_post(&e->done, &e->back);
}

static inline void on_loop(struct loop *loop, void (*fn)(void *context), void *context)
{
    struct loop_errand e = {.job.run = loop_errand_run, .run = fn, .context = context};
    mailbox_init(&e.done);
    loop_post(loop, &e.job);
    EXPECT(mailbox_wait(&e.done, UNTIL_MS) != NULL);
    mailbox_done(&e.done);
}

#endif
