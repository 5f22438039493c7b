/* A connection's life: fresh -> (TLS handshake) -> sniffed -> frames or HTTP -> finishing ->
 * (lingering) -> closed. See README.md for the picture. */
#include "base/net/conn.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/moves.h"
#include "base/net/tls_inner.h"
#include "base/check.h"

enum {
    TLS_HANDSHAKE_BYTE = 0x16,
    READ_BLOCKED_BYTES = 4096,     /* read ahead while a request runs, to notice the client's end */
    TLS_READS_A_TURN = 64,         /* a record each, which may have one byte */
    LINGER_MS = 2000,
    CHECK_MS = 1000,               /* how often it is looked who is slow */
    PRESSED_MS = 2000,             /* so long a body may come slowly while others wait */
};

static void on_readable(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);
static void on_timer(struct loop_timer *timer);
static void on_flush(struct job *job);
static void on_last(struct job *job);

/* ---- Life */

/* From each, those that may follow. */
static const moves life_moves[] = {
    [CONN_FRESH] = TO(CONN_HANDSHAKING) | TO(CONN_OPEN) | TO(CONN_CLOSED),
    [CONN_HANDSHAKING] = TO(CONN_OPEN) | TO(CONN_CLOSED),
    [CONN_OPEN] = TO(CONN_FINISHING) | TO(CONN_CLOSED),
    [CONN_FINISHING] = TO(CONN_LINGERING) | TO(CONN_CLOSED),
    [CONN_LINGERING] = TO(CONN_CLOSED),
    [CONN_CLOSED] = 0,
};

static void life_move(struct conn *c, enum conn_life to)
{
    if (c->life == CONN_HANDSHAKING) c->home->handshakes--;
    MOVE(life_moves, c->life, to);
    if (c->life == CONN_HANDSHAKING) c->home->handshakes++;
}

void conn_open(struct conn_home *home, int fd, struct peer *peer)
{
    loop_assert(home->loop);
    struct conn *c = NEW_TRY(struct conn);
    if (c == NULL) {
        metric_add(home->counters->opened, 1);
        metric_add(home->counters->closed[NET_CLOSE_MEMORY], 1);
        close(fd);
        if (peer != NULL) peers_remove(home->door->peers, peer);
        if (home->door->conns != NULL) budget_give(home->door->conns, 1);
        home->on_close(home);
        return;
    }
    c->home = home;
    c->fd = fd;
    c->peer = peer;
    c->counted = home->door->conns;
    c->protocol = home->protocol;
    c->out.total = &loop_room(home->loop)->queued;
    c->timer.fire = on_timer;
    c->flush_job.run = on_flush;
    c->free_job.run = on_last;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);   /* fails on a socketpair: no harm */
    struct event_base *base = loop_events(home->loop);
    event_assign(&c->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->write_event, base, fd, EV_WRITE, on_writable, c);
    c->next = home->first;
    if (c->next != NULL) c->next->prev = c;
    home->first = c;
    home->count++;
    metric_add(home->counters->opened, 1);
    metric_add(home->counters->open, 1);
    conn_deadline(c, home->door->limits.idle_ms, NET_CLOSE_IDLE);
    conn_update(c);
}

void conn_close(struct conn *c, enum net_close reason)
{
    if (conn_is_closed(c)) return;
    struct conn_home *home = c->home;
    bool greets = c->life == CONN_HANDSHAKING;
    life_move(c, CONN_CLOSED);
    if (c->prev != NULL) c->prev->next = c->next;
    else home->first = c->next;
    if (c->next != NULL) c->next->prev = c->prev;
    home->count--;
    metric_add(home->counters->closed[reason], 1);
    metric_add(home->counters->open, -1);
    loop_timer_cancel(home->loop, &c->timer);
    event_del(&c->read_event);
    event_del(&c->write_event);
    if (c->protocol->on_gone != NULL) c->protocol->on_gone(c);
    conn_body_end(c);
    conn_io_end(c, /* says_goodbye= */ !greets);
    outq_done(&c->out);
    home->stash_bytes -= c->stash_cap;      /* freed behind this turn: a caller may read it */
    if (!c->shaking) loop_defer_end(home->loop, &c->free_job);
    if (c->charged > 0) budget_give(home->door->sessions, c->charged);
    if (c->peer != NULL) peers_remove(home->door->peers, TAKE(c->peer));
    home->on_close(home);
}

bool conn_charge(struct conn *c, size_t bytes)
{
    struct budget *sessions = c->home->door->sessions;
    if (sessions == NULL) return true;
    if (!budget_take(sessions, bytes)) {
        conn_close(c, NET_CLOSE_FULL);
        return false;
    }
    c->charged += bytes;
    return true;
}

static void on_free(struct job *job)
{
    struct conn *c = CONTAINER_OF(job, struct conn, free_job);
    mem_free(c->stash);
    mem_free(c);
}

/* Some 0.1 ms of a TCP connection. What gathers its output may wait in line still. */
static void on_last(struct job *job)
{
    struct conn *c = CONTAINER_OF(job, struct conn, free_job);
    close(c->fd);
    if (c->counted != NULL) budget_give(c->counted, 1);
    c->free_job.run = on_free;
    loop_defer_flush(loop_current(), &c->free_job);
}

void conn_switch(struct conn *c, const struct conn_protocol *protocol, void *state)
{
    c->protocol = protocol;
    c->state = state;
}

/* ---- Closing after the output */

static void stash_release(struct conn *c)
{
    c->home->stash_bytes -= c->stash_cap;
    c->stash = mem_free(c->stash);
    c->stash_at = c->stash_len = c->stash_cap = 0;
}

static size_t linger_bytes(struct conn *c, const uint8_t *data, size_t len)
{
    (void)c, (void)data;
    return len;
}

static bool linger_eof(struct conn *c)
{
    conn_close(c, c->finish_reason);
    return false;
}

static void linger_deadline(struct conn *c)
{
    conn_close(c, c->finish_reason);
}

static const struct conn_protocol linger_protocol = {
    .on_bytes = linger_bytes,
    .on_eof = linger_eof,
    .on_deadline = linger_deadline,
    .on_stop = linger_deadline,
};

/* Closing a socket with unread bytes resets it, and the reset may overtake the reply: so the last
 * reply to a client that is still sending waits for that client, for a while. */
static void linger_start(struct conn *c)
{
    if (c->protocol->on_gone != NULL) c->protocol->on_gone(c);
    conn_body_end(c);
    if (c->ssl != NULL) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    shutdown(c->fd, SHUT_WR);
    conn_switch(c, &linger_protocol, NULL);
    life_move(c, CONN_LINGERING);
    c->linger = false;
    c->blocked = false;
    c->mute_until_ms = 0;
    c->retry_at_ms = 0;
    stash_release(c);
    conn_deadline(c, c->home->stopping ? CONN_STOP_OUT_MS : LINGER_MS, c->finish_reason);
    conn_update(c);
}

void conn_finish(struct conn *c, enum net_close reason, bool linger)
{
    if (c->life >= CONN_FINISHING) return;
    life_move(c, CONN_FINISHING);
    /* Bytes that lie in the stash tell that the client is sending ahead. */
    c->linger = (linger || c->stash_len > 0) && !c->eof;
    c->finish_reason = reason;
    conn_deadline(c, c->home->stopping ? CONN_STOP_OUT_MS : 0, reason);
    conn_flush_later(c);
    conn_update(c);
}

void conn_stop(struct conn *c)
{
    if (conn_is_finishing(c)) conn_deadline(c, CONN_STOP_OUT_MS, c->finish_reason);
    else c->protocol->on_stop(c);
}

/* ---- Time */

static void arm(struct conn *c)
{
    if (conn_is_closed(c)) return;
    int64_t times[] = {c->deadline_ms, c->out_check_ms, c->mute_until_ms, c->retry_at_ms,
                       c->body.check_ms};
    int64_t first = 0;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (times[i] != 0 && (first == 0 || times[i] < first)) first = times[i];
    /* A deadline that moves away leaves the timer where it is: it fires, finds nothing due and arms
     * itself anew. So a busy connection does not touch the heap. */
    if (first != 0 && (!loop_timer_is_set(&c->timer) || first < c->timer.at_ms))
        loop_timer_set(c->home->loop, &c->timer, first);
}

/* A second, or what the limit leaves. */
static uint32_t check_in(uint32_t stall_ms)
{
    return stall_ms < CHECK_MS ? stall_ms : CHECK_MS;
}

void conn_deadline(struct conn *c, uint32_t ms, enum net_close reason)
{
    c->deadline_ms = ms ? loop_now_ms(c->home->loop) + ms : 0;
    c->deadline_reason = reason;
    arm(c);
}

void conn_mute(struct conn *c, uint32_t ms)
{
    int64_t until_ms = loop_now_ms(c->home->loop) + ms;
    if (conn_is_closed(c) || ms == 0 || until_ms <= c->mute_until_ms) return;
    c->mute_until_ms = until_ms;
    arm(c);
    conn_update(c);
}

void conn_body(struct conn *c, uint64_t want, uint64_t got)
{
    struct conn_body *b = &c->body;
    b->came_ms = loop_now_ms(c->home->loop);
    if (c->wait_ms != 0) conn_body_waited(b, c->wait_ms, b->came_ms);
    c->wait_ms = 0;
    b->want = want;
    b->got = got;
    if (b->began_ms != 0) return;
    b->began_ms = b->seen_ms = b->came_ms;
    b->check_ms = b->came_ms + check_in(conn_limits(c)->body_stall_ms);
    arm(c);
}

void conn_body_end(struct conn *c)
{
    c->body = (struct conn_body){0};
    c->wait_ms = 0;
    if (c->home->door->budget != NULL) budget_part_end(c->home->door->budget, c);
}

void conn_body_waited(struct conn_body *b, int64_t since_ms, int64_t now_ms)
{
    if (b->began_ms == 0) return;
    b->began_ms += now_ms - since_ms;
    b->came_ms = b->seen_ms = now_ms;
    b->seen = b->got;
}

static int64_t ms_at_rate(const struct conn *c, uint64_t bytes)
{
    return (int64_t)(bytes * 1000 / conn_limits(c)->body_bytes_per_s);
}

bool conn_body_is_late(const struct conn *c, struct conn_body *b)
{
    const struct net_limits *l = conn_limits(c);
    int64_t now_ms = loop_now_ms(c->home->loop), age_ms = now_ms - b->began_ms;
    if (now_ms - b->came_ms >= l->body_stall_ms) return true;
    if (l->body_bytes_per_s == 0) return false;
    if (age_ms > l->body_stall_ms + ms_at_rate(c, b->want ? b->want : b->got)) return true;
    int64_t since_ms = now_ms - b->seen_ms;
    bool slow = ms_at_rate(c, b->got - b->seen) < since_ms;
    b->seen = b->got;
    b->seen_ms = now_ms;
    const struct budget *budget = c->home->door->budget;
    return slow && age_ms >= PRESSED_MS && budget != NULL &&
           budget_is_pressed(budget, now_ms, CHECK_MS);
}

/* A second in which we did not read, or had no memory for what came, is not the client's. */
static void body_check(struct conn *c, int64_t now_ms)
{
    struct conn_body *b = &c->body;
    uint32_t in_ms = check_in(conn_limits(c)->body_stall_ms);
    int64_t passed_ms = now_ms - (b->check_ms - in_ms);
    int64_t wait_ms = c->wait_ms;
    if (wait_ms != 0) c->wait_ms = now_ms;
    else if (!c->reading) wait_ms = now_ms - passed_ms;
    if (wait_ms != 0) conn_body_waited(b, wait_ms, now_ms);
    if (conn_body_is_late(c, b)) conn_close(c, NET_CLOSE_STALL);
    else b->check_ms = now_ms + in_ms;
}

/* Who takes nothing for long is closed; who takes little, when others wait for room. */
static void out_check(struct conn *c, int64_t now_ms)
{
    const struct net_limits *l = conn_limits(c);
    bool pressed = room_is_pressed(loop_room(c->home->loop), now_ms, CHECK_MS) &&
                   c->out_taken < l->body_bytes_per_s;
    c->out_taken = 0;
    if (pressed || now_ms - c->out_moved_ms >= l->write_stall_ms) conn_close(c, NET_CLOSE_SLOW);
    else c->out_check_ms = now_ms + check_in(l->write_stall_ms);
}

static void on_timer(struct loop_timer *timer)
{
    struct conn *c = CONTAINER_OF(timer, struct conn, timer);
    int64_t now_ms = loop_now_ms(c->home->loop);
    if (c->out_check_ms != 0 && now_ms >= c->out_check_ms) out_check(c, now_ms);
    if (conn_is_closed(c)) return;
    if (c->body.check_ms != 0 && now_ms >= c->body.check_ms) body_check(c, now_ms);
    if (conn_is_closed(c)) return;
    if (c->deadline_ms != 0 && now_ms >= c->deadline_ms) {
        c->deadline_ms = 0;
        if (c->protocol->on_deadline != NULL && !conn_is_finishing(c)) c->protocol->on_deadline(c);
        else conn_close(c, c->deadline_reason);
        if (conn_is_closed(c)) return;
    }
    bool resume = false;
    if (c->mute_until_ms != 0 && now_ms >= c->mute_until_ms) {
        c->mute_until_ms = 0;
        resume = true;
    }
    if (c->retry_at_ms != 0 && now_ms >= c->retry_at_ms) {
        c->retry_at_ms = 0;
        resume = true;
    }
    if (resume) conn_resume(c);
    if (resume) conn_flush_later(c);
    arm(c);
}

/* ---- Reading */

static bool wants_read(const struct conn *c)
{
    if (conn_is_closed(c) || c->eof || conn_is_finishing(c) || conn_is_muted(c)) return false;
    if (c->life == CONN_HANDSHAKING) return !c->shaking;
    if (!c->protocol->reads_always && conn_is_full(c)) return false;
    return !c->blocked || (c->stash_len == 0 && c->home->stash_bytes <= CONN_STASH_BYTES_MAX);
}

bool conn_is_full(const struct conn *c)
{
    return c->out.bytes > c->home->door->limits.out_bytes_max;
}

void conn_update(struct conn *c)
{
    bool wanted = wants_read(c);
    if (wanted == c->reading || conn_is_closed(c)) return;
    c->reading = wanted;
    if (!wanted) {
        event_del(&c->read_event);
        return;
    }
    event_add(&c->read_event, NULL);
    /* What OpenSSL has read already makes no socket readable. */
    if (c->ssl != NULL && SSL_has_pending(c->ssl)) event_active(&c->read_event, EV_READ, 0);
}

/* Without memory for it the connection ends. */
static void stash_add(struct conn *c, const uint8_t *data, size_t len)
{
    if (c->stash_at > 0) {
        mem_move(c->stash, c->stash + c->stash_at, c->stash_len);
        c->stash_at = 0;
    }
    if (c->stash_len + len > c->stash_cap) {
        uint8_t *grown = mem_try_grow(c->stash, c->stash_len + len);
        if (grown == NULL) {
            conn_close(c, NET_CLOSE_MEMORY);
            return;
        }
        c->home->stash_bytes += c->stash_len + len - c->stash_cap;
        c->stash_cap = c->stash_len + len;
        c->stash = grown;
    }
    mem_copy(c->stash + c->stash_len, data, len);
    c->stash_len += len;
}

/* Gives bytes to the protocol, also to the next one when it changes hands. Returns the bytes
 * taken. */
static size_t give(struct conn *c, const uint8_t *data, size_t len)
{
    size_t used = 0;
    const struct conn_protocol *protocol;
    c->feeding = true;
    do {
        protocol = c->protocol;
        c->again = false;
        used += protocol->on_bytes(c, data + used, len - used);
    } while (!conn_is_ending(c) && used < len && (c->again || protocol != c->protocol));
    c->feeding = false;
    return used;
}

static void feed_stash(struct conn *c)
{
    const uint8_t *data = c->stash_len > 0 ? c->stash + c->stash_at : (const uint8_t *)"";
    size_t used = give(c, data, c->stash_len);
    c->stash_at += used;
    c->stash_len -= used;
    if (c->stash_len == 0 && !conn_is_closed(c)) stash_release(c);
}

static void feed(struct conn *c, const uint8_t *data, size_t len)
{
    if (c->stash_len > 0 || c->blocked) {
        stash_add(c, data, len);
        if (!c->blocked && !conn_is_closed(c)) feed_stash(c);
        return;
    }
    size_t used = give(c, data, len);
    if (used < len && !conn_is_ending(c)) stash_add(c, data + used, len - used);
}

void conn_block(struct conn *c)
{
    c->blocked = true;
}

void conn_resume(struct conn *c)
{
    if (conn_is_closed(c)) return;
    c->blocked = false;
    if (c->feeding) {
        c->again = true;
        return;
    }
    /* Also with an empty stash: a protocol may hold a whole request that waited for this. */
    if (!conn_is_finishing(c)) feed_stash(c);
    conn_update(c);
}

void conn_wait_budget(struct conn *c)
{
    int64_t now_ms = loop_now_ms(c->home->loop);
    metric_add(c->home->counters->budget_waits, 1);
    conn_block(c);
    c->retry_at_ms = now_ms + conn_limits(c)->budget_retry_ms;
    if (c->wait_ms == 0) c->wait_ms = now_ms;
    arm(c);
}

void conn_wait_room(struct conn *c)
{
    metric_add(c->home->counters->budget_waits, 1);
    c->retry_at_ms = loop_now_ms(c->home->loop) + conn_limits(c)->budget_retry_ms;
    arm(c);
}

static void on_end(struct conn *c, bool failed)
{
    c->eof = true;
    if (failed) conn_close(c, c->ssl != NULL ? NET_CLOSE_TLS : NET_CLOSE_IO);
    else if (c->protocol->on_eof == NULL || c->protocol->on_eof(c)) conn_close(c, NET_CLOSE_PEER);
    else conn_update(c);
}

static size_t read_room(const struct conn *c)
{
    bool little = c->blocked || c->home->stash_bytes > CONN_STASH_BYTES_MAX;
    return little ? READ_BLOCKED_BYTES : LOOP_READ_BYTES;
}

/* One read; false when there is no more to be had now, or the connection ended. */
static bool read_once(struct conn *c, size_t *total)
{
    uint8_t *to = NULL;
    size_t direct = 0;
    if (c->protocol->direct != NULL && !c->blocked && c->stash_len == 0)
        direct = c->protocol->direct(c, &to);
    uint8_t *scratch = loop_scratch(c->home->loop);
    struct iovec vectors[2] = {{.iov_base = to, .iov_len = direct},
                               {.iov_base = scratch, .iov_len = read_room(c)}};
    bool is_direct = direct > 0;
    bool both = is_direct && direct < CONN_DIRECT_BYTES_MAX;     /* what follows may come too */
    ssize_t got = conn_io_read(c, is_direct ? vectors : vectors + 1, both ? 2 : 1);
    if (is_direct && got <= 0) c->protocol->on_direct(c, 0);
    if (got == IO_AGAIN) return false;
    if (got <= 0) {
        on_end(c, got == IO_FAILED);
        return false;
    }
    metric_add(c->home->counters->bytes_in, got);
    *total += (size_t)got;
    size_t len = (size_t)got;
    size_t taken = len < direct ? len : direct;
    if (taken > 0) c->protocol->on_direct(c, taken);
    if (len > taken && !conn_is_closed(c)) feed(c, scratch, len - taken);
    return !conn_is_closed(c);
}

static void read_all(struct conn *c)
{
    size_t total = 0;
    int reads = 0;
    while (wants_read(c) && read_once(c, &total)) {
        if (c->ssl == NULL) break;           /* epoll tells again; OpenSSL would not */
        if (total < LOOP_READ_BYTES && ++reads < TLS_READS_A_TURN) continue;
        if (wants_read(c)) event_active(&c->read_event, EV_READ, 0);
        break;
    }
    if (!conn_is_closed(c)) conn_update(c);
}

/* ---- TLS */

/* Looks at the first byte without taking it: OpenSSL must see it. False: nothing to read yet, or
 * closed. */
static bool first_byte(struct conn *c)
{
    uint8_t first;
    ssize_t len = recv(c->fd, &first, 1, MSG_PEEK);
    if (len < 0) return false;               /* again; or an error that the next read reports */
    if (len == 0 || first != TLS_HANDSHAKE_BYTE) {
        life_move(c, CONN_OPEN);
        return true;
    }
    const struct door *door = c->home->door;
    if (door->tls != NULL && c->home->handshakes >= door->limits.handshakes_max) {
        conn_close(c, NET_CLOSE_FULL);       /* a session costs tens of KiB until it is set up */
        return false;
    }
    if (door->tls != NULL && !conn_charge(c, CONN_TLS_BYTES)) return false;
    c->ssl = door->tls == NULL ? NULL : tls_session(door->tls, c->fd, door->http != NULL);
    if (c->ssl == NULL) {
        conn_close(c, NET_CLOSE_TLS);
        return false;
    }
    life_move(c, CONN_HANDSHAKING);
    c->tls = true;
    conn_deadline(c, conn_limits(c)->handshake_ms, NET_CLOSE_HANDSHAKE);
    return true;
}

/* True when the session is ready for bytes. */
static bool handshake(struct conn *c)
{
    int outcome = conn_io_handshake(c);
    if (outcome == IO_FAILED) conn_close(c, NET_CLOSE_TLS);
    if (outcome != 1) return false;
    life_move(c, CONN_OPEN);
    conn_deadline(c, conn_limits(c)->idle_ms, NET_CLOSE_IDLE);
    metric_add(c->home->counters->tls_handshakes, 1);
    return true;
}

static void on_handshake(struct loop_task *task)
{
    struct conn *c = CONTAINER_OF(task, struct conn, handshake);
    c->shaking = false;
    if (conn_is_closed(c)) loop_defer_end(loop_current(), &c->free_job);
    else if (handshake(c)) read_all(c);
    else conn_update(c);
}

/* Hundreds of clients that greet at once are one against those who ask: each of them would come
 * first, since it had nothing yet. */
static void handshake_in_turn(struct conn *c)
{
    if (c->shaking) return;
    c->shaking = true;
    c->handshake =
        (struct loop_task){.client = (uint64_t)(uintptr_t)c->home, .begin = on_handshake};
    if (!loop_task_begin(c->home->loop, &c->handshake)) conn_update(c);     /* nothing is read */
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct conn *c = context;
    loop_awake(c->home->loop);
    if (c->life == CONN_FRESH && !first_byte(c)) return;
    if (c->life == CONN_HANDSHAKING) handshake_in_turn(c);
    else read_all(c);
}

/* ---- Writing */

void conn_flush_later(struct conn *c)
{
    if (c->flush_queued || conn_is_closed(c)) return;
    c->flush_queued = true;
    loop_defer_flush(c->home->loop, &c->flush_job);
}

static void wait_writable(struct conn *c, bool progress)
{
    c->write_blocked = true;
    event_add(&c->write_event, NULL);
    int64_t now_ms = loop_now_ms(c->home->loop);
    if (progress || c->out_check_ms == 0) c->out_moved_ms = now_ms;
    if (c->out_check_ms != 0) return;
    c->out_taken = 0;
    c->out_check_ms = now_ms + check_in(conn_limits(c)->write_stall_ms);
    arm(c);
}

/* Sends what waits. Returns the bytes sent; the connection may be closed afterwards. */
static size_t send_out(struct conn *c)
{
    size_t sent = 0, share = loop_flush_share(c->home->loop);
    bool more = true;
    while (c->out.bytes > 0 && sent < share) {
        ssize_t len = more ? conn_io_write(c, share - sent, &more) : IO_AGAIN;
        if (len == IO_FAILED) {
            conn_close(c, NET_CLOSE_IO);
            return sent;
        }
        if (len == IO_AGAIN) {
            wait_writable(c, sent > 0);
            break;
        }
        outq_drop(&c->out, (size_t)len);
        sent += (size_t)len;
    }
    if (sent > 0) metric_add(c->home->counters->bytes_out, (int64_t)sent);
    c->out_taken += sent;
    if (c->out.bytes == 0) c->out_check_ms = 0;
    else if (!c->write_blocked) conn_flush_later(c);
    return sent;
}

static void flush(struct conn *c)
{
    if (conn_is_closed(c) || c->life == CONN_HANDSHAKING) return;
    if (c->protocol->before_flush != NULL) c->protocol->before_flush(c);
    if (c->out.failed) conn_close(c, NET_CLOSE_MEMORY);
    if (conn_is_closed(c) || c->write_blocked) return;
    size_t sent = send_out(c);
    if (conn_is_closed(c)) return;
    if (sent > 0 && c->protocol->on_drained != NULL) c->protocol->on_drained(c);
    if (conn_is_closed(c)) return;
    if (c->out.bytes == 0 && conn_is_finishing(c)) {
        if (c->linger) linger_start(c);
        else conn_close(c, c->finish_reason);
        return;
    }
    conn_update(c);
}

static void on_flush(struct job *job)
{
    struct conn *c = CONTAINER_OF(job, struct conn, flush_job);
    c->flush_queued = false;
    flush(c);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct conn *c = context;
    loop_awake(c->home->loop);
    c->write_blocked = false;
    bool read_waits = c->ssl != NULL && SSL_want_write(c->ssl);   /* a read that must write first */
    if (c->life == CONN_HANDSHAKING) {
        handshake_in_turn(c);
        return;
    }
    if (read_waits && wants_read(c)) read_all(c);
    conn_flush_later(c);
}
