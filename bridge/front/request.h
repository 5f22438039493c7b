/* One Kinesis request on its way through the bridge.
 *
 * A handler owns the request, whose input was decoded and checked against its constraints, until it
 * calls kinesis_reply(), kinesis_fail() or their kin, now or later, once. The request, its arena
 * and its input last until the function that the loop called - the handler, or what storage calls
 * back - has returned: what is answered between kinesis_hold() and kinesis_release() leaves at the
 * release. So nobody has to know whether a helper has answered before he touches what is the
 * request's. */
#ifndef BRIDGE_FRONT_REQUEST_H
#define BRIDGE_FRONT_REQUEST_H

#include "base/clock.h"
#include "base/net/http.h"
#include "bridge/state.h"
#include "protocol/aws/codec.h"
#include "protocol/kinesis/api.gen.h"
#include "storage/store.h"

#define KINESIS_TYPE_JSON "application/x-amz-json-1.1"
#define KINESIS_TYPE_CBOR "application/x-amz-cbor-1.1"

struct kinesis_request {
    struct http_request *http;
    struct bridge *bridge;
    struct bridge_loop *home;           /* of the connection */
    enum kinesis_op op;                 /* KINESIS_OP_COUNT until it is known */
    enum aws_codec codec;               /* of the request, and so of the answer */
    struct arena *arena;                /* freed with the request */
    union kinesis_input *input;         /* the operation's member is set */
    int64_t started_us;
    void *context;                      /* the handler's own */
    uint32_t held;                      /* request.c's, as what follows */
    uint16_t status;                    /* of its answer; 0: none yet */
    const char *content_type;           /* of its answer */
    void (*on_closed)(struct kinesis_request *rq);    /* the client went away; may end it */
    void (*on_stop)(struct kinesis_request *rq);      /* the server stops: what waits ends soon */
};

/* Makes the metrics of every operation. Thread: main, once. */
void kinesis_request_init(void);

/* Around every function that the loop calls with the request, but for those of a stream of events:
 * dispatch holds it for the handler, whoever gives storage a callback does for that one. At the
 * last release rq is gone if it was answered. Thread: rq->home. */
void kinesis_hold(struct kinesis_request *rq);
void kinesis_release(struct kinesis_request *rq);

/* 200 with the operation's output structure; NULL: an operation without output. Thread:
 * rq->home. */
void kinesis_reply(struct kinesis_request *rq, const void *output);
/* The same for an answer that the handler has encoded into rq->http->reply already, because what it
 * points to ends before. */
void kinesis_reply_encoded(struct kinesis_request *rq);
/* AWS's error for err, with this text. Nothing is counted when the client has left: what was given
 * up for that is no error. */
void kinesis_fail(struct kinesis_request *rq, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a text as it stands; capital: the message's name is "Message". */
void kinesis_fail_text(struct kinesis_request *rq, enum err err, struct bytes text, bool capital);
/* What a failed control or append means at this door, with err's own text. */
void kinesis_fail_plain(struct kinesis_request *rq, enum err err);

/* What stands in rq->http->reply, at once: for answers from before the operation is known.
 * content_type may be NULL. rq is gone afterwards. */
void kinesis_send(struct kinesis_request *rq, uint16_t status, const char *content_type);

/* DryRun: what was found so far is all that there was to check. True: answered, and the caller ends
 * without doing anything. */
bool kinesis_is_dry_run(struct kinesis_request *rq, bool asked);

/* The response headers of every answer; to: room for KINESIS_HEADERS_MAX. Texts live in the
 * arena. */
enum { KINESIS_HEADERS_MAX = 7 };
uint32_t kinesis_headers(struct kinesis_request *rq, const char *content_type,
                         struct http_header *to);

/* Whose turn it is where clients take turns (base/fair.h): that of its connection. */
static inline uint64_t kinesis_client(const struct kinesis_request *rq)
{
    return (uint64_t)(uintptr_t)rq->http->conn;
}

/* How long it has been under way. */
static inline int64_t kinesis_latency_ms(const struct kinesis_request *rq)
{
    return (clock_mono_us() - rq->started_us) / 1000;
}

static inline struct store *rq_store(const struct kinesis_request *rq)
{
    return rq->bridge->store;
}

/* One handler for each row of kinesis_api.def, each in bridge/op/<operation>.c.
 * Thread: the connection's loop. */
#define KINESIS(target, id, plane, handler) void handler(struct kinesis_request *rq);
#include "protocol/schema/kinesis_api.def"
#undef KINESIS

#endif
