/* The door of both HTTP fuzz targets: the path's first letter and the body's length say what it
 * does. */
#ifndef TESTS_HTTP_FUZZ_H
#define TESTS_HTTP_FUZZ_H

#include "net_fuzz.h"

static struct http_request *held[FUZZ_HELD_MAX];

static inline void forget(struct http_request *rq)
{
    for (int i = 0; i < fuzz_held_count; i++)
        if (held[i] == rq) held[i] = held[--fuzz_held_count];
}

static inline void finish_request(struct http_request *rq)
{
    if (rq->streaming) http_stream_end(rq);
    else http_reply(rq, 200, NULL, 0);
}

static inline void on_gone(struct http_request *rq)
{
    forget(rq);
    finish_request(rq);
}

static inline void on_request(struct http_request *rq)
{
    if (rq->refused != 0) {
        http_reply(rq, rq->refused, NULL, 0);
        return;
    }
    for (uint32_t i = 0; i < rq->header_count; i++) {
        writer_bytes_raw(&rq->reply, rq->headers[i].name);
        writer_bytes_raw(&rq->reply, rq->headers[i].value);
    }
    writer_bytes_raw(&rq->reply, rq->query);
    if (rq->body != NULL) writer_splice(&rq->reply, (struct slab_view){rq->body, http_body(rq)});
    uint8_t op = rq->path.len > 1 ? rq->path.data[1] : 'e';
    bool room = fuzz_held_count < FUZZ_HELD_MAX;
    if (op == 'a') http_abort(rq);
    else if (op == 'h' && room) rq->on_closed = on_gone, held[fuzz_held_count++] = rq;
    else if (op == 's' && room) {
        http_stream_start(rq, 200, rq->headers, rq->header_count > 4 ? 4 : rq->header_count);
        rq->on_closed = on_gone;
        held[fuzz_held_count++] = rq;
    } else if (op == 'b') {
        writer_space(&rq->reply, FUZZ_BODY_MAX / 2);
        http_reply(rq, 200, NULL, 0);
    } else {
        http_reply(rq, op == 'n' ? 204 : 200, NULL, 0);
    }
}

/* Streams write a little before they end. */
static inline void answer_one(void)
{
    static unsigned turn;
    if (fuzz_held_count == 0) return;
    struct http_request *rq = held[fuzz_held_count - 1];
    if (rq->streaming && turn++ % 4 != 0) {
        writer_text(&rq->reply, "more");
        http_stream_write(rq, &rq->reply);
        return;
    }
    fuzz_held_count--;
    finish_request(rq);
}

static inline void http_door_init(const char *name)
{
    static const struct http_door door = {.body_bytes_max = FUZZ_BODY_MAX,
                                          .reply_bytes_max = FUZZ_BODY_MAX, .arena_bytes_max = 4096,
                                          .on_request = on_request};
    if (fuzz_door.name == NULL) fuzz_door_init(name);
    fuzz_door.http = &door;
}

#endif
