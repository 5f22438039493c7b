/* One request on its way through the front.
 *
 * A handler owns the request, whose input was decoded and checked against its constraints, until it
 * calls front_reply(), front_fail() or their kin, now or later, once. The request, its arena and
 * its input last until the function that the loop called - the handler, or what storage calls
 * back - has returned: what is answered between front_hold() and front_release() leaves at the
 * release. So nobody has to know whether a helper has answered before he touches what is the
 * request's.
 * Thread of everything here: the loop of the connection. */
#ifndef BRIDGE_FRONT_REQUEST_H
#define BRIDGE_FRONT_REQUEST_H

#include "base/clock.h"
#include "base/net/http.h"
#include "bridge/front/front.h"
#include "protocol/aws/codec.h"
#include "storage/codecs.h"

#define FRONT_TYPE_JSON "application/x-amz-json-1.1"
#define FRONT_TYPE_CBOR "application/x-amz-cbor-1.1"

struct front_request {
    struct codec_work reading;          /* dispatch's, as the next three */
    struct job turn;
    struct loop_task task;
    bool stopping;                      /* the server, since this request came */
    enum err read_err;                  /* of its body */
    struct aws_fault fault;
    struct http_request *http;
    struct front *front;
    const struct front_service *service;
    uint32_t op;                        /* operation_count until it is known */
    enum aws_codec codec;               /* of the request, and so of the answer */
    struct arena *arena;                /* freed with the request */
    void *input;                        /* of the operation */
    int64_t started_us;
    void *context;                      /* the handler's own */
    uint32_t held;                      /* request.c's, as what follows */
    uint16_t status;                    /* of its answer; 0: none yet */
    const char *content_type;           /* of its answer */
    void (*on_closed)(struct front_request *rq);      /* the client went away; may end it */
    void (*on_stop)(struct front_request *rq);        /* the server stops: what waits ends soon */
};

/* Of this request; only when it is known. */
static inline const struct aws_operation *front_operation(const struct front_request *rq)
{
    return &rq->service->operations[rq->op];
}
static inline bool front_operation_is_known(const struct front_request *rq)
{
    return rq->op < rq->service->operation_count;
}

/* Around every function that the loop calls with the request, but for those of a stream of events:
 * dispatch holds it for the handler, whoever gives storage a callback does for that one. At the
 * last release rq is gone if it was answered. */
void front_hold(struct front_request *rq);
void front_release(struct front_request *rq);

/* 200 with the operation's output structure; NULL: an operation without output. */
void front_reply(struct front_request *rq, const void *output);
/* The same for an answer that the handler has encoded into rq->http->reply already, because what it
 * points to ends before. */
void front_reply_encoded(struct front_request *rq);
/* AWS's error for err, with this text. Nothing is counted when the client has left: what was given
 * up for that is no error. */
void front_fail(struct front_request *rq, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a text as it stands; capital: the message's name is "Message". */
void front_fail_text(struct front_request *rq, enum err err, struct bytes text, bool capital);
/* What a failed control or append means at this door, with err's own text. */
void front_fail_plain(struct front_request *rq, enum err err);

/* What stands in rq->http->reply, at once: for answers from before the operation is known.
 * content_type may be NULL. rq is gone afterwards. */
void front_send(struct front_request *rq, uint16_t status, const char *content_type);

/* DryRun: what was found so far is all that there was to check. True: answered, and the caller ends
 * without doing anything. */
bool front_is_dry_run(struct front_request *rq, bool asked);

/* The response headers of every answer; to: room for FRONT_HEADERS_MAX. Texts live in the
 * arena. */
enum { FRONT_HEADERS_MAX = 7 };
uint32_t front_headers(struct front_request *rq, const char *content_type,
                       struct http_header *to);

/* Whose turn it is where clients take turns (base/fair.h): that of its connection. */
static inline uint64_t front_client(const struct front_request *rq)
{
    return (uint64_t)(uintptr_t)rq->http->conn;
}

/* How long it has been under way. */
static inline int64_t front_latency_ms(const struct front_request *rq)
{
    return (clock_mono_us() - rq->started_us) / 1000;
}

/* Of its loop. */
static inline struct ids *front_ids(const struct front_request *rq)
{
    return &rq->front->ids[loop_index(rq->http->loop)];
}

#endif
