/* CreateTopics. Duplicates inside one request are refused by name, as ControllerApis does. */
#include <inttypes.h>
#include "broker/changes.h"
#include "broker/config_text.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/create_topics.h"
#include "base/check.h"

struct create_topics {
    struct changes changes;
    struct create_topics_request in;
    struct create_topics_response out;
};

static void add_configs(struct changes *ch, const struct topic *t,
                        struct create_topics_response_topic *out)
{
    int32_t count = topic_config_spec_count();
    struct create_topics_response_config *list =
        ARENA_ARRAY(ch->rq->arena, struct create_topics_response_config, (size_t)count);
    if (list == NULL) return;
    for (int32_t i = 0; i < count; i++) {
        struct config_text text = config_text_of_topic(ch->rq->arena, t, topic_config_spec(i));
        list[i] = CREATE_TOPICS_RESPONSE_CONFIG_INIT;
        list[i].name = bytes_str(topic_config_spec(i)->name);
        list[i].value = text.value;
        list[i].config_source = (int8_t)text.source;
    }
    out->configs = list;
    out->configs_count = count;
}

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    struct create_topics *m = CONTAINER_OF(ch, struct create_topics, changes);
    struct create_topics_response_topic *out = &m->out.topics[at];
    out->error_code = err_kafka(c->err);
    out->error_message = changes_text(ch, c);
    if (c->err != ERR_OK || c->topic == NULL) return;
    if (!m->in.validate_only) out->topic_id = c->topic->id;
    out->num_partitions = c->topic->partition_count;
    out->replication_factor = 1;
    add_configs(ch, c->topic, out);
}

static void finished(struct changes *ch)
{
    struct create_topics *m = CONTAINER_OF(ch, struct create_topics, changes);
    create_topics_response_encode(ch->rq->reply, ch->rq->version, &m->out);
    kafka_reply(ch->rq);
}

/* A manual assignment must name each partition from 0 on once, and this node as its one replica.
 * ret_partitions: how many. Errors: ERR_INVALID_REQUEST; ERR_INVALID_REPLICA_ASSIGNMENT. */
static enum err check_assignment(const struct create_topics_request_topic *in, int32_t node,
                                 const char **ret_text, int32_t *ret_partitions)
{
    *ret_text = "A manual partition assignment was specified, but numPartitions or "
                "replicationFactor was not set to -1.";
    if (in->num_partitions != -1 || in->replication_factor != -1) return ERR_INVALID_REQUEST;
    int64_t seen = 0;
    *ret_text = "Partitions must be numbered from 0 without a gap, each with this one broker as "
                "its replica.";
    for (int32_t i = 0; i < in->assignments_count; i++) {
        const struct create_topics_request_assignment *a = &in->assignments[i];
        if (a->partition_index < 0 || a->partition_index >= in->assignments_count ||
            a->broker_ids_count != 1 || a->broker_ids[0] != node)
            return ERR_INVALID_REPLICA_ASSIGNMENT;
        seen += a->partition_index;
    }
    if (seen != (int64_t)in->assignments_count * (in->assignments_count - 1) / 2)
        return ERR_INVALID_REPLICA_ASSIGNMENT;
    *ret_partitions = in->assignments_count;
    return ERR_OK;
}

static enum err check(struct kafka_request *rq, const struct create_topics_request_topic *in,
                      const char **ret_text, int32_t *ret_partitions)
{
    if (in->assignments_count > 0)
        return check_assignment(in, rq->broker->options.node_id, ret_text, ret_partitions);
    if (in->num_partitions < 1 && in->num_partitions != -1) {
        *ret_text = "Number of partitions was set to an invalid non-positive value.";
        return ERR_INVALID_PARTITIONS;
    }
    int16_t factor = in->replication_factor;
    if (factor < 1 && factor != -1) {
        *ret_text = "Replication factor must be larger than 0, or -1 to use the default value.";
        return ERR_INVALID_REPLICATION_FACTOR;
    }
    if (factor > 1 && !rq->broker->options.accept_replication_factor) {
        *ret_text =
            arena_printf(rq->arena,
                         "Unable to replicate the partition %d time(s): The target replication "
                         "factor of %d cannot be reached because only 1 broker(s) are registered.",
                         factor, factor);
        return ERR_INVALID_REPLICATION_FACTOR;
    }
    *ret_partitions = in->num_partitions;
    return ERR_OK;
}

static bool is_repeated(const struct create_topics_request *in, int32_t at)
{
    for (int32_t i = 0; i < in->topics_count; i++)
        if (i != at && bytes_equal(in->topics[i].name, in->topics[at].name)) return true;
    return false;
}

static enum err ask(struct create_topics *m, int32_t at)
{
    const struct create_topics_request_topic *in = &m->in.topics[at];
    struct create_topics_response_topic *out = &m->out.topics[at];
    struct control change = {
        .kind = CONTROL_CREATE_TOPIC, .name = in->name, .validate_only = m->in.validate_only,
        .config_count = in->configs_count};
    const char *text = "Duplicate topic name.";
    enum err err = is_repeated(&m->in, at) ? ERR_INVALID_REQUEST
                                           : check(m->changes.rq, in, &text, &change.partitions);
    if (err != ERR_OK) {
        out->error_code = err_kafka(err);
        out->error_message = bytes_str(text);
        return ERR_OK;
    }
    struct config_change *configs =
        ARENA_ARRAY(m->changes.rq->arena, struct config_change, (size_t)in->configs_count);
    if (configs == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < in->configs_count; i++)
        configs[i] = (struct config_change){CONFIG_SET, in->configs[i].name, in->configs[i].value};
    change.configs = configs;
    return changes_ask(&m->changes, at, &change);
}

enum err kafka_create_topics(struct kafka_request *rq)
{
    struct create_topics *m = ARENA_NEW(rq->arena, struct create_topics);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(create_topics_request_decode(&rq->body, rq->version, &m->in));
    m->out = CREATE_TOPICS_RESPONSE_INIT;
    m->out.topics = ARENA_ARRAY(rq->arena, struct create_topics_response_topic,
                                (size_t)m->in.topics_count);
    if (m->out.topics == NULL) return ERR_TOO_LARGE;
    m->out.topics_count = m->in.topics_count;
    changes_begin(&m->changes, rq, answered, finished);
    for (int32_t i = 0; i < m->in.topics_count; i++) {
        m->out.topics[i] = CREATE_TOPICS_RESPONSE_TOPIC_INIT;
        m->out.topics[i].name = m->in.topics[i].name;
        if (ask(m, i) != ERR_OK) m->out.topics[i].error_code = err_kafka(ERR_INVALID_REQUEST);
    }
    changes_end(&m->changes);
    return ERR_OK;
}
