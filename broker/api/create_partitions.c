/* CreatePartitions: on a stream each new partition is a split of the widest open shard, so that the
 * hash range stays whole. */
#include "broker/changes.h"
#include "broker/mentions.h"
#include "protocol/kafka/msg/create_partitions.h"
#include "base/check.h"

struct create_partitions {
    struct changes changes;
    struct create_partitions_request in;
    struct create_partitions_response out;
};

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    struct create_partitions *m = CONTAINER_OF(ch, struct create_partitions, changes);
    m->out.results[at].error_code = err_kafka(c->err);
    m->out.results[at].error_message = changes_text(ch, c);
}

static void finished(struct changes *ch)
{
    struct create_partitions *m = CONTAINER_OF(ch, struct create_partitions, changes);
    KAFKA_ENCODE(ch->rq, create_partitions, &m->out);
    kafka_reply(ch->rq);
}

/* A given assignment must put each new partition on this one broker. What is wrong with the topic
 * or the count comes first, and is the controller's to say. */
static enum err check_assignments(struct kafka_request *rq,
                                  const struct create_partitions_request_topic *in)
{
    if (in->assignments_count < 0) return ERR_OK;
    CLEANUP(topic_unrefp) struct topic *t = store_topic(rq_store(rq), in->name);
    if (t == NULL || in->count <= t->partition_count) return ERR_OK;
    if (in->count - t->partition_count != in->assignments_count)
        return ERR_INVALID_REPLICA_ASSIGNMENT;
    for (int32_t i = 0; i < in->assignments_count; i++)
        if (in->assignments[i].broker_ids_count != 1 ||
            in->assignments[i].broker_ids[0] != rq->broker->options.node_id)
            return ERR_INVALID_REPLICA_ASSIGNMENT;
    return ERR_OK;
}

static void one_topic(struct create_partitions *m,
                      const struct create_partitions_request_topic *in, bool repeated)
{
    int32_t slot = m->out.results_count++;
    struct create_partitions_response_result *out = &m->out.results[slot];
    *out = CREATE_PARTITIONS_RESPONSE_RESULT_INIT;
    out->name = in->name;
    struct control change = {.kind = CONTROL_CREATE_PARTITIONS, .name = in->name,
                             .partitions = in->count, .validate_only = m->in.validate_only};
    enum err err = repeated ? ERR_INVALID_REQUEST : check_assignments(m->changes.rq, in);
    if (err == ERR_OK) err = changes_ask(&m->changes, slot, &change);
    if (err == ERR_OK) return;
    out->error_code = err_kafka(err);
    out->error_message =
        bytes_str(err == ERR_INVALID_REQUEST ? "Duplicate topic in request." : err_text(err));
}

enum err kafka_create_partitions(struct kafka_request *rq)
{
    struct create_partitions *m = ARENA_NEW(rq->arena, struct create_partitions);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(create_partitions_request_decode(&rq->body, rq->version, &m->in));
    int32_t count = m->in.topics_count;
    m->out = CREATE_PARTITIONS_RESPONSE_INIT;
    m->out.results =
        ARENA_ARRAY(rq->arena, struct create_partitions_response_result, (size_t)count);
    struct bytes *names = ARENA_ARRAY(rq->arena, struct bytes, (size_t)count);
    if (m->out.results == NULL || names == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) names[i] = m->in.topics[i].name;
    struct mention *mentions;
    TRY(mentions_find(rq->arena, names, count, &mentions));
    changes_begin(&m->changes, rq, answered, finished);
    for (int32_t i = 0; i < count; i++)
        if (mentions[i].first == i) one_topic(m, &m->in.topics[i], mentions[i].repeated);
    changes_end(&m->changes);
    return ERR_OK;
}
