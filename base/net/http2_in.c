/* What the client sends: frames, as nghttp2 tells of them, into requests. */
#include "base/net/http2_inner.h"

#include "base/bucket.h"
#include "base/mem.h"
#include "base/check.h"

/* A block of fields that unpacks to more than so many times what a head may have, each field as
 * SETTINGS_MAX_HEADER_LIST_SIZE counts it, is a flood: nghttp2 looks at every byte, and one byte
 * of the block can stand for 4 KiB of them. */
enum { BLOCK_LIMITS = 4, FIELD_BYTES = 32 };

/* ---- Requests */

static bool add_header(struct http2_stream *s, struct bytes name, struct bytes value)
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

/* Of a head or of trailers; the blocks of a connection never mix. */
static bool block_is_flood(struct http2 *h, size_t name_len, size_t value_len)
{
    h->block_bytes += name_len + value_len + FIELD_BYTES;
    if (h->block_bytes <= (uint64_t)conn_limits(h->conn)->header_bytes_max * BLOCK_LIMITS)
        return false;
    http2_go_away(h, NGHTTP2_ENHANCE_YOUR_CALM, NET_CLOSE_FLOOD);
    return true;
}

/* The array doubles up to the limit, and one more for host: the arena was sized for that. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *context)
{
    (void)flags;
    /* So answered, nghttp2 looks at no more of this block. */
    if (block_is_flood(context, name_len, value_len)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
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
    h->block_bytes = 0;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct http2_stream *s = http2_stream_new(h, frame->hd.stream_id);
    if (s == NULL) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;     /* ends this stream */
    nghttp2_session_set_stream_user_data(session, s->id, s);
    return 0;
}

static void on_request_head(struct http2_stream *s)
{
    struct http_request *rq = s->rq;
    if (rq->refused == 0 && !http2_stream_charge(s)) rq->refused = 503;
    if (rq->refused != 0) {
        http2_stream_refuse(s, rq->refused);
        return;
    }
    if (!bytes_is_null(s->authority) && bytes_is_null(http_header(rq, "host")))
        add_header(s, BYTES_LIT("host"), s->authority);
    uint64_t len = 0;
    if (http_content_length(rq, &len) && len > rq->door->body_bytes_max) {
        http2_stream_refuse(s, 413);
        return;
    }
    s->body_len = s->body.want = len;
    if (http_name_is(http_header(rq, "expect"), "100-continue")) {
        nghttp2_nv nv = {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "100", 7, 3,
                         NGHTTP2_NV_FLAG_NONE};
        nghttp2_submit_headers(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NULL, &nv, 1, NULL);
    }
}

/* ---- Frames */

/* Frames that cost us work and ask for nothing come at a rate, or are a flood. */
static void count_control(struct http2 *h)
{
    const struct net_limits *l = conn_limits(h->conn);
    int64_t now_ms = loop_now_ms(h->conn->home->loop);
    h->control_left = bucket_rise(h->control_left, (int64_t)l->h2_control_burst * BUCKET_UNIT,
                                  l->h2_control_per_s, now_ms - h->control_at_ms);
    h->control_at_ms = now_ms;
    h->control_left -= BUCKET_UNIT;
    if (h->control_left < 0) http2_go_away(h, NGHTTP2_ENHANCE_YOUR_CALM, NET_CLOSE_FLOOD);
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
        if (h->streams == NULL && !h->going) http2_rest(h);
        return 0;
    }
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s == NULL || h->going) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        on_request_head(s);
        if (h->stream_count == 1) http2_rest(h);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && s->reading) http2_stream_ready(s);
    return 0;
}

/* Adds a chunk. False: there is no memory, and it has to wait for some. */
static bool take_chunk(struct http2_stream *s, struct bytes chunk)
{
    struct conn *c = s->h2->conn;
    struct intake *in = &s->in;
    size_t max = s->rq->door->body_bytes_max, len = in->slab ? in->slab->len : 0;
    if (chunk.len > max - len) {
        http2_stream_refuse(s, 413);
        return true;
    }
    if (in->slab == NULL && !(s->body_len > 0
                                  ? intake_begin(in, c, (size_t)s->body_len, chunk.len)
                                  : intake_begin_unknown(in, c, max)))
        return false;
    if (!intake_expect(in, c, s->h2->bodies_bytes, chunk.len)) {
        /* A wait for what half bodies of its own hold would have no end. */
        if (intake_is_one(c, s->h2->bodies_bytes + chunk.len)) return false;
        http2_stream_refuse(s, 503);
        return true;
    }
    mem_copy(in->slab->data + in->slab->len, chunk.data, chunk.len);
    intake_came(in, chunk.len);
    s->h2->bodies_bytes += chunk.len;
    s->body.got = in->slab->len;
    return true;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                    size_t len, void *context)
{
    (void)flags;
    struct http2 *h = context;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    if (s == NULL || s->rq == NULL || !s->reading || s->discarding) return 0;
    s->body.came_ms = loop_now_ms(h->conn->home->loop);
    if (take_chunk(s, bytes_of(data, len))) return 0;
    h->starved = s;
    h->starved_data = data;
    h->starved_len = len;
    conn_wait_budget(h->conn);
    return NGHTTP2_ERR_PAUSE;     /* the chunk counts as taken: it is given to take_chunk() again */
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code,
                           void *context)
{
    (void)code;
    struct http2 *h = context;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    if (s == NULL) return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    http2_stream_free(s);
    if (h->streams == NULL && !h->going) http2_rest(h);
    return 0;
}

/* Tries the chunk that waited. Returns the bytes done with, 0 when it goes on waiting. */
static size_t retry_chunk(struct http2 *h, const uint8_t *data)
{
    if (h->starved != NULL && !take_chunk(h->starved, bytes_of(data, h->starved_len))) {
        conn_wait_budget(h->conn);
        return 0;
    }
    struct conn *c = h->conn;
    int64_t now_ms = loop_now_ms(c->home->loop);
    for (struct http2_stream *s = h->streams; s != NULL && c->wait_ms != 0; s = s->next)
        conn_body_waited(&s->body, c->wait_ms, now_ms);
    c->wait_ms = 0;
    size_t skip = h->starved_skip;
    h->starved = NULL;
    h->starved_skip = 0;
    return skip;
}

void http2_in_callbacks(nghttp2_session_callbacks *calls)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
}

size_t http2_bytes(struct conn *c, const uint8_t *data, size_t len)
{
    struct http2 *h = c->state;
    size_t used = 0;
    if (h->starved_skip > 0 && (used = retry_chunk(h, data)) == 0) return 0;
    while (used < len) {
        if (h->going) return len;
        ssize_t n = nghttp2_session_mem_recv(h->session, data + used, len - used);
        if (n < 0 && h->going) return len;       /* why was said already */
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
