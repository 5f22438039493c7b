/* How a request ends: its answer, and what is counted of it. */
#include "broker/request.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/metrics.h"
#include "broker/refuse.h"
#include "broker/turn.h"
#include "protocol/kafka/api.h"
#include "storage/codecs.h"
#include "base/check.h"

static struct metric *latency[KAFKA_API_COUNT];

void kafka_request_init(void)
{
    for (int i = 0; i < KAFKA_API_COUNT; i++) {
        char labels[64];
        snprintf(labels, sizeof labels, "api=\"%s\"", kafka_apis[i].name);
        latency[i] = metric_get(METRIC_HISTOGRAM, "diglot_kafka_request_seconds",
                                "From the last byte of a request to its reply, waiting included",
                                labels);
    }
}

static const char *code_name(int16_t code)
{
    for (int err = ERR_OK + 1; err < ERR_COUNT; err++)
        if (err_kafka((enum err)err) == code) return err_kafka_name((enum err)err);
    return "UNKNOWN";
}

/* Of the whole answer at once: a look at the registry for each of a million partitions would hold
 * the loop. */
static void count_errors(const struct kafka_request *rq)
{
    for (uint32_t i = 0; i < rq->errors.used; i++) {
        char labels[96];
        snprintf(labels, sizeof labels, "api=\"%s\",error=\"%s\"", rq->header.api->name,
                 code_name(rq->errors.all[i].code));
        metric_add(metric_get(METRIC_COUNTER, "diglot_kafka_errors_total",
                              "Errors answered, one for each thing asked for that has one", labels),
                   rq->errors.all[i].count);
    }
}

static void count(const struct kafka_request *rq)
{
    loop_assert(rq->frame->loop);
    metric_observe_us(latency[rq->header.api->index], clock_mono_us() - rq->started_us);
    count_errors(rq);
}

void kafka_reply(struct kafka_request *rq)
{
    count(rq);
    frame_reply(rq->frame);
}

struct beside {
    struct codec_work codec;
    struct kafka_request *rq;
    void (*work)(struct kafka_request *rq);
    void (*done)(struct kafka_request *rq);
    size_t promised;                    /* of the loop's room for answers */
};

static enum codec_outcome beside_step(struct codec_work *w, struct codec_tools *tools)
{
    (void)tools;
    struct beside *b = CONTAINER_OF(w, struct beside, codec);
    b->work(b->rq);
    return CODEC_OVER;
}

static void beside_done(struct codec_work *w)
{
    struct beside *b = CONTAINER_OF(w, struct beside, codec);
    room_release(loop_room(b->rq->frame->loop), b->promised);
    b->done(b->rq);
}

void kafka_beside(struct kafka_request *rq, void (*work)(struct kafka_request *rq),
                  void (*done)(struct kafka_request *rq))
{
    loop_assert(rq->frame->loop);
    struct beside *b = ARENA_NEW(rq->arena, struct beside);
    if (b == NULL) {                    /* the arena is full: so the request fails soon */
        work(rq);
        done(rq);
        return;
    }
    /* Else all that come before the first answer is queued would be let in. */
    const struct frame_door *door = rq->frame->door;
    size_t promised = door->answer_bytes(door, slab_bytes(rq->frame->body));
    room_promise(loop_room(rq->frame->loop), promised);
    *b = (struct beside){
        .codec = {.client = kafka_client(rq), .lane = CODEC_QUICK, .step = beside_step,
                  .home = rq->frame->loop, .done = beside_done},
        .rq = rq, .work = work, .done = done, .promised = promised};
    store_codec(rq_store(rq), &b->codec);
}

static void prepare_beside(struct kafka_request *rq)
{
    rq->prepared = rq->prepare(rq);
}

/* Also of a client that has left: act() lets go of what prepare() took. */
static void prepared_beside(struct kafka_request *rq)
{
    if (rq->prepared == ERR_OK) rq->act(rq);
    else broker_refuse(rq->frame, rq->prepared, &rq->header, &rq->body);
}

enum err kafka_prepare(struct kafka_request *rq, enum err (*prepare)(struct kafka_request *rq),
                       void (*act)(struct kafka_request *rq))
{
    if (slab_bytes(rq->frame->body).len > LONG_BODY_BYTES) {
        rq->prepare = prepare;
        rq->act = act;
        kafka_beside(rq, prepare_beside, prepared_beside);
        return ERR_OK;
    }
    TRY(prepare(rq));
    act(rq);
    return ERR_OK;
}

void kafka_reply_many(struct kafka_request *rq, bool is_long,
                      void (*encode)(struct kafka_request *rq))
{
    if (is_long) {
        kafka_beside(rq, encode, kafka_reply);
        return;
    }
    encode(rq);
    kafka_reply(rq);
}

void kafka_reply_none(struct kafka_request *rq)
{
    count(rq);
    frame_reply_none(rq->frame);
}

void kafka_abort(struct kafka_request *rq)
{
    loop_assert(rq->frame->loop);
    count_errors(rq);
    frame_abort(rq->frame);
}

void kafka_advertised(const struct kafka_request *rq, struct net_address *ret)
{
    const struct broker_door *door = rq->frame->door->context;
    *ret = door->advertised;
    if (ret->host[0] == '\0' && rq->frame->conn != NULL) frame_local(rq->frame->conn, ret);
}
