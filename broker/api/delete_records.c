/* DeleteRecords: raises a partition's log start, durably. Of a partition that is named more than
 * once the last offset counts, and it is answered once, as in Kafka. */
#include "broker/changes.h"
#include "broker/mentions.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/delete_records.h"
#include "base/check.h"

struct delete_records {
    struct changes changes;
    struct delete_records_request in;
    struct delete_records_response out;
    struct partition_mention *asked;            /* all partitions, in the request's order */
    int64_t *offsets;                           /* by the first place in asked */
    struct delete_records_response_partition **rows;        /* likewise */
    int32_t count;
};

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    struct delete_records *m = CONTAINER_OF(ch, struct delete_records, changes);
    m->rows[at]->error_code = err_kafka(c->err);
    m->rows[at]->low_watermark = c->err == ERR_OK ? c->result : -1;
}

static void encode(struct kafka_request *rq)
{
    const struct delete_records *m = rq->context;
    KAFKA_ENCODE(rq, delete_records, &m->out);
}

static void finished(struct changes *ch)
{
    kafka_reply_many(ch->rq, kafka_is_long(ch->rq), encode);
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the one that has the request. */
static enum err gather(struct delete_records *m, struct arena *arena)
{
    size_t count = 0;
    for (int32_t i = 0; i < m->in.topics_count; i++)
        count += (size_t)m->in.topics[i].partitions_count;
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, (size_t)m->in.topics_count);
    m->asked = ARENA_ARRAY(arena, struct partition_mention, count);
    m->offsets = ARENA_ARRAY(arena, int64_t, count);
    m->rows = ARENA_ARRAY(arena, struct delete_records_response_partition *, count);
    if (names == NULL || m->asked == NULL || m->offsets == NULL || m->rows == NULL)
        return ERR_TOO_LARGE;
    for (int32_t i = 0; i < m->in.topics_count; i++) {
        names[i] = m->in.topics[i].name;
        for (int32_t p = 0; p < m->in.topics[i].partitions_count; p++, m->count++) {
            m->asked[m->count] = (struct partition_mention){
                .topic = i, .partition = m->in.topics[i].partitions[p].partition_index};
            m->offsets[m->count] = m->in.topics[i].partitions[p].offset;
        }
    }
    TRY(mentions_of_partitions(arena, names, m->in.topics_count, m->asked, m->count));
    for (int32_t i = 0; i < m->count; i++) m->offsets[m->asked[i].mention->first] = m->offsets[i];
    return ERR_OK;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the one that has the request. */
static enum err make_room(struct delete_records *m, struct arena *arena)
{
    struct answer_room room;
    TRY(answer_room_find(arena, m->asked, m->count, m->in.topics_count, &room));
    m->out = DELETE_RECORDS_RESPONSE_INIT;
    m->out.topics_count = room.topics;
    m->out.topics = ARENA_ARRAY(arena, struct delete_records_response_topic, (size_t)room.topics);
    if (m->out.topics == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < m->in.topics_count; i++) {
        if (room.partitions[i] == 0) continue;
        struct delete_records_response_topic *topic = &m->out.topics[room.places[i]];
        *topic = DELETE_RECORDS_RESPONSE_TOPIC_INIT;
        topic->name = m->in.topics[i].name;
        topic->partitions = ARENA_ARRAY(arena, struct delete_records_response_partition,
                                        (size_t)room.partitions[i]);
        if (topic->partitions == NULL) return ERR_TOO_LARGE;
    }
    for (int32_t i = 0; i < m->count; i++) {
        struct delete_records_response_topic *topic =
            &m->out.topics[room.places[m->asked[i].topic]];
        if (m->asked[i].mention->first == i)
            m->rows[i] = &topic->partitions[topic->partitions_count++];
    }
    return ERR_OK;
}

static void ask(struct changes *ch, int32_t at)
{
    struct delete_records *m = CONTAINER_OF(ch, struct delete_records, changes);
    if (m->asked[at].mention->first != at) return;
    struct delete_records_response_partition *out = m->rows[at];
    struct bytes name = m->in.topics[m->asked[at].topic].name;
    *out = DELETE_RECORDS_RESPONSE_PARTITION_INIT;
    out->partition_index = m->asked[at].partition;
    out->low_watermark = -1;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err err = topic_find(rq_store(m->changes.rq), name, NULL, &t);
    if (err == ERR_OK) err = topic_check_partition(t, out->partition_index, -1);
    if (err == ERR_OK && (t->config.cleanup & CLEANUP_DELETE) == 0) err = ERR_POLICY_VIOLATION;
    if (err == ERR_OK && m->offsets[at] < -1) err = ERR_OFFSET_OUT_OF_RANGE;
    struct control change = {.kind = CONTROL_DELETE_RECORDS, .name = name,
                             .partitions = out->partition_index, .offset = m->offsets[at]};
    if (err == ERR_OK) err = changes_ask(ch, at, &change);
    out->error_code = err_kafka(err);
}

static enum err prepare(struct kafka_request *rq)
{
    struct delete_records *m = rq->context;
    TRY(delete_records_request_decode(&rq->body, rq->version, &m->in));
    TRY(gather(m, rq->arena));
    return make_room(m, rq->arena);
}

static void begin(struct kafka_request *rq)
{
    struct delete_records *m = rq->context;
    changes_begin(&m->changes, rq, answered, finished);
    changes_each(&m->changes, m->count, ask);
}

enum err kafka_delete_records(struct kafka_request *rq)
{
    struct delete_records *m = ARENA_NEW(rq->arena, struct delete_records);
    if (m == NULL) return ERR_TOO_LARGE;
    m->count = 0;
    rq->context = m;
    return kafka_prepare(rq, prepare, begin);
}
