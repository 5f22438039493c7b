/* CreatePartitions: on a stream each new partition is a split of the widest open shard, so that the
 * hash range stays whole. */
#include "broker/assignment.h"
#include "broker/changes.h"
#include "broker/mentions.h"
#include "protocol/kafka/msg/create_partitions.h"
#include "base/check.h"

struct create_partitions {
    struct changes changes;
    struct create_partitions_request in;
    struct create_partitions_response out;
    struct mention *mentions;       /* one a topic of the request */
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
 * or the count comes first, and is the controller's to say. NULL: nothing. */
static const char *check_assignments(struct kafka_request *rq,
                                     const struct create_partitions_request_topic *in)
{
    if (in->assignments_count < 0) return NULL;
    CLEANUP(topic_unrefp) struct topic *t = store_topic(rq_store(rq), in->name);
    if (t == NULL || in->count <= t->partition_count) return NULL;
    int32_t more = in->count - t->partition_count;
    if (more != in->assignments_count) {
        char *text = arena_printf(rq->arena,
                                  "Attempted to add %d additional partition(s), but only %d "
                                  "assignment(s) were specified.",
                                  more, in->assignments_count);
        return text != NULL ? text : err_text(ERR_INVALID_REPLICA_ASSIGNMENT);
    }
    for (int32_t i = 0; i < in->assignments_count; i++) {
        const char *fault = assignment_fault(rq->arena, in->assignments[i].broker_ids,
                                             in->assignments[i].broker_ids_count,
                                             rq->broker->options.node_id, 1);
        if (fault != NULL) return fault;
    }
    return NULL;
}

static void one_topic(struct changes *ch, int32_t at)
{
    struct create_partitions *m = CONTAINER_OF(ch, struct create_partitions, changes);
    const struct create_partitions_request_topic *in = &m->in.topics[at];
    bool repeated = m->mentions[at].repeated;
    if (m->mentions[at].first != at) return;
    int32_t slot = m->out.results_count++;
    struct create_partitions_response_result *out = &m->out.results[slot];
    *out = CREATE_PARTITIONS_RESPONSE_RESULT_INIT;
    out->name = in->name;
    struct control change = {.kind = CONTROL_CREATE_PARTITIONS, .name = in->name,
                             .partitions = in->count, .validate_only = m->in.validate_only};
    const char *text = repeated ? "Duplicate topic in request."
                                : check_assignments(m->changes.rq, in);
    enum err err = repeated       ? ERR_INVALID_REQUEST
                   : text != NULL ? ERR_INVALID_REPLICA_ASSIGNMENT
                                  : changes_ask(&m->changes, slot, &change);
    if (err == ERR_OK) return;
    out->error_code = err_kafka(err);
    out->error_message = bytes_str(text != NULL ? text : err_text(err));
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
    TRY(mentions_find(rq->arena, names, count, &m->mentions));
    changes_begin(&m->changes, rq, answered, finished);
    changes_each(&m->changes, count, one_topic);
    return ERR_OK;
}
