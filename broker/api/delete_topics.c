#include "broker/changes.h"
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

static void finished(struct changes *ch)
{
    struct delete_topics *m = CONTAINER_OF(ch, struct delete_topics, changes);
    delete_topics_response_encode(ch->rq->reply, ch->rq->version, &m->out);
    kafka_reply(ch->rq);
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

static bool is_repeated(const struct delete_topics_request *in, int32_t at)
{
    const struct delete_topics_request_topic *a = &in->topics[at];
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct delete_topics_request_topic *b = &in->topics[i];
        if (i == at) continue;
        if (bytes_equal(a->name, b->name) &&
            (!bytes_is_null(a->name) || uuid_equal(&a->topic_id, &b->topic_id)))
            return true;
    }
    return false;
}

static enum err ask(struct delete_topics *m, int32_t at)
{
    const struct delete_topics_request_topic *in = &m->in.topics[at];
    struct delete_topics_response_topic *out = &m->out.responses[at];
    bool by_id = bytes_is_null(in->name);
    bool has_id = !uuid_is_zero(&in->topic_id);
    const char *wrong = NULL;
    if (is_repeated(&m->in, at)) wrong = "Duplicate topic name or id.";
    else if (!by_id && has_id) wrong = "You may not specify both topic name and topic id.";
    else if (by_id && !has_id) wrong = "Neither topic name nor id were specified.";
    if (wrong != NULL) {
        out->error_code = err_kafka(ERR_INVALID_REQUEST);
        out->error_message = bytes_str(wrong);
        return ERR_OK;
    }
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err err = topic_find(rq_store(m->changes.rq), in->name, &in->topic_id, &t);
    if (err != ERR_OK) {
        out->error_code = err_kafka(err);
        out->error_message = bytes_str(err_text(err));
        return ERR_OK;
    }
    out->name = arena_copy(m->changes.rq->arena, topic_name(t));
    out->topic_id = t->id;
    struct control change = {.kind = CONTROL_DELETE_TOPIC, .id = t->id};
    return changes_ask(&m->changes, at, &change);
}

enum err kafka_delete_topics(struct kafka_request *rq)
{
    struct delete_topics *m = ARENA_NEW(rq->arena, struct delete_topics);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(delete_topics_request_decode(&rq->body, rq->version, &m->in));
    TRY(one_list(m, rq->arena));
    m->out = DELETE_TOPICS_RESPONSE_INIT;
    m->out.responses = ARENA_ARRAY(rq->arena, struct delete_topics_response_topic,
                                   (size_t)m->in.topics_count);
    if (m->out.responses == NULL) return ERR_TOO_LARGE;
    m->out.responses_count = m->in.topics_count;
    changes_begin(&m->changes, rq, answered, finished);
    for (int32_t i = 0; i < m->in.topics_count; i++) {
        struct delete_topics_response_topic *out = &m->out.responses[i];
        *out = DELETE_TOPICS_RESPONSE_TOPIC_INIT;
        out->name = m->in.topics[i].name;
        out->topic_id = m->in.topics[i].topic_id;
        if (ask(m, i) != ERR_OK) out->error_code = err_kafka(ERR_INVALID_REQUEST);
    }
    changes_end(&m->changes);
    return ERR_OK;
}
