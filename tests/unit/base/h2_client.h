/* A plain HTTP/2 client for tests, over a socket or over TLS. */
#ifndef TESTS_H2_CLIENT_H
#define TESTS_H2_CLIENT_H

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include "net_fixture.h"

enum { H2_STREAMS_MAX = 1024 };

struct h2_answer {
    int status;
    bool closed;
    uint32_t error_code;
    size_t body_len;
    char body[256];              /* its first bytes, NUL-terminated */
    char length[24];             /* content-length, "" when none came */
    bool continued;              /* a 100 came first */
};

struct h2_client {
    int fd;
    SSL *ssl;                    /* NULL: plain */
    nghttp2_session *session;
    struct h2_answer answers[H2_STREAMS_MAX];      /* by stream id / 2 */
    bool goaway;
    uint32_t goaway_code;
    bool ended;                  /* the server has closed the connection */
};

static inline struct h2_answer *h2_answer(struct h2_client *c, int32_t id)
{
    EXPECT(id > 0 && id / 2 < H2_STREAMS_MAX);
    return &c->answers[id / 2];
}

static inline int h2_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                               const uint8_t *name, size_t name_len, const uint8_t *value,
                               size_t value_len, uint8_t flags, void *context)
{
    (void)session, (void)flags;
    struct h2_answer *a = h2_answer(context, frame->hd.stream_id);
    char text[128];
    bytes_to_text(bytes_of(value, value_len), text, sizeof text);
    if (bytes_equal_str(bytes_of(name, name_len), ":status")) {
        a->status = (int)strtol(text, NULL, 10);
        if (a->status == 100) a->continued = true;
    }
    if (bytes_equal_str(bytes_of(name, name_len), "content-length"))
        bytes_to_text(bytes_of(value, value_len), a->length, sizeof a->length);
    return 0;
}

static inline int h2_on_chunk(nghttp2_session *session, uint8_t flags, int32_t id,
                              const uint8_t *data, size_t len, void *context)
{
    (void)session, (void)flags;
    struct h2_answer *a = h2_answer(context, id);
    for (size_t i = 0; i < len; i++, a->body_len++)
        if (a->body_len < sizeof a->body - 1) a->body[a->body_len] = (char)data[i];
    return 0;
}

static inline int h2_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
    (void)session;
    struct h2_answer *a = h2_answer(context, id);
    a->closed = true;
    a->error_code = code;
    return 0;
}

static inline int h2_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)session;
    struct h2_client *c = context;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    c->goaway = true;
    c->goaway_code = frame->goaway.error_code;
    return 0;
}

/* fd, and ssl when not NULL, are taken over. window: initial window of each stream. */
static inline struct h2_client *h2_open(int fd, SSL *ssl, uint32_t window)
{
    struct h2_client *c = NEW(struct h2_client);
    c->fd = fd;
    c->ssl = ssl;
    nghttp2_session_callbacks *calls;
    EXPECT_EQ(nghttp2_session_callbacks_new(&calls), 0);
    nghttp2_session_callbacks_set_on_header_callback(calls, h2_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, h2_on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, h2_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, h2_on_frame);
    nghttp2_option *option;
    EXPECT_EQ(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    EXPECT_EQ(nghttp2_session_client_new2(&c->session, calls, c, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 1);
    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 1 << 28);
    return c;
}

static inline void h2_close(struct h2_client *c)
{
    nghttp2_session_del(c->session);
    if (c->ssl != NULL) SSL_free(c->ssl);
    if (c->fd >= 0) close(c->fd);
    mem_free(c);
}

static inline void h2_send_raw(struct h2_client *c, const void *data, size_t len)
{
    if (c->ssl == NULL) {
        while (len > 0) {                /* the server may have closed already */
            ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
            if (n <= 0) return;
            data = (const char *)data + n;
            len -= (size_t)n;
        }
        return;
    }
    if (len > 0) EXPECT(SSL_write(c->ssl, data, (int)len) == (int)len);
}

/* Sends all frames that wait. */
static inline void h2_send(struct h2_client *c)
{
    const uint8_t *data;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->session, &data)) > 0) h2_send_raw(c, data, (size_t)n);
    EXPECT_EQ(n, 0);
}

/* Sends what waits, then reads once; sets ended at the end of the connection. */
static inline void h2_step(struct h2_client *c)
{
    static uint8_t buffer[65536];
    h2_send(c);
    ssize_t n = c->ssl ? SSL_read(c->ssl, buffer, sizeof buffer)
                       : recv(c->fd, buffer, sizeof buffer, 0);
    if (n <= 0) {
        EXPECT(n == 0 || errno != EAGAIN);      /* a wait of CLIENT_WAIT_S was in vain */
        c->ended = true;
        return;
    }
    EXPECT_EQ(nghttp2_session_mem_recv(c->session, buffer, (size_t)n), n);
    h2_send(c);
}

static inline struct h2_answer *h2_wait(struct h2_client *c, int32_t id)
{
    UNTIL(h2_answer(c, id)->closed || c->ended, h2_step(c));
    return h2_answer(c, id);
}

static inline void h2_until_body(struct h2_client *c, int32_t id, size_t bytes)
{
    UNTIL(h2_answer(c, id)->body_len >= bytes || c->ended, h2_step(c));
    EXPECT(h2_answer(c, id)->body_len >= bytes);
}

static inline void h2_until_end(struct h2_client *c)
{
    UNTIL(c->ended, h2_step(c));
}

struct h2_body {
    const char *data;
    size_t left;
    bool deferred;               /* sends data, then holds the stream open */
};

static inline ssize_t h2_read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
                                   uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)session, (void)id, (void)context;
    struct h2_body *b = source->ptr;
    if (b->left == 0 && b->deferred) return NGHTTP2_ERR_DEFERRED;
    size_t take = b->left < len ? b->left : len;
    if (take > 0) mem_copy(buf, b->data, take);
    b->data += take;
    b->left -= take;
    if (b->left == 0 && !b->deferred) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

#define H2_NV(n, v)                                                                                \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v),                \
            NGHTTP2_NV_FLAG_NONE                                                                   \
    }

/* Submits a request; body lives until it was sent, NULL = none. extra: a header, or NULL. */
static inline int32_t h2_request(struct h2_client *c, const char *method, const char *path,
                                 struct h2_body *body, const char *extra, const char *value)
{
    nghttp2_nv nvs[] = {H2_NV(":method", method), H2_NV(":path", path), H2_NV(":scheme", "http"),
                        H2_NV(":authority", "kinesis.test:4567"),
                        H2_NV(extra ? extra : "x-none", value ? value : "")};
    nghttp2_data_provider provider = {.source.ptr = body, .read_callback = h2_read_body};
    int32_t id = nghttp2_submit_request(c->session, NULL, nvs, extra ? 5 : 4,
                                        body ? &provider : NULL, NULL);
    EXPECT(id > 0);
    return id;
}

#endif
