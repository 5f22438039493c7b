/* What the client gets: replies through a queue of each stream, frames as its windows allow. */
#include "base/net/http2_inner.h"

#include <stdio.h>
#include "base/mem.h"
#include "base/check.h"

/* ---- Sending */

static ssize_t on_read_data(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t len,
                            uint32_t *data_flags, nghttp2_data_source *source, void *context)
{
    (void)session, (void)stream_id, (void)buf, (void)context;
    struct http2_stream *s = source->ptr;
    size_t take = s->out.bytes < len ? s->out.bytes : len;
    if (take == 0 && !s->ended) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->ended && take == s->out.bytes) *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t len, nghttp2_data_source *source, void *context)
{
    (void)session, (void)frame;
    enum { FRAME_HEAD_BYTES = 9 };
    struct http2 *h = context;
    struct http2_stream *s = source->ptr;
    outq_copy(&h->conn->out, bytes_of(head, FRAME_HEAD_BYTES));
    outq_move(&h->conn->out, &s->out, len);
    h->queued_bytes -= len;
    s->out_ms = loop_now_ms(h->conn->home->loop);
    if (s->above_low && s->out.bytes <= conn_limits(h->conn)->stream_low_bytes) {
        s->above_low = false;
        s->writable = true;
    }
    return 0;
}

/* A reply may end before its request did (413): the client is told to stop sending. A GOAWAY with
 * an error that is not ours comes from nghttp2: the client broke the protocol. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *h = context;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        !h->going)
        h->reason = NET_CLOSE_PROTOCOL;
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s != NULL && s->discarding)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

void http2_out_callbacks(nghttp2_session_callbacks *calls)
{
    nghttp2_session_callbacks_set_send_data_callback(calls, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_frame_sent);
}

void http2_pump(struct http2 *h)
{
    struct conn *c = h->conn;
    while (c->out.bytes < HTTP2_OUT_BYTES_LOW) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(h->session, &data);
        if (len < 0) {
            conn_close(c, NET_CLOSE_PROTOCOL);
            return;
        }
        if (len == 0) break;                         /* nothing to say, or all windows are full */
        outq_copy(&c->out, bytes_of(data, (size_t)len));
        if (!c->out.failed) continue;
        conn_close(c, NET_CLOSE_MEMORY);
        return;
    }
}

/* One round: a door that writes again and again must not keep the loop. */
void http2_call_writable(struct http2 *h)
{
    struct http2_stream *next;
    for (struct http2_stream *s = h->streams; s != NULL; s = next) {
        next = s->next;
        if (!s->writable) continue;
        s->writable = false;
        if (s->rq != NULL && s->rq->on_writable != NULL) s->rq->on_writable(s->rq);
    }
}

void http2_go_away(struct http2 *h, uint32_t code, enum net_close reason)
{
    if (h->going) return;
    h->going = true;
    h->reason = reason;
    nghttp2_session_terminate_session(h->session, code);
    conn_flush_later(h->conn);
}

/* ---- Replying */

static nghttp2_nv nv_of(struct bytes name, struct bytes value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.data, .namelen = name.len,
                        .value = (uint8_t *)(uintptr_t)value.data, .valuelen = value.len};
}

/* Submits HEADERS; with body, DATA follows from the stream's queue. */
static void submit_head(struct http2_stream *s, uint16_t status, const struct http_header *headers,
                        uint32_t header_count, const char *length, bool body)
{
    struct http2 *h = s->h2;
    char status_text[8];
    snprintf(status_text, sizeof status_text, "%u", status);
    nghttp2_nv *nvs = mem_try_array(header_count + 3, sizeof *nvs);
    if (nvs == NULL) {
        s->ended = true;
        http2_stream_reset(h, s, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    size_t count = 0;
    nvs[count++] = nv_of(BYTES_LIT(":status"), bytes_str(status_text));
    for (uint32_t i = 0; i < header_count; i++)
        if (http_value_is_legal(headers[i].value))
            nvs[count++] = nv_of(headers[i].name, headers[i].value);
    nvs[count++] = nv_of(BYTES_LIT("date"), bytes_str(http_date()));
    if (length != NULL) nvs[count++] = nv_of(BYTES_LIT("content-length"), bytes_str(length));
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = on_read_data};
    s->ended = !body;
    if (nghttp2_submit_response(h->session, s->id, nvs, count, body ? &provider : NULL) != 0)
        http2_stream_reset(h, s, NGHTTP2_INTERNAL_ERROR);
    mem_free(nvs);
    conn_flush_later(h->conn);
}

static void queue(struct http2_stream *s, struct writer *w)
{
    size_t before = s->out.bytes;
    if (before == 0) s->out_ms = loop_now_ms(s->h2->conn->home->loop);
    outq_writer(&s->out, w);
    s->h2->queued_bytes += s->out.bytes - before;
    if (s->out.bytes > conn_limits(s->h2->conn)->stream_low_bytes) s->above_low = true;
    if (s->out.failed) http2_stream_reset(s->h2, s, NGHTTP2_INTERNAL_ERROR);
}

static void resume_data(struct http2_stream *s)
{
    if (!s->deferred) return;
    s->deferred = false;
    nghttp2_session_resume_data(s->h2->session, s->id);
    conn_flush_later(s->h2->conn);
}

static void answered(struct http_request *rq)
{
    ((struct http2_stream *)rq->stream)->rq = NULL;
    http_request_free(rq);
}

static void http2_reply(struct http_request *rq, uint16_t status, const struct http_header *headers,
                        uint32_t header_count)
{
    struct http2_stream *s = rq->stream;
    char length[24];
    snprintf(length, sizeof length, "%zu", writer_total(&rq->reply));
    bool body = http_has_body(rq, status) && writer_total(&rq->reply) > 0;
    submit_head(s, status, headers, header_count, status == 204 ? NULL : length, body);
    if (body) queue(s, &rq->reply);
    s->ended = true;
    answered(rq);
}

static void http2_abort(struct http_request *rq)
{
    struct http2_stream *s = rq->stream;
    http2_stream_reset(s->h2, s, NGHTTP2_INTERNAL_ERROR);
    answered(rq);
}

static void http2_start_stream(struct http_request *rq, uint16_t status,
                               const struct http_header *headers, uint32_t header_count)
{
    submit_head(rq->stream, status, headers, header_count, NULL, http_has_body(rq, status));
}

static size_t http2_write(struct http_request *rq, struct writer *w)
{
    struct http2_stream *s = rq->stream;
    if (w->err != ERR_OK) http2_stream_reset(s->h2, s, NGHTTP2_INTERNAL_ERROR);
    if (w->err != ERR_OK || s->ended) {
        writer_reset(w);
        return 0;
    }
    queue(s, w);
    resume_data(s);
    return s->out.bytes;
}

static size_t http2_queued(const struct http_request *rq)
{
    return ((const struct http2_stream *)rq->stream)->out.bytes;
}

static void http2_end(struct http_request *rq)
{
    struct http2_stream *s = rq->stream;
    s->ended = true;
    resume_data(s);
    answered(rq);
}

const struct http_version http2_version = {
    .major = 2,
    .promise = http2_promise,
    .reply = http2_reply,
    .abort = http2_abort,
    .start = http2_start_stream,
    .write = http2_write,
    .queued = http2_queued,
    .end = http2_end,
};
