#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/net/conn.h"
#include "h2_client.h"

static char dir[64];
static struct tls *tls;
static SSL_CTX *client_ctx;
static struct server s;

static const char *path(const char *name)
{
    static char text[2][128];
    static int at;
    at = !at;
    snprintf(text[at], sizeof text[at], "%s/%s", dir, name);
    return text[at];
}

static void on_frame(struct frame_request *rq)
{
    EXPECT(frame_is_tls(rq->conn));
    struct net_address a;
    frame_local(rq->conn, &a);
    EXPECT_EQ(a.port, s.port);
    EXPECT_STR(a.host, "127.0.0.1");
    writer_splice(&rq->reply, (struct slab_view){rq->body, slab_bytes(rq->body)});
    frame_reply(rq);
}

static void on_request(struct http_request *rq)
{
    EXPECT(http_is_tls(rq));
    writer_printf(&rq->reply, "HTTP/%d ", rq->version_major);
    writer_bytes_raw(&rq->reply, http_body(rq));
    http_reply(rq, 200, NULL, 0);
}

enum { FRAME_MAX = 1 << 20 };
static const struct frame_door frames = {.frame_bytes_max = FRAME_MAX, .reply_bytes_max = FRAME_MAX,
                                         .arena_bytes_max = 4096, .on_frame = on_frame};
static const struct http_door http = {.body_bytes_max = FRAME_MAX, .reply_bytes_max = FRAME_MAX,
                                      .arena_bytes_max = 4096, .on_request = on_request};

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/diglot-tls-XXXXXX");
    EXPECT(mkdtemp(dir) != NULL);
    struct tls_config config = {.dir = dir};
    int64_t before_us = clock_mono_us();
    EXPECT_OK(tls_new(&config, &tls));
    print_message("certificates made in %ld us\n", (long)(clock_mono_us() - before_us));
    client_ctx = SSL_CTX_new(TLS_client_method());
    EXPECT_EQ(SSL_CTX_load_verify_locations(client_ctx, path("ca.pem"), NULL), 1);
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    const char *names[] = {"ca.pem", "ca.key", "server.pem", "server.key", "other.key"};
    for (int i = 0; i < 5; i++) unlink(path(names[i]));
    EXPECT_EQ(rmdir(dir), 0);
    tls_free(tls);
    SSL_CTX_free(client_ctx);
    return 0;
}

static void start(const char *name, bool is_http)
{
    server_init(&s, name);
    s.door.tls = tls;
    if (is_http) s.door.http = &http;
    else s.door.frames = &frames;
    server_start(&s);
}

/* alpn: in wire form, or NULL. The name is checked as clients do. */
static SSL *tls_client(int fd, const char *host, const char *alpn)
{
    SSL *ssl = SSL_new(client_ctx);
    SSL_set_fd(ssl, fd);
    if (host[0] >= '0' && host[0] <= '9') X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    else SSL_set1_host(ssl, host);
    if (alpn != NULL) SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    EXPECT_EQ(SSL_connect(ssl), 1);
    return ssl;
}

static void take(SSL *ssl, char *to, size_t len)
{
    while (len > 0) {
        int n = SSL_read(ssl, to, (int)len);
        EXPECT(n > 0);
        to += n;
        len -= (size_t)n;
    }
}

TEST(frames_inside_tls_large_and_small)
{
    start("tls_frames", false);
    int fd = client_open(s.port);
    SSL *ssl = tls_client(fd, "localhost", NULL);
    static char out[FRAME_MAX + 4], in[FRAME_MAX + 4];
    for (int i = 4; i < FRAME_MAX + 4; i++) out[i] = (char)(i * 17 >> 2);
    const uint32_t sizes[] = {1, 10, 16384, 100000, FRAME_MAX};
    for (int i = 0; i < 5; i++) {
        store_be32(out, sizes[i]);
        EXPECT_EQ(SSL_write(ssl, out, (int)sizes[i] + 4), (int)sizes[i] + 4);
        take(ssl, in, sizes[i] + 4);
        assert_memory_equal(in, out, sizes[i] + 4);
    }
    store_be32(out, 3);                  /* many in one record, which epoll tells of once */
    char many[7 * 1000];
    for (int i = 0; i < 1000; i++) mem_copy(many + 7 * i, out, 7);
    EXPECT_EQ(SSL_write(ssl, many, sizeof many), (int)sizeof many);
    take(ssl, in, sizeof many);
    assert_memory_equal(in, many, sizeof many);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_PEER]), 1);
    EXPECT_EQ(metric_value(s.counters.tls_handshakes), 1);
}

TEST(http_versions_inside_tls_are_told_by_their_first_bytes)
{
    start("tls_http", true);
    const struct {
        const char *alpn, *chosen;
        bool h2;
    } cases[] = {{"\x02h2\x08http/1.1", "h2", true}, {"\x08http/1.1", "http/1.1", false},
                 {NULL, "", false}, {NULL, "", true}, {"\x08spdy/3.1", "", true},
                 {"\x08http/1.1", "http/1.1", true}};
    for (int i = 0; i < 6; i++) {
        int fd = client_open(s.port);
        SSL *ssl = tls_client(fd, i % 2 ? "localhost" : "127.0.0.1", cases[i].alpn);
        const unsigned char *chosen;
        unsigned len;
        SSL_get0_alpn_selected(ssl, &chosen, &len);
        EXPECT_EQ(len, strlen(cases[i].chosen));
        if (len > 0) assert_memory_equal(chosen, cases[i].chosen, len);
        if (cases[i].h2) {
            struct h2_client *c = h2_open(fd, ssl, 65535);
            struct h2_body body = {"hello", 5, false};
            EXPECT_STR(h2_wait(c, h2_request(c, "POST", "/", &body, NULL, NULL))->body,
                       "HTTP/2 hello");
            h2_close(c);
            continue;
        }
        const char *request = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
        EXPECT(SSL_write(ssl, request, (int)strlen(request)) > 0);
        char got[4096] = "";
        for (size_t n = 0; strstr(got, "HTTP/1 hello") == NULL; n += 1) take(ssl, got + n, 1);
        SSL_free(ssl);
        close(fd);
    }
    server_stop(&s);
}

TEST(bad_handshakes_are_closed_and_counted)
{
    server_init(&s, "tls_bad");
    s.door.tls = tls;
    s.door.http = &http;
    s.door.limits.handshake_ms = 1000;    /* the second one says too little to be refused at once */
    time_stop();
    server_start(&s);
    const char *bad[] = {"\x16\x03\x01\x00\x05hello", "\x16\xff\xff\xff\xff\xff\xff\xff", };
    for (int i = 0; i < 2; i++) {
        int fd = client_open(s.port);
        client_text(fd, bad[i]);
        UNTIL(listener_conn_count(s.listener) == 0 && metric_value(s.counters.opened) == i + 1,
              time_pass(&s, 1000));
        char byte[64];
        while (recv(fd, byte, sizeof byte, 0) > 0) continue;      /* an alert, and the end */
        close(fd);
    }
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_TLS]), 1);
    EXPECT_EQ(metric_value(s.counters.tls_handshakes), 0);
}

TEST(half_a_handshake_is_closed_after_its_time)
{
    server_init(&s, "tls_half");
    s.door.tls = tls;
    s.door.http = &http;
    s.door.limits.handshake_ms = 300;
    s.door.limits.idle_ms = 1000;
    time_stop();
    server_start(&s);
    int fd = client_open(s.port);
    client_send(fd, "\x16\x03\x01\x02\x00\x01\x00", 7);
    UNTIL(metric_value(s.counters.closed[NET_CLOSE_HANDSHAKE]) == 1, time_pass(&s, 300));
    client_expect_end(fd);
    close(fd);
    fd = client_open(s.port);            /* a whole handshake, and silence */
    SSL *ssl = tls_client(fd, "localhost", NULL);
    char byte;
    UNTIL(metric_value(s.counters.closed[NET_CLOSE_IDLE]) == 1, time_pass(&s, 1000));
    EXPECT(SSL_read(ssl, &byte, 1) <= 0);
    SSL_free(ssl);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_HANDSHAKE]), 1);
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_IDLE]), 1);
}

TEST(no_more_handshakes_than_the_limit_are_under_way)
{
    server_init(&s, "tls_many");
    s.door.tls = tls;
    s.door.http = &http;
    s.door.limits.handshakes_max = 3;
    server_start(&s);
    int half[4];
    for (int i = 0; i < 4; i++) {
        half[i] = client_open(s.port);
        client_send(half[i], "\x16\x03\x01\x02\x00\x01\x00", 7);
        turn_of(s.loops[0]);
    }
    client_expect_end(half[3]);
    close(half[3]), close(half[0]);      /* one gives up: there is room for another */
    until_counted(&s, s.counters.closed[NET_CLOSE_TLS], 1);
    int fd = client_open(s.port);
    SSL *ssl = tls_client(fd, "localhost", NULL);
    SSL_free(ssl);
    close(fd), close(half[1]), close(half[2]);
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_FULL]), 1);
    EXPECT_EQ(metric_value(s.counters.tls_handshakes), 1);
}

/* What TLS and HTTP/2 keep for a connection is taken from a stated amount, and given back. */
TEST(no_more_sessions_than_there_is_memory_for)
{
    struct budget sessions;
    budget_init(&sessions, 2 * CONN_TLS_BYTES + CONN_HTTP1_BYTES);
    server_init(&s, "tls_memory");
    s.door.tls = tls;
    s.door.http = &http;
    s.door.sessions = &sessions;
    server_start(&s);
    for (int round = 0; round < 2; round++) {
        int fds[2], over;
        SSL *both[2];
        for (int i = 0; i < 2; i++) {
            fds[i] = client_open(s.port);
            both[i] = tls_client(fds[i], "localhost", NULL);
        }
        over = client_open(s.port);
        client_send(over, "\x16\x03\x01\x02\x00\x01\x00", 7);
        client_expect_end(over);
        EXPECT_EQ(atomic_load(&sessions.used), 2 * CONN_TLS_BYTES);
        close(over), over = client_open(s.port);
        client_send(over, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
        client_expect_end(over);
        close(over), over = client_open(s.port);        /* there is room for this one */
        client_send(over, "GET", 3);
        UNTIL(atomic_load(&sessions.used) == 2 * CONN_TLS_BYTES + CONN_HTTP1_BYTES,
              turn_of(s.loops[0]));
        close(over);
        for (int i = 0; i < 2; i++) SSL_free(both[i]), close(fds[i]);
        UNTIL(listener_conn_count(s.listener) == 0, turn_of(s.loops[0]));
        EXPECT_EQ(atomic_load(&sessions.used), 0);
    }
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_FULL]), 4);
}

TEST(a_door_without_tls_refuses_the_handshake)
{
    server_init(&s, "tls_none");
    s.door.frames = &frames;
    server_start(&s);
    int fd = client_open(s.port);
    client_send(fd, "\x16\x03\x01\x02\x00\x01\x00", 7);
    client_expect_end(fd);
    close(fd);
    server_stop(&s);
    EXPECT_EQ(metric_value(s.counters.closed[NET_CLOSE_TLS]), 1);
}

TEST(the_leaf_is_no_ca_and_keys_are_private)
{
    struct stat st;
    EXPECT_EQ(stat(path("ca.key"), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    EXPECT_EQ(stat(path("server.key"), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(stat(path(i ? "server.pem" : "ca.pem"), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0644);
    }
    FILE *f = fopen(path("server.pem"), "r");
    X509 *leaf = PEM_read_X509(f, NULL, NULL, NULL);
    EXPECT(leaf != NULL);
    EXPECT_EQ(X509_check_ca(leaf), 0);
    EXPECT_EQ(X509_check_host(leaf, "localhost", 0, 0, NULL), 1);
    EXPECT_EQ(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(leaf, "::1", 0), 1);
    EXPECT_EQ(X509_check_host(leaf, "elsewhere", 0, 0, NULL), 0);
    X509 *ca = PEM_read_X509(f, NULL, NULL, NULL);       /* the chain */
    EXPECT(ca != NULL && X509_check_ca(ca) == 1);
    X509_free(leaf);
    X509_free(ca);
    fclose(f);
}

TEST(a_second_start_uses_the_same_files_and_bad_files_are_refused)
{
    struct stat before, after;
    EXPECT_EQ(stat(path("server.pem"), &before), 0);
    struct tls *again = NULL;
    EXPECT_OK(tls_new(&(struct tls_config){.dir = dir}, &again));
    EXPECT_EQ(stat(path("server.pem"), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    tls_free(again);
    again = NULL;
    const struct tls_config same = {.dir = dir}, none = {0};
    EXPECT_OK(tls_started(tls_start(&same), &again));
    tls_free(again);
    again = NULL;
    EXPECT_ERR(tls_started(tls_start(&none), &again), ERR_CONFIG);
    EXPECT_ERR(tls_new(&(struct tls_config){.cert_path = path("server.pem")}, &again), ERR_CONFIG);
    EXPECT_ERR(tls_new(&(struct tls_config){0}, &again), ERR_CONFIG);
    EXPECT_ERR(tls_new(&(struct tls_config){.cert_path = path("none"),
                                            .key_path = path("none")}, &again),
               ERR_CONFIG);
    EXPECT_ERR(tls_new(&(struct tls_config){.cert_path = path("server.pem"),
                                            .key_path = path("ca.key")},
                       &again), ERR_CONFIG);
    EXPECT_ERR(tls_new(&(struct tls_config){.dir = "/proc/none"}, &again), ERR_DISK);
    EXPECT(again == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(frames_inside_tls_large_and_small),
        RUN(http_versions_inside_tls_are_told_by_their_first_bytes),
        RUN(bad_handshakes_are_closed_and_counted),
        RUN(half_a_handshake_is_closed_after_its_time),
        RUN(no_more_handshakes_than_the_limit_are_under_way),
        RUN(no_more_sessions_than_there_is_memory_for),
        RUN(a_door_without_tls_refuses_the_handshake),
        RUN(the_leaf_is_no_ca_and_keys_are_private),
        RUN(a_second_start_uses_the_same_files_and_bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
