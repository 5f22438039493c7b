/* Metadata: this one broker leads everything. A topic that does not exist is made first when both
 * the request and the broker allow it; the answer waits for that, so the client can use it at
 * once. What is asked for twice is answered once, and names are not looked at beside ids, as in
 * Kafka. */
#include "broker/changes.h"
#include "broker/mentions.h"
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/metadata.h"
#include "base/check.h"

enum { TOPICS_A_STEP = 256, TOPIC_IDS_SINCE = 12 };

struct metadata {
    struct changes creations;
    struct kafka_request *rq;
    struct metadata_request in;
    struct mention *mentions;           /* one a topic of the request */
    bool by_id;                         /* names count for nothing */
    bool failed;                        /* there was no memory for the whole answer */
    struct metadata_response out;
};

/* Of the one replica: the node. False: the arena is full. */
static bool add_partitions(struct kafka_request *rq, const struct topic *t,
                           struct metadata_response_topic *out)
{
    struct metadata_response_partition *list =
        ARENA_ARRAY(rq->arena, struct metadata_response_partition, (size_t)t->partition_count);
    if (list == NULL) return false;
    int32_t *node = &rq->broker->options.node_id;
    for (int32_t i = 0; i < t->partition_count; i++) {
        list[i] = METADATA_RESPONSE_PARTITION_INIT;
        list[i].partition_index = i;
        list[i].leader_id = *node;
        list[i].leader_epoch = LEADER_EPOCH;
        list[i].replica_nodes = list[i].isr_nodes = node;
        list[i].replica_nodes_count = list[i].isr_nodes_count = 1;
    }
    out->partitions = list;
    out->partitions_count = t->partition_count;
    return true;
}

static void fill(struct metadata *m, struct metadata_response_topic *out, const struct topic *t)
{
    out->error_code = 0;
    out->name = arena_copy(m->rq->arena, topic_name(t));
    out->topic_id = t->id;
    out->is_internal = t->internal;
    if (m->in.include_topic_authorized_operations)
        out->topic_authorized_operations = OPERATIONS_TOPIC;
    if (bytes_is_null(out->name) || !add_partitions(m->rq, t, out)) m->failed = true;
}

static void encode(struct kafka_request *rq)
{
    const struct metadata *m = rq->context;
    KAFKA_ENCODE(rq, metadata, &m->out);
}

static void finished(struct changes *ch)
{
    struct metadata *m = CONTAINER_OF(ch, struct metadata, creations);
    if (m->failed) kafka_abort(m->rq);
    else kafka_reply_many(m->rq, kafka_is_long(m->rq), encode);
}

static void created(struct changes *ch, int32_t at, struct control *c)
{
    struct metadata *m = CONTAINER_OF(ch, struct metadata, creations);
    CLEANUP(topic_unrefp) struct topic *t = c->topic ? topic_ref(c->topic) : NULL;
    if (t == NULL && c->err == ERR_TOPIC_ALREADY_EXISTS) t = store_topic(rq_store(m->rq), c->name);
    if (t != NULL) fill(m, &m->out.topics[at], t);
    else m->out.topics[at].error_code = err_kafka(c->err);
}

static void one_topic(struct changes *ch, int32_t place)
{
    struct metadata *m = CONTAINER_OF(ch, struct metadata, creations);
    const struct metadata_request_topic *asked = &m->in.topics[place];
    if (m->mentions[place].first != place) return;
    if (m->by_id && uuid_is_zero(&asked->topic_id)) return;
    struct store *s = rq_store(m->rq);
    int32_t at = m->out.topics_count++;
    struct metadata_response_topic *out = &m->out.topics[at];
    *out = METADATA_RESPONSE_TOPIC_INIT;
    /* An id decides: who asks by id leaves the name null or, as Java's admin client, empty. */
    bool by_id = !uuid_is_zero(&asked->topic_id);
    out->name = by_id ? BYTES_NULL : asked->name;
    out->topic_id = asked->topic_id;
    struct topic *t;
    enum err err = topic_find(s, out->name, &asked->topic_id, &t);
    if (err == ERR_OK) {
        fill(m, out, t);
        topic_unref(t);
        return;
    }
    /* What a client may do with a topic does not hang on its being there. */
    if (!by_id && m->in.include_topic_authorized_operations)
        out->topic_authorized_operations = OPERATIONS_TOPIC;
    if (!by_id && !topic_name_is_legal(asked->name)) err = ERR_INVALID_TOPIC_EXCEPTION;
    bool may_create = err == ERR_UNKNOWN_TOPIC_OR_PARTITION && m->in.allow_auto_topic_creation &&
                      m->rq->broker->options.auto_create_topics;
    out->error_code = err_kafka(err);
    struct control change = {.kind = CONTROL_CREATE_TOPIC, .name = asked->name, .partitions = -1};
    if (may_create && changes_ask(&m->creations, at, &change) != ERR_OK)
        out->error_code = err_kafka(ERR_LEADER_NOT_AVAILABLE);
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err named_topics(struct metadata *m)
{
    struct arena *arena = m->rq->arena;
    const struct metadata_request_topic *asked = m->in.topics;
    int32_t count = m->in.topics_count;
    struct bytes *keys = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    m->out.topics = ARENA_ARRAY(arena, struct metadata_response_topic, (size_t)count);
    if (keys == NULL || m->out.topics == NULL) return ERR_TOO_LARGE;
    bool by_id = false;
    for (int32_t i = 0; i < count; i++) by_id |= !uuid_is_zero(&asked[i].topic_id);
    for (int32_t i = 0; i < count; i++)
        keys[i] = by_id ? bytes_of(asked[i].topic_id.bytes, sizeof(struct uuid)) : asked[i].name;
    TRY(mentions_find(arena, keys, count, &m->mentions));
    m->by_id = by_id;
    return ERR_OK;
}

/* Versions 10 and 11 have ids in the request that Kafka does not serve yet. */
static bool is_refused(const struct metadata *m)
{
    if (m->rq->version >= TOPIC_IDS_SINCE) return false;
    for (int32_t i = 0; i < m->in.topics_count; i++)
        if (bytes_is_null(m->in.topics[i].name) || !uuid_is_zero(&m->in.topics[i].topic_id))
            return true;
    return false;
}

/* One error for all that was asked, and no broker.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err refuse(struct metadata *m)
{
    int32_t count = m->in.topics_count;
    m->out.topics = ARENA_ARRAY(m->rq->arena, struct metadata_response_topic, (size_t)count);
    if (m->out.topics == NULL) return ERR_TOO_LARGE;
    m->out.topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct bytes name = m->in.topics[i].name;
        m->out.topics[i] = METADATA_RESPONSE_TOPIC_INIT;
        m->out.topics[i].error_code = err_kafka(ERR_INVALID_REQUEST);
        m->out.topics[i].name = bytes_is_null(name) ? BYTES_LIT("") : name;
        m->out.topics[i].topic_id = m->in.topics[i].topic_id;
    }
    kafka_reply_many(m->rq, kafka_is_long(m->rq), encode);
    return ERR_OK;
}

/* Steps through the catalog by name, so that no lock is held for long.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err all_topics(struct metadata *m)
{
    struct topic *step[TOPICS_A_STEP];
    struct bytes after = BYTES_NULL;
    int32_t cap = 0, count;
    do {
        count = store_topics(rq_store(m->rq), after, TOPICS_A_STEP, step);
        if (m->out.topics_count + count > cap || m->out.topics == NULL) {
            cap = cap ? cap * 2 : TOPICS_A_STEP;
            struct metadata_response_topic *grown =
                ARENA_ARRAY(m->rq->arena, struct metadata_response_topic, (size_t)cap);
            if (grown != NULL)
                for (int32_t i = 0; i < m->out.topics_count; i++) grown[i] = m->out.topics[i];
            m->out.topics = grown;
        }
        for (int32_t i = 0; i < count; i++) {
            if (m->out.topics != NULL) {
                struct metadata_response_topic *out = &m->out.topics[m->out.topics_count++];
                *out = METADATA_RESPONSE_TOPIC_INIT;
                fill(m, out, step[i]);
                after = out->name;
            }
            topic_unref(step[i]);
        }
        if (m->out.topics == NULL || m->failed) return ERR_TOO_LARGE;
    } while (count == TOPICS_A_STEP);
    return ERR_OK;
}

static void list_all(struct kafka_request *rq)
{
    struct metadata *m = rq->context;
    m->failed = all_topics(m) != ERR_OK;
    if (!m->failed) encode(rq);
}

static void listed(struct kafka_request *rq)
{
    const struct metadata *m = rq->context;
    if (m->failed) kafka_abort(rq);
    else kafka_reply(rq);
}

/* Beside the loop, when there is much. */
static void answer_all(struct kafka_request *rq)
{
    struct catalog_totals totals;
    store_totals(rq_store(rq), &totals);
    if (totals.topics + totals.partitions > KAFKA_ENTRIES_HERE_MAX) {
        kafka_beside(rq, list_all, listed);
        return;
    }
    list_all(rq);
    listed(rq);
}

enum err kafka_metadata(struct kafka_request *rq)
{
    struct metadata *m = ARENA_NEW(rq->arena, struct metadata);
    struct metadata_response_broker *broker = ARENA_NEW(rq->arena, struct metadata_response_broker);
    struct net_address *advertised = ARENA_NEW(rq->arena, struct net_address);
    if (m == NULL || broker == NULL || advertised == NULL) return ERR_TOO_LARGE;
    TRY(metadata_request_decode(&rq->body, rq->version, &m->in));
    rq->context = m;
    m->rq = rq;
    m->out = METADATA_RESPONSE_INIT;
    if (is_refused(m)) return refuse(m);
    changes_begin(&m->creations, rq, created, finished);
    kafka_advertised(rq, advertised);
    *broker = METADATA_RESPONSE_BROKER_INIT;
    broker->node_id = rq->broker->options.node_id;
    broker->host = bytes_str(advertised->host);
    broker->port = advertised->port;
    m->out.brokers = broker;
    m->out.brokers_count = 1;
    m->out.cluster_id = store_cluster_id(rq_store(rq));
    m->out.controller_id = rq->broker->options.node_id;
    if (m->in.include_cluster_authorized_operations)
        m->out.cluster_authorized_operations = OPERATIONS_CLUSTER;
    bool all = m->in.topics_count < 0 || (rq->version == 0 && m->in.topics_count == 0);
    if (all) {
        answer_all(rq);
        return ERR_OK;
    }
    TRY(named_topics(m));
    changes_each(&m->creations, m->in.topics_count, one_topic);
    return ERR_OK;
}
