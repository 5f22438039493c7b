#include <errno.h>
#include <sys/resource.h>
#include "base/net/peers.h"
#include "net_fixture.h"

static struct server s;
static atomic_uint by_loop[LOOPS_MAX];

static void on_frame(struct frame_request *rq)
{
    EXPECT(loop_current() == rq->loop && frame_loop(rq->conn) == rq->loop);
    EXPECT(frame_door(rq->conn) == rq->door);
    atomic_fetch_add(&by_loop[loop_index(rq->loop)], 1);
    struct net_address a;
    frame_peer(rq->conn, &a);
    writer_printf(&rq->reply, "%s %u", a.host, a.port);
    frame_reply(rq);
}

static const struct frame_door door = {.frame_bytes_max = 100, .reply_bytes_max = 1000,
                                       .arena_bytes_max = 1000, .on_frame = on_frame};

TEST(connections_go_to_the_loops_in_turn)
{
    server_init(&s, "turns");
    s.door.frames = &door;
    s.loop_count = 3;
    server_start(&s);
    for (uint32_t i = 0; i < 3; i++) on_loop(s.loops[i], nothing, NULL);
    int fds[12];
    for (int i = 0; i < 12; i++) {
        fds[i] = client_open(s.port);
        client_send(fds[i], "\0\0\0\0", 4);
        struct sockaddr_in own;
        socklen_t len = sizeof own;
        getsockname(fds[i], (struct sockaddr *)&own, &len);
        char want[64], got[64];
        snprintf(want, sizeof want, "127.0.0.1 %u", ntohs(own.sin_port));
        client_take(fds[i], got, 4 + strlen(want));
        assert_memory_equal(got + 4, want, strlen(want));
    }
    EXPECT_EQ(listener_conn_count(s.listener), 12);
    for (int i = 0; i < 12; i++) close(fds[i]);
    server_stop(&s);
    /* loop_index is 0 for all of them: nobody set it. */
    EXPECT_EQ(atomic_load(&by_loop[0]), 12);
}

TEST(each_loop_gets_its_share)
{
    server_init(&s, "shares");
    s.door.frames = &door;
    s.loop_count = 3;
    for (int i = 0; i < LOOPS_MAX; i++) atomic_store(&by_loop[i], 0);
    for (uint32_t i = 0; i < 3; i++) {
        s.loops[i] = loop_new("share");
        loop_index_set(s.loops[i], i);
        loop_start(s.loops[i]);
    }
    EXPECT_OK(listener_open("127.0.0.1:0", &s.door, s.loops, 3, &s.listener));
    struct net_address a;
    listener_address(s.listener, &a);
    int fds[12];
    char got[64];
    for (int i = 0; i < 12; i++) {
        fds[i] = client_open(a.port);
        client_send(fds[i], "\0\0\0\0", 4);
        client_take(fds[i], got, 4);
    }
    for (int i = 0; i < 3; i++) EXPECT_EQ(atomic_load(&by_loop[i]), 4);
    for (int i = 0; i < 12; i++) close(fds[i]);
    server_stop(&s);
}

TEST(a_bad_address_or_one_in_use_is_refused)
{
    server_init(&s, "addresses");
    s.door.frames = &door;
    server_start(&s);
    struct listener *none = NULL;
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", s.port);
    const char *bad[] = {taken, "nonsense", "127.0.0.1:99999", "256.0.0.1:1", "name.invalid:80"};
    for (int i = 0; i < 5; i++)
        EXPECT_ERR(listener_open(bad[i], &s.door, s.loops, 1, &none), ERR_CONFIG);
    EXPECT(none == NULL);
    server_stop(&s);
}

TEST(a_port_is_free_again_after_closing)
{
    server_init(&s, "again");
    s.door.frames = &door;
    server_start(&s);
    int fd = client_open(s.port);
    client_send(fd, "\0\0\0\0", 4);
    char got[4], address[32];
    client_take(fd, got, 4);
    listener_close(s.listener, 1000);
    listener_free(s.listener);
    snprintf(address, sizeof address, "127.0.0.1:%u", s.port);
    EXPECT_OK(listener_open(address, &s.door, s.loops, 1, &s.listener));
    close(fd);
    server_stop(&s);
}

TEST(when_descriptors_run_out_accepting_pauses_and_goes_on)
{
    server_init(&s, "descriptors");
    s.door.frames = &door;
    server_start(&s);
    struct rlimit before, now;
    getrlimit(RLIMIT_NOFILE, &before);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    now = before;
    now.rlim_cur = (rlim_t)fd + 1;       /* none is left for accept() */
    setrlimit(RLIMIT_NOFILE, &now);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    EXPECT_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    UNTIL(metric_value(s.counters.accept_failures) > 0, usleep(200));
    setrlimit(RLIMIT_NOFILE, &before);
    client_send(fd, "\0\0\0\0", 4);
    char got[4];
    client_take(fd, got, 4);
    close(fd);
    server_stop(&s);
}

static struct sockaddr_storage v4(uint32_t address)
{
    struct sockaddr_storage to = {0};
    *(struct sockaddr_in *)&to = (struct sockaddr_in){.sin_family = AF_INET,
                                                      .sin_addr.s_addr = htonl(address)};
    return to;
}

TEST(an_address_gets_its_share_of_connections)
{
    struct peers *p = peers_new(2);
    struct sockaddr_storage one = v4(0x7f000001), two = v4(0x7f000002);
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    mapped.sin6_addr.s6_addr[12] = 0x7f, mapped.sin6_addr.s6_addr[15] = 1;
    struct peer *a = peers_add(p, (struct sockaddr *)&one);
    struct peer *b = peers_add(p, (struct sockaddr *)&mapped);      /* the same address */
    EXPECT(a != NULL && a == b);
    EXPECT(peers_add(p, (struct sockaddr *)&one) == NULL);
    struct peer *c = peers_add(p, (struct sockaddr *)&two);
    EXPECT(c != NULL);
    peers_remove(p, a);
    EXPECT(peers_add(p, (struct sockaddr *)&one) == b);
    peers_remove(p, b), peers_remove(p, b), peers_remove(p, c);
    peers_free(p);
}

TEST(connections_of_one_address_beyond_its_share_are_closed)
{
    server_init(&s, "per_address");
    s.door.frames = &door;
    s.door.peers = peers_new(3);
    server_start(&s);
    int fds[3];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            fds[i] = client_open(s.port);
            client_send(fds[i], "\0\0\0\0", 4);
            char got[4];
            client_take(fds[i], got, 4);
        }
        int over = client_open(s.port);
        client_expect_end(over);
        close(over);
        for (int i = 0; i < 3; i++) close(fds[i]);
        UNTIL(listener_conn_count(s.listener) == 0, turn_of(s.loops[0]));
    }
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_PEER_FULL]), 2);
    server_stop(&s);
    peers_free(s.door.peers);
}

static void on_http(struct http_request *rq)
{
    http_reply(rq, 200, NULL, 0);
}

static struct http_request *_Atomic kept;

static void keep(struct http_request *rq)
{
    kept = rq;
}

static void answer_kept(void *context)
{
    (void)context;
    http_reply(kept, 200, NULL, 0);
}

static bool is_refused(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool refused = connect(fd, (struct sockaddr *)&to, sizeof to) != 0;
    close(fd);
    return refused;
}

/* While one door waits for what it was asked, none takes anything new. */
TEST(listeners_stop_side_by_side)
{
    static const struct http_door holds = {.body_bytes_max = 10, .on_request = keep};
    static const struct http_door http = {.body_bytes_max = 10, .on_request = on_http};
    server_init(&s, "side_by_side");
    s.door.http = &holds;
    server_start(&s);
    struct door second = s.door;
    second.http = &http;
    struct listener *other;
    EXPECT_OK(listener_open("127.0.0.1:0", &second, s.loops, s.loop_count, &other));
    struct net_address at;
    listener_address(other, &at);
    int fd = client_open(s.port);
    client_text(fd, "GET / HTTP/1.1\r\n\r\n");
    UNTIL(kept != NULL, usleep(200));
    listener_stop(s.listener);
    listener_stop(other);
    UNTIL(is_refused(s.port) && is_refused(at.port), usleep(200));
    EXPECT_EQ(listener_conn_count(s.listener), 1);
    on_loop(s.loops[0], answer_kept, NULL);
    listener_close(other, 5000);
    server_stop(&s);
    listener_free(other);
    close(fd);
}

TEST(a_silent_or_vanished_client_leaves_nothing)
{
    static const struct http_door http = {.body_bytes_max = 10, .on_request = on_http};
    server_init(&s, "vanish");
    s.door.http = &http;
    server_start(&s);
    for (int i = 0; i < 50; i++) {
        int fd = client_open(s.port);
        if (i % 3 == 1) client_text(fd, "PR");           /* POST, PRI or nothing of these */
        if (i % 3 == 2) client_text(fd, "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf");
        struct linger reset = {.l_onoff = 1};
        if (i % 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    until_counted(&s, s.counters.opened, 50);
    UNTIL(listener_conn_count(s.listener) == 0, turn_of(s.loops[0]));
    EXPECT(metric_value(s.counters.closed[NET_CLOSE_TRUNCATED]) > 0);
    server_stop(&s);
}

TESTS(RUN(connections_go_to_the_loops_in_turn), RUN(each_loop_gets_its_share),
      RUN(a_bad_address_or_one_in_use_is_refused), RUN(a_port_is_free_again_after_closing),
      RUN(when_descriptors_run_out_accepting_pauses_and_goes_on),
      RUN(listeners_stop_side_by_side),
      RUN(an_address_gets_its_share_of_connections),
      RUN(connections_of_one_address_beyond_its_share_are_closed),
      RUN(a_silent_or_vanished_client_leaves_nothing))
