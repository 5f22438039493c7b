/* Cuts frames out of what a connection reads, runs them in order and sends the replies in order.
 *
 * Requests under way stand in a queue, oldest first; one that is finished before its elders waits
 * there. A frame that may not start yet (see may_overlap) is `waiting`: it was read whole, and
 * nothing is cut behind it. Fails with: a size beyond the limit, or half a frame and silence - the
 * connection is closed; no memory - the socket is not read until the budget gives. */
#include "base/net/frame.h"

#include <assert.h>
#include "base/mem.h"
#include "base/net/intake.h"
#include "base/check.h"

enum {
    SIZE_BYTES = 4,
    SPARES_MAX = 64,
    SPARE_KEPT_BYTES = 8 * 1024,     /* arena and reply buffer of a spare, each */
};

enum { RUNNING, REPLIED, SILENT, ABORTED };

struct frame_conn {
    struct conn *conn;
    void *user;
    struct intake body;              /* being read */
    struct frame_request *first;     /* under way, in their order */
    struct frame_request *last;
    struct frame_request *waiting;   /* whole, not started */
    uint32_t under_way;
    uint8_t size[SIZE_BYTES];
    uint8_t size_len;
    bool emitting;                   /* advance() is on the stack */
};

static const struct frame_door *door_of(const struct frame_conn *fc)
{
    return fc->conn->home->door->frames;
}

/* ---- Requests */

/* NULL: memory is out; body was given back. */
static struct frame_request *request_new(struct frame_conn *fc, struct slab *body)
{
    struct conn_home *home = fc->conn->home;
    const struct frame_door *door = home->door->frames;
    struct frame_request *rq = home->spares;
    if (rq != NULL) {
        home->spares = rq->next;
        home->spare_count--;
        rq->context = NULL;
        rq->on_closed = NULL;
        rq->on_stop = NULL;
    } else {
        rq = NEW_TRY(struct frame_request);
        if (rq == NULL) {
            slab_unref(body);
            return NULL;
        }
        arena_init(&rq->arena, door->arena_bytes_max);
        writer_init(&rq->reply, door->reply_bytes_max);
    }
    rq->arena.budget = rq->reply.budget = home->door->budget;
    rq->loop = home->loop;
    rq->conn = fc;
    rq->door = door;
    rq->body = body;
    rq->next = NULL;
    rq->state = RUNNING;
    return rq;
}

static void request_free(struct frame_request *rq)
{
    slab_unref(rq->body);
    writer_done(&rq->reply);
    arena_done(&rq->arena);
    mem_free(rq);
}

/* Keeps a small request for the next one: its blocks save three allocations a frame. */
static void request_spare(struct conn_home *home, struct frame_request *rq)
{
    if (home->spare_count == SPARES_MAX || rq->arena.used > SPARE_KEPT_BYTES ||
        rq->reply.cap > SPARE_KEPT_BYTES) {
        request_free(rq);
        return;
    }
    slab_unref(rq->body);
    rq->body = NULL;
    arena_reset(&rq->arena);
    writer_reset(&rq->reply);
    rq->conn = NULL;
    rq->next = home->spares;
    home->spares = rq;
    home->spare_count++;
}

void frame_home_done(struct conn_home *home)
{
    while (home->spares != NULL) {
        struct frame_request *rq = home->spares;
        home->spares = rq->next;
        request_free(rq);
    }
    home->spare_count = 0;
}

/* ---- Starting */

static void start(struct frame_conn *fc, struct frame_request *rq)
{
    if (fc->first == NULL) fc->first = rq;
    else fc->last->next = rq;
    fc->last = rq;
    fc->under_way++;
    conn_deadline(fc->conn, 0, NET_CLOSE_IDLE);
    metric_add(fc->conn->home->counters->requests, 1);
    door_of(fc)->on_frame(rq);
}

/* A large answer is made when there is room for it. */
static bool has_room(struct frame_conn *fc, const struct frame_request *rq)
{
    struct conn *c = fc->conn;
    struct room *room = loop_room(c->home->loop);
    const struct frame_door *door = door_of(fc);
    if (door->answer_bytes == NULL || !room_is_half_full(room)) return true;
    size_t bytes = door->answer_bytes(door, slab_bytes(rq->body));
    if (bytes <= ROOM_ANSWER_BYTES_MIN || room_has(room, bytes, loop_now_ms(c->home->loop)))
        return true;
    conn_wait_budget(c);
    return false;
}

static bool may_start(struct frame_conn *fc, const struct frame_request *rq)
{
    struct conn *c = fc->conn;
    if (conn_is_muted(c) || conn_is_full(c) || conn_is_ending(c) || c->home->stopping)
        return false;
    if (fc->first == NULL) return has_room(fc, rq);
    const struct frame_door *door = door_of(fc);
    return fc->under_way < conn_limits(c)->pipelined_max && door->may_overlap != NULL &&
           door->may_overlap(fc->last, slab_bytes(rq->body));
}

static void idle(struct frame_conn *fc)
{
    struct conn *c = fc->conn;
    conn_deadline(c, conn_limits(c)->idle_ms, NET_CLOSE_IDLE);
}

/* What is half read has its own time. */
static void reads(struct frame_conn *fc)
{
    if (fc->body.slab != NULL) conn_body(fc->conn, fc->body.want, fc->body.slab->len);
    else if (fc->size_len > 0) conn_body(fc->conn, SIZE_BYTES, fc->size_len);
    else return;
    conn_deadline(fc->conn, 0, NET_CLOSE_IDLE);
}

/* ---- Finishing */

static void emit(struct frame_conn *fc, struct frame_request *rq)
{
    struct conn *c = fc->conn;
    if (rq->state == ABORTED) conn_finish(c, NET_CLOSE_ABORT, !c->home->stopping);
    if (rq->state != REPLIED || conn_is_ending(c)) return;
    uint8_t size[SIZE_BYTES];
    store_be32(size, (uint32_t)writer_total(&rq->reply));
    outq_copy(&c->out, bytes_of(size, sizeof size));
    outq_writer(&c->out, &rq->reply);
    conn_flush_later(c);
}

static void emit_finished(struct frame_conn *fc)
{
    while (fc->first != NULL && fc->first->state != RUNNING) {
        struct frame_request *rq = fc->first;
        fc->first = rq->next;
        if (fc->first == NULL) fc->last = NULL;
        fc->under_way--;
        emit(fc, rq);
        request_spare(fc->conn->home, rq);
    }
}

/* Sends what can be sent and starts what may start now. A request that is finished while it is
 * being started comes back here: the outer call goes on with it. */
static void advance(struct frame_conn *fc)
{
    struct conn *c = fc->conn;
    if (fc->emitting) return;
    fc->emitting = true;
    emit_finished(fc);
    while (fc->waiting != NULL && may_start(fc, fc->waiting)) {
        struct frame_request *rq = fc->waiting;
        fc->waiting = NULL;
        start(fc, rq);
        emit_finished(fc);
    }
    fc->emitting = false;
    if (conn_is_ending(c)) return;
    bool done = fc->first == NULL && fc->waiting == NULL;
    if (done && c->eof) conn_finish(c, NET_CLOSE_PEER, false);
    else if (fc->first == NULL && c->home->stopping) conn_finish(c, NET_CLOSE_STOP, false);
    else if (done) idle(fc);
}

static void finish(struct frame_request *rq, uint8_t state)
{
    loop_assert(rq->loop);
    assert(rq->state == RUNNING);
    struct frame_conn *fc = rq->conn;
    if (fc == NULL) {
        request_free(rq);
        return;
    }
    rq->state = state;
    if (fc->first != rq) return;
    advance(fc);
    if (!fc->emitting && fc->waiting == NULL && fc->conn->blocked) conn_resume(fc->conn);
}

void frame_reply(struct frame_request *rq)
{
    bool bad = rq->reply.err != ERR_OK || writer_total(&rq->reply) > INT32_MAX;
    finish(rq, bad ? ABORTED : REPLIED);
}

void frame_reply_none(struct frame_request *rq)
{
    finish(rq, SILENT);
}

void frame_abort(struct frame_request *rq)
{
    finish(rq, ABORTED);
}

/* ---- Waiting */

static size_t holds(const struct frame_request *rq)
{
    return rq->body->charged + rq->arena.charged + rq->reply.charged;
}

bool frame_park(struct frame_request *rq)
{
    loop_assert(rq->loop);
    struct budget *from = rq->arena.budget;
    struct budget *to = rq->conn ? rq->conn->conn->home->door->waiting : NULL;
    bool counted = from != NULL && atomic_load(&rq->body->budget) == from;
    if (to == NULL || from == to || !counted) return true;
    if (!budget_take(to, holds(rq))) return false;
    budget_give(from, holds(rq));
    atomic_store(&rq->body->budget, to);
    rq->arena.budget = rq->reply.budget = to;
    return true;
}

/* ---- Reading */

/* No memory: what was read too early waits with us. */
static bool starve(struct frame_conn *fc)
{
    conn_wait_budget(fc->conn);
    return false;
}

/* The size field is complete: makes the slab. there: how much of the body. False: blocked, or
 * closing once what came before was answered. */
static bool admit(struct frame_conn *fc, size_t there)
{
    struct conn *c = fc->conn;
    uint32_t size = load_be32(fc->size);
    if (size > door_of(fc)->frame_bytes_max) {      /* also any negative one */
        conn_body_end(c);
        if (fc->first == NULL) conn_finish(c, NET_CLOSE_TOO_LARGE, true);
        else conn_block(c);
        return false;
    }
    if (!intake_begin(&fc->body, c, size, there)) return starve(fc);
    fc->size_len = 0;
    return true;
}

static bool expect(struct frame_conn *fc, size_t bytes)
{
    return intake_expect(&fc->body, fc->conn, fc->body.slab->len, bytes) || starve(fc);
}

/* The body is complete. */
static void complete(struct frame_conn *fc)
{
    assert(fc->waiting == NULL);
    conn_body_end(fc->conn);
    fc->waiting = request_new(fc, intake_end(&fc->body, fc->conn, 0));
    if (fc->waiting == NULL) conn_close(fc->conn, NET_CLOSE_MEMORY);
    else advance(fc);
}

static size_t take_size(struct frame_conn *fc, const uint8_t *data, size_t len)
{
    size_t used = 0;
    while (used < len && fc->size_len < SIZE_BYTES) fc->size[fc->size_len++] = data[used++];
    return used;
}

static size_t frame_bytes(struct conn *c, const uint8_t *data, size_t len)
{
    struct frame_conn *fc = c->state;
    size_t used = 0;
    advance(fc);                                    /* a mute may have ended, output been sent */
    while (!conn_is_ending(c)) {
        if (fc->waiting != NULL || c->home->stopping) {
            conn_block(c);
            return used;
        }
        if (fc->body.slab == NULL) {
            used += take_size(fc, data + used, len - used);
            if (fc->size_len < SIZE_BYTES || !admit(fc, len - used)) break;
        }
        size_t rest = intake_rest(&fc->body);
        size_t take = len - used < rest ? len - used : rest;
        if (!expect(fc, take)) break;
        mem_copy(fc->body.slab->data + fc->body.slab->len, data + used, take);
        intake_came(&fc->body, take);
        used += take;
        if (take < rest) break;
        complete(fc);
    }
    if (conn_is_ending(c) || c->blocked) return used;
    reads(fc);
    if (fc->first == NULL && fc->waiting == NULL && c->body.began_ms == 0) idle(fc);
    return used;
}

static size_t frame_direct(struct conn *c, uint8_t **ret_to)
{
    struct frame_conn *fc = c->state;
    bool refused;
    size_t bytes = intake_direct(&fc->body, c, ret_to, &refused);
    if (refused) starve(fc);
    return bytes;
}

static void frame_direct_done(struct conn *c, size_t len)
{
    struct frame_conn *fc = c->state;
    intake_came(&fc->body, len);
    if (intake_rest(&fc->body) == 0) complete(fc);
    else if (len > 0) reads(fc);
}

/* ---- The connection */

static bool frame_eof(struct conn *c)
{
    struct frame_conn *fc = c->state;
    if (fc->body.slab != NULL || fc->size_len > 0) conn_close(c, NET_CLOSE_TRUNCATED);
    else if (fc->waiting == NULL) conn_close(c, NET_CLOSE_PEER);
    return conn_is_closed(c);       /* a whole request that was sent before the end is still run */
}

static void frame_drained(struct conn *c)
{
    struct frame_conn *fc = c->state;
    if (fc->waiting != NULL && !conn_is_full(c)) conn_resume(c);
}

static void frame_stop(struct conn *c)
{
    struct frame_conn *fc = c->state;
    bool inside = fc->emitting;
    fc->emitting = true;             /* what is finished meanwhile stays in its place */
    for (struct frame_request *rq = fc->first; rq != NULL; rq = rq->next) {
        if (rq->state != RUNNING || rq->on_stop == NULL) continue;
        void (*on_stop)(struct frame_request *) = TAKE(rq->on_stop);
        on_stop(rq);
    }
    fc->emitting = inside;
    advance(fc);
}

static void frame_gone(struct conn *c)
{
    struct frame_conn *fc = c->state;
    fc->emitting = true;             /* nothing is to be sent or started any more */
    intake_drop(&fc->body, c);
    if (fc->waiting != NULL) request_free(TAKE(fc->waiting));
    struct frame_request *rq = TAKE(fc->first);
    while (rq != NULL) {
        struct frame_request *next = rq->next;
        rq->conn = NULL;
        if (rq->state != RUNNING) request_free(rq);
        else if (rq->on_closed != NULL) rq->on_closed(rq);
        rq = next;
    }
    if (door_of(fc)->on_close != NULL) door_of(fc)->on_close(fc);
    c->state = NULL;
    mem_free(fc);
}

static const struct conn_protocol frame_protocol = {
    .on_bytes = frame_bytes,
    .direct = frame_direct,
    .on_direct = frame_direct_done,
    .on_eof = frame_eof,
    .on_drained = frame_drained,
    .on_stop = frame_stop,
    .on_gone = frame_gone,
};

void frame_start(struct conn *c)
{
    struct frame_conn *fc = NEW_TRY(struct frame_conn);
    if (fc == NULL) {
        conn_close(c, NET_CLOSE_MEMORY);
        return;
    }
    fc->conn = c;
    conn_switch(c, &frame_protocol, fc);
    if (c->home->door->frames->on_open != NULL) c->home->door->frames->on_open(fc);
}

void frame_mute(struct frame_conn *fc, uint32_t ms)
{
    conn_mute(fc->conn, ms);
}

void frame_close(struct frame_conn *fc)
{
    conn_finish(fc->conn, NET_CLOSE_ABORT, false);
}

void frame_user_set(struct frame_conn *fc, void *user)
{
    fc->user = user;
}

void *frame_user(const struct frame_conn *fc)
{
    return fc->user;
}

const struct frame_door *frame_door(const struct frame_conn *fc)
{
    return door_of(fc);
}

struct loop *frame_loop(const struct frame_conn *fc)
{
    return fc->conn->home->loop;
}

bool frame_is_tls(const struct frame_conn *fc)
{
    return fc->conn->tls;
}

void frame_local(const struct frame_conn *fc, struct net_address *ret)
{
    net_address_local(fc->conn->fd, ret);
}

struct budget *frame_budget(const struct frame_conn *fc)
{
    return fc->conn->home->door->budget;
}

void frame_peer(const struct frame_conn *fc, struct net_address *ret)
{
    net_address_peer(fc->conn->fd, ret);
}
