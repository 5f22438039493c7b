/* Accepting. One loop holds the listening socket; each accepted socket is posted to the next loop
 * in turn. Kernel-side spreading (SO_REUSEPORT) was not taken: it hashes, so a handful of
 * long-lived clients often meet on one loop.
 *
 * Stopping goes in steps, each a job: the acceptor's loop closes the listening socket and then
 * tells every loop, behind all sockets that were posted before; a loop whose last connection has
 * closed reports to the mailbox in which listener_close() waits. */
#include "base/net/listener.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net/conn.h"
#include "base/check.h"

enum { ACCEPTS_PER_EVENT = 16, ACCEPT_PAUSE_MS = 100, BACKLOG = 4096 };

struct share {
    struct conn_home home;           /* first: on_close gets it */
    struct listener *listener;
    struct job stop_job;
    struct job kill_job;
    struct job done_job;
    bool reported;
};

struct listener {
    struct door door;
    struct net_counters counters;
    struct net_address address;
    int fd;
    struct event *accept_event;
    struct loop_timer accept_pause;
    struct job begin_job;            /* to the acceptor's loop: start accepting */
    struct job end_job;              /* and stop */
    struct mailbox done;             /* one job from each share that has no connection left, and
                                        one from each that was told to close the rest */
    atomic_uint conns;
    bool stopping;                   /* listener_stop()'s */
    uint32_t next_share;
    uint32_t share_count;
    struct share shares[];
};

/* A socket on its way to its loop. */
struct handover {
    struct job job;
    struct share *share;
    struct peer *peer;
    int fd;
};

/* ---- Accepting */

/* Counts one more connection, unless a limit is reached. */
static bool conn_count(struct listener *l)
{
    struct budget *common = l->door.conns;
    if (common != NULL && !budget_take(common, 1)) return false;
    if (atomic_fetch_add(&l->conns, 1) < l->door.limits.conns_max) return true;
    atomic_fetch_sub(&l->conns, 1);
    if (common != NULL) budget_give(common, 1);
    return false;
}

static void conn_uncount(struct listener *l)
{
    atomic_fetch_sub(&l->conns, 1);
    if (l->door.conns != NULL) budget_give(l->door.conns, 1);
}

/* The last thing that this loop does with the listener, unless it is asked to kill: afterwards
 * listener_free() may run. */
static void on_report(struct job *job)
{
    struct share *share = CONTAINER_OF(job, struct share, done_job);
    mailbox_post(&share->listener->done, &share->done_job);
}

static void report_if_empty(struct share *share)
{
    if (share->home.count > 0 || share->reported) return;
    share->reported = true;
    loop_defer_flush(share->home.loop, &share->done_job);    /* callers still hold the share */
}

static void on_conn_close(struct conn_home *home)
{
    struct share *share = CONTAINER_OF(home, struct share, home);
    atomic_fetch_sub(&share->listener->conns, 1);
    if (home->stopping) report_if_empty(share);
}

static void on_handover(struct job *job)
{
    struct handover *h = CONTAINER_OF(job, struct handover, job);
    conn_open(&h->share->home, h->fd, h->peer);
    mem_free(h);
}

static void turn_away(struct listener *l, int fd, enum net_close reason)
{
    metric_add(l->counters.opened, 1);
    metric_add(l->counters.closed[reason], 1);
    close(fd);
}

static void hand_over(struct listener *l, int fd, struct peer *peer)
{
    struct share *share = &l->shares[l->next_share];
    l->next_share = (l->next_share + 1) % l->share_count;
    if (share->home.loop == loop_current()) {
        conn_open(&share->home, fd, peer);
        return;
    }
    struct handover *h = NEW_TRY(struct handover);
    if (h == NULL) {
        if (peer != NULL) peers_remove(l->door.peers, peer);
        conn_uncount(l);
        turn_away(l, fd, NET_CLOSE_MEMORY);
        return;
    }
    *h = (struct handover){.job.run = on_handover, .share = share, .peer = peer, .fd = fd};
    loop_post(share->home.loop, &h->job);
}

static void on_accept_pause(struct loop_timer *timer)
{
    struct listener *l = CONTAINER_OF(timer, struct listener, accept_pause);
    event_add(l->accept_event, NULL);
}

/* Out of descriptors or memory: accept() would fail again at once, so the socket rests a while. */
static void accept_failed(struct listener *l)
{
    metric_add(l->counters.accept_failures, 1);
    if (errno == ECONNABORTED) return;
    log_warn("accept failed; it is tried again shortly", {"door", LOG_S(l->door.name)},
             {"reason", LOG_S(strerror(errno))});
    event_del(l->accept_event);
    struct loop *loop = l->shares[0].home.loop;
    loop_timer_set(loop, &l->accept_pause, loop_now_ms(loop) + ACCEPT_PAUSE_MS);
}

/* Unless a limit is reached. */
static void take_in(struct listener *l, int fd, const struct sockaddr *from)
{
    if (!conn_count(l)) {
        turn_away(l, fd, NET_CLOSE_FULL);
        return;
    }
    struct peer *peer = l->door.peers != NULL ? peers_add(l->door.peers, from) : NULL;
    if (l->door.peers != NULL && peer == NULL) {
        conn_uncount(l);
        turn_away(l, fd, NET_CLOSE_PEER_FULL);
        return;
    }
    hand_over(l, fd, peer);
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct listener *l = context;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage from = {0};
        socklen_t from_len = sizeof from;
        int conn_fd = accept4(fd, (struct sockaddr *)&from, &from_len,
                              SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conn_fd < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) accept_failed(l);
            return;
        }
        take_in(l, conn_fd, (struct sockaddr *)&from);
    }
}

static void on_begin(struct job *job)
{
    struct listener *l = CONTAINER_OF(job, struct listener, begin_job);
    if (l->fd < 0) return;           /* closed again before the loop ran */
    l->accept_event = event_new(loop_events(l->shares[0].home.loop), l->fd, EV_READ | EV_PERSIST,
                                on_accept, l);
    assert(l->accept_event != NULL);
    event_add(l->accept_event, NULL);
}

/* ---- Opening */

static enum err refuse(const char *address, const char *reason)
{
    log_error("cannot listen", {"address", LOG_S(address)}, {"reason", LOG_S(reason)});
    return ERR_CONFIG;
}

static enum err bind_listen(const char *address, int *ret_fd)
{
    struct net_address a;
    if (net_address_parse(address, &a) != ERR_OK) return refuse(address, "not HOST:PORT");
    char port[8];
    snprintf(port, sizeof port, "%u", a.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(a.host, port, &hints, &found);
    if (result != 0) return refuse(address, gai_strerror(result));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool bound = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                 listen(fd, BACKLOG) == 0;
    freeaddrinfo(found);
    if (!bound) {
        enum err err = refuse(address, strerror(errno));
        if (fd >= 0) close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

static void on_share_stop(struct job *job);
static void on_share_kill(struct job *job);
static void on_end(struct job *job);

enum err listener_open(const char *address, const struct door *door, struct loop *const *loops,
                       uint32_t loop_count, struct listener **ret_listener)
{
    assert((door->frames == NULL) != (door->http == NULL) && loop_count > 0);
    int fd;
    TRY(bind_listen(address, &fd));
    struct listener *l = mem_new(sizeof *l + loop_count * sizeof l->shares[0]);
    l->door = *door;
    l->fd = fd;
    net_address_local(fd, &l->address);
    net_counters_init(&l->counters, door->name);
    mailbox_init(&l->done);
    l->accept_pause.fire = on_accept_pause;
    l->begin_job.run = on_begin;
    l->end_job.run = on_end;
    l->share_count = loop_count;
    for (uint32_t i = 0; i < loop_count; i++) {
        struct share *share = &l->shares[i];
        share->listener = l;
        share->stop_job.run = on_share_stop;
        share->kill_job.run = on_share_kill;
        share->done_job.run = on_report;
        share->home = (struct conn_home){.loop = loops[i], .door = &l->door,
                                         .protocol = &sniff_protocol, .counters = &l->counters,
                                         .on_close = on_conn_close};
    }
    loop_post(loops[0], &l->begin_job);
    *ret_listener = l;
    return ERR_OK;
}

void listener_address(const struct listener *listener, struct net_address *ret)
{
    *ret = listener->address;
}

uint32_t listener_conn_count(const struct listener *listener)
{
    return atomic_load(&listener->conns);
}

/* ---- Closing */

static void on_end(struct job *job)
{
    struct listener *l = CONTAINER_OF(job, struct listener, end_job);
    if (l->accept_event != NULL) event_free(l->accept_event);
    l->accept_event = NULL;
    loop_timer_cancel(l->shares[0].home.loop, &l->accept_pause);
    close(l->fd);
    l->fd = -1;
    for (uint32_t i = 0; i < l->share_count; i++)
        loop_post(l->shares[i].home.loop, &l->shares[i].stop_job);
}

static void on_share_stop(struct job *job)
{
    struct share *share = CONTAINER_OF(job, struct share, stop_job);
    share->home.stopping = true;
    struct conn *next;
    for (struct conn *c = share->home.first; c != NULL; c = next) {
        next = c->next;
        conn_stop(c);
    }
    report_if_empty(share);
}

static void on_killed(struct job *job)
{
    struct share *share = CONTAINER_OF(job, struct share, kill_job);
    mailbox_post(&share->listener->done, &share->kill_job);
}

static void on_share_kill(struct job *job)
{
    struct share *share = CONTAINER_OF(job, struct share, kill_job);
    while (share->home.first != NULL) conn_close(share->home.first, NET_CLOSE_STOP);
    share->kill_job.run = on_killed;
    loop_defer_flush(share->home.loop, &share->kill_job);      /* behind the report */
}

static uint32_t count_jobs(struct job *job)
{
    uint32_t count = 0;
    for (; job != NULL; job = job->next) count++;
    return count;
}

void listener_stop(struct listener *listener)
{
    assert(loop_current() == NULL);
    if (listener->stopping) return;
    listener->stopping = true;
    loop_post(listener->shares[0].home.loop, &listener->end_job);
}

void listener_close(struct listener *listener, uint32_t grace_ms)
{
    struct listener *l = listener;
    listener_stop(l);
    int64_t end_ms = clock_mono_ms() + grace_ms;
    uint32_t done = 0;
    for (int64_t now_ms = end_ms - grace_ms; done < l->share_count && now_ms < end_ms;
         now_ms = clock_mono_ms())
        done += count_jobs(mailbox_wait(&l->done, (int)(end_ms - now_ms)));
    if (done == l->share_count) return;
    for (uint32_t i = 0; i < l->share_count; i++)
        loop_post(l->shares[i].home.loop, &l->shares[i].kill_job);
    /* Each share says twice that it is through: it has no connection left, and it was told. */
    while (done < 2 * l->share_count) done += count_jobs(mailbox_wait(&l->done, -1));
}

void listener_free(struct listener *listener)
{
    if (listener == NULL) return;
    assert(listener->fd < 0);
    for (uint32_t i = 0; i < listener->share_count; i++)
        frame_home_done(&listener->shares[i].home);
    mailbox_done(&listener->done);
    mem_free(listener);
}
