/* CreatePartitions: on a stream each new partition is a split of the widest open shard, so that the
 * hash range stays whole. */
#include "broker/changes.h"
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
    create_partitions_response_encode(ch->rq->reply, ch->rq->version, &m->out);
    kafka_reply(ch->rq);
}

static bool is_repeated(const struct create_partitions_request *in, int32_t at)
{
    for (int32_t i = 0; i < in->topics_count; i++)
        if (i != at && bytes_equal(in->topics[i].name, in->topics[at].name)) return true;
    return false;
}

/* A given assignment must put each new partition on this one broker. */
static enum err check_assignments(struct kafka_request *rq,
                                  const struct create_partitions_request_topic *in)
{
    for (int32_t i = 0; i < in->assignments_count; i++)
        if (in->assignments[i].broker_ids_count != 1 ||
            in->assignments[i].broker_ids[0] != rq->broker->options.node_id)
            return ERR_INVALID_REPLICA_ASSIGNMENT;
    if (in->assignments_count <= 0) return ERR_OK;
    CLEANUP(topic_unrefp) struct topic *t = store_topic(rq_store(rq), in->name);
    bool fits = t == NULL || in->count - t->partition_count == in->assignments_count;
    return fits ? ERR_OK : ERR_INVALID_REPLICA_ASSIGNMENT;
}

enum err kafka_create_partitions(struct kafka_request *rq)
{
    struct create_partitions *m = ARENA_NEW(rq->arena, struct create_partitions);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(create_partitions_request_decode(&rq->body, rq->version, &m->in));
    m->out = CREATE_PARTITIONS_RESPONSE_INIT;
    m->out.results = ARENA_ARRAY(rq->arena, struct create_partitions_response_result,
                                 (size_t)m->in.topics_count);
    if (m->out.results == NULL) return ERR_TOO_LARGE;
    m->out.results_count = m->in.topics_count;
    changes_begin(&m->changes, rq, answered, finished);
    for (int32_t i = 0; i < m->in.topics_count; i++) {
        const struct create_partitions_request_topic *in = &m->in.topics[i];
        struct create_partitions_response_result *out = &m->out.results[i];
        *out = CREATE_PARTITIONS_RESPONSE_RESULT_INIT;
        out->name = in->name;
        struct control change = {.kind = CONTROL_CREATE_PARTITIONS, .name = in->name,
                                 .partitions = in->count, .validate_only = m->in.validate_only};
        enum err err = is_repeated(&m->in, i) ? ERR_INVALID_REQUEST : check_assignments(rq, in);
        if (err == ERR_OK) err = changes_ask(&m->changes, i, &change);
        if (err == ERR_OK) continue;
        out->error_code = err_kafka(err);
        out->error_message = bytes_str(err == ERR_INVALID_REQUEST ? "Duplicate topic in request."
                                                                  : err_text(err));
    }
    changes_end(&m->changes);
    return ERR_OK;
}
