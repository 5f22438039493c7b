/* HTTP/2 over nghttp2, which turns bytes into frames and back and knows the flow control. Streams run
 * side by side; each has an output queue of its own, from which DATA frames are made by reference
 * only as far as the connection's queue has room: so a slow reader of one stream holds up that
 * stream alone, and a slow connection holds little.
 *
 * Memory: the heads of a few streams are free, more of them are taken from the budget. A body is admitted by its content-length. When the budget refuses, the connection is not
 * read until it gives - unless bodies of other streams are half read, for these hold memory that only
 * reading on will free; then the request is refused with 503. A request that is whole waits unstarted
 * while more than out_bytes_max is queued on all streams together.
 *
 * Fails with: 413, 431, 503 for one request; RST_STREAM for a stalled stream; GOAWAY
 * (ENHANCE_YOUR_CALM) for a flood of frames that ask for nothing; what nghttp2 finds wrong, with its
 * own GOAWAY. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/net/http_inner.h"
#include "base/check.h"

enum {
    OUT_BYTES_LOW = 256 * 1024,      /* frames are made while less than this waits on the connection */
    CONTINUATIONS_MAX = 8,
    STREAM_BYTES = 4096,             /* what a stream costs, besides its headers and body */
    STREAMS_FREE_BYTES = 64 * 1024,  /* of a connection; more is taken from the budget */
    SWEEP_MS_MAX = 5000,
};

struct http2;

struct stream {
    struct http2 *h2;
    struct stream *next;             /* all streams of the connection */
    struct stream *prev;
    struct stream *ready_next;       /* those whose request waits to be started */
    struct http_request *rq;         /* NULL once it was answered */
    int32_t id;
    struct outq out;
    uint32_t header_cap;
    size_t header_bytes;
    size_t heads;                    /* its part of heads_bytes */
    size_t charged;                  /* taken from the budget for this stream's head */
    struct bytes authority;
    uint64_t body_len;               /* content-length, when there is one */
    int64_t in_ms;                   /* when the client last sent a part of the request */
    int64_t out_ms;                  /* when a part of the reply last left */
    bool reading;                    /* the request is not whole yet */
    bool discarding;                 /* its body is not wanted any more */
    bool ready;                      /* in the ready list */
    bool ended;                      /* out is all that will come */
    bool replied;                    /* HEADERS were submitted */
    bool deferred;                   /* nghttp2 waits for resume_data */
    bool above_low;
    bool writable;                   /* on_writable is due */
};

struct http2 {
    struct conn *conn;
    nghttp2_session *session;
    struct stream *streams;
    uint32_t stream_count;
    size_t heads_bytes;              /* of all streams, STREAM_BYTES each included */
    struct stream *ready_first;
    struct stream *ready_last;
    size_t queued_bytes;             /* on all streams */
    uint32_t bodies;                 /* streams that hold a half-read body */
    /* A chunk that waits for memory. Its frame's bytes lie first in the stash: chunk, then padding. */
    struct stream *starved;          /* NULL once the stream has gone */
    const uint8_t *starved_data;     /* during nghttp2_session_mem_recv() only */
    size_t starved_len;
    size_t starved_skip;             /* with the padding; 0 = nothing waits */
    int64_t control_at_ms;           /* token bucket of control frames */
    int64_t control_left;            /* in thousandths */
    enum net_close reason;           /* once nghttp2 wants to close */
    bool going;                      /* GOAWAY was submitted */
};

/* ---- streams ---------------------------------------------------------------------------------- */

static struct stream *stream_new(struct http2 *h, int32_t id)
{
    struct stream *s = NEW(struct stream);
    s->h2 = h;
    s->id = id;
    s->reading = true;
    s->in_ms = loop_now_ms(h->conn->home->loop);
    s->rq = http_request_new(h->conn, 2);
    s->rq->stream = s;
    s->next = h->streams;
    if (s->next != NULL) s->next->prev = s;
    h->streams = s;
    h->stream_count++;
    return s;
}

static void body_done(struct stream *s)
{
    if (s->reading && s->rq != NULL && s->rq->body != NULL) s->h2->bodies--;
    s->reading = false;
}

static void ready_remove(struct http2 *h, struct stream *s)
{
    if (!s->ready) return;
    s->ready = false;
    struct stream *last = NULL;
    for (struct stream **at = &h->ready_first; *at != NULL; at = &(*at)->ready_next) {
        if (*at == s) {
            *at = s->ready_next;
            if (h->ready_last == s) h->ready_last = last;
            return;
        }
        last = *at;
    }
}

static void uncharge(struct stream *s)
{
    if (s->charged > 0) budget_give(s->h2->conn->home->door->budget, s->charged);
    s->h2->heads_bytes -= s->heads;
}

static void stream_free(struct stream *s)
{
    struct http2 *h = s->h2;
    struct http_request *rq = s->rq;
    bool started = rq != NULL && !s->reading && !s->ready;
    body_done(s);
    ready_remove(h, s);
    if (h->starved == s) h->starved = NULL;      /* its chunk is skipped when reading goes on */
    uncharge(s);
    h->queued_bytes -= s->out.bytes;
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

static void reset(struct http2 *h, struct stream *s, uint32_t code)
{
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, code);
    metric_add(h->conn->home->counters->h2_resets, 1);
    conn_flush_later(h->conn);
}

/* ---- requests --------------------------------------------------------------------------------- */

static void idle_or_sweep(struct http2 *h)
{
    const struct net_limits *l = conn_limits(h->conn);
    uint32_t sweep_ms = l->body_stall_ms < l->write_stall_ms ? l->body_stall_ms : l->write_stall_ms;
    if (h->streams == NULL) conn_deadline(h->conn, l->idle_ms, NET_CLOSE_IDLE);
    else conn_deadline(h->conn, sweep_ms < SWEEP_MS_MAX ? sweep_ms : SWEEP_MS_MAX, NET_CLOSE_IDLE);
}

static void run(struct stream *s)
{
    s->out_ms = loop_now_ms(s->h2->conn->home->loop);
    http_request_run(s->rq);
}

/* The request is whole, or refused: starts it, unless the client leaves too many replies unread. */
static void ready(struct stream *s)
{
    struct http2 *h = s->h2;
    body_done(s);
    if (h->ready_first == NULL && h->queued_bytes <= conn_limits(h->conn)->out_bytes_max) {
        run(s);
        return;
    }
    s->ready = true;
    s->ready_next = NULL;
    if (h->ready_first == NULL) h->ready_first = s;
    else h->ready_last->ready_next = s;
    h->ready_last = s;
}

static void run_ready(struct http2 *h)
{
    while (h->ready_first != NULL && h->queued_bytes <= conn_limits(h->conn)->out_bytes_max) {
        struct stream *s = h->ready_first;
        ready_remove(h, s);
        run(s);
    }
}

static void refuse(struct stream *s, uint16_t status)
{
    body_done(s);
    slab_unrefp(&s->rq->body);
    s->discarding = true;
    s->rq->refused = status;
    ready(s);
}

static bool add_header(struct stream *s, struct bytes name, struct bytes value)
{
    struct http_request *rq = s->rq;
    if (rq->header_count == s->header_cap) {
        uint32_t cap = s->header_cap ? s->header_cap * 2 : 16;
        struct http_header *grown = ARENA_ARRAY(&rq->arena, struct http_header, cap);
        if (grown == NULL) return false;
        mem_copy(grown, rq->headers, rq->header_count * sizeof *grown);
        rq->headers = grown;
        s->header_cap = cap;
    }
    rq->headers[rq->header_count++] = (struct http_header){.name = name, .value = value};
    return true;
}

/* The array doubles up to the limit, and one more for host: the arena was sized for that. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *context)
{
    (void)flags, (void)context;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    /* Behind a body stand trailers; nothing is asked of them. */
    if (s == NULL || s->rq == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    const struct net_limits *l = conn_limits(s->h2->conn);
    s->header_bytes += name_len + value_len;
    if (s->header_bytes > l->header_bytes_max || s->rq->header_count >= l->header_count_max)
        s->rq->refused = 431;
    if (s->rq->refused != 0) return 0;
    struct bytes n = bytes_of(name, name_len);
    struct bytes v = arena_copy(&s->rq->arena, bytes_of(value, value_len));
    if (bytes_is_null(v)) s->rq->refused = 431;
    else if (bytes_equal_str(n, ":method")) s->rq->method = v;
    else if (bytes_equal_str(n, ":path")) http_request_target(s->rq, v);
    else if (bytes_equal_str(n, ":authority")) s->authority = v;
    else if (name_len == 0 || name[0] == ':') return 0;
    else if (!add_header(s, arena_copy(&s->rq->arena, n), v)) s->rq->refused = 431;
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *h = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct stream *s = stream_new(h, frame->hd.stream_id);
    nghttp2_session_set_stream_user_data(session, s->id, s);
    return 0;
}

/* False: the connection has many streams open, and there is no memory for one more. */
static bool charge(struct stream *s)
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

static void on_request_head(struct stream *s)
{
    struct http_request *rq = s->rq;
    if (rq->refused == 0 && !charge(s)) rq->refused = 503;
    if (rq->refused != 0) {
        refuse(s, rq->refused);
        return;
    }
    if (!bytes_is_null(s->authority) && bytes_is_null(http_header(rq, "host")))
        add_header(s, BYTES_LIT("host"), s->authority);
    uint64_t len = 0;
    if (http_content_length(rq, &len) && len > rq->door->body_bytes_max) {
        refuse(s, 413);
        return;
    }
    s->body_len = len;
    if (http_name_is(http_header(rq, "expect"), "100-continue")) {
        nghttp2_nv nv = {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "100", 7, 3,
                         NGHTTP2_NV_FLAG_NONE};
        nghttp2_submit_headers(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NULL, &nv, 1, NULL);
    }
}

/* ---- frames ----------------------------------------------------------------------------------- */

static void go_away(struct http2 *h, uint32_t code, enum net_close reason)
{
    if (h->going) return;
    h->going = true;
    h->reason = reason;
    nghttp2_session_terminate_session(h->session, code);
    conn_flush_later(h->conn);
}

/* Frames that cost us work and ask for nothing come at a rate, or are a flood. */
static void count_control(struct http2 *h)
{
    const struct net_limits *l = conn_limits(h->conn);
    int64_t now_ms = loop_now_ms(h->conn->home->loop);
    int64_t full = (int64_t)l->h2_control_burst * 1000;
    h->control_left += (now_ms - h->control_at_ms) * l->h2_control_per_s;
    if (h->control_left > full) h->control_left = full;
    h->control_at_ms = now_ms;
    h->control_left -= 1000;
    if (h->control_left < 0) go_away(h, NGHTTP2_ENHANCE_YOUR_CALM, NET_CLOSE_FLOOD);
}

static bool is_control(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY:
        return true;
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    default:
        return false;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *h = context;
    if (is_control(frame)) count_control(h);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        if (h->streams == NULL && !h->going) idle_or_sweep(h);
        return 0;
    }
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s == NULL || h->going) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        on_request_head(s);
        if (h->stream_count == 1) idle_or_sweep(h);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && s->reading) ready(s);
    return 0;
}

/* Adds a chunk. False: there is no memory, and waiting for some is right. */
static bool take_chunk(struct stream *s, struct bytes chunk)
{
    struct http2 *h = s->h2;
    struct http_request *rq = s->rq;
    if (rq->body == NULL && s->body_len > 0) {
        rq->body = slab_new(h->conn->home->door->budget, (size_t)s->body_len);
        if (rq->body == NULL && h->bodies == 0) return false;
        if (rq->body == NULL) {
            refuse(s, 503);
            return true;
        }
        h->bodies++;
    }
    bool had_body = rq->body != NULL;
    uint16_t status = http_body_add(rq, chunk);
    if (!had_body && rq->body != NULL) h->bodies++;
    if (status != 0) refuse(s, status);
    return true;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                    size_t len, void *context)
{
    (void)flags;
    struct http2 *h = context;
    struct stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    if (s == NULL || s->rq == NULL || !s->reading || s->discarding) return 0;
    s->in_ms = loop_now_ms(h->conn->home->loop);
    if (take_chunk(s, bytes_of(data, len))) return 0;
    h->starved = s;
    h->starved_data = data;
    h->starved_len = len;
    conn_wait_budget(h->conn);
    return NGHTTP2_ERR_PAUSE;        /* the chunk counts as taken: it is given to take_chunk() again */
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *context)
{
    (void)code;
    struct http2 *h = context;
    struct stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    if (s == NULL) return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    stream_free(s);
    if (h->streams == NULL && !h->going) idle_or_sweep(h);
    return 0;
}

/* Tries the chunk that waited. Returns the bytes done with, 0 when it goes on waiting. */
static size_t retry_chunk(struct http2 *h, const uint8_t *data)
{
    if (h->starved != NULL && !take_chunk(h->starved, bytes_of(data, h->starved_len))) {
        conn_wait_budget(h->conn);
        return 0;
    }
    size_t skip = h->starved_skip;
    h->starved = NULL;
    h->starved_skip = 0;
    return skip;
}

static size_t http2_bytes(struct conn *c, const uint8_t *data, size_t len)
{
    struct http2 *h = c->state;
    size_t used = 0;
    if (h->starved_skip > 0 && (used = retry_chunk(h, data)) == 0) return 0;
    while (used < len) {
        ssize_t n = nghttp2_session_mem_recv(h->session, data + used, len - used);
        if (n < 0) {
            conn_close(c, n == NGHTTP2_ERR_FLOODED ? NET_CLOSE_FLOOD : NET_CLOSE_PROTOCOL);
            return len;
        }
        used += (size_t)n;
        if (h->starved == NULL) continue;
        /* The refused chunk counts as taken, but is kept: it comes again, first of all. */
        h->starved_skip = (size_t)(data + used - h->starved_data);
        used -= h->starved_skip;
        break;
    }
    conn_flush_later(c);
    return used;
}

/* ---- sending ---------------------------------------------------------------------------------- */

static ssize_t on_read_data(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t len,
                            uint32_t *data_flags, nghttp2_data_source *source, void *context)
{
    (void)session, (void)stream_id, (void)buf, (void)context;
    struct stream *s = source->ptr;
    size_t take = s->out.bytes < len ? s->out.bytes : len;
    if (take == 0 && !s->ended) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->ended && take == s->out.bytes) *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t len, nghttp2_data_source *source, void *context)
{
    (void)session, (void)frame;
    enum { FRAME_HEAD_BYTES = 9 };
    struct http2 *h = context;
    struct stream *s = source->ptr;
    outq_copy(&h->conn->out, bytes_of(head, FRAME_HEAD_BYTES));
    outq_move(&h->conn->out, &s->out, len);
    h->queued_bytes -= len;
    s->out_ms = loop_now_ms(h->conn->home->loop);
    if (s->above_low && s->out.bytes <= conn_limits(h->conn)->stream_low_bytes) {
        s->above_low = false;
        s->writable = true;
    }
    return 0;
}

/* A reply may end before its request did (413): the client is told to stop sending. A GOAWAY with an
 * error that is not ours comes from nghttp2: the client broke the protocol. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *h = context;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !h->going)
        h->reason = NET_CLOSE_PROTOCOL;
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s != NULL && s->discarding)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

static void pump(struct http2 *h)
{
    struct conn *c = h->conn;
    while (c->out.bytes < OUT_BYTES_LOW) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(h->session, &data);
        if (len < 0) {
            conn_close(c, NET_CLOSE_PROTOCOL);
            return;
        }
        if (len == 0 && !nghttp2_session_want_write(h->session)) break;
        if (len == 0) break;                         /* all streams wait for their windows */
        outq_copy(&c->out, bytes_of(data, (size_t)len));
    }
}

/* One round: a door that writes again and again must not keep the loop. */
static void call_writable(struct http2 *h)
{
    struct stream *next;
    for (struct stream *s = h->streams; s != NULL; s = next) {
        next = s->next;
        if (!s->writable) continue;
        s->writable = false;
        if (s->rq != NULL && s->rq->on_writable != NULL) s->rq->on_writable(s->rq);
    }
}

static void http2_before_flush(struct conn *c)
{
    struct http2 *h = c->state;
    if (c->finishing) return;
    pump(h);
    if (c->closed) return;
    call_writable(h);
    run_ready(h);
    pump(h);
    if (c->closed) return;
    if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)) {
        bool wrong = h->reason == NET_CLOSE_PROTOCOL || h->reason == NET_CLOSE_FLOOD;
        conn_finish(c, h->reason, wrong);
    }
}

static void http2_drained(struct conn *c)
{
    struct http2 *h = c->state;
    if (c->out.bytes < OUT_BYTES_LOW && !c->finishing && nghttp2_session_want_write(h->session))
        conn_flush_later(c);
}

/* ---- replying --------------------------------------------------------------------------------- */

static nghttp2_nv nv_of(const char *name, struct bytes value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name, .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value.data, .valuelen = value.len};
}

/* Submits HEADERS; with body, DATA follows from the stream's queue. */
static void submit_head(struct stream *s, uint16_t status, const struct http_header *headers,
                        uint32_t header_count, const char *length, bool body)
{
    struct http2 *h = s->h2;
    char status_text[8];
    snprintf(status_text, sizeof status_text, "%u", status);
    nghttp2_nv *nvs = NEW_ARRAY(nghttp2_nv, header_count + 3);
    size_t count = 0;
    nvs[count++] = nv_of(":status", bytes_str(status_text));
    for (uint32_t i = 0; i < header_count; i++) {
        if (!http_value_is_legal(headers[i].value)) continue;
        nvs[count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)headers[i].name.data,
                                    .namelen = headers[i].name.len,
                                    .value = (uint8_t *)(uintptr_t)headers[i].value.data,
                                    .valuelen = headers[i].value.len};
    }
    nvs[count++] = nv_of("date", bytes_str(http_date()));
    if (length != NULL) nvs[count++] = nv_of("content-length", bytes_str(length));
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = on_read_data};
    s->replied = true;
    s->ended = !body;
    if (nghttp2_submit_response(h->session, s->id, nvs, count, body ? &provider : NULL) != 0)
        reset(h, s, NGHTTP2_INTERNAL_ERROR);
    mem_free(nvs);
    conn_flush_later(h->conn);
}

static void queue(struct stream *s, struct writer *w)
{
    size_t before = s->out.bytes;
    if (before == 0) s->out_ms = loop_now_ms(s->h2->conn->home->loop);
    outq_writer(&s->out, w);
    s->h2->queued_bytes += s->out.bytes - before;
    if (s->out.bytes > conn_limits(s->h2->conn)->stream_low_bytes) s->above_low = true;
}

static void resume_data(struct stream *s)
{
    if (!s->deferred) return;
    s->deferred = false;
    nghttp2_session_resume_data(s->h2->session, s->id);
    conn_flush_later(s->h2->conn);
}

static void answered(struct http_request *rq)
{
    ((struct stream *)rq->stream)->rq = NULL;
    http_request_free(rq);
}

static void http2_reply(struct http_request *rq, uint16_t status, const struct http_header *headers,
                        uint32_t header_count)
{
    struct stream *s = rq->stream;
    char length[24];
    snprintf(length, sizeof length, "%zu", writer_total(&rq->reply));
    bool body = http_has_body(rq, status) && writer_total(&rq->reply) > 0;
    submit_head(s, status, headers, header_count, status == 204 ? NULL : length, body);
    if (body) queue(s, &rq->reply);
    s->ended = true;
    answered(rq);
}

static void http2_abort(struct http_request *rq)
{
    struct stream *s = rq->stream;
    reset(s->h2, s, NGHTTP2_INTERNAL_ERROR);
    answered(rq);
}

static void http2_start_stream(struct http_request *rq, uint16_t status,
                               const struct http_header *headers, uint32_t header_count)
{
    submit_head(rq->stream, status, headers, header_count, NULL, http_has_body(rq, status));
}

static size_t http2_write(struct http_request *rq, struct writer *w)
{
    struct stream *s = rq->stream;
    if (w->err != ERR_OK) reset(s->h2, s, NGHTTP2_INTERNAL_ERROR);
    if (w->err != ERR_OK || s->ended) {
        writer_reset(w);
        return 0;
    }
    queue(s, w);
    resume_data(s);
    return s->out.bytes;
}

static size_t http2_queued(const struct http_request *rq)
{
    return ((const struct stream *)rq->stream)->out.bytes;
}

static void http2_end(struct http_request *rq)
{
    struct stream *s = rq->stream;
    s->ended = true;
    resume_data(s);
    answered(rq);
}

const struct http_version http2_version = {
    .reply = http2_reply,
    .abort = http2_abort,
    .start = http2_start_stream,
    .write = http2_write,
    .queued = http2_queued,
    .end = http2_end,
};

/* ---- the connection --------------------------------------------------------------------------- */

/* Resets the streams that stand still: half a body and silence, or a reply that is not fetched. */
static void http2_deadline(struct conn *c)
{
    struct http2 *h = c->state;
    if (h->going) {
        conn_close(c, h->reason);
        return;
    }
    if (h->streams == NULL) {
        go_away(h, NGHTTP2_NO_ERROR, NET_CLOSE_IDLE);
        conn_deadline(c, conn_limits(c)->handshake_ms, NET_CLOSE_IDLE);
        return;
    }
    const struct net_limits *l = conn_limits(c);
    int64_t now_ms = loop_now_ms(c->home->loop);
    for (struct stream *s = h->streams; s != NULL; s = s->next) {
        bool in_stalls = s->reading && h->starved_skip == 0 && now_ms - s->in_ms >= l->body_stall_ms;
        bool out_stalls = s->out.bytes > 0 && now_ms - s->out_ms >= l->write_stall_ms;
        if (in_stalls || out_stalls) reset(h, s, NGHTTP2_CANCEL);
    }
    idle_or_sweep(h);
}

static void http2_stop(struct conn *c)
{
    struct http2 *h = c->state;
    if (h->going) return;
    /* Streams that were opened are finished; want_read turns false when the last one closes. */
    h->reason = NET_CLOSE_STOP;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR, NULL, 0);
    conn_flush_later(c);
}

static void http2_gone(struct conn *c)
{
    struct http2 *h = c->state;
    c->state = NULL;
    nghttp2_session_del(h->session);                 /* calls nothing back */
    while (h->streams != NULL) stream_free(h->streams);
    mem_free(h);
}

static const struct conn_protocol http2_protocol = {
    .on_bytes = http2_bytes,
    .before_flush = http2_before_flush,
    .on_drained = http2_drained,
    .on_deadline = http2_deadline,
    .on_stop = http2_stop,
    .on_gone = http2_gone,
    .reads_always = true,
};

static nghttp2_session *session_new(struct http2 *h)
{
    nghttp2_session_callbacks *calls = NULL;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&calls) != 0 || nghttp2_option_new(&option) != 0) abort();
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(calls, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_frame_sent);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_session *session = NULL;
    if (nghttp2_session_server_new2(&session, calls, h, option) != 0) abort();
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    return session;
}

void http2_start(struct conn *c)
{
    const struct net_limits *l = conn_limits(c);
    struct http2 *h = NEW(struct http2);
    h->conn = c;
    h->reason = NET_CLOSE_PEER;
    h->control_at_ms = loop_now_ms(c->home->loop);
    h->control_left = (int64_t)l->h2_control_burst * 1000;
    h->session = session_new(h);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->h2_streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->h2_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, l->header_bytes_max},
    };
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                            sizeof settings / sizeof settings[0]);
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)l->h2_conn_window_bytes);
    conn_switch(c, &http2_protocol, h);
    idle_or_sweep(h);
    conn_flush_later(c);
}
