/* DeleteTopics. A topic that one request names twice, by name, by id or by both, is refused once
 * and stays, as ControllerApis does. */
#include "broker/changes.h"
#include "broker/mentions.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/delete_topics.h"
#include "base/check.h"

struct delete_topics {
    struct changes changes;
    struct delete_topics_request in;
    struct delete_topics_response out;
};

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    struct delete_topics *m = CONTAINER_OF(ch, struct delete_topics, changes);
    struct delete_topics_response_topic *out = &m->out.responses[at];
    out->error_code = err_kafka(c->err);
    out->error_message = changes_text(ch, c);
}

static void encode(struct kafka_request *rq)
{
    const struct delete_topics *m = rq->context;
    KAFKA_ENCODE(rq, delete_topics, &m->out);
}

static void finished(struct changes *ch)
{
    kafka_reply_many(ch->rq, kafka_is_long(ch->rq), encode);
}

/* Names became {name, id} pairs in version 6; before, a plain list. */
static enum err one_list(struct delete_topics *m, struct arena *arena)
{
    if (m->in.topics_count > 0 || m->in.topic_names_count <= 0) return ERR_OK;
    m->in.topics = ARENA_ARRAY(arena, struct delete_topics_request_topic,
                               (size_t)m->in.topic_names_count);
    if (m->in.topics == NULL) return ERR_TOO_LARGE;
    m->in.topics_count = m->in.topic_names_count;
    for (int32_t i = 0; i < m->in.topics_count; i++)
        m->in.topics[i] = (struct delete_topics_request_topic){.name = m->in.topic_names[i]};
    return ERR_OK;
}

static void set_error(struct delete_topics_response_topic *out, enum err err, const char *text)
{
    out->error_code = err_kafka(err);
    out->error_message = bytes_str(text);
}

/* NULL: names one topic in one way. */
static const char *what_is_wrong(const struct delete_topics_request_topic *in)
{
    bool has_id = !uuid_is_zero(&in->topic_id);
    if (!bytes_is_null(in->name) && has_id)
        return "You may not specify both topic name and topic id.";
    if (bytes_is_null(in->name) && !has_id) return "Neither topic name nor id were specified.";
    return NULL;
}

/* A name or an id as bytes; null where what_is_wrong(). Whoever sends an id's 16 bytes as a name
 * too is told that they are the same. */
static struct bytes key_of(const struct delete_topics_request_topic *in)
{
    if (what_is_wrong(in) != NULL) return BYTES_NULL;
    return bytes_is_null(in->name) ? bytes_of(in->topic_id.bytes, sizeof in->topic_id.bytes)
                                   : in->name;
}

/* One entry of the answer, before anything is deleted. */
static void look_up(struct kafka_request *rq, struct delete_topics *m,
                    const struct delete_topics_request_topic *in, bool repeated)
{
    struct delete_topics_response_topic *out = &m->out.responses[m->out.responses_count++];
    *out = DELETE_TOPICS_RESPONSE_TOPIC_INIT;
    out->name = in->name;
    out->topic_id = in->topic_id;
    const char *wrong = what_is_wrong(in);
    if (repeated) wrong = bytes_is_null(in->name) ? "Duplicate topic id." : "Duplicate topic name.";
    if (wrong != NULL) {
        set_error(out, ERR_INVALID_REQUEST, wrong);
        return;
    }
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err err = topic_find(rq_store(rq), in->name, &in->topic_id, &t);
    if (err != ERR_OK) {
        set_error(out, err, err_text(err));
        return;
    }
    out->name = arena_copy(rq->arena, topic_name(t));
    out->topic_id = t->id;
}

static void delete_one(struct changes *ch, int32_t at)
{
    struct delete_topics *m = CONTAINER_OF(ch, struct delete_topics, changes);
    struct delete_topics_response_topic *out = &m->out.responses[at];
    struct control change = {.kind = CONTROL_DELETE_TOPIC, .id = out->topic_id};
    if (out->error_code == 0 && changes_ask(ch, at, &change) != ERR_OK)
        set_error(out, ERR_INVALID_REQUEST, err_text(ERR_TOO_LARGE));
}

/* What was found, once; refused where a name and an id found the same.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the one that has the request. */
static enum err find_repeats(struct delete_topics *m, struct arena *arena)
{
    int32_t count = m->out.responses_count;
    struct bytes *ids = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    if (ids == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++)
        ids[i] = m->out.responses[i].error_code != 0
                     ? BYTES_NULL
                     : bytes_of(m->out.responses[i].topic_id.bytes, sizeof(struct uuid));
    struct mention *mentions;
    TRY(mentions_find(arena, ids, count, &mentions));
    m->out.responses_count = 0;
    for (int32_t i = 0; i < count; i++) {
        if (mentions[i].first != i) continue;
        struct delete_topics_response_topic *out = &m->out.responses[m->out.responses_count++];
        *out = m->out.responses[i];
        if (mentions[i].repeated)
            set_error(out, ERR_INVALID_REQUEST, "The topic is named by its name and by its id.");
    }
    return ERR_OK;
}

static enum err prepare(struct kafka_request *rq)
{
    struct delete_topics *m = rq->context;
    TRY(delete_topics_request_decode(&rq->body, rq->version, &m->in));
    TRY(one_list(m, rq->arena));
    int32_t count = m->in.topics_count;
    m->out = DELETE_TOPICS_RESPONSE_INIT;
    m->out.responses = ARENA_ARRAY(rq->arena, struct delete_topics_response_topic, (size_t)count);
    struct bytes *keys = ARENA_ARRAY(rq->arena, struct bytes, (size_t)count);
    if (m->out.responses == NULL || keys == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) keys[i] = key_of(&m->in.topics[i]);
    struct mention *mentions;
    TRY(mentions_find(rq->arena, keys, count, &mentions));
    for (int32_t i = 0; i < count; i++)
        if (mentions[i].first == i) look_up(rq, m, &m->in.topics[i], mentions[i].repeated);
    return find_repeats(m, rq->arena);
}

static void begin(struct kafka_request *rq)
{
    struct delete_topics *m = rq->context;
    changes_begin(&m->changes, rq, answered, finished);
    changes_each(&m->changes, m->out.responses_count, delete_one);
}

enum err kafka_delete_topics(struct kafka_request *rq)
{
    struct delete_topics *m = ARENA_NEW(rq->arena, struct delete_topics);
    if (m == NULL) return ERR_TOO_LARGE;
    rq->context = m;
    return kafka_prepare(rq, prepare, begin);
}
