/* HTTP/2 over nghttp2, which turns bytes into frames and back and knows the flow control. Streams
 * run side by side; each has an output queue of its own, from which DATA frames are made by
 * reference only as far as the connection's queue has room: so a slow reader of one stream holds up
 * that stream alone, and a slow connection holds little.
 *
 * Memory: the heads of a few streams are free, more of them are taken from the budget. A body is
 * taken from the budget as it comes. When the budget refuses, the connection is not read until it
 * gives. A request that is whole waits unstarted while
 * more than out_bytes_max is queued on all streams together.
 *
 * Fails with: 413, 431, 503 for one request; RST_STREAM for a stalled stream; GOAWAY
 * (ENHANCE_YOUR_CALM) for a flood of frames that ask for nothing; what nghttp2 finds wrong, with
 * its own GOAWAY. */
#include "base/net/http2_inner.h"

#include "base/bucket.h"
#include "base/mem.h"
#include "base/check.h"

enum { CONTINUATIONS_MAX = 8 };

static void http2_before_flush(struct conn *c)
{
    struct http2 *h = c->state;
    if (conn_is_ending(c)) return;
    http2_pump(h);
    if (conn_is_closed(c)) return;
    http2_call_writable(h);
    http2_run_ready(h);
    http2_pump(h);
    if (conn_is_closed(c)) return;
    if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)) {
        bool wrong = h->reason == NET_CLOSE_PROTOCOL || h->reason == NET_CLOSE_FLOOD;
        conn_finish(c, h->reason, wrong);
    }
}

static void http2_drained(struct conn *c)
{
    struct http2 *h = c->state;
    if (c->out.bytes < HTTP2_OUT_BYTES_LOW && !conn_is_ending(c) &&
        nghttp2_session_want_write(h->session))
        conn_flush_later(c);
}

/* While the server stops: answers that the client does not take are given up once no request is
 * under way. */
static void stop_deadline(struct conn *c)
{
    struct http2 *h = c->state;
    for (struct http2_stream *s = h->streams; s != NULL; s = s->next) {
        if (s->rq == NULL || s->reading || s->ready) continue;
        conn_deadline(c, CONN_STOP_OUT_MS, NET_CLOSE_STOP);
        return;
    }
    conn_close(c, NET_CLOSE_STOP);
}

/* Resets the streams that stand still: half a body and silence, or a reply that is not fetched. */
static void http2_deadline(struct conn *c)
{
    struct http2 *h = c->state;
    if (h->going) {
        conn_close(c, h->reason);
        return;
    }
    if (c->home->stopping) {
        stop_deadline(c);
        return;
    }
    if (h->streams == NULL) {
        http2_go_away(h, NGHTTP2_NO_ERROR, NET_CLOSE_IDLE);
        conn_deadline(c, conn_limits(c)->handshake_ms, NET_CLOSE_IDLE);
        return;
    }
    const struct net_limits *l = conn_limits(c);
    int64_t now_ms = loop_now_ms(c->home->loop);
    for (struct http2_stream *s = h->streams; s != NULL; s = s->next) {
        bool in_stalls = s->reading && h->starved_skip == 0 && conn_body_is_late(c, &s->body);
        bool out_stalls = s->out.bytes > 0 && now_ms - s->out_ms >= l->write_stall_ms;
        if (in_stalls || out_stalls) http2_stream_reset(h, s, NGHTTP2_CANCEL);
    }
    http2_rest(h);
}

static void http2_stop(struct conn *c)
{
    struct http2 *h = c->state;
    if (h->going) return;
    /* What was started is finished, what was not is refused: the client knows that it may ask
     * again elsewhere. want_read turns false when the last stream closes. */
    h->reason = NET_CLOSE_STOP;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
    struct http2_stream *next;
    for (struct http2_stream *s = h->streams; s != NULL; s = next) {
        next = s->next;
        if (s->reading || s->ready) http2_stream_reset(h, s, NGHTTP2_REFUSED_STREAM);
        else if (s->rq != NULL) http_request_stop(s->rq);
    }
    conn_deadline(c, CONN_STOP_OUT_MS, NET_CLOSE_STOP);
    conn_flush_later(c);
}

static void http2_gone(struct conn *c)
{
    struct http2 *h = c->state;
    c->state = NULL;
    nghttp2_session_del(h->session);                 /* calls nothing back */
    while (h->streams != NULL) http2_stream_free(h->streams);
    mem_free(h);
}

static const struct conn_protocol http2_protocol = {
    .on_bytes = http2_bytes,
    .before_flush = http2_before_flush,
    .on_drained = http2_drained,
    .on_deadline = http2_deadline,
    .on_stop = http2_stop,
    .on_gone = http2_gone,
    .reads_always = true,
};

/* NULL: memory is out. */
static nghttp2_session *session_new(struct http2 *h)
{
    nghttp2_session_callbacks *calls = NULL;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&calls) != 0) return NULL;
    if (nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(calls);
        return NULL;
    }
    http2_in_callbacks(calls);
    http2_out_callbacks(calls);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    /* What asks for nothing is counted by us, in one way. nghttp2's own counts have other rates
     * and other answers; only acknowledgements that nobody fetches are left to it. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
    nghttp2_option_set_max_outbound_ack(option,
                                        (size_t)conn_limits(h->conn)->h2_control_burst * 2);
    nghttp2_session *session = NULL;
    if (nghttp2_session_server_new2(&session, calls, h, option) != 0) session = NULL;
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    return session;
}

void http2_start(struct conn *c)
{
    const struct net_limits *l = conn_limits(c);
    struct http2 *h = NEW_TRY(struct http2);
    if (h == NULL) {
        conn_close(c, NET_CLOSE_MEMORY);
        return;
    }
    h->conn = c;
    h->version = &http2_version;
    h->reason = NET_CLOSE_PEER;
    h->control_at_ms = loop_now_ms(c->home->loop);
    h->control_left = (int64_t)l->h2_control_burst * BUCKET_UNIT;
    h->session = session_new(h);
    if (h->session == NULL) {
        mem_free(h);
        conn_close(c, NET_CLOSE_MEMORY);
        return;
    }
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->h2_streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->h2_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, l->header_bytes_max},
    };
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                            sizeof settings / sizeof settings[0]);
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)l->h2_conn_window_bytes);
    conn_switch(c, &http2_protocol, h);
    http2_rest(h);
    conn_flush_later(c);
}
