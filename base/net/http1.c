/* HTTP/1.1 over http_parser. The parser reads heads and chunked bodies; a body with a length is
 * read here, straight into its slab. One request is under way at a time: what a client sends ahead
 * stays in the connection's stash, so replies are in order by construction.
 *
 * HEAD -> (ADMIT -> BODY | CHUNKED) -> READY -> RUNNING -> HEAD, by phase_move() alone. READY: a
 * large answer waits for room. Fails with: a refused request (400, 413, 431, 503), which the door
 * answers and after which the connection is closed. */
#include <assert.h>
#include <http_parser.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/moves.h"
#include "base/net/http_inner.h"
#include "base/net/intake.h"
#include "base/check.h"

enum {
    HEAD_KEPT_BYTES = 1024,          /* of the head's buffer, between requests */
    REPLY_HEAD_BYTES_MAX = 64 * 1024,
    CHUNK_END_BYTES = 2,
};

/* COMPLETE: a chunked body has ended, inside the parser; it runs when the parser has returned. */
enum phase { HEAD, ADMIT, BODY, CHUNKED, COMPLETE, READY, RUNNING };

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
    struct intake in;                /* the body that is being read */
    size_t chunks_len;               /* of it, out of chunks, in this turn of the parser */
    const uint8_t *parse_end;        /* of the bytes that the parser has */
    uint8_t chunk_end;               /* of the CR LF behind a chunk's data: seen */
    enum phase phase;
    uint16_t refused;                /* set in a parser callback that gave up */
    bool in_value;
    bool keep_alive;
    bool chunked_reply;
    bool bodiless_reply;
    bool above_low;                  /* the stream's queue was above stream_low_bytes */
};

/* ---- Phases */

/* From each phase, those that may follow. What is refused runs at once. */
static const moves phase_moves[] = {
    [HEAD] = TO(ADMIT) | TO(CHUNKED) | TO(RUNNING),
    [ADMIT] = TO(BODY) | TO(READY) | TO(RUNNING),
    [BODY] = TO(READY),
    [CHUNKED] = TO(COMPLETE) | TO(RUNNING),
    [COMPLETE] = TO(READY),
    [READY] = TO(RUNNING),
    [RUNNING] = TO(HEAD),
};

static void phase_move(struct http1 *h, enum phase to)
{
    MOVE(phase_moves, h->phase, to);
}

static void http1_check(const struct conn *c)
{
    const struct http1 *h = c->state;
    assert(h->conn == c && h->phase != COMPLETE && h->chunks_len == 0);
    /* From its head on there is a request, until the connection is at its end. */
    assert(h->phase == HEAD || h->rq != NULL || conn_is_finishing(c));
    assert(h->in.slab == NULL || h->phase == BODY || h->phase == CHUNKED);
    /* What waits for memory or room comes back by itself. */
    assert((h->phase != ADMIT && h->phase != READY) || c->retry_at_ms != 0 || conn_is_finishing(c));
}

/* ---- The head */

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
    h->rq = http_request_new(h->conn, &http1_version);
    if (h->rq == NULL) return give_up(h, 503);
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

/* RFC 9110: the characters of a header's name. http_parser takes a blank too, and with it
 * "content-length : 21", which others read in other ways. */
static bool is_token(struct bytes name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i], lower = c | 0x20;
        bool plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-';
        if (!plain && (c == '\0' || strchr(others, c) == NULL)) return false;
    }
    return true;
}

static int on_name(http_parser *parser, const char *data, size_t len)
{
    struct http1 *h = of(parser);
    if (!is_token(bytes_of(data, len))) return give_up(h, 400);
    if (h->phase == CHUNKED) return 0;                   /* a trailer */
    if (h->in_value) {
        if (h->span_count == conn_limits(h->conn)->header_count_max) return give_up(h, 431);
        if (h->span_count == h->span_cap) {
            uint32_t cap = h->span_cap ? h->span_cap * 2 : 16;
            struct span *grown = mem_try_grow(h->spans, cap * sizeof *grown);
            if (grown == NULL) return give_up(h, 503);
            h->spans = grown;
            h->span_cap = cap;
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

/* Moves the head into the request's arena, where the views stay valid. False: no memory. */
static bool head_to_request(struct http1 *h)
{
    struct http_request *rq = h->rq;
    struct bytes text = arena_copy(&rq->arena, bytes_of(h->text.data, h->text.len));
    rq->headers = ARENA_ARRAY(&rq->arena, struct http_header, h->span_count);
    if (text.data == NULL || rq->headers == NULL) return false;
    for (uint32_t i = 0; i < h->span_count; i++) {
        const struct span *s = &h->spans[i];
        rq->headers[i] = (struct http_header){
            .name = bytes_slice(text, s->name_at, s->name_len),
            .value = trim(bytes_slice(text, s->value_at, s->value_len))};
    }
    rq->header_count = h->span_count;
    rq->method = bytes_str(http_method_str(h->parser.method));
    http_request_target(rq, bytes_slice(text, 0, h->target_len));
    return true;
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

/* Of two Hosts others may take the other one (RFC 9112, 3.2). */
static bool has_two_hosts(const struct http_request *rq)
{
    uint32_t hosts = 0;
    for (uint32_t i = 0; i < rq->header_count; i++)
        hosts += http_name_is(rq->headers[i].name, "host");
    return hosts > 1;
}

static int on_head(http_parser *parser)
{
    struct http1 *h = of(parser);
    if (!head_to_request(h)) {
        give_up(h, 503);
        return -1;                   /* 1 would mean: no body */
    }
    head_release(h);
    if (has_two_hosts(h->rq)) {
        give_up(h, 400);
        return -1;
    }
    parser->upgrade = 0;             /* no Upgrade is taken: the request is answered as it stands */
    h->keep_alive = http_should_keep_alive(parser);
    conn_deadline(h->conn, 0, NET_CLOSE_STALL);
    if (parser->flags & F_CHUNKED) {
        phase_move(h, CHUNKED);
        h->chunk_end = CHUNK_END_BYTES;
        say_continue(h);
        http_parser_pause(parser, 1);    /* room for the body comes first */
        return 0;
    }
    h->body_len = parser->content_length == UINT64_MAX ? 0 : parser->content_length;
    phase_move(h, ADMIT);
    return 1;                      /* the parser takes the message for complete; we read the body */
}

/* Behind a chunk's data stands CR LF, which http_parser does not look at: what stands there instead
 * would be skipped, and the next chunk begin elsewhere than others think. False: something else. */
static bool check_chunk_end(struct http1 *h, const uint8_t *at)
{
    for (; h->chunk_end < CHUNK_END_BYTES && at < h->parse_end; at++)
        if (*at != "\r\n"[h->chunk_end++]) return false;
    return true;
}

static int on_chunk(http_parser *parser, const char *data, size_t len)
{
    struct http1 *h = of(parser);
    if (len > intake_rest(&h->in) - h->chunks_len) return give_up(h, 413);
    mem_copy(h->in.slab->data + h->in.slab->len + h->chunks_len, data, len);
    h->chunks_len += len;
    if (parser->content_length > 0) return 0;
    h->chunk_end = 0;
    return check_chunk_end(h, (const uint8_t *)data + len) ? 0 : give_up(h, 400);
}

static int on_complete(http_parser *parser)
{
    struct http1 *h = of(parser);
    if (h->phase == CHUNKED) phase_move(h, COMPLETE);
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

/* ---- Reading */

/* The request is whole, or refused. */
static void run(struct http1 *h)
{
    struct http_request *rq = h->rq;
    phase_move(h, RUNNING);
    rq->close_after = rq->close_after || !h->keep_alive;
    conn_deadline(h->conn, 0, NET_CLOSE_IDLE);
    http_request_run(rq);
}

static void refuse(struct http1 *h, uint16_t status)
{
    if (h->rq == NULL && on_begin(&h->parser) != 0) {
        conn_close(h->conn, NET_CLOSE_MEMORY);
        return;
    }
    conn_body_end(h->conn);
    intake_drop(&h->in, h->conn);
    h->rq->refused = status;
    h->rq->close_after = true;
    run(h);
}

/* The body is whole. */
static void body_end(struct http1 *h)
{
    conn_body_end(h->conn);
    h->rq->body = intake_end(&h->in, h->conn, 0);
    if (h->rq->body->len == 0) slab_unrefp(&h->rq->body);
    phase_move(h, READY);
}

/* The head is read: makes room for the body. there: how much of it. False: waits for memory. */
static bool admit(struct http1 *h, size_t there)
{
    struct conn *c = h->conn;
    if (h->body_len == 0) {
        phase_move(h, READY);
        return true;
    }
    if (h->body_len > c->home->door->http->body_bytes_max) {
        refuse(h, 413);
        return true;
    }
    if (!intake_begin(&h->in, c, (size_t)h->body_len, there)) {
        conn_wait_budget(c);
        return false;
    }
    phase_move(h, BODY);
    conn_body(c, h->body_len, 0);
    say_continue(h);
    return true;
}

/* Takes from the front of data. Returns how many bytes; 0: waits for memory. */
static size_t body_bytes(struct http1 *h, const uint8_t *data, size_t len)
{
    struct intake *in = &h->in;
    size_t take = len < intake_rest(in) ? len : intake_rest(in);
    if (!intake_expect(in, h->conn, in->slab->len, take)) {
        conn_wait_budget(h->conn);
        return 0;
    }
    mem_copy(in->slab->data + in->slab->len, data, take);
    intake_came(in, take);
    conn_body(h->conn, in->want, in->slab->len);
    if (intake_rest(in) == 0) body_end(h);
    return take;
}

/* Room for as much as the parser may find in len bytes. False: waits for memory. */
static bool chunks_expect(struct http1 *h, size_t len)
{
    struct conn *c = h->conn;
    struct intake *in = &h->in;
    bool begun = in->slab != NULL || intake_begin_unknown(in, c, h->rq->door->body_bytes_max);
    if (begun && len > intake_rest(in)) len = intake_rest(in);
    if (begun && intake_expect(in, c, in->slab->len, len)) return true;
    conn_wait_budget(c);
    return false;
}

static size_t parse(struct http1 *h, const uint8_t *data, size_t len)
{
    h->parse_end = data + len;
    if (h->phase == CHUNKED && !check_chunk_end(h, data)) {
        refuse(h, 400);
        return len;
    }
    size_t used = http_parser_execute(&h->parser, &settings, (const char *)data, len);
    if (h->in.slab != NULL) {
        intake_came(&h->in, h->chunks_len);
        h->chunks_len = 0;
    }
    switch (HTTP_PARSER_ERRNO(&h->parser)) {
    case HPE_OK:
        if (h->phase == CHUNKED) conn_body(h->conn, 0, h->in.slab ? h->in.slab->len : 0);
        return used;
    case HPE_PAUSED:
        http_parser_pause(&h->parser, 0);
        if (h->phase == COMPLETE) body_end(h);
        return used;
    case HPE_HEADER_OVERFLOW:
        refuse(h, 431);
        return len;
    default:
        refuse(h, h->refused != 0 ? h->refused : 400);
        return len;
    }
}

/* One step of a request that is not running. Returns the bytes that it took; *ret_wait: nothing
 * goes on without more of them, or before something else has happened. */
static size_t step(struct http1 *h, const uint8_t *data, size_t len, bool *ret_wait)
{
    struct conn *c = h->conn;
    if (h->phase == ADMIT) {
        *ret_wait = !admit(h, len);
        return 0;
    }
    if (h->phase == READY) {
        *ret_wait = !http_has_room(h->rq);
        if (*ret_wait) conn_wait_budget(c);
        else run(h);
        return 0;
    }
    bool full = h->rq == NULL && conn_is_full(c);
    *ret_wait = len == 0 || full || (h->phase == CHUNKED && !chunks_expect(h, len));
    if (len > 0 && full) conn_block(c);
    if (*ret_wait) return 0;
    if (h->phase != BODY) return parse(h, data, len);
    size_t took = body_bytes(h, data, len);
    *ret_wait = took == 0;
    return took;
}

static size_t http1_bytes(struct conn *c, const uint8_t *data, size_t len)
{
    struct http1 *h = c->state;
    size_t used = 0;
    bool wait = false;
    while (!conn_is_ending(c)) {
        if (h->phase == RUNNING) conn_block(c);
        if (h->phase == RUNNING) return used;
        used += step(h, data + used, len - used, &wait);
        if (wait) return used;
    }
    return len;
}

static size_t http1_direct(struct conn *c, uint8_t **ret_to)
{
    struct http1 *h = c->state;
    bool refused;
    if (h->phase != BODY) return 0;
    size_t bytes = intake_direct(&h->in, c, ret_to, &refused);
    if (refused) conn_wait_budget(c);
    return bytes;
}

static void http1_direct_done(struct conn *c, size_t len)
{
    struct http1 *h = c->state;
    intake_came(&h->in, len);
    if (len > 0) conn_body(c, h->in.want, h->in.slab->len);
    if (intake_rest(&h->in) > 0) return;
    body_end(h);
    http1_bytes(c, NULL, 0);
}

/* ---- Replying */

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
    writer_text(w, "HTTP/1.1 ");
    writer_decimal(w, status);
    writer_text(w, " ");
    writer_text(w, http_status_str((enum http_status)status));
    writer_text(w, "\r\n");
    for (uint32_t i = 0; i < header_count; i++) {
        if (!http_value_is_legal(headers[i].value)) continue;
        writer_bytes_raw(w, headers[i].name);
        writer_text(w, ": ");
        writer_bytes_raw(w, headers[i].value);
        writer_text(w, "\r\n");
    }
    writer_text(w, "date: ");
    writer_text(w, http_date());
    writer_text(w, "\r\n");
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
    phase_move(h, HEAD);
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
    if (status >= 200 && status != 204) {
        writer_text(&head, "content-length: ");
        writer_decimal(&head, writer_total(&rq->reply));
        writer_text(&head, "\r\n");
    }
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
    if (writer_total(w) == 0 || h->bodiless_reply || conn_is_ending(c)) {
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
    if (h->chunked_reply && !h->bodiless_reply && !conn_is_ending(h->conn))
        outq_copy(&h->conn->out, BYTES_LIT("0\r\n\r\n"));
    finish(rq);
}

const struct http_version http1_version = {
    .major = 1,
    .reply = http1_reply,
    .abort = http1_abort,
    .start = http1_start_stream,
    .write = http1_write,
    .queued = http1_queued,
    .end = http1_end,
};

/* ---- The connection */

static bool http1_eof(struct conn *c)
{
    struct http1 *h = c->state;
    if (h->rq != NULL && h->phase != RUNNING) conn_close(c, NET_CLOSE_TRUNCATED);
    if (conn_is_closed(c)) return true;
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
    intake_drop(&h->in, c);
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
    .check = http1_check,
};

void http1_start(struct conn *c)
{
    struct http1 *h = NEW_TRY(struct http1);
    if (h == NULL) {
        conn_close(c, NET_CLOSE_MEMORY);
        return;
    }
    h->conn = c;
    writer_init(&h->text, conn_limits(c)->header_bytes_max);
    h->text.budget = c->home->door->budget;
    http_parser_init(&h->parser, HTTP_REQUEST);
    h->parser.data = h;
    h->phase = HEAD;
    conn_switch(c, &http1_protocol, h);
}
