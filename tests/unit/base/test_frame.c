/* Frames in, answers out: their order, their cuts, and what ends a connection at once. */
#include "frame_fixture.h"

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

TESTS(RUN(replies_come_in_order_whatever_the_cut),
      RUN(a_client_that_leaves_within_a_frame_is_counted),
      RUN(a_large_frame_comes_back_by_reference),
      RUN(the_next_request_waits_unless_the_door_lets_it_overlap),
      RUN(no_more_than_pipelined_max_overlap), RUN(a_request_without_reply_leaves_no_trace),
      RUN(an_abort_closes_after_what_was_owed_before_it), RUN(an_abort_takes_no_answer_away),
      RUN(a_size_beyond_the_limit_closes_the_connection),
      RUN(a_size_beyond_the_limit_waits_for_the_answers_before_it),
      RUN(an_empty_frame_is_a_request), RUN(a_muted_connection_is_not_read),
      RUN(requests_of_a_closed_connection_are_told_and_may_still_reply),
      RUN(what_was_sent_whole_before_the_end_is_run))
