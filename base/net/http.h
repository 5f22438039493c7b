/* HTTP requests and replies, the same for HTTP/1.1 and HTTP/2. The Kinesis and the admin door are
 * made of these.
 *
 * HTTP/1.1: keep-alive, pipelining (one at a time, in order), chunked bodies, Expect: 100-continue.
 * HTTP/2 (nghttp2): by prior knowledge or ALPN; the streams of a connection run side by side.
 * A body's bytes are taken from the door's budget as they come, and handed over in one slab.
 * Thread: all of it on the connection's loop.
 * Fuzz: fuzz_http1, Fuzz: fuzz_http2 */
#ifndef BASE_NET_HTTP_H
#define BASE_NET_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/net/address.h"
#include "base/net/loop.h"
#include "base/slab.h"
#include "base/writer.h"

struct conn;
struct http_request;

struct http_door {
    uint32_t body_bytes_max;         /* of one request; beyond it refused = 413 */
    uint32_t reply_bytes_max;        /* cap of rq->reply, splices not counted */
    uint32_t arena_bytes_max;        /* cap of rq->arena, on top of the headers' own limit */
    void *context;                   /* the door's own */
    /* About how large the answer will be, asked when a loop has much to send: what is larger than
     * ROOM_ANSWER_BYTES_MIN waits for room. NULL: all are small, or keep to the room themselves. */
    size_t (*answer_bytes)(const struct http_request *rq);
    /* One whole request; owned by the door until it finishes it. */
    void (*on_request)(struct http_request *rq);
};

struct http_header {
    struct bytes name;               /* as it came; lower case on HTTP/2 */
    struct bytes value;              /* without blanks around it */
};

struct http_version;

/* Made by the layer. The door finishes each request with exactly one of http_reply(),
 * http_stream_end() and http_abort(), at any later time, also when the client has gone. */
struct http_request {
    struct loop *loop;
    struct conn *conn;               /* opaque; NULL once the client, or on HTTP/2 the stream, has
                                        gone */
    const struct http_door *door;
    uint16_t refused;                /* 0, or the status with which the layer refuses the request
                                        (400, 413, 431, 503): no body, perhaps no method and
                                        headers. The door words the answer and uses this status */
    const struct http_version *version;     /* the layer's own */
    uint8_t version_major;           /* 1 or 2 */
    struct bytes method;             /* "POST" */
    struct bytes path;               /* "/a/b" as sent, not decoded; without the query */
    struct bytes query;              /* behind the '?'; null when there is none */
    struct http_header *headers;     /* in their order; no pseudo-headers. When no host header came
                                        on HTTP/2, one is put last with the value of :authority */
    uint32_t header_count;
    struct slab *body;               /* NULL when empty; others may keep references of their own */
    struct arena arena;              /* freed when the request is finished; the views above lie in
                                        it */
    struct writer reply;             /* for the body of the reply or of the next stream write */
    void *context;                   /* the door's own, NULL at first */
    /* The client went away (connection closed, RST_STREAM) before the request was finished; called
     * once, may finish the request there. NULL is legal. */
    void (*on_closed)(struct http_request *rq);
    /* Called at most once, when the server stops: whoever waits for something that may not come
     * soon, or streams, finishes the request shortly, or here. NULL: it ends by itself. */
    void (*on_stop)(struct http_request *rq);
    /* A started stream's queue fell to net_limits.stream_low_bytes or below. NULL is legal. */
    void (*on_writable)(struct http_request *rq);
    /* The layer's. */
    void *stream;
    bool streaming;
    bool close_after;
    size_t promised;                 /* of the loop's room */
};

/* The first header of that name, compared without case; null when there is none. */
struct bytes http_header(const struct http_request *rq, const char *name);
/* The body as a view; empty, not null, when there is none. */
struct bytes http_body(const struct http_request *rq);

/* Sends the reply with rq->reply as its body and frees rq. content-length and date are added;
 * headers (lower-case names, for both versions) are copied. A reply that failed (rq->reply.err)
 * acts as http_abort(). */
void http_reply(struct http_request *rq, uint16_t status, const struct http_header *headers,
                uint32_t header_count);
/* Closes the connection (HTTP/1.1) or resets the stream (HTTP/2) and frees rq. */
void http_abort(struct http_request *rq);

/* A reply of about so many bytes is under way and will be made later on, from what is being read:
 * it takes room of its loop (room.h), and of an HTTP/2 connection's streams only
 * HTTP2_PROMISES_MAX have one; further requests of it start afterwards. Ends with
 * http_promise_end(), which has to come before the reply. */
enum { HTTP2_PROMISES_MAX = 4 };
void http_promise(struct http_request *rq, size_t bytes);
void http_promise_end(struct http_request *rq);

/* A reply of unknown length, pushed in pieces: start, any number of writes, end. On HTTP/1.1 it is
 * chunked. */
void http_stream_start(struct http_request *rq, uint16_t status, const struct http_header *headers,
                       uint32_t header_count);
/* Queues what is in w and empties w; spliced bytes go by reference. Returns the bytes of this
 * stream that wait to be sent: who sees more than it likes stops until on_writable. HTTP/2 flow
 * control holds back this stream only. 0 when the client has gone, or when w had failed: then the
 * stream is reset. */
size_t http_stream_write(struct http_request *rq, struct writer *w);
size_t http_stream_queued(const struct http_request *rq);
/* Ends the reply after what is queued and frees rq. */
void http_stream_end(struct http_request *rq);

/* Needs rq->conn. */
bool http_is_tls(const struct http_request *rq);

#endif
