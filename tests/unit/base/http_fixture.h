/* What the doors of the HTTP tests have in common; the path says what they do with a request:
 *   /hold     holds it until release()      /stream   starts a stream and holds it
 *   /abort    aborts                        /wait     as /hold, until the server stops
 *   /wait-stream                            as /stream, the same */
#ifndef TESTS_HTTP_FIXTURE_H
#define TESTS_HTTP_FIXTURE_H

#include "base/net/http.h"
#include "held_fixture.h"

static int writable_count;

static void answer(void *request)
{
    struct http_request *rq = request;
    writer_text(&rq->reply, "released");
    http_reply(rq, 200, NULL, 0);
}

static inline void on_gone(struct http_request *rq)
{
    held_gone(rq);
    if (rq->streaming) http_stream_end(rq);
    else http_reply(rq, 200, NULL, 0);
}

static inline void on_writable_again(struct http_request *rq)
{
    (void)rq;
    writable_count++;
}

/* /wait: what the server's stop ends. */
static inline void end_at_stop(struct http_request *rq)
{
    held_gone(rq);
    if (rq->streaming) http_stream_end(rq);
    else answer(rq);
}

/* False: the request is for the test's own door. */
static inline bool handle_common(struct http_request *rq)
{
    if (rq->refused != 0) {
        writer_printf(&rq->reply, "refused %u", rq->refused);
        http_reply(rq, rq->refused, NULL, 0);
    } else if (bytes_equal_str(rq->path, "/hold") || bytes_equal_str(rq->path, "/stream")) {
        hold(rq);
        rq->on_closed = on_gone;
        rq->on_writable = on_writable_again;
        if (bytes_equal_str(rq->path, "/stream")) http_stream_start(rq, 200, NULL, 0);
    } else if (bytes_equal_str(rq->path, "/wait") || bytes_equal_str(rq->path, "/wait-stream")) {
        hold(rq);
        rq->on_closed = on_gone;
        rq->on_stop = end_at_stop;
        if (bytes_equal_str(rq->path, "/wait-stream")) http_stream_start(rq, 200, NULL, 0);
    } else if (bytes_equal_str(rq->path, "/abort")) {
        http_abort(rq);
    } else {
        return false;
    }
    return true;
}

/* To be followed by server_start(). */
static inline void http_start(const char *name, const struct http_door *door)
{
    server_init(&s, name);
    s.door.http = door;
    held_reset();
    writable_count = 0;
}

#endif
