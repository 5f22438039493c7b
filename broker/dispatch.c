/* From a frame to its handler and back: header, table look-up, metrics.
 *
 * Failure modes: an unknown API or version, a header or a body that cannot be decoded - the
 * connection is closed, because nothing tells where the client's next thought begins; a request
 * that names more than one may, or whose arrays do not fit its arena - the same, with a warning. */
#include "broker/dispatch.h"

#include "base/clock.h"
#include "broker/answer_bytes.h"
#include "broker/refuse.h"
#include "broker/request.h"
#include "broker/turn.h"
#include "protocol/kafka/api.h"
#include "base/check.h"

#define KAFKA(NAME, key, min, max, plane, handler) [KAFKA_API_##NAME] = handler,
static enum err (*const handlers[KAFKA_API_COUNT])(struct kafka_request *rq) = {
#include "protocol/schema/kafka_api.def"
};
#undef KAFKA
enum { PRODUCE_KEY = 0 };

void broker_dispatch_init(void)
{
    broker_refuse_init();
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

static void begin(struct kafka_request *rq)
{
    enum err err = handlers[rq->header.api->index](rq);
    if (err != ERR_OK) broker_refuse(rq->frame, err, &rq->header, &rq->body);
}

static void begin_in_turn(struct job *job)
{
    struct kafka_request *rq = CONTAINER_OF(job, struct kafka_request, turn);
    if (rq->is_over) frame_abort(rq->frame);
    else begin(rq);
}

/* A server that stops stores what came, and begins nothing else: it might wait. */
static void begin_task(struct loop_task *task)
{
    struct kafka_request *rq = CONTAINER_OF(task, struct kafka_request, task);
    bool is_produce = rq->header.api->key == PRODUCE_KEY;
    if (rq->frame->conn == NULL || (rq->is_over && !is_produce)) frame_abort(rq->frame);
    else begin(rq);
}

enum start { AT_ONCE, AS_TIME_IS_LEFT, ALONE };

/* When the request begins: what is large in a turn of its own, others as this turn has time left. A
 * Produce's bytes are its records; what is small may ask for much. An answer that had to wait for
 * room has found it just now, and is begun before another one finds the same. */
static enum start start_of(struct broker *b, struct broker_loop *home, const struct kafka_api *api,
                           struct bytes body)
{
    if (api->key == PRODUCE_KEY) return AS_TIME_IS_LEFT;
    bool is_data = api->plane == KAFKA_PLANE_DATA, is_small = body.len <= SMALL_BODY_BYTES;
    if (is_data && body.len > LONG_BODY_BYTES) return ALONE;
    if (!is_data && !is_small && turn_is_full(home, body.len)) return ALONE;
    size_t answer = broker_answer_bytes(b->store, body);
    if (answer > ROOM_ANSWER_BYTES_MIN) return AT_ONCE;
    if (!is_data && is_small && turn_is_full(home, answer > body.len ? answer : body.len))
        return ALONE;
    return AS_TIME_IS_LEFT;
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
        broker_refuse(frame, err, &header, NULL);
        return;
    }
    c.elements_left = broker_names_max(door->broker, header.api);
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
        .task.begin = begin_task,
    };
    rq->task.client = kafka_client(rq);
    frame->context = rq;
    frame->on_closed = on_closed;
    frame->on_stop = on_stop;
    kafka_response_header_encode(rq->reply, &header);
    switch (start_of(rq->broker, rq->home, header.api, slab_bytes(frame->body))) {
    case AT_ONCE: begin(rq); break;
    case AS_TIME_IS_LEFT: (void)loop_task_begin(frame->loop, &rq->task); break;
    case ALONE: loop_defer_long(frame->loop, &rq->turn); break;
    }
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
