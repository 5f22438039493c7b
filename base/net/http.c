#include "base/net/http.h"

#include <assert.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/net/http_inner.h"
#include "base/check.h"

/* ---- Requests */

struct http_request *http_request_new(struct conn *c, const struct http_version *version)
{
    const struct http_door *door = c->home->door->http;
    const struct net_limits *limits = conn_limits(c);
    struct http_request *rq = NEW_TRY(struct http_request);
    if (rq == NULL) return NULL;
    rq->loop = c->home->loop;
    rq->conn = c;
    rq->door = door;
    rq->version = version;
    rq->version_major = version->major;
    rq->method = rq->path = BYTES_LIT("");
    /* The head lies in the arena too: its text, and the array as it doubles. */
    size_t head_bytes = 2 * (size_t)limits->header_bytes_max +
                        (size_t)limits->header_count_max * 4 * sizeof(struct http_header);
    arena_init(&rq->arena, door->arena_bytes_max + head_bytes);
    writer_init(&rq->reply, door->reply_bytes_max);
    rq->arena.budget = rq->reply.budget = c->home->door->budget;
    return rq;
}

void http_request_free(struct http_request *rq)
{
    slab_unref(rq->body);
    writer_done(&rq->reply);
    arena_done(&rq->arena);
    mem_free(rq);
}

void http_request_run(struct http_request *rq)
{
    struct net_counters *counters = rq->conn->home->counters;
    metric_add(counters->requests, 1);
    if (rq->refused != 0) metric_add(counters->refused, 1);
    rq->door->on_request(rq);
}

void http_request_gone(struct http_request *rq)
{
    rq->conn = NULL;
    rq->stream = NULL;
    if (rq->on_closed != NULL) rq->on_closed(rq);
}

bool http_has_room(const struct http_request *rq)
{
    struct room *room = loop_room(rq->loop);
    if (rq->door->answer_bytes == NULL || !room_is_half_full(room) || rq->refused != 0) return true;
    size_t bytes = rq->door->answer_bytes(rq);
    return bytes <= ROOM_ANSWER_BYTES_MIN || room_has(room, bytes, loop_now_ms(rq->loop));
}

void http_request_stop(struct http_request *rq)
{
    void (*on_stop)(struct http_request *) = TAKE(rq->on_stop);
    if (on_stop != NULL) on_stop(rq);
}

void http_request_target(struct http_request *rq, struct bytes target)
{
    const uint8_t *mark = target.len ? memchr(target.data, '?', target.len) : NULL;
    rq->path = target;
    rq->query = BYTES_NULL;
    if (mark == NULL) return;
    size_t at = (size_t)(mark - target.data);
    rq->path = bytes_slice(target, 0, at);
    rq->query = bytes_slice(target, at + 1, target.len - at - 1);
}

bool http_name_is(struct bytes name, const char *lower)
{
    return bytes_equal_nocase(name, lower);
}

struct bytes http_header(const struct http_request *rq, const char *name)
{
    for (uint32_t i = 0; i < rq->header_count; i++)
        if (http_name_is(rq->headers[i].name, name)) return rq->headers[i].value;
    return BYTES_NULL;
}

struct bytes http_body(const struct http_request *rq)
{
    return rq->body == NULL ? BYTES_LIT("") : slab_bytes(rq->body);
}

bool http_content_length(const struct http_request *rq, uint64_t *ret)
{
    return bytes_to_u64(http_header(rq, "content-length"), ret);
}

/* ---- Replies */

bool http_value_is_legal(struct bytes value)
{
    if (value.len == 0) return true;
    return memchr(value.data, '\r', value.len) == NULL &&
           memchr(value.data, '\n', value.len) == NULL &&
           memchr(value.data, '\0', value.len) == NULL;
}

bool http_has_body(const struct http_request *rq, uint16_t status)
{
    return !bytes_equal_str(rq->method, "HEAD") && status >= 200 && status != 204 && status != 304;
}

const char *http_date(void)
{
    static _Thread_local char text[32];
    static _Thread_local int64_t text_s = -1;
    int64_t now_s = clock_wall_ms() / 1000;
    if (now_s == text_s) return text;
    struct tm tm;
    time_t t = (time_t)now_s;
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    text_s = now_s;
    return text;
}

void http_reply(struct http_request *rq, uint16_t status, const struct http_header *headers,
                uint32_t header_count)
{
    loop_assert(rq->loop);
    assert(!rq->streaming);
    if (rq->conn == NULL) http_request_free(rq);
    else if (rq->reply.err != ERR_OK) rq->version->abort(rq);
    else rq->version->reply(rq, status, headers, header_count);
}

void http_abort(struct http_request *rq)
{
    loop_assert(rq->loop);
    if (rq->conn == NULL) http_request_free(rq);
    else rq->version->abort(rq);
}

void http_promise(struct http_request *rq, size_t bytes)
{
    loop_assert(rq->loop);
    assert(rq->promised == 0 && bytes > 0);
    rq->promised = bytes;
    room_promise(loop_room(rq->loop), bytes);
    if (rq->conn != NULL && rq->version->promise != NULL) rq->version->promise(rq, 1);
}

void http_promise_end(struct http_request *rq)
{
    loop_assert(rq->loop);
    room_release(loop_room(rq->loop), rq->promised);
    rq->promised = 0;
    if (rq->conn != NULL && rq->version->promise != NULL) rq->version->promise(rq, -1);
}

void http_stream_start(struct http_request *rq, uint16_t status, const struct http_header *headers,
                       uint32_t header_count)
{
    loop_assert(rq->loop);
    assert(!rq->streaming);
    rq->streaming = true;
    if (rq->conn != NULL) rq->version->start(rq, status, headers, header_count);
}

size_t http_stream_write(struct http_request *rq, struct writer *w)
{
    loop_assert(rq->loop);
    assert(rq->streaming);
    if (rq->conn == NULL) {
        writer_reset(w);
        return 0;
    }
    return rq->version->write(rq, w);
}

size_t http_stream_queued(const struct http_request *rq)
{
    return rq->conn == NULL ? 0 : rq->version->queued(rq);
}

void http_stream_end(struct http_request *rq)
{
    loop_assert(rq->loop);
    assert(rq->streaming);
    if (rq->conn == NULL) http_request_free(rq);
    else rq->version->end(rq);
}

bool http_is_tls(const struct http_request *rq)
{
    return rq->conn->tls;
}
