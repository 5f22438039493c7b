/* ListOffsets: the first, the last, or the one of a time. Every partition is a seek of its own; a
 * bound of a log in memory is known at once, all else is looked up by a reader thread, or not any
 * more when the client has gone.
 *
 * There are no tiers: earliest local is earliest, latest tiered and earliest pending upload do not
 * exist (-1 with no error), as Kafka answers without remote storage. */
#include "broker/mentions.h"
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/list_offsets.h"
#include "base/check.h"

enum {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX_TIMESTAMP = -3,            /* 7+ */
    TIME_EARLIEST_LOCAL = -4,           /* 8+ */
    TIME_LATEST_TIERED = -5,            /* 9+ */
    TIME_EARLIEST_PENDING_UPLOAD = -6,  /* 11+ */
};

struct list_offsets {
    struct kafka_request *rq;
    struct list_offsets_response out;
    int8_t isolation_level;
    int32_t pending;
    struct offset_seek *seeks;      /* all that were handed over */
};

struct offset_seek {
    struct log_seek seek;
    struct list_offsets *owner;
    struct list_offsets_response_partition *out;
    int64_t asked;
    struct offset_seek *next;
};

static void finish(struct list_offsets *m)
{
    if (--m->pending > 0) return;
    KAFKA_ENCODE(m->rq, list_offsets, &m->out);
    kafka_reply(m->rq);
}

/* The first version that knows a sentinel; a time is known to all. */
static int16_t version_of(int64_t time)
{
    switch (time) {
    case TIME_MAX_TIMESTAMP: return 7;
    case TIME_EARLIEST_LOCAL: return 8;
    case TIME_LATEST_TIERED: return 9;
    case TIME_EARLIEST_PENDING_UPLOAD: return 11;
    default: return time < TIME_EARLIEST_PENDING_UPLOAD ? INT16_MAX : 0;
    }
}

static void answer(const struct offset_seek *s)
{
    struct list_offsets_response_partition *out = s->out;
    if (s->owner->rq->version >= 4) out->leader_epoch = LEADER_EPOCH;    /* unknown before */
    switch (s->asked) {
    case TIME_LATEST:
        out->offset = s->owner->isolation_level == 1 ? s->seek.bounds.last_stable
                                                     : s->seek.bounds.high_watermark;
        break;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL: out->offset = s->seek.bounds.log_start; break;
    default:
        out->offset = s->seek.offset;
        out->timestamp = s->seek.timestamp_ms;
    }
}

static void done(struct log_seek *q)
{
    struct offset_seek *s = CONTAINER_OF(q, struct offset_seek, seek);
    if (q->err == ERR_OK) answer(s);
    else if (q->err != ERR_NOT_FOUND)   /* nothing of that time: offset -1 and no error */
        s->out->error_code = err_kafka(q->err == ERR_CLOSED ? ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                            : q->err);
    topic_unref(q->topic);
    finish(s->owner);
}

static void on_closed(struct kafka_request *rq)
{
    struct list_offsets *m = rq->context;
    for (struct offset_seek *s = m->seeks; s != NULL; s = s->next)
        atomic_store(&s->seek.work.abandoned, true);
}

static enum err ask(struct list_offsets *m, struct bytes name,
                    const struct list_offsets_request_partition *in,
                    struct list_offsets_response_partition *out)
{
    if (m->rq->version < version_of(in->timestamp)) return ERR_UNSUPPORTED_VERSION;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    TRY(topic_find(rq_store(m->rq), name, NULL, &t));
    TRY(topic_check_partition(t, in->partition_index, in->current_leader_epoch));
    if (in->timestamp == TIME_LATEST_TIERED || in->timestamp == TIME_EARLIEST_PENDING_UPLOAD)
        return ERR_OK;
    struct offset_seek *s = ARENA_NEW(m->rq->arena, struct offset_seek);
    if (s == NULL) return ERR_UNKNOWN_SERVER_ERROR;
    bool bound = in->timestamp == TIME_LATEST || in->timestamp == TIME_EARLIEST ||
                 in->timestamp == TIME_EARLIEST_LOCAL;
    *s = (struct offset_seek){
        .owner = m,
        .out = out,
        .asked = in->timestamp,
        .seek = {.work.client = kafka_client(m->rq),
                 .partition = in->partition_index,
                 .kind = bound                                 ? LOG_SEEK_BOUNDS
                         : in->timestamp == TIME_MAX_TIMESTAMP ? LOG_SEEK_MAX_TIMESTAMP
                                                               : LOG_SEEK_TIMESTAMP,
                 .time_ms = in->timestamp,
                 .home = m->rq->frame->loop,
                 .done = done},
    };
    if (bound && plog_bounds(t->partitions[in->partition_index].log, &s->seek.bounds) == ERR_OK) {
        answer(s);
        return ERR_OK;
    }
    s->seek.topic = TAKE(t);
    s->next = m->seeks;
    m->seeks = s;
    m->pending++;
    store_seek(rq_store(m->rq), &s->seek);
    return ERR_OK;
}

/* All partitions of the request, in its order. */
struct asked {
    struct partition_mention *all;
    int32_t count;
};

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err gather(struct arena *arena, const struct list_offsets_request *in,
                       struct asked *ret)
{
    size_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++) count += (size_t)in->topics[i].partitions_count;
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, (size_t)in->topics_count);
    ret->all = ARENA_ARRAY(arena, struct partition_mention, count);
    if (names == NULL || ret->all == NULL) return ERR_TOO_LARGE;
    ret->count = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        names[i] = in->topics[i].name;
        for (int32_t p = 0; p < in->topics[i].partitions_count; p++)
            ret->all[ret->count++] = (struct partition_mention){
                .topic = i, .partition = in->topics[i].partitions[p].partition_index};
    }
    return mentions_of_partitions(arena, names, in->topics_count, ret->all, ret->count);
}

/* Room for the answer: a topic once, however many entries name it.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err make_room(struct list_offsets *m, const struct list_offsets_request *in,
                          const struct asked *asked, struct answer_room *ret)
{
    struct arena *arena = m->rq->arena;
    TRY(answer_room_find(arena, asked->all, asked->count, in->topics_count, ret));
    m->out.topics_count = ret->topics;
    m->out.topics =
        ARENA_ARRAY(arena, struct list_offsets_response_topic, (size_t)ret->topics);
    if (m->out.topics == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < in->topics_count; i++) {
        if (ret->partitions[i] == 0) continue;
        struct list_offsets_response_topic *topic = &m->out.topics[ret->places[i]];
        *topic = LIST_OFFSETS_RESPONSE_TOPIC_INIT;
        topic->name = in->topics[i].name;
        topic->partitions = ARENA_ARRAY(arena, struct list_offsets_response_partition,
                                        (size_t)ret->partitions[i]);
        if (topic->partitions == NULL) return ERR_TOO_LARGE;
    }
    return ERR_OK;
}

/* A partition that the request names twice is refused, once (ListOffsetsRequest.
 * duplicatePartitions). */
static void one_partition(struct list_offsets *m, const struct partition_mention *asked,
                          const struct list_offsets_request_partition *in,
                          struct list_offsets_response_topic *topic)
{
    struct list_offsets_response_partition *out = &topic->partitions[topic->partitions_count++];
    *out = LIST_OFFSETS_RESPONSE_PARTITION_INIT;
    out->partition_index = in->partition_index;
    enum err err = asked->mention->repeated ? ERR_INVALID_REQUEST : ask(m, topic->name, in, out);
    if (err != ERR_OK) out->error_code = err_kafka(err);
}

enum err kafka_list_offsets(struct kafka_request *rq)
{
    struct list_offsets_request in;
    TRY(list_offsets_request_decode(&rq->body, rq->version, &in));
    struct list_offsets *m = ARENA_NEW(rq->arena, struct list_offsets);
    if (m == NULL) return ERR_TOO_LARGE;
    *m = (struct list_offsets){
        .rq = rq, .out = LIST_OFFSETS_RESPONSE_INIT, .isolation_level = in.isolation_level,
        .pending = 1};
    struct asked asked;
    struct answer_room room;
    TRY(gather(rq->arena, &in, &asked));
    TRY(make_room(m, &in, &asked, &room));
    rq->context = m;
    rq->on_closed = on_closed;
    int32_t at = 0;
    for (int32_t i = 0; i < in.topics_count; i++)
        for (int32_t p = 0; p < in.topics[i].partitions_count; p++, at++)
            if (asked.all[at].mention->first == at)
                one_partition(m, &asked.all[at], &in.topics[i].partitions[p],
                              &m->out.topics[room.places[asked.all[at].topic]]);
    finish(m);
    return ERR_OK;
}
