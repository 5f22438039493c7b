/* How connections end: slow, silent and idle ones, the caps, and the server's stop. */
#include "frame_fixture.h"

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

/* Hundreds that end together are closed in turns: till then their sockets are there. */
TEST(a_connection_counts_until_its_socket_is_closed)
{
    enum { CONNS = 40 };
    start("places");
    static struct budget common;
    int fds[CONNS];
    budget_init(&common, CONNS);
    s.door.conns = &common;
    server_start(&s);
    for (int i = 0; i < CONNS; i++) {
        fds[i] = client_open(s.port);
        send_frame(fds[i], "e");
        expect_frame(fds[i], "e");
    }
    EXPECT_EQ(atomic_load(&common.used), CONNS);
    server_stop(&s);
    EXPECT_EQ(atomic_load(&common.used), 0);
    for (int i = 0; i < CONNS; i++) close(fds[i]);
}

TESTS(RUN(a_connection_counts_until_its_socket_is_closed),
      RUN(a_body_has_a_time_as_a_whole), RUN(a_slow_reader_is_not_read_and_at_last_closed),
      RUN(half_a_frame_and_silence_is_closed),
      RUN(an_idle_connection_is_closed_but_not_one_with_a_request),
      RUN(a_graceful_stop_finishes_what_was_accepted),
      RUN(a_stop_asks_the_requests_that_wait_to_end),
      RUN(a_stop_gives_up_answers_that_are_not_taken),
      RUN(a_stop_does_not_wait_longer_than_its_grace),
      RUN(connections_beyond_the_caps_are_closed_at_once))
