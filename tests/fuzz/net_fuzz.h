/* A connection over a socketpair on a loop without a thread, fed in pieces, on a clock that moves
 * with each turn. Everything the door got must be finished and given back at the end. */
#ifndef TESTS_NET_FUZZ_H
#define TESTS_NET_FUZZ_H

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "tests/conn_pair.h"

enum { FUZZ_BODY_MAX = 64 * 1024, FUZZ_HELD_MAX = 64, FUZZ_TURN_US = 7000 };

static int64_t fuzz_us = 1000 * 1000;
static struct door fuzz_door;
static struct budget fuzz_budget;
static struct net_counters fuzz_counters;
static int fuzz_held_count;

static inline void fuzz_door_init(const char *name)
{
    clock_fake(&fuzz_us);
    fuzz_door.name = name;
    net_limits_init(&fuzz_door.limits);
    fuzz_door.limits.out_bytes_max = 32 * 1024;
    fuzz_door.limits.header_bytes_max = 4096;
    fuzz_door.limits.header_count_max = 16;
    fuzz_door.limits.h2_streams_max = 16;
    fuzz_door.limits.h2_control_burst = 50;
    fuzz_door.budget = &fuzz_budget;
    net_counters_init(&fuzz_counters, name);
}

static inline void fuzz_drain(int fd)
{
    static char sink[65536];
    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0) continue;
}

static void (*fuzz_each_turn)(void);

static inline void fuzz_on_turn(struct job *job)
{
    (void)job;
    fuzz_each_turn();
}

static inline void fuzz_turn(struct conn_home *home)
{
    struct job job = {.run = fuzz_on_turn};
    loop_post(home->loop, &job);
    conn_pair_turn(home);
    fuzz_us += FUZZ_TURN_US;
}

/* Sends data in pieces of piece bytes; each_turn runs on the loop and may finish what the door
 * holds.
 * lead: sent first. */
static inline void fuzz_feed(struct bytes lead, const uint8_t *data, size_t len, size_t piece,
                             void (*each_turn)(void))
{
    budget_init(&fuzz_budget, FUZZ_BODY_MAX);
    struct loop *loop = loop_new("fuzz");
    struct conn_home home = conn_pair_home(loop, &fuzz_door, &fuzz_counters);
    int fd = conn_pair_open(&home);
    fuzz_each_turn = each_turn;
    if (lead.len > 0 && send(fd, lead.data, lead.len, MSG_NOSIGNAL) < 0) abort();
    for (size_t at = 0; at < len && home.count > 0; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        if (send(fd, data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
        fuzz_turn(&home);
        fuzz_drain(fd);
    }
    for (int i = 0; i < 20; i++) {
        fuzz_turn(&home);
        fuzz_drain(fd);
    }
    close(fd);
    for (int i = 0; i < 400 && (home.count > 0 || fuzz_held_count > 0); i++) fuzz_turn(&home);
    if (home.count > 0 || fuzz_held_count > 0) abort();
    fuzz_turn(&home);
    frame_home_done(&home);
    loop_free(loop);
    if (atomic_load(&fuzz_budget.used) != 0) abort();
}

#endif
