/* One Kafka request on its way through the broker.
 *
 * A handler decodes with TRY() - an undecodable request closes the connection, as in Kafka - and
 * from then on owns the request until it calls kafka_reply() or its kin, now or later. */
#ifndef BROKER_REQUEST_H
#define BROKER_REQUEST_H

#include "base/cursor.h"
#include "base/net/frame.h"
#include "base/writer.h"
#include "broker/state.h"
#include "protocol/kafka/header.h"
#include "protocol/kafka/wire.h"

struct kafka_request {
    struct frame_request *frame;
    struct broker *broker;
    struct broker_loop *home;               /* of the connection */
    struct kafka_header header;
    int16_t version;                        /* header.version */
    struct cursor body;                     /* stands behind the header; arrays come from arena */
    struct arena *arena;                    /* freed with the request */
    struct writer *reply;                   /* the response header is in it already */
    int64_t started_us;
    bool holds_next;                        /* a request that might overlap it waits */
    struct job turn;                        /* a large one begins in a turn of its own, */
    struct loop_task task;                  /* others as time is left */
    bool is_over;                           /* before it began: the client left, the server stops */
    enum err (*prepare)(struct kafka_request *rq);      /* kafka_prepare()'s own, beside the loop */
    void (*act)(struct kafka_request *rq);
    enum err prepared;
    struct wire_errors errors;              /* that the answer tells */
    void *context;                          /* the handler's own */
    void (*on_closed)(struct kafka_request *rq); /* the client went away while parked; may end it */
    void (*on_stop)(struct kafka_request *rq);   /* the server stops: parked requests end soon */
};

/* KAFKA_ENCODE(rq, heartbeat, &out): the answer, into rq->reply. Its errors are counted under
 * Kafka's names when the request ends. */
#define KAFKA_ENCODE(rq, name, out)                                                                \
    name##_response_encode((rq)->reply, (rq)->version, (out), &(rq)->errors)
/* The same for an answer that nobody gets. */
#define KAFKA_ENCODE_NONE(rq, name, out)                                                           \
    name##_response_errors((out), (rq)->version, &(rq)->errors)

/* Makes the metrics of every API. Thread: main, once. */
void kafka_request_init(void);

/* Sends what was encoded into rq->reply; rq is gone afterwards. Thread: rq->home. */
void kafka_reply(struct kafka_request *rq);
/* work() runs on a codec lane, alone with the request, its arena and its answer, then done() on
 * rq->home: for what names so much that its loop would be held. The lane must not look at
 * rq->frame->conn; rq->on_closed and rq->on_stop may come meanwhile, on the loop. Thread:
 * rq->home. */
void kafka_beside(struct kafka_request *rq, void (*work)(struct kafka_request *rq),
                  void (*done)(struct kafka_request *rq));
/* What a handler does first whose requests may be long: prepare() decodes and finds what is named,
 * touching the request and its arena alone; then act() has it, on rq->home. prepare() runs here, or
 * on a codec lane where the body is beyond LONG_BODY_BYTES.
 * Errors: prepare()'s, if it ran here; what fails beside the loop is refused as dispatch would.
 * Thread: rq->home. */
enum err kafka_prepare(struct kafka_request *rq, enum err (*prepare)(struct kafka_request *rq),
                       void (*act)(struct kafka_request *rq));
/* encode() writes the answer into rq->reply, here or, when it is a long one, beside the loop; then
 * it is sent. What the answer points to stays until then. Thread: rq->home. */
void kafka_reply_many(struct kafka_request *rq, bool is_long,
                      void (*encode)(struct kafka_request *rq));
/* More things than a loop looks through at once. */
enum { KAFKA_ENTRIES_HERE_MAX = 4000, KAFKA_ARENA_HERE_BYTES_MAX = 512 << 10 };
/* The same, told from what the request and the answer take up in the arena. */
static inline bool kafka_is_long(const struct kafka_request *rq)
{
    return rq->arena->used > KAFKA_ARENA_HERE_BYTES_MAX;
}
/* Ends it without an answer: Produce with acks=0. */
void kafka_reply_none(struct kafka_request *rq);
/* Closes the connection after the replies before this one. */
void kafka_abort(struct kafka_request *rq);

/* What the client is told to connect to. */
void kafka_advertised(const struct kafka_request *rq, struct net_address *ret);

/* Whose turn it is where clients take turns (base/fair.h): that of its connection. */
static inline uint64_t kafka_client(const struct kafka_request *rq)
{
    return (uint64_t)(uintptr_t)rq->frame->conn;
}

static inline struct store *rq_store(const struct kafka_request *rq)
{
    return rq->broker->store;
}

/* One handler for each row of kafka_api.def, each in broker/api/<name>.c.
 * Errors: of decoding only; then the handler did not keep the request. Thread: the connection's
 * loop. */
#define KAFKA(NAME, key, min, max, plane, handler) enum err handler(struct kafka_request *rq);
#include "protocol/schema/kafka_api.def"
#undef KAFKA

#endif
