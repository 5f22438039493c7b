#include <errno.h>
#include "http_fixture.h"

/* Besides what http_fixture.h says of paths:
 *   /echo     method, path, query, one header and the body, back
 *   /splice   the body back by reference       /none     204
 *   /many     the same MANY times */
enum { BODY_MAX = 1 << 20, MANY = 16 };

static void echo(struct http_request *rq)
{
    struct bytes probe = http_header(rq, "X-Probe");
    writer_printf(&rq->reply, "%.*s %.*s %.*s %.*s ", BYTES_ARGS(rq->method), BYTES_ARGS(rq->path),
                  BYTES_ARGS(bytes_is_null(rq->query) ? BYTES_LIT("-") : rq->query),
                  BYTES_ARGS(bytes_is_null(probe) ? BYTES_LIT("-") : probe));
    writer_bytes_raw(&rq->reply, http_body(rq));
    const struct http_header headers[] = {{BYTES_LIT("x-kind"), BYTES_LIT("echo")},
                                          {BYTES_LIT("x-bad"), BYTES_LIT("a\r\nb: c")}};
    http_reply(rq, 200, headers, 2);
}

static void on_request(struct http_request *rq)
{
    EXPECT_EQ(rq->version_major, 1);
    if (handle_common(rq)) return;
    if (bytes_equal_str(rq->path, "/none")) {
        http_reply(rq, 204, NULL, 0);
    } else if (bytes_equal_str(rq->path, "/splice")) {
        writer_splice(&rq->reply, (struct slab_view){rq->body, http_body(rq)});
        http_reply(rq, 200, NULL, 0);
    } else if (bytes_equal_str(rq->path, "/many")) {
        for (int i = 0; i < MANY; i++)
            writer_splice(&rq->reply, (struct slab_view){rq->body, http_body(rq)});
        http_reply(rq, 200, NULL, 0);
    } else {
        echo(rq);
    }
}

static const struct http_door door = {.body_bytes_max = BODY_MAX, .reply_bytes_max = BODY_MAX,
                                      .arena_bytes_max = 1 << 16, .on_request = on_request};

static void start(const char *name)
{
    http_start(name, &door);
}

/* Reads one reply with a content-length; returns its status, the body in to. */
static int take_reply(int fd, char *to, size_t cap)
{
    char head[4096];
    client_until(fd, "\r\n\r\n", head, sizeof head);
    EXPECT(strstr(head, "x-bad") == NULL);
    EXPECT(strstr(head, "date: ") != NULL);
    const char *length = strstr(head, "content-length: ");
    size_t len = length ? strtoul(length + 16, NULL, 10) : 0;
    EXPECT(len < cap);
    client_take(fd, to, len);
    to[len] = '\0';
    return (int)strtol(head + 9, NULL, 10);
}

static void expect_reply(int fd, int status, const char *body)
{
    char got[4096];
    EXPECT_EQ(take_reply(fd, got, sizeof got), status);
    EXPECT_STR(got, body);
}

TEST(keep_alive_and_pipelining_in_order_byte_by_byte)
{
    start("h1_order");
    server_start(&s);
    int fd = client_open(s.port);
    const char *three = "POST /echo?a=b&c HTTP/1.1\r\nHost: x\r\nX-Probe:  some value \t\r\n"
                        "Content-Length: 5\r\n\r\nhello"
                        "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
                        "PUT /echo HTTP/1.1\r\nhost: x\r\nx-pRoBe:\r\ncontent-length: 0\r\n\r\n";
    for (int round = 0; round < 2; round++) {
        if (round == 0) client_text(fd, three);
        else for (const char *p = three; *p != '\0'; p++) client_send(fd, p, 1);
        expect_reply(fd, 200, "POST /echo a=b&c some value hello");
        until_held(round + 1);
        turn_of(s.loops[0]);
        EXPECT_EQ(metric_value(s.counters.requests), 3 * round + 2);     /* the PUT waits */
        release_one(round);
        expect_reply(fd, 200, "released");
        expect_reply(fd, 200, "PUT /echo -  ");
    }
    close(fd);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_PEER), 1);
}

TEST(a_chunked_body_is_put_together)
{
    start("h1_chunked");
    server_start(&s);
    int fd = client_open(s.port);
    const char *request =
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nX-Probe: trailer\r\n\r\n";
    client_text(fd, request);
    expect_reply(fd, 200, "POST /echo - - hello world");
    for (const char *p = request; *p != '\0'; p++) client_send(fd, p, 1);
    expect_reply(fd, 200, "POST /echo - - hello world");
    close(fd);
    server_stop(&s);
}

TEST(a_large_body_comes_whole)
{
    start("h1_large");
    server_start(&s);
    int fd = client_open(s.port);
    char *body = mem_new(BODY_MAX), *back = mem_new(BODY_MAX + 1), head[128];
    for (int i = 0; i < BODY_MAX; i++) body[i] = (char)('a' + i * 7 % 26);
    for (int round = 0; round < 2; round++) {
        snprintf(head, sizeof head, "POST /splice HTTP/1.1\r\ncontent-length: %d\r\n\r\n",
                 BODY_MAX);
        client_text(fd, head);
        client_send(fd, body, BODY_MAX);
        EXPECT_EQ(take_reply(fd, back, BODY_MAX + 1), 200);
        assert_memory_equal(body, back, BODY_MAX);
    }
    mem_free(body);
    mem_free(back);
    close(fd);
    server_stop(&s);
}

TEST(expect_continue_is_answered_before_the_body)
{
    start("h1_expect");
    server_start(&s);
    int fd = client_open(s.port);
    char head[256];
    client_text(fd, "POST /echo HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    client_until(fd, "\r\n\r\n", head, sizeof head);
    EXPECT_STR(head, "HTTP/1.1 100 Continue\r\n\r\n");
    client_text(fd, "ok");
    expect_reply(fd, 200, "POST /echo - - ok");
    client_text(fd,
                "POST /echo HTTP/1.1\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n");
    expect_reply(fd, 413, "refused 413");
    close(fd);
    server_stop(&s);
}

TEST(the_connection_closes_as_agreed)
{
    start("h1_close");
    server_start(&s);
    const char *requests[] = {"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n",
                              "GET /echo HTTP/1.0\r\n\r\n"};
    for (int i = 0; i < 2; i++) {
        int fd = client_open(s.port);
        client_text(fd, requests[i]);
        expect_reply(fd, 200, "GET /echo - - ");
        client_expect_end(fd);
        close(fd);
    }
    int fd = client_open(s.port);
    client_text(fd, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_reply(fd, 200, "GET /echo - - ");
    client_text(fd, "GET /echo HTTP/1.1\r\n\r\n");
    expect_reply(fd, 200, "GET /echo - - ");
    shutdown(fd, SHUT_WR);
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_DONE), 2);
}

TEST(a_half_closed_client_still_gets_its_reply)
{
    start("h1_half");
    server_start(&s);
    int fd = client_open(s.port);
    client_text(fd, "GET /hold HTTP/1.1\r\n\r\n");
    until_held(1);
    shutdown(fd, SHUT_WR);
    turn_of(s.loops[0]);
    release_one(0);
    expect_reply(fd, 200, "released");
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
}

/* More than a socket takes at once: what waits is sent also when the client's end has come by
 * then. */
TEST(a_half_closed_client_gets_a_long_reply_whole)
{
    start("h1_half_long");
    server_start(&s);
    int fd = client_open(s.port);
    char *body = mem_new(BODY_MAX), *back = mem_new(MANY * BODY_MAX + 1), head[128];
    snprintf(head, sizeof head, "POST /many HTTP/1.1\r\ncontent-length: %d\r\n\r\n", BODY_MAX);
    client_text(fd, head);
    client_send(fd, body, BODY_MAX);
    until_counted(&s, s.counters.requests, 1);
    shutdown(fd, SHUT_WR);
    turn_of(s.loops[0]);
    EXPECT_EQ(take_reply(fd, back, MANY * BODY_MAX + 1), 200);
    client_expect_end(fd);
    mem_free(body);
    mem_free(back);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_PEER), 1);
}

TEST(head_and_204_have_no_body)
{
    start("h1_head");
    server_start(&s);
    int fd = client_open(s.port);
    char head[1024];
    client_text(fd, "HEAD /echo HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n"
                    "GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    client_until(fd, "\r\n\r\n", head, sizeof head);
    EXPECT(strstr(head, "content-length: 15\r\n") != NULL);
    client_until(fd, "\r\n\r\n", head, sizeof head);
    EXPECT(strstr(head, "HTTP/1.1 204 No Content\r\n") == head);
    EXPECT(strstr(head, "content-length") == NULL);
    expect_reply(fd, 200, "GET /echo - - ");
    close(fd);
    server_stop(&s);
}

/* The request in two pieces, on a connection of its own. */
static void expect_cut(const char *request, size_t cut, int status, const char *body)
{
    int fd = client_open(s.port);
    client_send(fd, request, cut);
    turn_of(s.loops[0]);
    client_send(fd, request + cut, strlen(request) - cut);
    expect_reply(fd, status, body);
    close(fd);
}

/* However the bytes are cut: what stands behind a chunk's data is looked at each time. */
TEST(chunks_are_whole_whatever_the_cut)
{
    start("h1_chunk_cuts");
    server_start(&s);
    static const char all[] = "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
                              "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n";
    static const char broken[] = "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
                                 "2\r\nhe\r\n3\r\nllo\nx0\r\n\r\n";
    for (size_t cut = 1; cut < sizeof all - 1; cut++)
        expect_cut(all, cut, 200, "POST /echo - - hello");
    for (size_t cut = 60; cut < sizeof broken - 1; cut++)
        expect_cut(broken, cut, 400, "refused 400");
    server_stop(&s);
}

TEST(bad_requests_are_refused_and_the_connection_closed)
{
    start("h1_bad");
    s.door.limits.header_bytes_max = 200;
    s.door.limits.header_count_max = 4;
    server_start(&s);
    char long_one[1024];
    snprintf(long_one, sizeof long_one, "GET / HTTP/1.1\r\nx: %0300d\r\n\r\n", 1);
    const struct {
        const char *request;
        int status;
    } bad[] = {
        {"NONSENSE\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400},
        {"\x01\x02\x03\x04", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413},
        {"GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5\r\n\r\n", 431},
        {long_one, 431},
        {"POST /echo HTTP/1.1\r\ncontent-length : 2\r\n\r\nhi", 400},
        {"POST /echo HTTP/1.1\r\ncontent length: 2\r\n\r\nhi", 400},
        {"GET /echo HTTP/1.1\r\nx\xff: 2\r\n\r\n", 400},
        {"GET /echo HTTP/1.1\r\nhost: localhost\r\nHost: localhost\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi0\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\rx0\r\n\r\n", 400},
    };
    int count = sizeof bad / sizeof bad[0];
    for (int i = 0; i < count; i++) {
        int fd = client_open(s.port);
        client_text(fd, "GET /echo HTTP/1.1\r\n\r\n");
        client_text(fd, bad[i].request);
        if (i == 8) {                    /* the chunk is refused when its bytes come */
            char *many = mem_new(BODY_MAX + 1);
            client_send(fd, many, BODY_MAX + 1);
            mem_free(many);
        }
        char want[32];
        snprintf(want, sizeof want, "refused %d", bad[i].status);
        expect_reply(fd, 200, "GET /echo - - ");
        expect_reply(fd, bad[i].status, want);
        client_expect_end(fd);
        close(fd);
    }
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.refused), count);
    EXPECT_EQ(closed(NET_CLOSE_PROTOCOL), 13);
    EXPECT_EQ(closed(NET_CLOSE_TOO_LARGE), 4);
}

TEST(a_body_waits_while_the_budget_refuses)
{
    start("h1_budget");
    server_start(&s);
    int two = client_open(s.port), three = client_open(s.port);
    budget_fill(&s);
    client_text(
        two, "POST /echo HTTP/1.1\r\nContent-Length: 8\r\n\r\nabcdefghGET /echo HTTP/1.1\r\n\r\n");
    until_counted(&s, s.counters.budget_waits, 2);
    client_text(three, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    until_counted(&s, s.counters.budget_waits, 20);        /* it waits as well */
    EXPECT_EQ(metric_value(s.counters.requests), 0);
    budget_empty(&s);
    expect_reply(two, 200, "POST /echo - - abcdefgh");
    expect_reply(two, 200, "GET /echo - - ");
    client_text(three, "0\r\n\r\n");
    expect_reply(three, 200, "POST /echo - - hello");
    close(two), close(three);
    server_stop(&s);
}

static void write_hello(void *context)
{
    struct writer w;
    writer_init(&w, 1 << 20);
    struct slab *slab = slab_copy(BYTES_LIT("spliced"));
    writer_text(&w, "hello ");
    writer_splice(&w, (struct slab_view){slab, slab_bytes(slab)});
    slab_unref(slab);
    *(size_t *)context = http_stream_write(held[0], &w);
    http_stream_write(held[0], &w);      /* empty now: must not look like the end */
    writer_done(&w);
}

static void end_stream(void *context)
{
    (void)context;
    http_stream_end(TAKE(held[0]));
}

TEST(a_stream_is_chunked_and_the_connection_goes_on)
{
    start("h1_stream");
    server_start(&s);
    int fd = client_open(s.port);
    char got[1024];
    client_text(fd, "GET /stream HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\n\r\n");
    client_until(fd, "\r\n\r\n", got, sizeof got);
    EXPECT(strstr(got, "transfer-encoding: chunked\r\n") != NULL);
    EXPECT(strstr(got, "content-length") == NULL);
    size_t queued;
    on_loop(s.loops[0], write_hello, &queued);
    EXPECT_EQ(queued, 3 + 13 + 2);
    client_until(fd, "spliced\r\n", got, sizeof got);
    EXPECT_STR(got, "d\r\nhello spliced\r\n");
    on_loop(s.loops[0], end_stream, NULL);
    client_until(fd, "\r\n\r\n", got, sizeof got);
    EXPECT_STR(got, "0\r\n\r\n");
    expect_reply(fd, 200, "GET /echo - - ");
    close(fd);
    server_stop(&s);
}

TEST(a_stream_of_http_1_0_ends_with_the_connection)
{
    start("h1_stream10");
    server_start(&s);
    int fd = client_open(s.port);
    char got[1024];
    client_text(fd, "GET /stream HTTP/1.0\r\n\r\n");
    client_until(fd, "\r\n\r\n", got, sizeof got);
    EXPECT(strstr(got, "chunked") == NULL);
    size_t queued;
    on_loop(s.loops[0], write_hello, &queued);
    on_loop(s.loops[0], end_stream, NULL);
    client_until(fd, "spliced", got, sizeof got);
    EXPECT_STR(got, "hello spliced");
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
}

static void write_much(void *context)
{
    struct writer w;
    writer_init(&w, 4 << 20);
    writer_space(&w, 4 << 20);
    *(size_t *)context = http_stream_write(held[0], &w);
    writer_done(&w);
}

static void read_writable(void *context)
{
    *(int *)context = writable_count;
}

TEST(a_stream_tells_when_its_queue_fell_and_when_the_client_left)
{
    start("h1_writable");
    server_start(&s);
    int fd = client_open(s.port);
    char got[1024];
    client_text(fd, "GET /stream HTTP/1.1\r\n\r\n");
    client_until(fd, "\r\n\r\n", got, sizeof got);
    size_t queued;
    on_loop(s.loops[0], write_much, &queued);
    EXPECT(queued > 4 << 20);
    char *much = mem_new(queued);
    client_take(fd, much, queued);
    mem_free(much);
    int writable = 0;
    UNTIL(writable > 0, on_loop(s.loops[0], read_writable, &writable));
    close(fd);                           /* of a stream, the end of the client is the end */
    until_counted(&s, s.counters.closed[NET_CLOSE_PEER], 1);
    server_stop(&s);
    EXPECT_EQ(gone_count, 1);
    EXPECT_EQ(writable_count, 1);
}

TEST(an_abort_closes_the_connection)
{
    start("h1_abort");
    server_start(&s);
    int fd = client_open(s.port);
    client_text(fd,
                "GET /echo HTTP/1.1\r\n\r\nGET /abort HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\n\r\n");
    expect_reply(fd, 200, "GET /echo - - ");
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_ABORT), 1);
}

TEST(slow_heads_and_stalled_bodies_are_closed)
{
    start("h1_slow");
    s.door.limits.head_ms = 20;
    s.door.limits.body_stall_ms = 20;
    s.door.limits.idle_ms = 1000;
    time_stop();
    server_start(&s);
    const char *halves[] = {"GET /echo HT", "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel",
                            "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"};
    int64_t sent = 0;
    for (int i = 0; i < 3; i++) {
        int fd = client_open(s.port);
        client_text(fd, halves[i]);
        until_counted(&s, s.counters.bytes_in, sent += (int64_t)strlen(halves[i]));
        time_pass(&s, 20);
        client_expect_end(fd);
        close(fd);
    }
    int fd = client_open(s.port);
    client_text(fd, "GET /echo HTTP/1.1\r\n\r\n");
    expect_reply(fd, 200, "GET /echo - - ");
    time_pass(&s, 1000);
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_HEAD), 1);
    EXPECT_EQ(closed(NET_CLOSE_STALL), 2);
    EXPECT_EQ(closed(NET_CLOSE_IDLE), 1);
}

TEST(a_graceful_stop_answers_and_closes)
{
    start("h1_stop");
    server_start(&s);
    int fd = client_open(s.port), idle = client_open(s.port);
    client_text(idle, "GET /echo HTTP/1.1\r\n\r\n");
    expect_reply(idle, 200, "GET /echo - - ");
    client_text(fd, "GET /hold HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\n\r\n");
    until_held(1);
    stop_begin();
    release_one(0);
    server_stop(&s);
    char head[512];
    client_until(fd, "\r\n\r\n", head, sizeof head);
    EXPECT(strstr(head, "connection: close\r\n") != NULL);
    client_take(fd, head, 8);
    client_expect_end(fd);
    client_expect_end(idle);
    close(fd), close(idle);
    EXPECT_EQ(closed(NET_CLOSE_STOP), 2);
}

TEST(a_stop_ends_what_waits_and_what_is_half)
{
    start("h1_on_stop");
    server_start(&s);
    int wait = client_open(s.port), stream = client_open(s.port);
    client_text(wait, "GET /wait HTTP/1.1\r\n\r\n");
    client_text(stream, "GET /wait-stream HTTP/1.1\r\n\r\n");
    until_held(2);
    static const char *const halves[] = {
        "GET /e", "POST /echo HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf",
        "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n9\r\nha"};
    int half[3];
    for (int i = 0; i < 3; i++) {
        half[i] = client_open(s.port);
        client_text(half[i], halves[i]);
    }
    char head[512];
    client_until(stream, "\r\n\r\n", head, sizeof head);
    until_counted(&s, s.counters.bytes_in,
                  (int64_t)(strlen(halves[0]) + strlen(halves[1]) + strlen(halves[2])));
    server_stop(&s);
    client_until(wait, "released", head, sizeof head);
    client_until(stream, "0\r\n\r\n", head, sizeof head);
    client_expect_end(wait);
    client_expect_end(stream);
    close(wait), close(stream);
    for (int i = 0; i < 3; i++) {
        client_expect_end(half[i]);
        close(half[i]);
    }
    EXPECT_EQ(closed(NET_CLOSE_STOP), 5);
}

static void ask_without_memory(void)
{
    int fd = client_open(s.port);
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: x\r\n"
                                  "Content-Length: 5\r\n\r\nhello";
    client_try(fd, request, strlen(request));
    for (int i = 0; i < 4; i++) turn_of_all(&s);
    close(fd);
    for (int i = 0; i < 4; i++) turn_of_all(&s);
}

static void be_served(void)
{
    int fd = client_open(s.port);
    client_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_reply(fd, 200, "GET /echo - - ");
    close(fd);
}

TEST(without_memory_a_connection_ends_and_the_next_one_is_served)
{
    start("h1_no_memory");
    server_start(&s);
    memory_fails(&s, ask_without_memory, be_served);
    EXPECT(closed(NET_CLOSE_MEMORY) > 0);
    server_stop(&s);
}

TESTS(RUN(keep_alive_and_pipelining_in_order_byte_by_byte), RUN(a_chunked_body_is_put_together),
      RUN(a_large_body_comes_whole), RUN(expect_continue_is_answered_before_the_body),
      RUN(without_memory_a_connection_ends_and_the_next_one_is_served),
      RUN(the_connection_closes_as_agreed), RUN(a_half_closed_client_still_gets_its_reply),
      RUN(a_half_closed_client_gets_a_long_reply_whole),
      RUN(head_and_204_have_no_body), RUN(chunks_are_whole_whatever_the_cut),
      RUN(bad_requests_are_refused_and_the_connection_closed),
      RUN(a_body_waits_while_the_budget_refuses),
      RUN(a_stream_is_chunked_and_the_connection_goes_on),
      RUN(a_stream_of_http_1_0_ends_with_the_connection),
      RUN(a_stream_tells_when_its_queue_fell_and_when_the_client_left),
      RUN(an_abort_closes_the_connection), RUN(slow_heads_and_stalled_bodies_are_closed),
      RUN(a_graceful_stop_answers_and_closes),
      RUN(a_stop_ends_what_waits_and_what_is_half))
