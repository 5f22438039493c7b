/* A server for the tests of base/net: loops on threads, a listener on a free port, plain blocking
 * clients, and a way to run a piece of a test on a loop's thread. */
#ifndef TESTS_NET_FIXTURE_H
#define TESTS_NET_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/net/counters.h"
#include "base/net/listener.h"
#include "test.h"

enum { LOOPS_MAX = 4, CLIENT_WAIT_S = UNTIL_MS / 1000 };

struct server {
    struct loop *loops[LOOPS_MAX];
    uint32_t loop_count;
    struct listener *listener;
    struct budget budget;
    struct door door;
    struct net_counters counters;
    uint16_t port;
};

/* Fill s->door (frames or http, limits, tls) between these two. */
static inline void server_init(struct server *s, const char *name)
{
    clock_fake(NULL);
    *s = (struct server){.loop_count = 1};
    net_limits_init(&s->door.limits);
    budget_init(&s->budget, 64 << 20);
    s->door.name = name;
    s->door.budget = &s->budget;
    net_counters_init(&s->counters, name);
}

static inline void server_start(struct server *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++) {
        s->loops[i] = loop_new("test");
        loop_start(s->loops[i]);
    }
    EXPECT_OK(listener_open("127.0.0.1:0", &s->door, s->loops, s->loop_count, &s->listener));
    struct net_address a;
    listener_address(s->listener, &a);
    s->port = a.port;
}

static inline void server_stop(struct server *s)
{
    listener_close(s->listener, UNTIL_MS);
    for (uint32_t i = 0; i < s->loop_count; i++) loop_stop(s->loops[i]);
    listener_free(s->listener);
    for (uint32_t i = 0; i < s->loop_count; i++) loop_free(s->loops[i]);
    EXPECT_EQ(atomic_load(&s->budget.used), 0);
}

/* ---- Running on a loop */

struct call {
    struct job job;
    struct job back;
    struct mailbox done;
    void (*run)(void *context);
    void *context;
};

static inline void call_run(struct job *job)
{
    struct call *call = CONTAINER_OF(job, struct call, job);
    call->run(call->context);
    mailbox_post(&call->done, &call->back);
}

/* Runs fn(context) on the loop's thread and waits for it. */
static inline void on_loop(struct loop *loop, void (*fn)(void *), void *context)
{
    struct call call = {.job.run = call_run, .run = fn, .context = context};
    mailbox_init(&call.done);
    loop_post(loop, &call.job);
    EXPECT(mailbox_wait(&call.done, UNTIL_MS) != NULL);
    mailbox_done(&call.done);
}

static inline void nothing(void *context)
{
    (void)context;
}

/* Returns when the loop has had a turn that saw what was sent before. */
static inline void turn_of(struct loop *loop)
{
    on_loop(loop, nothing, NULL);
    on_loop(loop, nothing, NULL);
}

static inline void turn_of_all(struct server *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++) turn_of(s->loops[i]);
    usleep(200);
}

/* Between server_init() and server_start(): the server's time stands still, and the test alone
 * moves it on, so that no client is too slow. For one loop. */
static int64_t stopped_us;

static inline void time_stop(void)
{
    stopped_us = 1000 * 1000;
    clock_fake(&stopped_us);
}

static inline void time_add(void *ms)
{
    stopped_us += *(int *)ms * 1000;
}

/* Returns when all that is due then has been done. */
static inline void time_pass(struct server *s, int ms)
{
    on_loop(s->loops[0], time_add, &ms);
    turn_of(s->loops[0]);
}

/* Waits, turn by turn, until the counter has at least that value and what was counted last has been
 * done. */
static inline void until_counted(struct server *s, const struct metric *m, int64_t value)
{
    UNTIL(metric_value(m) >= value, turn_of_all(s));
    turn_of_all(s);
}

/* Takes all of the server's memory for requests, the way out with it; and gives it back. */
static inline void budget_fill(struct server *s)
{
    EXPECT(budget_charge(&s->budget, BUDGET_HARD * s->budget.limit));
    EXPECT(budget_take_part(&s->budget, 1, s, 0, false, 1));
}

static inline void budget_empty(struct server *s)
{
    budget_part_end(&s->budget, s);
    budget_give(&s->budget, BUDGET_HARD * s->budget.limit + 1);
}

/* Each of the allocations that may fail does, with all behind it, while `ask` does what it does;
 * who comes later, `serve`, finds all as it should be. */
static inline void memory_fails(struct server *s, void (*ask)(void), void (*serve)(void))
{
    for (int at = 0; at < 24; at++) {
        turn_of_all(s);
        mem_fail_after(at);
        ask();
        mem_fail_after(-1);
        serve();
    }
}

/* ---- Clients */

static inline int client_open(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(fd >= 0);
    struct timeval wait = {.tv_sec = CLIENT_WAIT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    EXPECT_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void client_send(int fd, const void *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        EXPECT(n > 0);
        data = (const char *)data + n;
        len -= (size_t)n;
    }
}

/* To a server that may have closed already. */
static inline void client_try(int fd, const void *data, size_t len)
{
    (void)!send(fd, data, len, MSG_NOSIGNAL);
}

static inline void client_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* Exactly len bytes; fails the test when the server closes before. */
static inline void client_take(int fd, void *to, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, to, len, 0);
        EXPECT(n > 0);
        to = (char *)to + n;
        len -= (size_t)n;
    }
}

/* The server has closed: nothing comes but the end. */
static inline void client_expect_end(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    EXPECT(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* Reads until text has come, and stops right behind it; what came stands in to, NUL-terminated. */
static inline void client_until(int fd, const char *text, char *to, size_t cap)
{
    size_t len = 0, want = strlen(text);
    do {
        EXPECT(len + 1 < cap);
        client_take(fd, to + len, 1);
        to[++len] = '\0';
    } while (len < want || strcmp(to + len - want, text) != 0);
}

#endif
