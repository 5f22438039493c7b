/* CreateTopics. A name that comes twice in one request is refused once, as ControllerApis does.
 * What is wrong with a topic is looked for in Kafka's order: name, existence, configs, counts; so
 * when the counts are wrong the controller still has a look at the rest. */
#include "broker/assignment.h"
#include "broker/changes.h"
#include "broker/config_text.h"
#include "broker/mentions.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/create_topics.h"
#include "base/check.h"

/* What is wrong with a topic's counts; ERR_OK: nothing. */
struct fault {
    enum err err;
    const char *text;
};

struct create_topics {
    struct changes changes;
    struct fault *faults;       /* one an answer */
    struct mention *mentions;   /* one a topic of the request */
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

static void set_error(struct create_topics_response_topic *out, enum err err, const char *text)
{
    if (err == ERR_OK) return;
    out->error_code = err_kafka(err);
    out->error_message = bytes_str(text);
}

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    struct create_topics *m = CONTAINER_OF(ch, struct create_topics, changes);
    struct create_topics_response_topic *out = &m->out.topics[at];
    out->error_code = err_kafka(c->err);
    out->error_message = changes_text(ch, c);
    if (c->err == ERR_OK) set_error(out, m->faults[at].err, m->faults[at].text);
    if (out->error_code != 0 || c->topic == NULL) return;
    out->topic_id = c->topic->id;       /* of a trial too, as Kafka */
    out->num_partitions = c->topic->partition_count;
    out->replication_factor = 1;
    add_configs(ch, c->topic, out);
}

static void encode(struct kafka_request *rq)
{
    const struct create_topics *m = rq->context;
    KAFKA_ENCODE(rq, create_topics, &m->out);
}

static void finished(struct changes *ch)
{
    struct create_topics *m = CONTAINER_OF(ch, struct create_topics, changes);
    ch->rq->context = m;
    kafka_reply_many(ch->rq, m->out.topics_count > KAFKA_ENTRIES_HERE_MAX, encode);
}

static const char *multiple(struct arena *arena, int32_t partition)
{
    char *text = arena_printf(arena,
                              "Found multiple manual partition assignments for partition %d",
                              partition);
    return text != NULL ? text : err_text(ERR_INVALID_REPLICA_ASSIGNMENT);
}

/* A manual assignment must name each partition from 0 on once, and this node as its one replica.
 * Looked at as the controller does, up to the first fault. ret_partitions: how many.
 * Errors: ERR_INVALID_REQUEST; ERR_INVALID_REPLICA_ASSIGNMENT; ERR_TOO_LARGE - the arena is full.
 * Thread: the request's loop. */
static enum err check_assignment(struct kafka_request *rq,
                                 const struct create_topics_request_topic *in,
                                 const char **ret_text, int32_t *ret_partitions)
{
    struct arena *arena = rq->arena;
    *ret_text = "A manual partition assignment was specified, but replication factor was not set "
                "to -1.";
    if (in->replication_factor != -1) return ERR_INVALID_REQUEST;
    *ret_text = "A manual partition assignment was specified, but numPartitions was not set to -1.";
    if (in->num_partitions != -1) return ERR_INVALID_REQUEST;
    int32_t count = in->assignments_count;
    bool *seen = ARENA_ARRAY(arena, bool, (size_t)count);
    struct bytes *keys = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    struct mention *mentions;
    *ret_text = err_text(ERR_TOO_LARGE);
    if (seen == NULL || keys == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++)
        keys[i] = bytes_of(&in->assignments[i].partition_index, sizeof(int32_t));
    TRY(mentions_find(arena, keys, count, &mentions));
    for (int32_t i = 0, factor = 0; i < count; i++) {
        const struct create_topics_request_assignment *a = &in->assignments[i];
        *ret_text = mentions[i].first != i
                        ? multiple(arena, a->partition_index)
                        : assignment_fault(arena, a->broker_ids, a->broker_ids_count,
                                           rq->broker->options.node_id, factor);
        if (*ret_text != NULL) return ERR_INVALID_REPLICA_ASSIGNMENT;
        factor = a->broker_ids_count;
        if (a->partition_index >= 0 && a->partition_index < count) seen[a->partition_index] = true;
    }
    *ret_text = "partitions should be a consecutive 0-based integer sequence";
    for (int32_t i = 0; i < count; i++)
        if (!seen[i]) return ERR_INVALID_REPLICA_ASSIGNMENT;
    *ret_partitions = count;
    return ERR_OK;
}

static enum err check(struct kafka_request *rq, const struct create_topics_request_topic *in,
                      const char **ret_text, int32_t *ret_partitions)
{
    if (in->assignments_count > 0)
        return check_assignment(rq, in, ret_text, ret_partitions);
    int16_t factor = in->replication_factor;
    if (factor < 1 && factor != -1) {
        *ret_text = "Replication factor must be larger than 0, or -1 to use the default value.";
        return ERR_INVALID_REPLICATION_FACTOR;
    }
    if (in->num_partitions < 1 && in->num_partitions != -1) {
        *ret_text = "Number of partitions was set to an invalid non-positive value.";
        return ERR_INVALID_PARTITIONS;
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

/* Of a config that is given twice the last one counts.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err take_configs(struct create_topics *m,
                             const struct create_topics_request_topic *in, struct control *change)
{
    struct arena *arena = m->changes.rq->arena;
    struct config_change *configs =
        ARENA_ARRAY(arena, struct config_change, (size_t)in->configs_count);
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, (size_t)in->configs_count);
    if (configs == NULL || names == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < in->configs_count; i++) names[i] = in->configs[i].name;
    struct mention *mentions;
    TRY(mentions_find(arena, names, in->configs_count, &mentions));
    for (int32_t i = 0; i < in->configs_count; i++)
        configs[mentions[i].first] =
            (struct config_change){CONFIG_SET, in->configs[i].name, in->configs[i].value};
    for (int32_t i = 0; i < in->configs_count; i++)
        if (mentions[i].first == i) configs[change->config_count++] = configs[i];
    change->configs = configs;
    return ERR_OK;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err ask(struct create_topics *m, const struct create_topics_request_topic *in,
                    int32_t slot)
{
    struct fault *fault = &m->faults[slot];
    struct control change = {.kind = CONTROL_CREATE_TOPIC, .name = in->name,
                             .validate_only = m->in.validate_only};
    fault->err = check(m->changes.rq, in, &fault->text, &change.partitions);
    if (fault->err != ERR_OK) {
        change.partitions = 1;
        change.validate_only = true;
    }
    TRY(take_configs(m, in, &change));
    return changes_ask(&m->changes, slot, &change);
}

static void one_topic(struct changes *ch, int32_t at)
{
    struct create_topics *m = CONTAINER_OF(ch, struct create_topics, changes);
    const struct create_topics_request_topic *in = &m->in.topics[at];
    if (m->mentions[at].first != at) return;
    int32_t slot = m->out.topics_count++;
    struct create_topics_response_topic *out = &m->out.topics[slot];
    *out = CREATE_TOPICS_RESPONSE_TOPIC_INIT;
    out->name = in->name;
    m->faults[slot] = (struct fault){0};
    if (m->mentions[at].repeated)
        set_error(out, ERR_INVALID_REQUEST, "Duplicate topic name.");
    else if (bytes_equal_str(in->name, "__cluster_metadata"))
        set_error(out, ERR_INVALID_REQUEST,
                  "Creation of internal topic __cluster_metadata is prohibited.");
    else if (ask(m, in, slot) != ERR_OK)
        set_error(out, ERR_INVALID_REQUEST, err_text(ERR_TOO_LARGE));
}

enum err kafka_create_topics(struct kafka_request *rq)
{
    struct create_topics *m = ARENA_NEW(rq->arena, struct create_topics);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(create_topics_request_decode(&rq->body, rq->version, &m->in));
    int32_t count = m->in.topics_count;
    m->out = CREATE_TOPICS_RESPONSE_INIT;
    m->out.topics = ARENA_ARRAY(rq->arena, struct create_topics_response_topic, (size_t)count);
    m->faults = ARENA_ARRAY(rq->arena, struct fault, (size_t)count);
    struct bytes *names = ARENA_ARRAY(rq->arena, struct bytes, (size_t)count);
    if (m->out.topics == NULL || m->faults == NULL || names == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) names[i] = m->in.topics[i].name;
    TRY(mentions_find(rq->arena, names, count, &m->mentions));
    changes_begin(&m->changes, rq, answered, finished);
    changes_each(&m->changes, count, one_topic);
    return ERR_OK;
}
