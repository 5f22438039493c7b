/* OffsetForLeaderEpoch: where an epoch ended. There is one epoch, so its end is the end of the log;
 * one before it, if such a thing is asked for, ended where the log starts. */
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/offset_for_leader_epoch.h"
#include "base/check.h"

struct epochs {
    struct kafka_request *rq;
    struct offset_for_leader_epoch_response out;
    int32_t pending;
};

struct epoch_seek {
    struct log_seek seek;
    struct epochs *owner;
    int32_t epoch;
    struct offset_for_leader_epoch_response_partition *out;
};

static void encode(struct kafka_request *rq)
{
    const struct epochs *m = rq->context;
    KAFKA_ENCODE(rq, offset_for_leader_epoch, &m->out);
}

static void finish(struct epochs *m)
{
    if (--m->pending == 0) kafka_reply_many(m->rq, kafka_is_long(m->rq), encode);
}

static void tell(int32_t epoch, const struct log_bounds *bounds,
                 struct offset_for_leader_epoch_response_partition *out)
{
    out->leader_epoch = epoch;
    out->end_offset = epoch < LEADER_EPOCH ? bounds->log_start : bounds->high_watermark;
}

static void done(struct log_seek *q)
{
    struct epoch_seek *mine = CONTAINER_OF(q, struct epoch_seek, seek);
    mine->out->error_code = err_kafka(q->err);
    if (q->err == ERR_OK) tell(mine->epoch, &q->bounds, mine->out);
    topic_unref(q->topic);
    finish(mine->owner);
}

static enum err ask(struct epochs *m, struct bytes name,
                    const struct offset_for_leader_epoch_request_partition *in,
                    struct offset_for_leader_epoch_response_partition *out)
{
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    TRY(topic_find(rq_store(m->rq), name, NULL, &t));
    TRY(topic_check_partition(t, in->partition, in->current_leader_epoch));
    enum { NO_EPOCH = -1 };
    if (in->leader_epoch > LEADER_EPOCH || in->leader_epoch == NO_EPOCH)
        return ERR_OK;      /* never was: epoch -1, offset -1 */
    struct log_bounds bounds;
    if (plog_bounds(t->partitions[in->partition].log, &bounds) == ERR_OK) {
        tell(in->leader_epoch, &bounds, out);
        return ERR_OK;
    }
    struct epoch_seek *s = ARENA_NEW(m->rq->arena, struct epoch_seek);
    if (s == NULL) return ERR_UNKNOWN_SERVER_ERROR;
    *s = (struct epoch_seek){
        .owner = m,
        .epoch = in->leader_epoch,
        .out = out,
        .seek = {.work.client = kafka_client(m->rq), .topic = TAKE(t), .partition = in->partition,
                 .kind = LOG_SEEK_BOUNDS, .home = m->rq->frame->loop, .done = done},
    };
    m->pending++;
    store_seek(rq_store(m->rq), &s->seek);
    return ERR_OK;
}

/* The whole answer, before anything is asked.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err make_room(struct epochs *m, const struct offset_for_leader_epoch_request *in)
{
    struct arena *arena = m->rq->arena;
    m->out.topics = ARENA_ARRAY(arena, struct offset_for_leader_epoch_response_topic,
                                (size_t)in->topics_count);
    if (m->out.topics == NULL) return ERR_TOO_LARGE;
    m->out.topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct offset_for_leader_epoch_response_topic *topic = &m->out.topics[i];
        int32_t count = in->topics[i].partitions_count;
        *topic = OFFSET_FOR_LEADER_EPOCH_RESPONSE_TOPIC_INIT;
        topic->topic = in->topics[i].topic;
        topic->partitions = ARENA_ARRAY(
            arena, struct offset_for_leader_epoch_response_partition, (size_t)count);
        if (topic->partitions == NULL) return ERR_TOO_LARGE;
        topic->partitions_count = count;
    }
    return ERR_OK;
}

enum err kafka_offset_for_leader_epoch(struct kafka_request *rq)
{
    struct offset_for_leader_epoch_request in;
    TRY(offset_for_leader_epoch_request_decode(&rq->body, rq->version, &in));
    struct epochs *m = ARENA_NEW(rq->arena, struct epochs);
    if (m == NULL) return ERR_TOO_LARGE;
    *m = (struct epochs){.rq = rq, .out = OFFSET_FOR_LEADER_EPOCH_RESPONSE_INIT, .pending = 1};
    rq->context = m;
    TRY(make_room(m, &in));
    for (int32_t i = 0; i < in.topics_count; i++) {
        const struct offset_for_leader_epoch_request_topic *topic = &in.topics[i];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct offset_for_leader_epoch_response_partition *out =
                &m->out.topics[i].partitions[p];
            *out = OFFSET_FOR_LEADER_EPOCH_RESPONSE_PARTITION_INIT;
            out->partition = topic->partitions[p].partition;
            enum err err = ask(m, topic->topic, &topic->partitions[p], out);
            if (err != ERR_OK) out->error_code = err_kafka(err);
        }
    }
    finish(m);
    return ERR_OK;
}
