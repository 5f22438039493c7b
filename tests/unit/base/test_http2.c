#include "h2_client.h"
#include "http_fixture.h"

/* Besides what http_fixture.h says of paths: /echo as in test_http1.c; /big answers with 1 MiB,
 * /length with the length of the body; /promise is held with its reply promised. */
enum { BODY_MAX = 4 << 20, BIG = 1 << 20 };

static struct slab *big;

static void promised_gone(struct http_request *rq)
{
    http_promise_end(rq);
    on_gone(rq);
}

static void on_request(struct http_request *rq)
{
    EXPECT_EQ(rq->version_major, 2);
    if (handle_common(rq)) return;
    if (bytes_equal_str(rq->path, "/promise")) {
        http_promise(rq, BIG);
        hold(rq);
        rq->on_closed = promised_gone;
        return;
    }
    if (bytes_equal_str(rq->path, "/big")) {
        writer_splice(&rq->reply, (struct slab_view){big, slab_bytes(big)});
        http_reply(rq, 200, NULL, 0);
    } else if (bytes_equal_str(rq->path, "/length")) {
        writer_printf(&rq->reply, "%zu", http_body(rq).len);
        http_reply(rq, 200, NULL, 0);
    } else {
        struct bytes probe = http_header(rq, "X-Probe");
        writer_printf(&rq->reply, "%.*s %.*s %.*s %.*s %.*s %.*s", BYTES_ARGS(rq->method),
                      BYTES_ARGS(rq->path), BYTES_ARGS(rq->query),
                      BYTES_ARGS(http_header(rq, "Host")), BYTES_ARGS(probe),
                      BYTES_ARGS(http_body(rq)));
        http_reply(rq, 200, NULL, 0);
    }
}

static const struct http_door door = {.body_bytes_max = BODY_MAX, .reply_bytes_max = BODY_MAX,
                                      .arena_bytes_max = 1 << 16, .on_request = on_request};

static void start(const char *name)
{
    http_start(name, &door);
    if (big != NULL) return;
    big = slab_new(NULL, BIG);
    big->len = BIG;
    for (int i = 0; i < BIG; i++) big->data[i] = (uint8_t)i;
}

static struct h2_client *client(void)
{
    return h2_open(client_open(s.port), NULL, 65535);
}

TEST(streams_run_side_by_side)
{
    start("h2_streams");
    server_start(&s);
    struct h2_client *c = client();
    struct h2_body body = {"hello", 5, false};
    int32_t slow = h2_request(c, "GET", "/hold", NULL, NULL, NULL);
    int32_t fast = h2_request(c, "POST", "/echo?q=1", &body, "x-probe", "yes");
    int32_t host = h2_request(c, "GET", "/echo", NULL, "host", "other");
    EXPECT_STR(h2_wait(c, fast)->body, "POST /echo q=1 kinesis.test:4567 yes hello");
    EXPECT_STR(h2_answer(c, fast)->length, "42");
    EXPECT_STR(h2_wait(c, host)->body, "GET /echo  other  ");
    until_held(1);
    EXPECT(!h2_answer(c, slow)->closed);
    release_one(0);
    EXPECT_STR(h2_wait(c, slow)->body, "released");
    EXPECT_EQ(h2_answer(c, slow)->status, 200);
    h2_close(c);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_PEER), 1);
}

TEST(the_preface_may_come_byte_by_byte)
{
    start("h2_bytes");
    server_start(&s);
    struct h2_client *c = client();
    int32_t id = h2_request(c, "GET", "/echo", NULL, NULL, NULL);
    const uint8_t *data;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->session, &data)) > 0)
        for (ssize_t i = 0; i < n; i++) client_send(c->fd, data + i, 1);
    EXPECT_STR(h2_wait(c, id)->body, "GET /echo  kinesis.test:4567  ");
    h2_close(c);
    server_stop(&s);
}

TEST(bodies_with_and_without_a_length_come_whole)
{
    start("h2_bodies");
    server_start(&s);
    struct h2_client *c = client();
    char *much = mem_new(BODY_MAX + 1);
    struct h2_body with = {much, BODY_MAX, false}, without = with,
                   beyond = {much, BODY_MAX + 1, false};
    int32_t a = h2_request(c, "POST", "/length", &with, "content-length", "4194304");
    int32_t b = h2_request(c, "POST", "/length", &without, NULL, NULL);
    EXPECT_STR(h2_wait(c, a)->body, "4194304");
    EXPECT_STR(h2_wait(c, b)->body, "4194304");
    int32_t x = h2_request(c, "POST", "/length", &beyond, NULL, NULL);
    EXPECT_EQ(h2_wait(c, x)->status, 413);
    EXPECT_STR(h2_answer(c, x)->body, "refused 413");
    struct h2_body again = {much, BODY_MAX + 1, false};
    int32_t y = h2_request(c, "POST", "/length", &again, "content-length", "4194305");
    EXPECT_EQ(h2_wait(c, y)->status, 413);
    EXPECT_EQ(h2_answer(c, y)->error_code, NGHTTP2_NO_ERROR);
    int32_t z = h2_request(c, "GET", "/length", NULL, NULL, NULL);      /* the connection goes on */
    EXPECT_STR(h2_wait(c, z)->body, "0");
    mem_free(much);
    h2_close(c);
    server_stop(&s);
}

TEST(expect_continue_head_abort)
{
    start("h2_small");
    server_start(&s);
    struct h2_client *c = client();
    struct h2_body body = {"ok", 2, false};
    int32_t a = h2_request(c, "POST", "/length", &body, "expect", "100-continue");
    EXPECT_EQ(h2_wait(c, a)->status, 200);
    EXPECT(h2_answer(c, a)->continued);
    int32_t b = h2_request(c, "HEAD", "/echo", NULL, NULL, NULL);
    EXPECT_EQ(h2_wait(c, b)->status, 200);
    EXPECT_EQ(h2_answer(c, b)->body_len, 0);
    EXPECT_STR(h2_answer(c, b)->length, "31");
    int32_t x = h2_request(c, "GET", "/abort", NULL, NULL, NULL);
    EXPECT_EQ(h2_wait(c, x)->error_code, NGHTTP2_INTERNAL_ERROR);
    int32_t y = h2_request(c, "GET", "/length", NULL, NULL, NULL);
    EXPECT_EQ(h2_wait(c, y)->status, 200);
    h2_close(c);
    server_stop(&s);
}

TEST(headers_beyond_the_limits_are_refused_alone)
{
    start("h2_headers");
    s.door.limits.header_bytes_max = 2048;
    server_start(&s);
    struct h2_client *c = client();
    char many[3001];
    for (int i = 0; i < 3000; i++) many[i] = 'a';
    many[3000] = '\0';
    int32_t x = h2_request(c, "GET", "/echo", NULL, "x-many", many);
    EXPECT_EQ(h2_wait(c, x)->status, 431);
    int32_t y = h2_request(c, "GET", "/length", NULL, NULL, NULL);
    EXPECT_EQ(h2_wait(c, y)->status, 200);
    h2_close(c);
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.refused), 1);
}

static void write_some(void *context)
{
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_text(&w, "hello ");
    writer_splice(&w, (struct slab_view){big, bytes_slice(slab_bytes(big), 0, 100000)});
    for (int i = 0; i < 2; i++)
        if (held[i] != NULL) *(size_t *)context = http_stream_write(held[i], &w);
    writer_done(&w);
}

static void end_stream(void *context)
{
    http_stream_end(TAKE(held[*(int *)context]));
}

static void read_writable(void *context)
{
    *(int *)context = writable_count;
}

TEST(a_slow_reader_holds_up_its_own_stream_alone)
{
    start("h2_flow");
    server_start(&s);
    struct h2_client *c = client();
    int32_t slow = h2_request(c, "GET", "/stream", NULL, NULL, NULL);
    h2_send(c);
    until_held(1);
    size_t queued = 0;
    on_loop(s.loops[0], write_some, &queued);
    h2_until_body(c, slow, 65535);        /* its window is used up */
    int32_t other = h2_request(c, "GET", "/echo", NULL, NULL, NULL);
    EXPECT_EQ(h2_wait(c, other)->status, 200);
    on_loop(s.loops[0], write_some, &queued);
    EXPECT_EQ(queued, 2 * 100006 - 65535);
    EXPECT_EQ(h2_answer(c, slow)->body_len, 65535);
    int writable;
    on_loop(s.loops[0], read_writable, &writable);
    EXPECT_EQ(writable, 1);              /* the first write: 34,471 bytes of it were left */
    nghttp2_session_consume_connection(c->session, 65535);
    nghttp2_submit_window_update(c->session, NGHTTP2_FLAG_NONE, slow, 1 << 20);
    h2_until_body(c, slow, 2 * 100006);
    UNTIL(writable != 1, on_loop(s.loops[0], read_writable, &writable));
    int first = 0;
    on_loop(s.loops[0], end_stream, &first);
    EXPECT_EQ(h2_wait(c, slow)->error_code, NGHTTP2_NO_ERROR);
    h2_close(c);
    server_stop(&s);
}

TEST(a_reset_stream_is_told)
{
    start("h2_rst");
    server_start(&s);
    struct h2_client *c = client();
    int32_t stream = h2_request(c, "GET", "/stream", NULL, NULL, NULL);
    int32_t hold = h2_request(c, "GET", "/hold", NULL, NULL, NULL);
    h2_send(c);
    until_held(2);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, hold, NGHTTP2_CANCEL);
    int32_t other = h2_request(c, "GET", "/length", NULL, NULL, NULL);
    EXPECT_EQ(h2_wait(c, other)->status, 200);
    EXPECT_EQ(gone_count, 2);
    h2_close(c);
    server_stop(&s);
}

TEST(replies_left_unread_hold_back_new_requests)
{
    start("h2_unread");
    s.door.limits.out_bytes_max = 2 * BIG;
    server_start(&s);
    struct h2_client *c = client();
    int32_t ids[8];
    for (int i = 0; i < 8; i++) ids[i] = h2_request(c, "GET", "/big", NULL, NULL, NULL);
    h2_send(c);
    h2_until_body(c, ids[0], 65535);
    turn_of(s.loops[0]);
    EXPECT_EQ(metric_value(s.counters.requests), 3);       /* the third one went beyond the limit */
    for (int i = 0; i < 8; i++)
        nghttp2_submit_window_update(c->session, NGHTTP2_FLAG_NONE, ids[i], BIG);
    for (int i = 0; i < 8; i++) EXPECT_EQ(h2_wait(c, ids[i])->body_len, BIG);
    EXPECT_EQ(metric_value(s.counters.requests), 8);
    h2_close(c);
    server_stop(&s);
}

static void end_promise(void *index)
{
    http_promise_end(held[*(int *)index]);
    release(index);
}

static void read_promised(void *to)
{
    *(size_t *)to = loop_room(s.loops[0])->promised;
}

TEST(replies_under_way_hold_back_new_requests_of_their_connection)
{
    start("h2_promised");
    server_start(&s);
    struct h2_client *c = client();
    int32_t ids[HTTP2_PROMISES_MAX + 2];
    for (int i = 0; i < HTTP2_PROMISES_MAX + 2; i++)
        ids[i] = h2_request(c, "GET", "/promise", NULL, NULL, NULL);
    h2_send(c);
    until_held(HTTP2_PROMISES_MAX);
    struct h2_client *other = client();     /* is none of its business */
    EXPECT_EQ(h2_wait(other, h2_request(other, "GET", "/length", NULL, NULL, NULL))->status, 200);
    EXPECT_EQ(held_count, HTTP2_PROMISES_MAX);
    on_loop(s.loops[0], end_promise, &(int){0});
    EXPECT_STR(h2_wait(c, ids[0])->body, "released");
    until_held(HTTP2_PROMISES_MAX + 1);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, ids[1], NGHTTP2_CANCEL);
    h2_send(c);
    until_held(HTTP2_PROMISES_MAX + 2);
    EXPECT_EQ(gone_count, 1);
    size_t promised;
    on_loop(s.loops[0], read_promised, &promised);
    EXPECT_EQ(promised, (size_t)HTTP2_PROMISES_MAX * BIG);
    for (int i = 2; i < HTTP2_PROMISES_MAX + 2; i++) {
        on_loop(s.loops[0], end_promise, &i);
        EXPECT_STR(h2_wait(c, ids[i])->body, "released");
    }
    on_loop(s.loops[0], read_promised, &promised);
    EXPECT_EQ(promised, 0);
    h2_close(other);
    h2_close(c);
    server_stop(&s);
}

TEST(a_body_waits_while_the_budget_refuses)
{
    start("h2_budget");
    server_start(&s);
    s.budget.limit = 10;
    struct h2_client *one = client(), *two = client();
    struct h2_body a = {"12345678", 8, false}, b = {"abcdefgh", 8, false};
    int32_t first = h2_request(one, "POST", "/hold", &a, "content-length", "8");
    h2_send(one);
    until_held(1);
    int32_t second = h2_request(two, "POST", "/echo", &b, "content-length", "8");
    int32_t third = h2_request(two, "GET", "/length", NULL, NULL, NULL);
    h2_send(two);
    until_counted(&s, s.counters.budget_waits, 2);
    EXPECT_EQ(metric_value(s.counters.requests), 2);       /* GET: a client sends heads first */
    int32_t fourth = h2_request(two, "GET", "/length", NULL, NULL, NULL);
    h2_send(two);
    turn_of(s.loops[0]);
    EXPECT_EQ(metric_value(s.counters.requests), 2);       /* the connection is not read */
    release_one(0);
    EXPECT_STR(h2_wait(one, first)->body, "released");
    EXPECT_STR(h2_wait(two, second)->body, "POST /echo  kinesis.test:4567  abcdefgh");
    EXPECT_EQ(h2_wait(two, third)->status, 200);
    EXPECT_EQ(h2_wait(two, fourth)->status, 200);
    h2_close(one), h2_close(two);
    server_stop(&s);
}

TEST(many_open_streams_need_memory_from_the_budget)
{
    start("h2_heads");
    server_start(&s);
    s.budget.limit = 20000;
    struct h2_client *c = client();
    int32_t ids[40];
    for (int i = 0; i < 40; i++) ids[i] = h2_request(c, "GET", "/hold", NULL, NULL, NULL);
    EXPECT_EQ(h2_wait(c, ids[39])->status, 503);
    until_held(19);                      /* each costs 4 KiB and its headers: 15 are free, and 4 */
    turn_of(s.loops[0]);                 /* more fit into 20,000 bytes */
    EXPECT_EQ(held_count, 19);
    EXPECT_EQ(metric_value(s.counters.refused), 40 - held_count);
    release_one(0);
    EXPECT_EQ(h2_wait(c, ids[0])->status, 200);
    h2_close(c);
    UNTIL(listener_conn_count(s.listener) == 0, turn_of(s.loops[0]));
    server_stop(&s);
}

TEST(a_half_read_body_does_not_hold_up_the_next_one)
{
    start("h2_halves");
    server_start(&s);
    s.budget.limit = 10;
    struct h2_client *c = client();
    struct h2_body half = {"1234", 4, true}, whole = {"abcdefgh", 8, false};
    h2_request(c, "POST", "/echo", &half, "content-length", "8");
    int32_t second = h2_request(c, "POST", "/echo", &whole, "content-length", "8");
    EXPECT_EQ(h2_wait(c, second)->status, 200);
    h2_close(c);
    server_stop(&s);
}

/* 13 streams that announce ten times the budget, one byte of each: as good as nothing. */
TEST(announced_bodies_take_nothing)
{
    start("h2_announced");
    server_start(&s);
    s.budget.limit = 64 << 10;
    struct h2_client *c = client();
    struct h2_body halves[13];
    for (int i = 0; i < 13; i++) {
        halves[i] = (struct h2_body){.data = "1", .left = 1, .deferred = true};
        h2_request(c, "POST", "/echo", &halves[i], "content-length", "60000");
    }
    h2_send(c);
    until_counted(&s, s.counters.bytes_in, 13 * 28);
    EXPECT(atomic_load(&s.budget.used) < 1000);
    struct h2_client *other = client();
    struct h2_body body = {"abcdefgh", 8, false};
    EXPECT_EQ(h2_wait(other, h2_request(other, "POST", "/echo", &body, NULL, NULL))->status, 200);
    h2_close(c), h2_close(other);
    server_stop(&s);
}

static void h2_until_sent(struct h2_client *c, const struct h2_body *body)
{
    h2_send(c);
    UNTIL(body->left == 0, (h2_step(c), h2_send(c)));
}

/* What one connection has half sent goes beyond the budget as far as one body, however many streams
 * it is of: the others are refused, not waited for, as what they wait for is the connection's. */
TEST(half_bodies_side_by_side_go_beyond_the_budget_as_one)
{
    start("h2_beside");
    server_start(&s);
    s.budget.limit = 64 << 10;
    struct h2_client *c = client();
    struct h2_body halves[8];
    char *much = mem_new(1 << 20);
    memset(much, 'x', 1 << 20);
    for (int i = 0; i < 8; i++) {
        halves[i] = (struct h2_body){much, 1 << 20, true};
        h2_request(c, "POST", "/length", &halves[i], "content-length", "4194304");
    }
    for (int i = 0; i < 8; i++) h2_until_sent(c, &halves[i]);
    until_counted(&s, s.counters.refused, 4);
    EXPECT(atomic_load(&s.budget.used) <= BODY_MAX + s.budget.limit);
    h2_close(c);
    UNTIL(listener_conn_count(s.listener) == 0, turn_of(s.loops[0]));
    EXPECT_EQ(atomic_load(&s.budget.used), 0);
    server_stop(&s);
    mem_free(much);
}

TEST(a_body_beyond_the_budget_goes_on_when_another_one_of_its_connection_ends)
{
    start("h2_on");
    server_start(&s);
    s.budget.limit = 64 << 10;
    struct h2_client *c = client();
    char *much = mem_new(2 << 20);
    memset(much, 'x', 2 << 20);
    struct h2_body large = {much, 1 << 20, true}, small = {"abcdefgh", 8, false};
    int32_t first = h2_request(c, "POST", "/length", &large, "content-length", "2097152");
    h2_until_sent(c, &large);
    int32_t second = h2_request(c, "POST", "/length", &small, "content-length", "8");
    EXPECT_STR(h2_wait(c, second)->body, "8");
    large = (struct h2_body){much, 1 << 20, false};
    EXPECT_EQ(nghttp2_session_resume_data(c->session, first), 0);
    EXPECT_STR(h2_wait(c, first)->body, "2097152");
    h2_close(c);
    server_stop(&s);
    mem_free(much);
}

TEST(a_stalled_stream_is_reset_and_an_idle_connection_goes_away)
{
    start("h2_stall");
    s.door.limits.body_stall_ms = 20;
    s.door.limits.write_stall_ms = 20;
    s.door.limits.idle_ms = 1000;
    time_stop();
    server_start(&s);
    struct h2_client *c = client();
    struct h2_body half = {"1234", 4, true};
    int32_t in = h2_request(c, "POST", "/echo", &half, "content-length", "8");
    int32_t out = h2_request(c, "GET", "/big", NULL, NULL, NULL);
    h2_until_body(c, out, 65535);        /* its window is used up */
    time_pass(&s, 20);
    EXPECT_EQ(h2_wait(c, in)->error_code, NGHTTP2_CANCEL);
    EXPECT_EQ(h2_wait(c, out)->error_code, NGHTTP2_CANCEL);
    time_pass(&s, 1000);
    h2_until_end(c);
    EXPECT(c->goaway);
    EXPECT_EQ(c->goaway_code, NGHTTP2_NO_ERROR);
    h2_close(c);
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.h2_resets), 2);
    EXPECT_EQ(closed(NET_CLOSE_IDLE), 1);
}

enum { FLOOD_MAX = 3000, FLOOD_FRAMES = FLOOD_MAX + 1000, RST_AT = 9 + 12 };

/* Sends all of them at once, each on the next stream or all on that of the frame itself. Returns
 * the code of the GOAWAY. */
static uint32_t flood(struct bytes before, struct bytes each, bool next_stream)
{
    int fd = client_open(s.port);
    client_text(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client_send(fd, "\0\0\0\x04\0\0\0\0\0", 9);
    if (before.len > 0) client_send(fd, before.data, before.len);
    uint8_t *all = mem_new(FLOOD_FRAMES * each.len);
    for (int i = 0; i < FLOOD_FRAMES; i++) {
        uint8_t *at = all + (size_t)i * each.len;
        mem_copy(at, each.data, each.len);
        if (next_stream) store_be32(at + 5, (uint32_t)(1 + 2 * i));
        if (next_stream) store_be32(at + RST_AT + 5, (uint32_t)(1 + 2 * i));
    }
    size_t sent = 0;
    for (ssize_t n = 1; n > 0 && sent < FLOOD_FRAMES * each.len; sent += (size_t)(n > 0 ? n : 0))
        n = send(fd, all + sent, FLOOD_FRAMES * each.len - sent, MSG_NOSIGNAL);
    mem_free(all);
    uint8_t head[9], payload[16384];
    do {
        client_take(fd, head, sizeof head);
        client_take(fd, payload, load_be32(head) >> 8);
    } while (head[3] != NGHTTP2_GOAWAY);
    client_expect_end(fd);
    close(fd);
    return load_be32(payload + 4);
}

/* More than nghttp2 allows by itself: that count is not what decides. */
TEST(floods_end_in_enhance_your_calm)
{
    start("h2_flood");
    s.door.limits.h2_control_burst = FLOOD_MAX;
    s.door.limits.h2_control_per_s = 0;
    server_start(&s);
    static const uint8_t get_and_reset[] =
        "\0\0\x0c\x01\5\0\0\0\1\x82\x86\x44\5/echo\x41\1x\0\0\4\3\0\0\0\0\1\0\0\0\x08";
    static const uint8_t post[] = "\0\0\x0c\x01\4\0\0\0\1\x83\x86\x44\5/echo\x41\1x";
    const struct bytes none = {0};
    const struct {
        struct bytes before, each;
        bool next_stream;
    } floods[] = {
        {none, BYTES_LIT("\0\0\x08\6\0\0\0\0\0pingpong"), false},
        {none, BYTES_LIT("\0\0\x08\6\1\0\0\0\0pingpong"), false},        /* acknowledged */
        {none, BYTES_LIT("\0\0\0\4\0\0\0\0\0"), false},                  /* SETTINGS */
        {none, BYTES_LIT("\0\0\5\2\0\0\0\0\5\0\0\0\3\1"), false},         /* PRIORITY */
        {none, bytes_of(get_and_reset, sizeof get_and_reset - 1), true},
        {bytes_of(post, sizeof post - 1), BYTES_LIT("\0\0\0\0\0\0\0\0\1"), false},
    };
    int count = sizeof floods / sizeof floods[0];
    for (int i = 0; i < count; i++)
        EXPECT_EQ(flood(floods[i].before, floods[i].each, floods[i].next_stream),
                  NGHTTP2_ENHANCE_YOUR_CALM);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_FLOOD), count);
}

TEST(a_head_that_never_ends_ends_the_connection)
{
    start("h2_continuation");
    server_start(&s);
    struct h2_client *c = client();
    h2_send(c);
    h2_send_raw(c, "\0\0\x01\x01\0\0\0\0\x01\x82", 10);
    for (int i = 0; i < 1000; i++) h2_send_raw(c, "\0\0\x01\x09\0\0\0\0\x01\x82", 10);
    h2_until_end(c);
    h2_close(c);
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_PROTOCOL), 1);
}

enum { BOMB_FIELD = 100, BOMB_TIMES = 16000, BOMB_BYTES_MAX = 16384 };

/* A HEADERS frame: a request to /echo, or trailers, with a field of 100 bytes that goes into the
 * table and is named 16,000 times, a byte each: 1.6 MB. Returns its length. */
static size_t bomb(uint8_t *frame, bool trailers)
{
    static const uint8_t head[] = "\0\0\0\x01\5\0\0\0\1\x83\x86\x44\5/echo\x41\1x";
    uint8_t *at = frame + (trailers ? 9 : sizeof head - 1);
    mem_copy(frame, head, (size_t)(at - frame));
    mem_copy(at, "\x40\1x\x64", 4);
    for (int i = 0; i < BOMB_FIELD; i++) at[4 + i] = 'v';
    at += 4 + BOMB_FIELD;
    for (int i = 0; i < BOMB_TIMES; i++) *at++ = 0xbe;
    size_t len = (size_t)(at - frame);
    frame[1] = (uint8_t)((len - 9) >> 8);
    frame[2] = (uint8_t)(len - 9);
    return len;
}

TEST(fields_that_unpack_to_much_end_in_enhance_your_calm)
{
    start("h2_bomb");
    server_start(&s);
    for (int trailers = 0; trailers < 2; trailers++) {
        struct h2_client *c = client();
        h2_send(c);
        if (trailers) h2_send_raw(c, "\0\0\x0c\x01\4\0\0\0\1\x83\x86\x44\5/echo\x41\1x", 21);
        uint8_t *frame = mem_new(BOMB_BYTES_MAX + 9);
        h2_send_raw(c, frame, bomb(frame, trailers));
        mem_free(frame);
        h2_until_end(c);
        EXPECT(c->goaway);
        EXPECT_EQ(c->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
        h2_close(c);
    }
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_FLOOD), 2);
}

TEST(what_breaks_the_protocol_ends_in_goaway)
{
    start("h2_protocol");
    server_start(&s);
    const struct {
        const char *bytes;
        size_t len;
        uint32_t code;
    } wrong[] = {
        {"\0\0\x04\x08\0\0\0\0\0\0\0\0\0", 13, NGHTTP2_PROTOCOL_ERROR},           /* window + 0 */
        {"\xff\xff\xff\0\0\0\0\0\x01", 9, NGHTTP2_FRAME_SIZE_ERROR},
        {"\0\0\x01\0\0\0\0\0\x01x", 10, NGHTTP2_PROTOCOL_ERROR},             /* DATA, idle stream */
        {"\0\0\x02\x01\x04\0\0\0\x01\xff\xff", 11, NGHTTP2_COMPRESSION_ERROR},
    };
    int count = sizeof wrong / sizeof wrong[0];
    for (int i = 0; i < count; i++) {
        struct h2_client *c = client();
        h2_send(c);
        h2_send_raw(c, wrong[i].bytes, wrong[i].len);
        h2_until_end(c);
        EXPECT(c->goaway);
        EXPECT_EQ(c->goaway_code, wrong[i].code);
        h2_close(c);
    }
    server_stop(&s);
    EXPECT_EQ(closed(NET_CLOSE_PROTOCOL), count);
}

TEST(streams_beyond_the_limit_are_refused)
{
    start("h2_many");
    s.door.limits.h2_streams_max = 4;
    server_start(&s);
    struct h2_client *c = client();
    h2_send(c);
    /* Straight after the preface a client may not know the limit yet: raw HEADERS show the
     * refusal. */
    for (int i = 0; i < 6; i++) {
        uint8_t frame[] = {0, 0, 12, 1, 5, 0, 0, 0, (uint8_t)(1 + 2 * i), 0x82, 0x86, 0x44, 5,
                           '/', 'h', 'o', 'l', 'd', 0x41, 1, 'x'};
        h2_send_raw(c, frame, sizeof frame);
    }
    until_held(4);
    turn_of(s.loops[0]);
    EXPECT_EQ(metric_value(s.counters.requests), 4);
    h2_close(c);
    server_stop(&s);
    EXPECT_EQ(gone_count, 4);
}

TEST(a_stop_ends_what_waits_and_refuses_what_is_half)
{
    start("h2_on_stop");
    server_start(&s);
    struct h2_client *c = client();
    struct h2_body begun = {.data = "half", .left = 4, .deferred = true};
    int32_t half = h2_request(c, "POST", "/echo", &begun, NULL, NULL);
    int32_t wait = h2_request(c, "GET", "/wait", NULL, NULL, NULL);
    int32_t stream = h2_request(c, "GET", "/wait-stream", NULL, NULL, NULL);
    h2_send(c);
    until_held(2);
    server_stop(&s);
    EXPECT_STR(h2_wait(c, wait)->body, "released");
    EXPECT_EQ(h2_wait(c, stream)->error_code, NGHTTP2_NO_ERROR);
    EXPECT_EQ(h2_wait(c, half)->error_code, NGHTTP2_REFUSED_STREAM);
    h2_until_end(c);
    h2_close(c);
}

TEST(a_graceful_stop_says_goaway_and_finishes_open_streams)
{
    start("h2_stop");
    server_start(&s);
    struct h2_client *c = client();
    int32_t id = h2_request(c, "GET", "/hold", NULL, NULL, NULL);
    h2_send(c);
    until_held(1);
    stop_begin();
    release_one(0);
    server_stop(&s);
    EXPECT_STR(h2_wait(c, id)->body, "released");
    h2_until_end(c);
    EXPECT(c->goaway);
    EXPECT_EQ(c->goaway_code, NGHTTP2_NO_ERROR);
    h2_close(c);
    EXPECT_EQ(closed(NET_CLOSE_STOP), 1);
}

TEST(a_gone_connection_tells_all_its_streams)
{
    start("h2_gone");
    server_start(&s);
    struct h2_client *c = client();
    for (int i = 0; i < 20; i++)
        h2_request(c, "GET", i % 2 ? "/hold" : "/stream", NULL, NULL, NULL);
    struct h2_body half = {"1234", 4, true};
    h2_request(c, "POST", "/echo", &half, "content-length", "8");
    h2_send(c);
    until_held(20);
    h2_close(c);
    until_counted(&s, s.counters.opened, 1);
    UNTIL(listener_conn_count(s.listener) == 0, turn_of(s.loops[0]));
    server_stop(&s);
    EXPECT_EQ(gone_count, 20);
}

static struct h2_client *there;

static void ask_without_memory(void)
{
    struct h2_client *late = client();
    h2_request(there, "GET", "/echo", NULL, "x-probe", "yes");
    h2_request(late, "GET", "/echo", NULL, "x-probe", "yes");
    for (int i = 0; i < 6; i++) turn_of_all(&s);
    h2_close(late);
    for (int i = 0; i < 4; i++) turn_of_all(&s);
}

static void be_served(void)
{
    h2_close(there);
    there = client();
    EXPECT_STR(h2_wait(there, h2_request(there, "GET", "/length", NULL, NULL, NULL))->body, "0");
}

/* On a connection that is there already, and on one that comes. */
TEST(without_memory_a_stream_or_a_connection_ends_and_the_next_one_is_served)
{
    start("h2_no_memory");
    server_start(&s);
    there = client();
    memory_fails(&s, ask_without_memory, be_served);
    EXPECT(closed(NET_CLOSE_MEMORY) > 0);
    h2_close(there);
    server_stop(&s);
}

TESTS(RUN(without_memory_a_stream_or_a_connection_ends_and_the_next_one_is_served),
      RUN(replies_under_way_hold_back_new_requests_of_their_connection),
      RUN(streams_run_side_by_side), RUN(the_preface_may_come_byte_by_byte),
      RUN(bodies_with_and_without_a_length_come_whole), RUN(expect_continue_head_abort),
      RUN(headers_beyond_the_limits_are_refused_alone),
      RUN(a_slow_reader_holds_up_its_own_stream_alone), RUN(a_reset_stream_is_told),
      RUN(replies_left_unread_hold_back_new_requests), RUN(a_body_waits_while_the_budget_refuses),
      RUN(many_open_streams_need_memory_from_the_budget),
      RUN(half_bodies_side_by_side_go_beyond_the_budget_as_one),
      RUN(a_body_beyond_the_budget_goes_on_when_another_one_of_its_connection_ends),
      RUN(announced_bodies_take_nothing), RUN(a_half_read_body_does_not_hold_up_the_next_one),
      RUN(a_stalled_stream_is_reset_and_an_idle_connection_goes_away),
      RUN(floods_end_in_enhance_your_calm),
      RUN(fields_that_unpack_to_much_end_in_enhance_your_calm),
      RUN(a_head_that_never_ends_ends_the_connection),
      RUN(what_breaks_the_protocol_ends_in_goaway), RUN(streams_beyond_the_limit_are_refused),
      RUN(a_stop_ends_what_waits_and_refuses_what_is_half),
      RUN(a_graceful_stop_says_goaway_and_finishes_open_streams),
      RUN(a_gone_connection_tells_all_its_streams))
