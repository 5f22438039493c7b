/* DeleteRecords: raises a partition's log start, durably. */
#include "broker/changes.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/delete_records.h"
#include "base/check.h"

struct delete_records {
    struct changes changes;
    struct delete_records_response out;
    struct delete_records_response_partition *partitions;   /* of all topics, one after the other */
};

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    struct delete_records *m = CONTAINER_OF(ch, struct delete_records, changes);
    m->partitions[at].error_code = err_kafka(c->err);
    m->partitions[at].low_watermark = c->err == ERR_OK ? c->result : -1;
}

static void finished(struct changes *ch)
{
    struct delete_records *m = CONTAINER_OF(ch, struct delete_records, changes);
    KAFKA_ENCODE(ch->rq, delete_records, &m->out);
    kafka_reply(ch->rq);
}

static void ask(struct delete_records *m, int32_t at,
                const struct delete_records_request_topic *topic,
                const struct delete_records_request_partition *in)
{
    struct delete_records_response_partition *out = &m->partitions[at];
    *out = DELETE_RECORDS_RESPONSE_PARTITION_INIT;
    out->partition_index = in->partition_index;
    out->low_watermark = -1;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err err = topic_find(rq_store(m->changes.rq), topic->name, NULL, &t);
    if (err == ERR_OK) err = topic_check_partition(t, in->partition_index, -1);
    if (err == ERR_OK && !t->config.cleanup_delete) err = ERR_POLICY_VIOLATION;
    if (err == ERR_OK && in->offset < -1) err = ERR_OFFSET_OUT_OF_RANGE;
    struct control change = {.kind = CONTROL_DELETE_RECORDS, .name = topic->name,
                             .partitions = in->partition_index, .offset = in->offset};
    if (err == ERR_OK) err = changes_ask(&m->changes, at, &change);
    out->error_code = err_kafka(err);
}

enum err kafka_delete_records(struct kafka_request *rq)
{
    struct delete_records_request in;
    TRY(delete_records_request_decode(&rq->body, rq->version, &in));
    int32_t count = 0, at = 0;
    for (int32_t i = 0; i < in.topics_count; i++) count += in.topics[i].partitions_count;
    struct delete_records *m = ARENA_NEW(rq->arena, struct delete_records);
    struct delete_records_response_topic *topics =
        ARENA_ARRAY(rq->arena, struct delete_records_response_topic, (size_t)in.topics_count);
    struct delete_records_response_partition *all =
        ARENA_ARRAY(rq->arena, struct delete_records_response_partition, (size_t)count);
    if (m == NULL || topics == NULL || all == NULL) return ERR_TOO_LARGE;
    m->partitions = all;
    m->out = DELETE_RECORDS_RESPONSE_INIT;
    m->out.topics = topics;
    m->out.topics_count = in.topics_count;
    changes_begin(&m->changes, rq, answered, finished);
    for (int32_t i = 0; i < in.topics_count; i++) {
        topics[i] = DELETE_RECORDS_RESPONSE_TOPIC_INIT;
        topics[i].name = in.topics[i].name;
        topics[i].partitions = &all[at];
        topics[i].partitions_count = in.topics[i].partitions_count;
        for (int32_t p = 0; p < in.topics[i].partitions_count; p++, at++)
            ask(m, at, &in.topics[i], &in.topics[i].partitions[p]);
    }
    changes_end(&m->changes);
    return ERR_OK;
}
