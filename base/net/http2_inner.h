/* One HTTP/2 connection and its streams, for the files that share them:
 *
 *   http2.c          the connection: start, deadlines, the end of a turn, the end
 *   http2_stream.c   a stream from its first header until it is freed
 *   http2_in.c       what the client sends: headers and bodies of requests
 *   http2_out.c      what it gets: replies, as frames made by reference
 *
 * Thread: the connection's loop. */
#ifndef BASE_NET_HTTP2_INNER_H
#define BASE_NET_HTTP2_INNER_H

#include <nghttp2/nghttp2.h>
#include "base/net/http_inner.h"
#include "base/net/intake.h"

/* Frames are made while less than this waits on the connection. */
enum { HTTP2_OUT_BYTES_LOW = 256 * 1024 };

struct http2;

struct http2_stream {
    struct http2 *h2;
    struct http2_stream *next;       /* all streams of the connection */
    struct http2_stream *prev;
    struct http2_stream *ready_next; /* those whose request waits to be started */
    struct http_request *rq;         /* NULL once it was answered */
    int32_t id;
    struct outq out;
    uint32_t header_cap;
    size_t header_bytes;
    size_t heads;                    /* its part of heads_bytes */
    size_t charged;                  /* taken from the budget for this stream's head */
    struct bytes authority;
    uint64_t body_len;               /* content-length, when there is one */
    struct intake in;                /* the body that is being read */
    struct conn_body body;           /* how fast it comes */
    int64_t out_ms;                  /* when a part of the reply last left */
    bool reading;                    /* the request is not whole yet */
    bool discarding;                 /* its body is not wanted any more */
    bool ready;                      /* in the ready list */
    bool ended;                      /* out is all that will come */
    bool deferred;                   /* nghttp2 waits for resume_data */
    bool above_low;
    bool writable;                   /* on_writable is due */
};

struct http2 {
    struct conn *conn;
    const struct http_version *version;
    nghttp2_session *session;
    struct http2_stream *streams;
    uint32_t stream_count;
    size_t heads_bytes;              /* of all streams, STREAM_BYTES each included */
    struct http2_stream *ready_first;
    struct http2_stream *ready_last;
    size_t queued_bytes;             /* on all streams */
    size_t bodies_bytes;             /* of half-read bodies on all streams */
    uint32_t promises;               /* streams whose reply is being read: http_promise() */
    /* A chunk that waits for memory. Its frame's bytes lie first in the stash: chunk, then
     * padding. */
    struct http2_stream *starved;    /* NULL once the stream has gone */
    const uint8_t *starved_data;     /* during nghttp2_session_mem_recv() only */
    size_t starved_len;
    size_t starved_skip;             /* with the padding; 0 = nothing waits */
    uint64_t block_bytes;            /* unpacked of the block of fields that is being read */
    int64_t control_at_ms;           /* as the next one: the bucket of control frames */
    int64_t control_left;
    enum net_close reason;           /* once nghttp2 wants to close */
    bool going;                      /* GOAWAY was submitted */
};

/* ---- http2_stream.c */
/* NULL: memory is out. */
struct http2_stream *http2_stream_new(struct http2 *h, int32_t id);
/* Frees what it holds; a request that was started is the door's from here on. */
void http2_stream_free(struct http2_stream *s);
/* One more, or one fewer, reply of the request's connection is under way. */
void http2_promise(struct http_request *rq, int by);
/* Takes what the stream costs. False: many are open, and there is no memory for one more. */
bool http2_stream_charge(struct http2_stream *s);
/* The request is whole, or refused: starts it, unless the client leaves too many replies unread. */
void http2_stream_ready(struct http2_stream *s);
/* Starts those that waited for replies to be read. */
void http2_run_ready(struct http2 *h);
/* The rest of its body is not wanted; the answer is this status. */
void http2_stream_refuse(struct http2_stream *s, uint16_t status);
void http2_stream_reset(struct http2 *h, struct http2_stream *s, uint32_t code);
/* Sets the deadline of a connection that has, or has not, a stream open. */
void http2_rest(struct http2 *h);

/* ---- http2_in.c */
void http2_in_callbacks(nghttp2_session_callbacks *calls);
/* conn_protocol.on_bytes. */
size_t http2_bytes(struct conn *c, const uint8_t *data, size_t len);

/* ---- http2_out.c */
void http2_out_callbacks(nghttp2_session_callbacks *calls);
/* Makes frames as far as the connection's queue has room. May close the connection. */
void http2_pump(struct http2 *h);
/* Tells the client why, and closes once that has left. */
void http2_go_away(struct http2 *h, uint32_t code, enum net_close reason);
/* Tells the doors whose streams have room again. */
void http2_call_writable(struct http2 *h);

#endif
