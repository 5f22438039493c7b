#include <errno.h>
#include <sys/resource.h>
#include "held_fixture.h"

/* The first byte of a frame says what the door does with it:
 *   e  echoes          h  holds it until release()      o  as h, and the next o may overlap
 *   n  no reply        a  aborts                        m  echoes and mutes for 50 ms
 *   b  a reply beyond its cap                           l  a reply as large as its cap
 *   s  a reply by reference to its own slab */
enum { FRAME_MAX = 1 << 20 };

static atomic_int open_count;              /* two loops count in one test */

static void on_request_gone(struct frame_request *rq)
{
    held_gone(rq);
    frame_reply(rq);
}

static void on_frame(struct frame_request *rq)
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

static bool may_overlap(const struct frame_request *last, struct bytes next)
{
    return last->body->len > 0 && last->body->data[0] == 'o' && next.len > 0 && next.data[0] == 'o';
}

static void on_open(struct frame_conn *conn)
{
    frame_user_set(conn, &open_count);
    open_count++;
}

static void on_close(struct frame_conn *conn)
{
    EXPECT(frame_user(conn) == &open_count);
    open_count--;
}

static const struct frame_door door = {.frame_bytes_max = FRAME_MAX, .reply_bytes_max = FRAME_MAX,
                                       .arena_bytes_max = 1 << 16, .on_frame = on_frame,
                                       .may_overlap = may_overlap, .on_open = on_open,
                                       .on_close = on_close};

static void start(const char *name)
{
    server_init(&s, name);
    s.door.frames = &door;
    held_reset();
    open_count = 0;
}

static void send_frame(int fd, const char *text)
{
    uint8_t size[4];
    store_be32(size, (uint32_t)strlen(text));
    client_send(fd, size, 4);
    client_text(fd, text);
}

static void expect_frame(int fd, const char *text)
{
    uint8_t size[4];
    char got[256] = "";
    client_take(fd, size, 4);
    EXPECT_EQ(load_be32(size), strlen(text));
    client_take(fd, got, strlen(text));
    EXPECT_STR(got, text);
}

static void answer(void *request)
{
    struct frame_request *rq = request;
    writer_bytes_raw(&rq->reply, slab_bytes(rq->body));
    frame_reply(rq);
}

TEST(replies_come_in_order_whatever_the_cut)
{
    start("order");
    server_start(&s);
    int fd = client_open(s.port);
    char all[4000];
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        int n = snprintf(all + len + 4, 32, "e request %d%s", i, i % 7 == 0 ? " long" : "");
        store_be32(all + len, (uint32_t)n);
        len += 4 + (size_t)n;
    }
    client_send(fd, all, len);                             /* all at once */
    char *back = mem_new(len);
    client_take(fd, back, len);
    assert_memory_equal(all, back, len);
    for (size_t i = 0; i < 60; i++) client_send(fd, all + i, 1);     /* and byte by byte */
    client_send(fd, all + 60, len - 60);
    client_take(fd, back, len);
    assert_memory_equal(all, back, len);
    mem_free(back);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(open_count, 0);
    EXPECT_EQ(closed(NET_CLOSE_PEER), 1);
}

TEST(a_client_that_leaves_within_a_frame_is_counted)
{
    start("truncated");
    server_start(&s);
    static const char two[] = "\0\0\0\2eA\0\0\0\2e";          /* one frame and most of another */
    for (size_t len = 1; len < sizeof two - 1; len++) {
        int fd = client_open(s.port);
        client_send(fd, two, len);
        /* Leaves in order, as an answer that meets a closed socket would be told as a reset. */
        shutdown(fd, SHUT_WR);
        for (char byte; recv(fd, &byte, 1, 0) > 0;) continue;
        close(fd);
        enum net_close reason = len == 6 ? NET_CLOSE_PEER : NET_CLOSE_TRUNCATED;
        int64_t before = len > 6 ? (int64_t)len - 2 : (int64_t)len - 1;
        until_counted(&s, s.counters.closed[reason], reason == NET_CLOSE_PEER ? 1 : before + 1);
    }
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_PEER), 1);
}

TEST(a_large_frame_comes_back_by_reference)
{
    start("large");
    server_start(&s);
    int fd = client_open(s.port);
    char *big = mem_new(FRAME_MAX + 4), *back = mem_new(FRAME_MAX + 4);
    store_be32(big, FRAME_MAX);
    for (int i = 4; i < FRAME_MAX + 4; i++) big[i] = (char)(i * 31 >> 3);
    big[4] = 's';
    for (int round = 0; round < 3; round++) {
        client_send(fd, big, FRAME_MAX + 4);
        client_take(fd, back, FRAME_MAX + 4);
        assert_memory_equal(big, back, FRAME_MAX + 4);
    }
    mem_free(big);
    mem_free(back);
    close(fd);
    server_stop(&s);
}

TEST(the_next_request_waits_unless_the_door_lets_it_overlap)
{
    start("overlap");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "o1");
    send_frame(fd, "o2");
    send_frame(fd, "o3");
    send_frame(fd, "e4");                /* may not overlap */
    send_frame(fd, "h5");
    send_frame(fd, "o6");
    until_held(3);
    turn_of(s.loops[0]);
    until_held(3);
    release_one(2);                      /* out of order: o3 waits for its elders */
    release_one(0);
    expect_frame(fd, "o1");
    turn_of(s.loops[0]);
    until_held(3);                       /* e4 did not run: o2 is not answered */
    release_one(1);
    expect_frame(fd, "o2");
    expect_frame(fd, "o3");
    expect_frame(fd, "e4");
    until_held(4);                       /* h5, and o6 does not overlap with it */
    release_one(3);
    expect_frame(fd, "h5");
    until_held(5);
    release_one(4);
    expect_frame(fd, "o6");
    close(fd);
    server_stop(&s);
}

TEST(no_more_than_pipelined_max_overlap)
{
    start("pipelined");
    s.door.limits.pipelined_max = 3;
    server_start(&s);
    int fd = client_open(s.port);
    for (int i = 0; i < 6; i++) send_frame(fd, "o");
    until_held(3);
    turn_of(s.loops[0]);
    until_held(3);
    release_one(0);
    expect_frame(fd, "o");
    until_held(4);
    for (int i = 1; i < 6; i++) {
        until_held(i + 3 < 6 ? i + 3 : 6);
        release_one(i);
        expect_frame(fd, "o");
    }
    close(fd);
    server_stop(&s);
}

TEST(a_request_without_reply_leaves_no_trace)
{
    start("silent");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "n1");
    send_frame(fd, "e2");
    send_frame(fd, "n3");
    send_frame(fd, "e4");
    expect_frame(fd, "e2");
    expect_frame(fd, "e4");
    close(fd);
    server_stop(&s);
}

TEST(an_abort_closes_after_what_was_owed_before_it)
{
    start("abort");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "o1");
    send_frame(fd, "a2");
    send_frame(fd, "e3");
    until_held(1);
    release_one(0);
    expect_frame(fd, "o1");
    client_expect_end(fd);
    close(fd);
    fd = client_open(s.port);
    send_frame(fd, "b");                 /* a reply that does not fit is an abort */
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_ABORT), 2);
}

/* The client fetches its answer late, and goes on sending meanwhile: a reset would take it away. */
TEST(an_abort_takes_no_answer_away)
{
    start("abort_late");
    server_start(&s);
    int fd = client_open(s.port);
    char *all = mem_new(FRAME_MAX + 4);
    store_be32(all, FRAME_MAX);
    for (int i = 4; i < FRAME_MAX + 4; i++) all[i] = 's';
    client_send(fd, all, FRAME_MAX + 4);
    send_frame(fd, "a");
    client_send(fd, all, FRAME_MAX + 4);
    until_counted(&s, s.counters.requests, 2);
    turn_of(s.loops[0]);
    client_take(fd, all, FRAME_MAX + 4);
    client_expect_end(fd);
    close(fd);
    mem_free(all);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_ABORT), 1);
}

TEST(a_size_beyond_the_limit_closes_the_connection)
{
    start("oversize");
    server_start(&s);
    const uint32_t sizes[] = {FRAME_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff};
    for (int i = 0; i < 4; i++) {
        int fd = client_open(s.port);
        send_frame(fd, "e first");
        uint8_t size[4];
        store_be32(size, sizes[i]);
        client_send(fd, size, 4);
        expect_frame(fd, "e first");
        client_expect_end(fd);
        close(fd);
    }
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_TOO_LARGE), 4);
}

TEST(a_size_beyond_the_limit_waits_for_the_answers_before_it)
{
    start("oversize_late");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "o1");
    send_frame(fd, "o2");
    client_send(fd, "\xff\xff", 2);
    until_counted(&s, s.counters.bytes_in, 14);
    client_send(fd, "\xff\xff", 2);
    until_counted(&s, s.counters.bytes_in, 16);
    until_held(2);
    release_one(1);
    release_one(0);
    expect_frame(fd, "o1");
    expect_frame(fd, "o2");
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_TOO_LARGE), 1);
}

TEST(an_empty_frame_is_a_request)
{
    start("empty");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "");
    expect_frame(fd, "");
    close(fd);
    server_stop(&s);
}

TEST(a_muted_connection_is_not_read)
{
    start("mute");
    time_stop();
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "m1");
    send_frame(fd, "e2");
    expect_frame(fd, "m1");              /* the reply is not held back */
    time_pass(&s, 49);
    EXPECT_EQ(metric_value(s.counters.requests), 1);
    time_pass(&s, 1);
    expect_frame(fd, "e2");
    close(fd);
    server_stop(&s);
}

TEST(a_frame_waits_while_the_budget_refuses_and_goes_on_when_it_gives)
{
    start("budget");
    server_start(&s);
    int fd = client_open(s.port);
    budget_fill(&s);
    send_frame(fd, "e asks for bytes that are not there");
    until_counted(&s, s.counters.budget_waits, 2);         /* refused, and asked again */
    EXPECT_EQ(metric_value(s.counters.requests), 0);
    budget_empty(&s);
    expect_frame(fd, "e asks for bytes that are not there");
    close(fd);
    server_stop(&s);
}

/* On a machine so busy that a wait of 5 ms becomes one of 300. */
TEST(who_waits_for_the_budget_is_not_slow)
{
    start("busy");
    time_stop();
    server_start(&s);
    int fd = client_open(s.port);
    client_send(fd, "\0\0\0\x08", 4);
    until_counted(&s, s.counters.bytes_in, 4);
    budget_fill(&s);
    client_text(fd, "e served");
    until_counted(&s, s.counters.budget_waits, 1);
    for (int i = 0; i < 12; i++) time_pass(&s, 300);
    budget_empty(&s);
    time_pass(&s, 300);
    expect_frame(fd, "e served");
    EXPECT_EQ(closed(NET_CLOSE_STALL), 0);
    close(fd);
    server_stop(&s);
}

/* Sizes that are announced and do not come: two hundred times the budget. */
TEST(announced_frames_take_nothing)
{
    start("announced");
    server_start(&s);
    s.budget.limit = 1 << 20;
    int fds[200];
    for (int i = 0; i < 200; i++) {
        fds[i] = client_open(s.port);
        client_send(fds[i], "\0\x10\0\0e", 5);
    }
    until_counted(&s, s.counters.bytes_in, 1000);
    EXPECT_EQ(atomic_load(&s.budget.used), 200);
    EXPECT(atomic_load(&s.budget.announced) <= 1 << 20);
    int other = client_open(s.port);
    send_frame(other, "e served");
    expect_frame(other, "e served");
    for (int i = 0; i < 200; i++) close(fds[i]);
    close(other);
    server_stop(&s);
    EXPECT_EQ(atomic_load(&s.budget.announced), 0);
}

/* The budget is full, and a half frame that comes no further has the way out. Small requests go on;
 * a large one is served once the half frame's connection was closed. */
TEST(who_stands_still_while_others_wait_is_closed)
{
    start("filled");
    server_start(&s);
    s.budget.limit = 1 << 20;
    EXPECT(budget_take(&s.budget, 1 << 20));
    char *large = mem_new(200 << 10);
    for (int i = 0; i + 1 < 200 << 10; i++) large[i] = 'e';
    int half = client_open(s.port), other = client_open(s.port);
    client_send(half, "\0\x0f\0\0", 4);
    client_send(half, large, 100 << 10);
    until_counted(&s, s.counters.bytes_in, 4 + (100 << 10));
    send_frame(other, "e served");
    expect_frame(other, "e served");
    send_frame(other, large);
    uint8_t size[4];
    client_take(other, size, 4);
    client_take(other, large, (200 << 10) - 1);
    EXPECT_EQ(closed(NET_CLOSE_STALL), 1);
    client_expect_end(half);
    close(half), close(other);
    mem_free(large);
    budget_give(&s.budget, 1 << 20);
    server_stop(&s);
}

/* Faster than silence and slower than the least rate: one byte each 20 ms of 4,000. */
TEST(a_body_has_a_time_as_a_whole)
{
    start("slow_body");
    s.door.limits.body_stall_ms = 200;
    s.door.limits.body_bytes_per_s = 20000;
    server_start(&s);
    int fd = client_open(s.port);
    client_send(fd, "\0\0\x0f\xa0", 4);
    int sent = 0;
    while (closed(NET_CLOSE_STALL) == 0 && sent < 4000) {
        if (send(fd, "e", 1, MSG_NOSIGNAL) == 1) sent++;
        usleep(20000);
    }
    EXPECT_EQ(closed(NET_CLOSE_STALL), 1);
    EXPECT(sent < 4000);
    close(fd);
    server_stop(&s);
}

static void park(void *at)
{
    struct frame_request *rq = held[*(int *)at];
    bool parked = frame_park(rq);
    EXPECT_EQ(parked, *(int *)at == 0);
    if (parked && rq->arena.charged == 0) EXPECT(arena_alloc(&rq->arena, 10000) != NULL);
}

/* Those that wait leave the budget to the others, up to a limit of their own. */
TEST(a_request_that_waits_counts_elsewhere)
{
    start("parked");
    static struct budget waiting;
    budget_init(&waiting, 20000);
    s.door.waiting = &waiting;
    server_start(&s);
    int fds[2] = {client_open(s.port), client_open(s.port)};
    send_frame(fds[0], "h waits");
    until_held(1);
    send_frame(fds[1], "h waits as well");
    until_held(2);
    size_t both = atomic_load(&s.budget.used);
    on_loop(s.loops[0], park, &(int){0});
    EXPECT(atomic_load(&waiting.used) > 10000 && atomic_load(&s.budget.used) < both);
    waiting.limit = atomic_load(&waiting.used);
    on_loop(s.loops[0], park, &(int){1});
    on_loop(s.loops[0], park, &(int){0});        /* again: in vain */
    release_one(0);
    release_one(1);
    expect_frame(fds[0], "h waits");
    expect_frame(fds[1], "h waits as well");
    EXPECT_EQ(atomic_load(&waiting.used), 0);
    close(fds[0]), close(fds[1]);
    server_stop(&s);
}

enum { LARGE_ANSWER = 8 << 20, LARGE_ROOM = 5 * LARGE_ANSWER };

static size_t answer_bytes(const struct frame_door *d, struct bytes body)
{
    (void)d;
    return body.data[0] == 'l' ? LARGE_ANSWER : 10;
}

static void read_queued(void *context)
{
    *(size_t *)context = loop_room(s.loops[0])->queued;
}

/* Thirty clients ask for 8 MiB each and take nothing; there is room for five such answers. */
TEST(large_answers_wait_for_room)
{
    start("room");
    static struct frame_door large;
    large = door;
    large.answer_bytes = answer_bytes;
    large.reply_bytes_max = LARGE_ANSWER;
    s.door.frames = &large;
    server_start(&s);
    loop_room(s.loops[0])->limit = LARGE_ROOM;
    int fds[30];
    for (int i = 0; i < 30; i++) {
        fds[i] = client_open(s.port);
        send_frame(fds[i], "l");
    }
    size_t most = 0, now = 0;
    UNTIL(closed(NET_CLOSE_SLOW) >= 10,
          (on_loop(s.loops[0], read_queued, &now), most = now > most ? now : most));
    EXPECT(most > LARGE_ANSWER && most <= LARGE_ROOM);
    int other = client_open(s.port);
    send_frame(other, "e small");
    expect_frame(other, "e small");
    for (int i = 0; i < 30; i++) close(fds[i]);
    close(other);
    server_stop(&s);
}

TEST(requests_of_a_closed_connection_are_told_and_may_still_reply)
{
    start("gone");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "o1");
    send_frame(fd, "o2");
    send_frame(fd, "o3");
    until_held(3);
    release_one(1);                      /* finished, but never sent */
    close(fd);
    until_counted(&s, s.counters.closed[NET_CLOSE_PEER], 1);
    server_stop(&s);
    EXPECT_EQ(gone_count, 2);
    EXPECT_EQ(open_count, 0);
}

TEST(what_was_sent_whole_before_the_end_is_run)
{
    start("end");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "o1");
    send_frame(fd, "e2");
    until_held(1);
    shutdown(fd, SHUT_WR);
    turn_of(s.loops[0]);
    release_one(0);
    expect_frame(fd, "o1");
    expect_frame(fd, "e2");
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
}

TEST(a_slow_reader_is_not_read_and_at_last_closed)
{
    start("slow");
    s.door.limits.out_bytes_max = 64 * 1024;
    s.door.limits.write_stall_ms = 100;
    server_start(&s);
    int fd = client_open(s.port), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct timeval wait = {.tv_usec = 300 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    char *frame = mem_new(FRAME_MAX + 4);
    store_be32(frame, FRAME_MAX);
    frame[4] = 's';
    /* Never reads: the server's queue fills, it stops reading, our sends stall, it gives us up. */
    for (int i = 0; i < 64; i++)
        if (send(fd, frame, FRAME_MAX + 4, MSG_NOSIGNAL) < 0) break;
    until_counted(&s, s.counters.closed[NET_CLOSE_SLOW], 1);
    EXPECT(metric_value(s.counters.requests) < 64);
    mem_free(frame);
    close(fd);
    server_stop(&s);
}

TEST(half_a_frame_and_silence_is_closed)
{
    start("stall");
    s.door.limits.body_stall_ms = 20;
    time_stop();
    server_start(&s);
    const char *halves[] = {"\0\0", "\0\0\0\x0a" "half"};
    const size_t lens[] = {2, 8};
    for (int i = 0; i < 2; i++) {
        int fd = client_open(s.port);
        client_send(fd, halves[i], lens[i]);
        until_counted(&s, s.counters.bytes_in, i == 0 ? 2 : 10);
        time_pass(&s, 19);
        EXPECT_EQ(closed(NET_CLOSE_STALL), i);
        time_pass(&s, 1);
        EXPECT_EQ(closed(NET_CLOSE_STALL), i + 1);
        client_expect_end(fd);
        close(fd);
    }
    server_stop(&s);
}

TEST(an_idle_connection_is_closed_but_not_one_with_a_request)
{
    start("idle");
    s.door.limits.idle_ms = 1000;
    time_stop();
    server_start(&s);
    int busy = client_open(s.port), idle = client_open(s.port), mute = client_open(s.port);
    send_frame(busy, "h");
    until_held(1);
    send_frame(idle, "e");
    expect_frame(idle, "e");
    until_counted(&s, s.counters.opened, 3);
    time_pass(&s, 999);
    EXPECT_EQ(closed(NET_CLOSE_IDLE), 0);
    time_pass(&s, 1);
    EXPECT_EQ(closed(NET_CLOSE_IDLE), 2);
    client_expect_end(idle);
    client_expect_end(mute);             /* not one byte */
    time_pass(&s, 10000);
    release_one(0);
    expect_frame(busy, "h");
    time_pass(&s, 1000);
    client_expect_end(busy);
    close(busy), close(idle), close(mute);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_IDLE), 3);
}

TEST(a_graceful_stop_finishes_what_was_accepted)
{
    start("stop");
    server_start(&s);
    int fd = client_open(s.port), idle = client_open(s.port);
    send_frame(idle, "e");
    expect_frame(idle, "e");
    send_frame(fd, "o1");
    send_frame(fd, "o2");
    send_frame(fd, "e not started");
    until_held(2);
    release_one(1);
    stop_begin();
    release_one(0);
    server_stop(&s);
    expect_frame(fd, "o1");
    expect_frame(fd, "o2");
    client_expect_end(fd);
    client_expect_end(idle);
    close(fd), close(idle);
    EXPECT_EQ(closed(NET_CLOSE_STOP), 2);
}

static void end_at_stop(struct frame_request *rq)
{
    held_gone(rq);
    writer_text(&rq->reply, "stopping");
    frame_reply(rq);
}

static void set_on_stop(void *at)
{
    ((struct frame_request *)held[*(int *)at])->on_stop = end_at_stop;
}

/* Both ends within the call, and in any order of the connection's requests. */
TEST(a_stop_asks_the_requests_that_wait_to_end)
{
    start("on_stop");
    server_start(&s);
    int fd = client_open(s.port), half = client_open(s.port);
    client_send(half, "\0\0\0\x09half", 8);
    send_frame(fd, "o1");
    send_frame(fd, "o2");
    until_held(2);
    on_loop(s.loops[0], set_on_stop, &(int){0});
    on_loop(s.loops[0], set_on_stop, &(int){1});
    server_stop(&s);
    EXPECT_EQ(gone_count, 2);
    expect_frame(fd, "stopping");
    expect_frame(fd, "stopping");
    client_expect_end(fd);
    client_expect_end(half);
    close(fd), close(half);
    EXPECT_EQ(closed(NET_CLOSE_STOP), 2);
}

/* Longer than the client is given, shorter than the grace: what ends the wait is seen. */
TEST(a_stop_gives_up_answers_that_are_not_taken)
{
    start("stop_unread");
    s.door.limits.out_bytes_max = 64 << 20;
    server_start(&s);
    int fd = client_open(s.port);
    char *large = mem_new(FRAME_MAX);
    for (int i = 0; i < FRAME_MAX - 1; i++) large[i] = 'e';
    for (int i = 0; i < 20; i++) send_frame(fd, large);
    mem_free(large);
    until_counted(&s, s.counters.requests, 20);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_STOP), 1);
    close(fd);
}

TEST(a_stop_does_not_wait_longer_than_its_grace)
{
    start("grace");
    server_start(&s);
    int fd = client_open(s.port);
    send_frame(fd, "h");
    until_held(1);
    listener_close(s.listener, 10);
    client_expect_end(fd);
    close(fd);
    EXPECT_EQ(gone_count, 1);
    loop_stop(s.loops[0]);
    listener_free(s.listener);
    loop_free(s.loops[0]);
    EXPECT_EQ(atomic_load(&s.budget.used), 0);
}

TEST(connections_beyond_the_caps_are_closed_at_once)
{
    start("caps");
    static struct budget common;
    budget_init(&common, 3);
    s.door.conns = &common;
    s.door.limits.conns_max = 2;
    server_start(&s);
    int a = client_open(s.port), b = client_open(s.port);
    send_frame(a, "e");
    expect_frame(a, "e");
    send_frame(b, "e");
    expect_frame(b, "e");
    int c = client_open(s.port);
    client_expect_end(c);
    close(c), close(b);
    until_counted(&s, s.counters.closed[NET_CLOSE_PEER], 1);
    b = client_open(s.port);             /* a place is free again */
    send_frame(b, "e");
    expect_frame(b, "e");
    EXPECT_EQ(listener_conn_count(s.listener), 2);
    close(a), close(b);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_FULL), 1);
    EXPECT_EQ(atomic_load(&common.used), 0);
}

static void release_all(void *context)
{
    (void)context;
    for (int i = 0; i < held_count; i++) {
        if (held[i] == NULL) continue;
        frame_abort(TAKE(held[i]));
    }
}

struct pause {
    struct job job;
    int ends[2];
};

/* Holds the loop until the test writes a byte into the pipe. */
static void wait_for_byte(struct job *job)
{
    char byte;
    EXPECT_EQ(read(CONTAINER_OF(job, struct pause, job)->ends[0], &byte, 1), 1);
}

TEST(what_is_read_too_early_is_bounded_over_all_connections)
{
    enum { CONNS = 450, STASH_MAX = 4 << 20, EACH = 256 * 1024 };
    start("stash");
    server_start(&s);
    static int fds[CONNS];
    for (int i = 0; i < CONNS; i++) fds[i] = client_open(s.port);
    until_counted(&s, s.counters.opened, CONNS);
    struct pause pause = {.job.run = wait_for_byte};
    EXPECT_EQ(pipe(pause.ends), 0);
    loop_post(s.loops[0], &pause.job);
    char *many = mem_new(EACH);          /* a request that is held, and thousands behind it */
    for (int i = 0; i < EACH; i += 8) store_be32(many + i, 4), store_be32(many + i + 4, 0x65206565);
    many[4] = 'h';
    int64_t sent = 0;
    for (int i = 0; i < CONNS; i++) {
        ssize_t n = send(fds[i], many, EACH, MSG_DONTWAIT | MSG_NOSIGNAL);
        EXPECT(n > 0);
        sent += n;
    }
    EXPECT(sent > STASH_MAX + (8 << 20));
    EXPECT_EQ(write(pause.ends[1], "x", 1), 1);
    until_held(CONNS);
    for (int i = 0; i < 10; i++) turn_of(s.loops[0]);
    int64_t got = metric_value(s.counters.bytes_in);
    print_message("%ld KiB sent, %ld KiB read\n", (long)(sent / 1024), (long)(got / 1024));
    EXPECT(got > STASH_MAX);
    EXPECT(got < STASH_MAX + EACH + CONNS * 4096);
    for (int i = 0; i < CONNS; i++) close(fds[i]);
    close(pause.ends[0]), close(pause.ends[1]);
    mem_free(many);
    on_loop(s.loops[0], release_all, NULL);
    server_stop(&s);
}

static long memory_kib(void)
{
    long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    EXPECT(f != NULL && fscanf(f, "%ld %ld", &total, &resident) == 2);
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

TEST(ten_thousand_idle_connections_cost_little)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int count = files.rlim_max < 20200 ? (int)(files.rlim_max - 100) / 2 : 10000;
    start("idlers");
    s.loop_count = 2;
    server_start(&s);
    int *fds = mem_array((size_t)count, sizeof *fds);
    long before_kib = memory_kib();
    for (int i = 0; i < count; i++) {
        fds[i] = client_open(s.port);
        if (i % 2) continue;             /* half of them never send anything */
        send_frame(fds[i], "e hello");
        expect_frame(fds[i], "e hello");
    }
    until_counted(&s, s.counters.opened, count);
    long each_bytes = (memory_kib() - before_kib) * 1024 / count;
    print_message("%d idle connections, %ld bytes each\n", count, each_bytes);
#ifndef DIGLOT_SANITIZED
    EXPECT(each_bytes < 3072);
#endif
    send_frame(fds[count - 1], "e still served");
    expect_frame(fds[count - 1], "e still served");
    for (int i = 0; i < count; i++) close(fds[i]);
    mem_free(fds);
    server_stop(&s);
    EXPECT_EQ(open_count, 0);
}

static void ask_without_memory(void)
{
    int fd = client_open(s.port);
    client_try(fd, "\0\0\0\2e1", 6);
    for (int i = 0; i < 4; i++) turn_of_all(&s);
    close(fd);
    for (int i = 0; i < 4; i++) turn_of_all(&s);
}

static void be_served(void)
{
    int fd = client_open(s.port);
    send_frame(fd, "e2");
    expect_frame(fd, "e2");
    close(fd);
}

TEST(without_memory_a_connection_ends_and_the_next_one_is_served)
{
    start("no_memory");
    s.loop_count = 2;                    /* one hands connections over to the other */
    server_start(&s);
    memory_fails(&s, ask_without_memory, be_served);
    EXPECT(closed(NET_CLOSE_MEMORY) > 0);
    server_stop(&s);
}

TESTS(RUN(replies_come_in_order_whatever_the_cut),
      RUN(a_client_that_leaves_within_a_frame_is_counted),
      RUN(a_large_frame_comes_back_by_reference),
      RUN(the_next_request_waits_unless_the_door_lets_it_overlap),
      RUN(no_more_than_pipelined_max_overlap), RUN(a_request_without_reply_leaves_no_trace),
      RUN(an_abort_closes_after_what_was_owed_before_it), RUN(an_abort_takes_no_answer_away),
      RUN(a_size_beyond_the_limit_closes_the_connection),
      RUN(a_size_beyond_the_limit_waits_for_the_answers_before_it),
      RUN(an_empty_frame_is_a_request),
      RUN(a_muted_connection_is_not_read),
      RUN(announced_frames_take_nothing), RUN(who_stands_still_while_others_wait_is_closed),
      RUN(a_body_has_a_time_as_a_whole), RUN(large_answers_wait_for_room),
      RUN(a_request_that_waits_counts_elsewhere),
      RUN(without_memory_a_connection_ends_and_the_next_one_is_served),
      RUN(a_frame_waits_while_the_budget_refuses_and_goes_on_when_it_gives),
      RUN(who_waits_for_the_budget_is_not_slow),
      RUN(requests_of_a_closed_connection_are_told_and_may_still_reply),
      RUN(what_was_sent_whole_before_the_end_is_run),
      RUN(a_slow_reader_is_not_read_and_at_last_closed), RUN(half_a_frame_and_silence_is_closed),
      RUN(an_idle_connection_is_closed_but_not_one_with_a_request),
      RUN(a_graceful_stop_finishes_what_was_accepted),
      RUN(a_stop_asks_the_requests_that_wait_to_end),
      RUN(a_stop_gives_up_answers_that_are_not_taken),
      RUN(a_stop_does_not_wait_longer_than_its_grace),
      RUN(connections_beyond_the_caps_are_closed_at_once),
      RUN(what_is_read_too_early_is_bounded_over_all_connections),
      RUN(ten_thousand_idle_connections_cost_little))
