/* A door of frames for tests of base/net/frame.h; what a frame says is what is done with it. */
#ifndef TESTS_FRAME_FIXTURE_H
#define TESTS_FRAME_FIXTURE_H

#include "held_fixture.h"

/* The first byte of a frame says what the door does with it:
 *   e  echoes          h  holds it until release()      o  as h, and the next o may overlap
 *   n  no reply        a  aborts                        m  echoes and mutes for 50 ms
 *   b  a reply beyond its cap                           l  a reply as large as its cap
 *   s  a reply by reference to its own slab */
enum { FRAME_MAX = 1 << 20 };

static atomic_int open_count;              /* two loops count in one test */

static inline void on_request_gone(struct frame_request *rq)
{
    held_gone(rq);
    frame_reply(rq);
}

static inline void on_frame(struct frame_request *rq)
{
    struct bytes body = slab_bytes(rq->body);
    EXPECT(rq->context == NULL && rq->reply.len == 0 && rq->arena.used == 0);
    char op = body.len ? (char)body.data[0] : 'e';
    if (op == 'h' || op == 'o') {
        hold(rq);
        rq->on_closed = on_request_gone;
        return;
    }
    if (op == 'n') {
        frame_reply_none(rq);
        return;
    }
    if (op == 'a') {
        frame_abort(rq);
        return;
    }
    if (op == 'b') writer_space(&rq->reply, FRAME_MAX + 1);
    else if (op == 'l') writer_space(&rq->reply, rq->reply.cap_max - 4);
    else if (op == 's') writer_splice(&rq->reply, (struct slab_view){rq->body, body});
    else writer_bytes_raw(&rq->reply, body);
    struct frame_conn *conn = rq->conn;
    frame_reply(rq);
    if (op == 'm') frame_mute(conn, 50);
}

static inline bool may_overlap(const struct frame_request *last, struct bytes next)
{
    return last->body->len > 0 && last->body->data[0] == 'o' && next.len > 0 && next.data[0] == 'o';
}

static inline void on_open(struct frame_conn *conn)
{
    frame_user_set(conn, &open_count);
    open_count++;
}

static inline void on_close(struct frame_conn *conn)
{
    EXPECT(frame_user(conn) == &open_count);
    open_count--;
}

static const struct frame_door door = {.frame_bytes_max = FRAME_MAX, .reply_bytes_max = FRAME_MAX,
                                       .arena_bytes_max = 1 << 16, .on_frame = on_frame,
                                       .may_overlap = may_overlap, .on_open = on_open,
                                       .on_close = on_close};

static inline void start(const char *name)
{
    server_init(&s, name);
    s.door.frames = &door;
    held_reset();
    open_count = 0;
}

static inline void send_frame(int fd, const char *text)
{
    uint8_t size[4];
    store_be32(size, (uint32_t)strlen(text));
    client_send(fd, size, 4);
    client_text(fd, text);
}

static inline void expect_frame(int fd, const char *text)
{
    uint8_t size[4];
    char got[256] = "";
    client_take(fd, size, 4);
    EXPECT_EQ(load_be32(size), strlen(text));
    client_take(fd, got, strlen(text));
    EXPECT_STR(got, text);
}

static inline void answer(void *request)
{
    struct frame_request *rq = request;
    writer_bytes_raw(&rq->reply, slab_bytes(rq->body));
    frame_reply(rq);
}

#endif
