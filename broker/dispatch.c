/* From a frame to its handler and back: header, table look-up, metrics.
 *
 * Failure modes: an unknown API or version, a header or a body that cannot be decoded - the
 * connection is closed, because nothing tells where the client's next thought begins; a request
 * that names more than one may, or whose arrays do not fit its arena - the same, with a warning. */
#include "broker/dispatch.h"

#include <stdatomic.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "broker/answer_bytes.h"
#include "broker/request.h"
#include "broker/turn.h"
#include "protocol/kafka/api.h"
#include "storage/store.h"
#include "base/check.h"

#define KAFKA(NAME, key, min, max, plane, handler) [KAFKA_API_##NAME] = handler,
static enum err (*const handlers[KAFKA_API_COUNT])(struct kafka_request *rq) = {
#include "protocol/schema/kafka_api.def"
};
#undef KAFKA
enum { PRODUCE_KEY = 0, WARN_INTERVAL_MS = 10000 };

static struct metric *undecodable;
static _Atomic int64_t warn_next_ms;

void broker_dispatch_init(void)
{
    undecodable =
        metric_get(METRIC_COUNTER, "diglot_kafka_undecodable_requests_total",
                   "Requests that ended in a closed connection because they could not be read",
                   NULL);
    kafka_request_init();
}

static struct kafka_request *request_of(const struct frame_request *frame)
{
    return frame->context;
}

static void on_closed(struct frame_request *frame)
{
    struct kafka_request *rq = request_of(frame);
    if (rq == NULL) return;
    rq->is_over = true;
    if (rq->on_closed != NULL) rq->on_closed(rq);
}

static void on_stop(struct frame_request *frame)
{
    struct kafka_request *rq = request_of(frame);
    rq->is_over = true;
    if (rq->on_stop != NULL) rq->on_stop(rq);
}

/* What a legal client may meet, so whoever looks after the server is told; the metric counts
 * all. names_max: 0 - it was memory that did not suffice. */
static void warn_too_large(const char *peer, const struct kafka_header *header, uint32_t names_max)
{
    int64_t now_ms = clock_mono_ms(), next_ms = atomic_load(&warn_next_ms);
    if (now_ms < next_ms ||
        !atomic_compare_exchange_strong(&warn_next_ms, &next_ms, now_ms + WARN_INTERVAL_MS))
        return;
    if (names_max > 0)
        log_warn("a request names more than one may, and its connection was closed: see "
                 "docs/compatibility.md",
                 {"api", LOG_S(header->api->name)}, {"names_max", LOG_I(names_max)},
                 {"peer", LOG_S(peer)}, {"client_id", LOG_B(header->client_id)});
    else
        log_warn("a request needs more memory than one may, or than there is, and its connection "
                 "was closed",
                 {"api", LOG_S(header->api->name)}, {"peer", LOG_S(peer)},
                 {"client_id", LOG_B(header->client_id)});
}

/* names_max: as above; of what failed otherwise it says nothing. */
static void refuse(struct frame_request *frame, enum err err, const struct kafka_header *header,
                   uint32_t names_max)
{
    struct net_address peer = {0};
    if (frame->conn) frame_peer(frame->conn, &peer);
    metric_add(undecodable, 1);
    if (err == ERR_TOO_LARGE && header->api != NULL) warn_too_large(peer.host, header, names_max);
    log_debug("request refused", {"peer", LOG_S(peer.host)}, {"err", LOG_S(err_name(err))},
              {"api", LOG_S(header->api ? header->api->name : "unknown")},
              {"version", LOG_I(header->version)});
    frame_abort(frame);
}

/* How many things a request names to name a partition: itself, and its topic, or that alone. They
 * may be all that there can be, each partition in a topic of its own. 0: groups, members and
 * configs have no such number. */
static int names_a_partition(enum kafka_api_index api)
{
    switch (api) {
    case KAFKA_API_METADATA:
    case KAFKA_API_DELETE_TOPICS: return 1;
    case KAFKA_API_PRODUCE:
    case KAFKA_API_FETCH:
    case KAFKA_API_LIST_OFFSETS:
    case KAFKA_API_OFFSET_COMMIT:
    case KAFKA_API_OFFSET_FETCH:
    case KAFKA_API_DELETE_RECORDS:
    case KAFKA_API_OFFSET_FOR_LEADER_EPOCH:
    case KAFKA_API_OFFSET_DELETE: return 2;
    default: return 0;
    }
}

uint32_t broker_dispatch_names_max(const struct broker *b, const struct kafka_api *api)
{
    int64_t max = b->options.request_elements_max;
    if (api->plane == KAFKA_PLANE_DATA) max *= 2;
    int64_t all = names_a_partition(api->index) * store_options(b->store)->partitions_max;
    if (all > max) max = all;
    return (uint32_t)max;
}

static void begin(struct kafka_request *rq)
{
    struct frame_request *frame = rq->frame;
    struct kafka_header header = rq->header;
    enum err err = handlers[header.api->index](rq);
    if (err == ERR_OK) return;
    bool out_of_names = rq->body.elements_left == 0;
    refuse(frame, err, &header,
           out_of_names ? broker_dispatch_names_max(rq->broker, header.api) : 0);
}

static void begin_in_turn(struct job *job)
{
    struct kafka_request *rq = CONTAINER_OF(job, struct kafka_request, turn);
    if (rq->is_over) frame_abort(rq->frame);
    else begin(rq);
}

/* Whether the request waits for a turn of its own. A Produce's bytes are its records; what is small
 * may ask for much. An answer that had to wait for room has found it just now, and is made before
 * another one finds the same. */
static bool is_long(struct broker *b, struct broker_loop *home, const struct kafka_api *api,
                    struct bytes body)
{
    if (api->key == PRODUCE_KEY) return false;
    if (api->plane == KAFKA_PLANE_DATA) return body.len > LONG_BODY_BYTES;
    size_t answer = body.len > SMALL_BODY_BYTES ? 0 : broker_answer_bytes(b->store, body);
    if (answer > ROOM_ANSWER_BYTES_MIN) return false;
    return turn_is_full(home, answer > body.len ? answer : body.len);
}

void broker_dispatch_frame(struct frame_request *frame)
{
    struct broker_door *door = frame->door->context;
    struct kafka_header header = {0};
    struct cursor c;
    cursor_init(&c, slab_bytes(frame->body), &frame->arena);
    struct kafka_request *rq = ARENA_NEW(&frame->arena, struct kafka_request);
    enum err err = rq ? kafka_header_decode(&c, &header) : ERR_TOO_LARGE;
    if (err != ERR_OK) {
        refuse(frame, err, &header, 0);
        return;
    }
    c.elements_left = broker_dispatch_names_max(door->broker, header.api);
    *rq = (struct kafka_request){
        .frame = frame,
        .broker = door->broker,
        .home = &door->broker->loops[loop_index(frame->loop)],
        .header = header,
        .version = header.version,
        .body = c,
        .arena = &frame->arena,
        .reply = &frame->reply,
        .started_us = clock_mono_us(),
        .turn.run = begin_in_turn,
    };
    frame->context = rq;
    frame->on_closed = on_closed;
    frame->on_stop = on_stop;
    kafka_response_header_encode(rq->reply, &header);
    if (is_long(rq->broker, rq->home, header.api, slab_bytes(frame->body)))
        loop_defer_long(frame->loop, &rq->turn);
    else
        begin(rq);
}

size_t broker_dispatch_answer_bytes(const struct frame_door *door, struct bytes body)
{
    const struct broker_door *d = door->context;
    return broker_answer_bytes(d->broker->store, body);
}

/* Produce may follow Produce: the mailboxes keep their order, once the first one has come so far.
 * Kafka itself runs one request at a time per connection, and everything else keeps to that. */
bool broker_dispatch_may_overlap(const struct frame_request *last, struct bytes next)
{
    const struct kafka_request *rq = last->context;
    if (rq != NULL && rq->holds_next) return false;
    return last->body->len >= 2 && load_be16(last->body->data) == PRODUCE_KEY && next.len >= 2 &&
           load_be16(next.data) == PRODUCE_KEY;
}
