/* Both doors on one thread, over one store in memory: loop and store are turned by hand, the clock
 * is the test's, clients sit at socket pairs. A world is closed and opened again on what its engine
 * kept. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <sys/ioctl.h>
#include "unit/bridge/bridge_fixture.h"
#include "unit/broker/broker_fixture.h"

enum { WORLD_TURNS_MAX = 2000 };

struct world {
    struct bx bx;               /* the store, the loop, the Kinesis door */
    struct broker *broker;
    struct budget waiting;
    struct net_counters counters;
    struct door door;
    struct conn_home home;
};

/* The engine and what it is told stay from one opening to the next. */
static inline void world_open(struct world *w)
{
    bx_open(&w->bx, LIMITS_OFF, 0);
    struct broker_options options;
    broker_options_default(&options);
    w->broker = broker_new(&options, w->bx.cx.s, &w->bx.loop, 1);
    budget_init(&w->waiting, 64 << 20);
    w->door = (struct door){.name = "kafka", .budget = &w->bx.budget, .waiting = &w->waiting,
                            .frames = broker_door_new(w->broker, NULL)};
    net_limits_init(&w->door.limits);
    net_counters_init(&w->counters, "kafka");
    w->home = conn_pair_home(w->bx.loop, &w->door, &w->counters);
}

static inline void world_init(struct world *w, bool power, bool logs)
{
    *w = (struct world){0};
    cx_init(&w->bx.cx);
    if (logs) w->bx.cx.files = files_mem_new();
    w->bx.cx.options.durability_power = power;
    w->bx.cx.options.retention_check_ms = 2000;
    world_open(w);
}

/* Everybody does what there is to do, once. */
static inline void world_turn(struct world *w)
{
    store_turn(w->bx.cx.s);
    bx_loop_turn(&w->bx);
    conn_home_check(&w->home);
}

static inline void world_settle(struct world *w)
{
    for (int i = 0; i < 8; i++) {
        cx_turn(&w->bx.cx);
        bx_loop_turn(&w->bx);
    }
}

/* The clients are gone before. Whatever was under way ends here. */
static inline void world_close(struct world *w)
{
    struct bx *f = &w->bx;
    for (int i = 0; i < 100 && f->home.count + w->home.count > 0; i++) world_settle(w);
    loop_stop(f->loop);
    store_finish(f->cx.s, &f->loop, 1);
    EXPECT_EQ(f->home.count + w->home.count, 0);
    for (int i = 0; i < f->client_count; i++) mem_free(f->clients[i].bytes);
    frame_home_done(&f->home);
    frame_home_done(&w->home);
    broker_free(TAKE(w->broker));
    bridge_free(TAKE(f->bridge));
    cx_stop(&f->cx);
    loop_free(TAKE(f->loop));
    limits_free(TAKE(f->limits));
    EXPECT_EQ(atomic_load(&f->budget.used), 0);
    EXPECT_EQ(atomic_load(&w->waiting.used), 0);
}

static inline void world_done(struct world *w)
{
    world_close(w);
    cx_done(&w->bx.cx);
}

/* ---- Clients of the Kafka door */

static inline struct client *world_kafka(struct world *w)
{
    struct client *c = NEW(struct client);
    c->fd = conn_pair_open(&w->home);
    arena_init(&c->arena, 64 << 20);
    return c;
}

static inline void world_write(struct world *w, struct client *c, struct writer *out)
{
    EXPECT_OK(out->err);
    store_be32(out->data, (uint32_t)out->len - 4);
    for (size_t sent = 0; sent < out->len;) {
        ssize_t n = send(c->fd, out->data + sent, out->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
        else if (errno != EAGAIN) break;
        if (sent < out->len) bx_loop_turn(&w->bx);
    }
    writer_done(out);
}

/* Is the whole answer there? */
static inline bool world_answered(const struct client *c)
{
    uint8_t size[4];
    int there = 0;
    if (ioctl(c->fd, FIONREAD, &there) != 0 || there < 4) return false;
    if (recv(c->fd, size, sizeof size, MSG_PEEK | MSG_DONTWAIT) != sizeof size) return false;
    return (uint32_t)there >= 4 + load_be32(size);
}

#define KAFKA_SEND(w, c, NAME, name, version, request)                                             \
    do {                                                                                           \
        struct writer out_;                                                                        \
        client_begin((c), KAFKA_API_##NAME, (version), &out_);                                     \
        name##_request_encode(&out_, (version), (request));                                        \
        world_write((w), (c), &out_);                                                              \
    } while (0)

#define WORLD_UNTIL(w, condition)                                                                  \
    for (int turns_ = 0; !(condition); turns_++) {                                                 \
        EXPECT(turns_ < WORLD_TURNS_MAX);                                                          \
        world_turn(w);                                                                             \
        cx_advance_ms(1);                                                                          \
    }

/* The exchange while nothing else goes on. */
#define KAFKA_CALL(w, c, NAME, name, version, request, response)                                   \
    do {                                                                                           \
        KAFKA_SEND(w, c, NAME, name, version, request);                                            \
        WORLD_UNTIL(w, world_answered(c));                                                         \
        RECEIVE(c, name, response);                                                                \
    } while (0)

#endif
