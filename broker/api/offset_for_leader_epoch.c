/* OffsetForLeaderEpoch: where an epoch ended. There is one epoch, so its end is the end of the log;
 * one before it, if such a thing is asked for, ended where the log starts. */
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/offset_for_leader_epoch.h"
#include "base/check.h"

struct epoch_seek;

struct epochs {
    struct kafka_request *rq;
    struct offset_for_leader_epoch_request in;
    struct offset_for_leader_epoch_response out;
    struct epoch_seek *seeks;       /* to be asked */
    int32_t pending;
};

struct epoch_seek {
    struct log_seek seek;
    struct epochs *owner;
    struct epoch_seek *next;
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

/* A log that is not open is asked when everything has been looked up.
 * Errors: of the partition. Thread: the one that has the request. */
static enum err look_up(struct epochs *m, struct bytes name,
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
        .next = m->seeks,
        .epoch = in->leader_epoch,
        .out = out,
        .seek = {.topic = TAKE(t), .partition = in->partition,
                 .kind = LOG_SEEK_BOUNDS, .home = m->rq->frame->loop, .done = done},
    };
    m->seeks = s;
    return ERR_OK;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the one that has the request. */
static enum err look_up_all(struct epochs *m)
{
    struct arena *arena = m->rq->arena;
    m->out.topics = ARENA_ARRAY(arena, struct offset_for_leader_epoch_response_topic,
                                (size_t)m->in.topics_count);
    if (m->out.topics == NULL) return ERR_TOO_LARGE;
    m->out.topics_count = m->in.topics_count;
    for (int32_t i = 0; i < m->in.topics_count; i++) {
        const struct offset_for_leader_epoch_request_topic *in = &m->in.topics[i];
        struct offset_for_leader_epoch_response_topic *out = &m->out.topics[i];
        *out = OFFSET_FOR_LEADER_EPOCH_RESPONSE_TOPIC_INIT;
        out->topic = in->topic;
        out->partitions_count = in->partitions_count;
        out->partitions = ARENA_ARRAY(arena, struct offset_for_leader_epoch_response_partition,
                                      (size_t)in->partitions_count);
        if (out->partitions == NULL) return ERR_TOO_LARGE;
        for (int32_t p = 0; p < in->partitions_count; p++) {
            out->partitions[p] = OFFSET_FOR_LEADER_EPOCH_RESPONSE_PARTITION_INIT;
            out->partitions[p].partition = in->partitions[p].partition;
            enum err err = look_up(m, in->topic, &in->partitions[p], &out->partitions[p]);
            out->partitions[p].error_code = err_kafka(err);
        }
    }
    return ERR_OK;
}

static enum err prepare(struct kafka_request *rq)
{
    struct epochs *m = rq->context;
    TRY(offset_for_leader_epoch_request_decode(&rq->body, rq->version, &m->in));
    enum err err = look_up_all(m);
    if (err == ERR_OK) return ERR_OK;
    for (; m->seeks != NULL; m->seeks = m->seeks->next) topic_unref(m->seeks->seek.topic);
    return err;
}

static void begin(struct kafka_request *rq)
{
    struct epochs *m = rq->context;
    m->pending = 1;
    for (struct epoch_seek *s = m->seeks, *next; s != NULL; s = next) {
        next = s->next;
        m->pending++;
        s->seek.work.client = kafka_client(rq);
        store_seek(rq_store(rq), &s->seek);
    }
    finish(m);
}

enum err kafka_offset_for_leader_epoch(struct kafka_request *rq)
{
    struct epochs *m = ARENA_NEW(rq->arena, struct epochs);
    if (m == NULL) return ERR_TOO_LARGE;
    *m = (struct epochs){.rq = rq, .out = OFFSET_FOR_LEADER_EPOCH_RESPONSE_INIT};
    rq->context = m;
    return kafka_prepare(rq, prepare, begin);
}
