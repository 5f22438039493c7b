/* A stream: opened with its first header, ready once its request is whole, running at its door,
 * freed when nghttp2 closes it or the connection goes. */
#include "base/net/http2_inner.h"

#include "base/mem.h"
#include "base/check.h"

enum {
    STREAM_BYTES = 4096,             /* what a stream costs, besides its headers and body */
    STREAMS_FREE_BYTES = 64 * 1024,  /* of a connection; more is taken from the budget */
    SWEEP_MS_MAX = 1000,
};

struct http2_stream *http2_stream_new(struct http2 *h, int32_t id)
{
    struct http2_stream *s = NEW_TRY(struct http2_stream);
    struct http_request *rq = s ? http_request_new(h->conn, h->version) : NULL;
    if (rq == NULL) return mem_free(s);
    s->h2 = h;
    s->id = id;
    s->out.total = &loop_room(h->conn->home->loop)->queued;
    s->reading = true;
    s->body.began_ms = s->body.came_ms = s->body.seen_ms = loop_now_ms(h->conn->home->loop);
    s->rq = rq;
    rq->stream = s;
    s->next = h->streams;
    if (s->next != NULL) s->next->prev = s;
    h->streams = s;
    h->stream_count++;
    return s;
}

static void body_done(struct http2_stream *s)
{
    s->reading = false;
    if (s->in.slab == NULL) return;
    s->h2->bodies_bytes -= s->in.slab->len;
    s->rq->body = intake_end(&s->in, s->h2->conn, s->h2->bodies_bytes);
}

static void ready_remove(struct http2 *h, struct http2_stream *s)
{
    if (!s->ready) return;
    s->ready = false;
    struct http2_stream *last = NULL;
    for (struct http2_stream **at = &h->ready_first; *at != NULL; at = &(*at)->ready_next) {
        if (*at == s) {
            *at = s->ready_next;
            if (h->ready_last == s) h->ready_last = last;
            return;
        }
        last = *at;
    }
}

static void uncharge(struct http2_stream *s)
{
    if (s->charged > 0) budget_give(s->h2->conn->home->door->budget, s->charged);
    s->h2->heads_bytes -= s->heads;
}

void http2_promise(struct http_request *rq, int by)
{
    struct http2_stream *s = rq->stream;
    s->h2->promises += (uint32_t)by;
}

/* Replies wait to be read by the client, or are being made: the next request waits for them. */
static bool is_full(const struct http2 *h)
{
    return h->queued_bytes > conn_limits(h->conn)->out_bytes_max ||
           h->promises >= HTTP2_PROMISES_MAX;
}

/* Whether s may start: a large answer waits for room of the loop too. */
static bool may_run(struct http2_stream *s)
{
    if (is_full(s->h2)) return false;
    if (http_has_room(s->rq)) return true;
    conn_wait_room(s->h2->conn);
    return false;
}

void http2_stream_free(struct http2_stream *s)
{
    struct http2 *h = s->h2;
    struct http_request *rq = s->rq;
    bool started = rq != NULL && !s->reading && !s->ready;
    body_done(s);
    ready_remove(h, s);
    if (h->starved == s) h->starved = NULL;      /* its chunk is skipped when reading goes on */
    uncharge(s);
    h->queued_bytes -= s->out.bytes;
    if (rq != NULL && rq->promised > 0) h->promises--;
    outq_done(&s->out);
    if (s->prev != NULL) s->prev->next = s->next;
    else h->streams = s->next;
    if (s->next != NULL) s->next->prev = s->prev;
    h->stream_count--;
    mem_free(s);
    if (rq == NULL) return;
    if (started) http_request_gone(rq);
    else http_request_free(rq);
}

void http2_rest(struct http2 *h)
{
    if (h->conn->home->stopping) return;         /* the deadline is the stop's */
    const struct net_limits *l = conn_limits(h->conn);
    uint32_t sweep_ms = l->body_stall_ms < l->write_stall_ms ? l->body_stall_ms : l->write_stall_ms;
    if (h->streams == NULL) conn_deadline(h->conn, l->idle_ms, NET_CLOSE_IDLE);
    else conn_deadline(h->conn, sweep_ms < SWEEP_MS_MAX ? sweep_ms : SWEEP_MS_MAX, NET_CLOSE_IDLE);
}

void http2_stream_reset(struct http2 *h, struct http2_stream *s, uint32_t code)
{
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, code);
    metric_add(h->conn->home->counters->h2_resets, 1);
    conn_flush_later(h->conn);
}

static void run(struct http2_stream *s)
{
    s->out_ms = loop_now_ms(s->h2->conn->home->loop);
    http_request_run(s->rq);
}

void http2_stream_ready(struct http2_stream *s)
{
    struct http2 *h = s->h2;
    body_done(s);
    if (h->ready_first == NULL && may_run(s)) {
        run(s);
        return;
    }
    s->ready = true;
    s->ready_next = NULL;
    if (h->ready_first == NULL) h->ready_first = s;
    else h->ready_last->ready_next = s;
    h->ready_last = s;
}

void http2_run_ready(struct http2 *h)
{
    while (h->ready_first != NULL && may_run(h->ready_first)) {
        struct http2_stream *s = h->ready_first;
        ready_remove(h, s);
        run(s);
    }
}

void http2_stream_refuse(struct http2_stream *s, uint16_t status)
{
    body_done(s);
    slab_unrefp(&s->rq->body);
    s->discarding = true;
    s->rq->refused = status;
    http2_stream_ready(s);
}

bool http2_stream_charge(struct http2_stream *s)
{
    struct http2 *h = s->h2;
    size_t bytes = STREAM_BYTES + s->header_bytes;
    if (h->heads_bytes + bytes > STREAMS_FREE_BYTES) {
        if (!budget_take(h->conn->home->door->budget, bytes)) return false;
        s->charged = bytes;
    }
    s->heads = bytes;
    h->heads_bytes += bytes;
    return true;
}
