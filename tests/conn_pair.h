/* Connections over socket pairs, on a loop without a thread and without a listener. */
#ifndef TESTS_CONN_PAIR_H
#define TESTS_CONN_PAIR_H

#include <stdlib.h>
#include <sys/socket.h>
#include "base/net/conn.h"

static inline void conn_pair_on_close(struct conn_home *home)
{
    (void)home;
}

static inline struct conn_home conn_pair_home(struct loop *loop, const struct door *door,
                                              struct net_counters *counters)
{
    return (struct conn_home){
        .loop = loop, .door = door, .protocol = &sniff_protocol, .counters = counters,
        .on_close = conn_pair_on_close};
}

/* A turn of the loop, after which every connection is as it has to be. */
static inline void conn_pair_turn(struct conn_home *home)
{
    loop_turn(home->loop, 0);
    conn_home_check(home);
}

struct conn_pair_opening {
    struct job job;
    struct conn_home *home;
    int fd;
};

static inline void conn_pair_opening_run(struct job *job)
{
    struct conn_pair_opening *o = CONTAINER_OF(job, struct conn_pair_opening, job);
    conn_open(o->home, o->fd, NULL);
}

/* Opens a connection in a turn of the loop; returns the client's end, which does not block. */
static inline int conn_pair_open(struct conn_home *home)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) abort();
    struct conn_pair_opening o = {.job.run = conn_pair_opening_run, .home = home, .fd = fds[1]};
    loop_post(home->loop, &o.job);
    conn_pair_turn(home);
    return fds[0];
}

#endif
