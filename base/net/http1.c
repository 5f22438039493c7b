/* HTTP/1.1 over http_parser. The parser reads heads and chunked bodies; a body with a length is
 * read here, straight into its slab. One request is under way at a time: what a client sends ahead
 * stays in the connection's stash, so replies are in order by construction.
 *
 * HEAD -> (ADMIT -> BODY | CHUNKED) -> RUNNING -> HEAD. Fails with: a refused request (400, 413,
 * 431, 503), which the door answers and after which the connection is closed. */
#include <assert.h>
#include <http_parser.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/net/http_inner.h"
#include "base/check.h"

enum {
    DIRECT_BYTES_MIN = 16 * 1024,
    HEAD_KEPT_BYTES = 1024,          /* of the head's buffer, between requests */
    REPLY_HEAD_BYTES_MAX = 64 * 1024,
};

/* COMPLETE: a chunked body has ended, inside the parser; it runs when the parser has returned. */
enum phase { HEAD, ADMIT, BODY, CHUNKED, COMPLETE, RUNNING };

struct span {
    uint32_t name_at, name_len, value_at, value_len;
};

struct http1 {
    struct conn *conn;
    struct http_request *rq;         /* being read, or running; NULL between requests */
    http_parser parser;
    struct writer text;              /* the head as it comes: target, names, values */
    struct span *spans;
    uint32_t span_count;
    uint32_t span_cap;
    uint32_t target_len;
    uint64_t body_len;
    enum phase phase;
    uint16_t refused;                /* set in a parser callback that gave up */
    bool in_value;
    bool keep_alive;
    bool chunked_reply;
    bool bodiless_reply;
    bool above_low;                  /* the stream's queue was above stream_low_bytes */
};

/* ---- the head -------------------------------------------------------------------------------- */

static struct http1 *of(http_parser *parser)
{
    return parser->data;
}

static int give_up(struct http1 *h, uint16_t status)
{
    h->refused = status;
    return 1;
}

static int on_begin(http_parser *parser)
{
    struct http1 *h = of(parser);
    h->rq = http_request_new(h->conn, 1);
    h->rq->stream = h;
    writer_reset(&h->text);
    h->span_count = 0;
    h->target_len = 0;
    h->in_value = true;              /* the first name begins a span */
    h->refused = 0;
    conn_deadline(h->conn, conn_limits(h->conn)->head_ms, NET_CLOSE_HEAD);
    return 0;
}

static int add_text(struct http1 *h, const char *data, size_t len)
{
    writer_raw(&h->text, data, len);
    return h->text.err == ERR_OK ? 0 : give_up(h, 431);
}

static int on_target(http_parser *parser, const char *data, size_t len)
{
    struct http1 *h = of(parser);
    h->target_len += (uint32_t)len;
    return add_text(h, data, len);
}

static int on_name(http_parser *parser, const char *data, size_t len)
{
    struct http1 *h = of(parser);
    if (h->phase == CHUNKED) return 0;                   /* a trailer */
    if (h->in_value) {
        if (h->span_count == conn_limits(h->conn)->header_count_max) return give_up(h, 431);
        if (h->span_count == h->span_cap) {
            h->span_cap = h->span_cap ? h->span_cap * 2 : 16;
            h->spans = mem_grow(h->spans, h->span_cap * sizeof *h->spans);
        }
        h->spans[h->span_count++] = (struct span){.name_at = (uint32_t)h->text.len};
        h->in_value = false;
    }
    h->spans[h->span_count - 1].name_len += (uint32_t)len;
    return add_text(h, data, len);
}

static int on_value(http_parser *parser, const char *data, size_t len)
{
    struct http1 *h = of(parser);
    if (h->phase == CHUNKED) return 0;
    struct span *s = &h->spans[h->span_count - 1];
    if (!h->in_value) s->value_at = (uint32_t)h->text.len;
    h->in_value = true;
    s->value_len += (uint32_t)len;
    return add_text(h, data, len);
}

static struct bytes trim(struct bytes b)
{
    while (b.len > 0 && (b.data[b.len - 1] == ' ' || b.data[b.len - 1] == '\t')) b.len--;
    return b;
}

/* Moves the head into the request's arena, where the views stay valid. */
static void head_to_request(struct http1 *h)
{
    struct http_request *rq = h->rq;
    struct bytes text = arena_copy(&rq->arena, bytes_of(h->text.data, h->text.len));
    rq->headers = ARENA_ARRAY(&rq->arena, struct http_header, h->span_count);
    assert(text.data != NULL && rq->headers != NULL);    /* the arena has room for a legal head */
    for (uint32_t i = 0; i < h->span_count; i++) {
        const struct span *s = &h->spans[i];
        rq->headers[i] = (struct http_header){
            .name = bytes_slice(text, s->name_at, s->name_len),
            .value = trim(bytes_slice(text, s->value_at, s->value_len))};
    }
    rq->header_count = h->span_count;
    rq->method = bytes_str(http_method_str(h->parser.method));
    http_request_target(rq, bytes_slice(text, 0, h->target_len));
}

static void head_release(struct http1 *h)
{
    if (h->text.cap > HEAD_KEPT_BYTES) writer_done(&h->text);
    h->spans = mem_free(h->spans);
    h->span_cap = 0;
}

static void say_continue(struct http1 *h)
{
    if (h->parser.http_minor == 0) return;
    if (!http_name_is(http_header(h->rq, "expect"), "100-continue")) return;
    outq_copy(&h->conn->out, BYTES_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
    conn_flush_later(h->conn);
}

static int on_head(http_parser *parser)
{
    struct http1 *h = of(parser);
    head_to_request(h);
    head_release(h);
    parser->upgrade = 0;             /* no Upgrade is taken: the request is answered as it stands */
    h->keep_alive = http_should_keep_alive(parser);
    conn_deadline(h->conn, conn_limits(h->conn)->body_stall_ms, NET_CLOSE_STALL);
    if (parser->flags & F_CHUNKED) {
        h->phase = CHUNKED;
        say_continue(h);
        return 0;
    }
    h->body_len = parser->content_length == UINT64_MAX ? 0 : parser->content_length;
    h->phase = ADMIT;
    return 1;                      /* the parser takes the message for complete; we read the body */
}

static int on_chunk(http_parser *parser, const char *data, size_t len)
{
    struct http1 *h = of(parser);
    uint16_t status = http_body_add(h->rq, bytes_of(data, len));
    return status == 0 ? 0 : give_up(h, status);
}

static int on_complete(http_parser *parser)
{
    struct http1 *h = of(parser);
    if (h->phase == CHUNKED) h->phase = COMPLETE;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_begin,
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_chunk,
    .on_message_complete = on_complete,
};

/* ---- reading --------------------------------------------------------------------------------- */

static void run(struct http1 *h)
{
    struct http_request *rq = h->rq;
    h->phase = RUNNING;
    rq->close_after = rq->close_after || !h->keep_alive;
    conn_deadline(h->conn, 0, NET_CLOSE_IDLE);
    http_request_run(rq);
}

static void refuse(struct http1 *h, uint16_t status)
{
    if (h->rq == NULL) on_begin(&h->parser);
    slab_unrefp(&h->rq->body);
    h->rq->refused = status;
    h->rq->close_after = true;
    run(h);
}

/* The head is read: makes room for the body. False: waits for memory. */
static bool admit(struct http1 *h)
{
    struct conn *c = h->conn;
    if (h->body_len == 0) {
        run(h);
        return true;
    }
    if (h->body_len > c->home->door->http->body_bytes_max) {
        refuse(h, 413);
        return true;
    }
    h->rq->body = slab_new(c->home->door->budget, (size_t)h->body_len);
    if (h->rq->body == NULL) {
        conn_deadline(c, 0, NET_CLOSE_STALL);
        conn_wait_budget(c);
        return false;
    }
    h->phase = BODY;
    conn_deadline(c, conn_limits(c)->body_stall_ms, NET_CLOSE_STALL);
    say_continue(h);
    return true;
}

static size_t body_bytes(struct http1 *h, const uint8_t *data, size_t len)
{
    struct slab *body = h->rq->body;
    size_t take = len < body->cap - body->len ? len : body->cap - body->len;
    mem_copy(body->data + body->len, data, take);
    body->len += take;
    conn_deadline(h->conn, conn_limits(h->conn)->body_stall_ms, NET_CLOSE_STALL);
    if (body->len == body->cap) run(h);
    return take;
}

static size_t parse(struct http1 *h, const uint8_t *data, size_t len)
{
    size_t used = http_parser_execute(&h->parser, &settings, (const char *)data, len);
    switch (HTTP_PARSER_ERRNO(&h->parser)) {
    case HPE_OK:
        if (h->phase == CHUNKED)
            conn_deadline(h->conn, conn_limits(h->conn)->body_stall_ms, NET_CLOSE_STALL);
        return used;
    case HPE_PAUSED:
        http_parser_pause(&h->parser, 0);
        if (h->phase == COMPLETE) run(h);
        return used;
    case HPE_HEADER_OVERFLOW:
        refuse(h, 431);
        return len;
    default:
        refuse(h, h->refused != 0 ? h->refused : 400);
        return len;
    }
}

static size_t http1_bytes(struct conn *c, const uint8_t *data, size_t len)
{
    struct http1 *h = c->state;
    size_t used = 0;
    while (!c->finishing) {
        switch (h->phase) {
        case RUNNING:
            conn_block(c);
            return used;
        case ADMIT:
            if (!admit(h)) return used;
            break;
        case BODY:
            if (used == len) return used;
            used += body_bytes(h, data + used, len - used);
            break;
        default:
            if (used == len) return used;
            if (h->rq == NULL && conn_is_full(c)) {
                conn_block(c);
                return used;
            }
            used += parse(h, data + used, len - used);
        }
    }
    return len;
}

static size_t http1_direct(struct conn *c, uint8_t **ret_to)
{
    struct http1 *h = c->state;
    if (h->phase != BODY || h->rq->body->cap - h->rq->body->len < DIRECT_BYTES_MIN) return 0;
    *ret_to = h->rq->body->data + h->rq->body->len;
    return h->rq->body->cap - h->rq->body->len;
}

static void http1_direct_done(struct conn *c, size_t len)
{
    struct http1 *h = c->state;
    struct slab *body = h->rq->body;
    body->len += len;
    conn_deadline(c, conn_limits(c)->body_stall_ms, NET_CLOSE_STALL);
    if (body->len == body->cap) run(h);
}

/* ---- replying -------------------------------------------------------------------------------- */

static struct http1 *state_of(const struct http_request *rq)
{
    return rq->stream;
}

/* All headers but those of the body's length, and no blank line yet. */
static void write_head(struct http_request *rq, struct writer *w, uint16_t status,
                       const struct http_header *headers, uint32_t header_count)
{
    struct http1 *h = state_of(rq);
    if (h->conn->home->stopping || h->conn->eof) rq->close_after = true;
    writer_printf(w, "HTTP/1.1 %u %s\r\n", status, http_status_str((enum http_status)status));
    for (uint32_t i = 0; i < header_count; i++) {
        if (!http_value_is_legal(headers[i].value)) continue;
        writer_bytes_raw(w, headers[i].name);
        writer_text(w, ": ");
        writer_bytes_raw(w, headers[i].value);
        writer_text(w, "\r\n");
    }
    writer_printf(w, "date: %s\r\n", http_date());
    if (rq->close_after) writer_text(w, "connection: close\r\n");
    else if (h->parser.http_minor == 0) writer_text(w, "connection: keep-alive\r\n");
}

/* The request is answered: frees it and goes on with the next. */
static void finish(struct http_request *rq)
{
    struct http1 *h = state_of(rq);
    struct conn *c = h->conn;
    bool close_after = rq->close_after || c->home->stopping;
    bool refused = rq->refused != 0;
    enum net_close reason = c->home->stopping ? NET_CLOSE_STOP : NET_CLOSE_DONE;
    if (c->eof) reason = NET_CLOSE_PEER;
    if (rq->refused == 413 || rq->refused == 431) reason = NET_CLOSE_TOO_LARGE;
    else if (refused) reason = NET_CLOSE_PROTOCOL;
    h->rq = NULL;
    http_request_free(rq);
    conn_flush_later(c);
    if (close_after || c->eof) {
        conn_finish(c, reason, refused);
        return;
    }
    h->phase = HEAD;
    conn_deadline(c, conn_limits(c)->idle_ms, NET_CLOSE_IDLE);
    if (c->blocked || c->feeding) conn_resume(c);
}

static void http1_reply(struct http_request *rq, uint16_t status, const struct http_header *headers,
                        uint32_t header_count)
{
    struct conn *c = rq->conn;
    CLEANUP(writer_done) struct writer head;
    writer_init(&head, REPLY_HEAD_BYTES_MAX);
    write_head(rq, &head, status, headers, header_count);
    if (status >= 200 && status != 204)
        writer_printf(&head, "content-length: %zu\r\n", writer_total(&rq->reply));
    writer_text(&head, "\r\n");
    if (head.err != ERR_OK) {
        http1_version.abort(rq);
        return;
    }
    outq_writer(&c->out, &head);
    if (http_has_body(rq, status)) outq_writer(&c->out, &rq->reply);
    finish(rq);
}

static void http1_abort(struct http_request *rq)
{
    struct http1 *h = state_of(rq);
    h->rq = NULL;
    http_request_free(rq);
    conn_finish(h->conn, NET_CLOSE_ABORT, false);
}

static void http1_start_stream(struct http_request *rq, uint16_t status,
                               const struct http_header *headers, uint32_t header_count)
{
    struct http1 *h = state_of(rq);
    CLEANUP(writer_done) struct writer head;
    writer_init(&head, REPLY_HEAD_BYTES_MAX);
    h->chunked_reply = h->parser.http_minor > 0;
    h->bodiless_reply = !http_has_body(rq, status);
    h->above_low = false;
    /* HTTP/1.0: the end of the connection ends it. */
    if (!h->chunked_reply) rq->close_after = true;
    write_head(rq, &head, status, headers, header_count);
    if (h->chunked_reply) writer_text(&head, "transfer-encoding: chunked\r\n");
    writer_text(&head, "\r\n");
    if (head.err == ERR_OK) outq_writer(&h->conn->out, &head);
    else conn_finish(h->conn, NET_CLOSE_ABORT, false);
    conn_flush_later(h->conn);
}

static size_t http1_write(struct http_request *rq, struct writer *w)
{
    struct http1 *h = state_of(rq);
    struct conn *c = h->conn;
    if (w->err != ERR_OK) conn_finish(c, NET_CLOSE_ABORT, false);
    if (writer_total(w) == 0 || h->bodiless_reply || c->finishing) {
        writer_reset(w);
        return c->out.bytes;
    }
    if (h->chunked_reply) {
        char size[24];
        int len = snprintf(size, sizeof size, "%zx\r\n", writer_total(w));
        outq_copy(&c->out, bytes_of(size, (size_t)len));
    }
    outq_writer(&c->out, w);
    if (h->chunked_reply) outq_copy(&c->out, BYTES_LIT("\r\n"));
    conn_flush_later(c);
    if (c->out.bytes > conn_limits(c)->stream_low_bytes) h->above_low = true;
    return c->out.bytes;
}

static size_t http1_queued(const struct http_request *rq)
{
    return rq->conn->out.bytes;
}

static void http1_end(struct http_request *rq)
{
    struct http1 *h = state_of(rq);
    if (h->chunked_reply && !h->bodiless_reply && !h->conn->finishing)
        outq_copy(&h->conn->out, BYTES_LIT("0\r\n\r\n"));
    finish(rq);
}

const struct http_version http1_version = {
    .reply = http1_reply,
    .abort = http1_abort,
    .start = http1_start_stream,
    .write = http1_write,
    .queued = http1_queued,
    .end = http1_end,
};

/* ---- the connection -------------------------------------------------------------------------- */

static bool http1_eof(struct conn *c)
{
    struct http1 *h = c->state;
    if (h->rq != NULL && h->phase != RUNNING) conn_close(c, NET_CLOSE_TRUNCATED);
    if (c->closed) return true;
    /* A client may close its side and still wait for the reply; of a stream it takes its leave. */
    if (h->phase == RUNNING && h->rq != NULL) return h->rq->streaming;
    if (c->out.bytes == 0) return true;
    conn_finish(c, NET_CLOSE_PEER, false);
    return false;
}

static void http1_drained(struct conn *c)
{
    struct http1 *h = c->state;
    struct http_request *rq = h->rq;
    if (rq == NULL && h->phase == HEAD && c->blocked && !conn_is_full(c)) conn_resume(c);
    else if (rq != NULL && rq->streaming && h->above_low &&
             c->out.bytes <= conn_limits(c)->stream_low_bytes) {
        h->above_low = false;
        if (rq->on_writable != NULL) rq->on_writable(rq);
    }
}

static void http1_stop(struct conn *c)
{
    struct http1 *h = c->state;
    if (h->phase == RUNNING && h->rq != NULL) http_request_stop(h->rq);
    else conn_finish(c, NET_CLOSE_STOP, false);         /* also in the middle of a request */
}

static void http1_gone(struct conn *c)
{
    struct http1 *h = c->state;
    struct http_request *rq = TAKE(h->rq);
    bool running = h->phase == RUNNING;
    c->state = NULL;
    writer_done(&h->text);
    mem_free(h->spans);
    mem_free(h);
    if (rq == NULL) return;
    if (running) http_request_gone(rq);
    else http_request_free(rq);
}

static const struct conn_protocol http1_protocol = {
    .on_bytes = http1_bytes,
    .direct = http1_direct,
    .on_direct = http1_direct_done,
    .on_eof = http1_eof,
    .on_drained = http1_drained,
    .on_stop = http1_stop,
    .on_gone = http1_gone,
};

void http1_start(struct conn *c)
{
    struct http1 *h = NEW(struct http1);
    h->conn = c;
    writer_init(&h->text, conn_limits(c)->header_bytes_max);
    http_parser_init(&h->parser, HTTP_REQUEST);
    h->parser.data = h;
    h->phase = HEAD;
    conn_switch(c, &http1_protocol, h);
}
