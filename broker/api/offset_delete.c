/* OffsetDelete: forgets what a group committed for topics that it does not read any more. */
#include "broker/group/commits.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/offset_delete.h"
#include "base/check.h"

struct offset_delete {
    struct coordinator_call call;
    struct group_commit commit;
    struct offset_delete_response out;
    struct uuid *ids;               /* by topic */
    size_t partition_count;
};

static void answer(struct offset_delete *m, enum err err)
{
    struct offset_delete_response failed = OFFSET_DELETE_RESPONSE_INIT;
    failed.error_code = err_kafka(err);
    struct kafka_request *rq = m->call.rq;
    KAFKA_ENCODE(rq, offset_delete, err == ERR_OK ? &m->out : &failed);
    coordinator_call_answer(&m->call);
}

static void stored(struct group_commit *c, enum err err)
{
    answer(CONTAINER_OF(c, struct offset_delete, commit), err);
}

static int32_t add_entries(struct offset_delete *m, int32_t topic, bool subscribed,
                           struct offset_entry *to)
{
    struct offset_delete_response_topic *t = &m->out.topics[topic];
    int32_t count = 0;
    for (int32_t i = 0; i < t->partitions_count; i++) {
        struct offset_delete_response_partition *p = &t->partitions[i];
        if (p->error_code != 0) continue;
        if (subscribed) p->error_code = err_kafka(ERR_GROUP_SUBSCRIBED_TO_TOPIC);
        if (subscribed) continue;
        to[count++] = (struct offset_entry){
            .topic_id = m->ids[topic],
            .partition = p->partition_index,
            .offset = -1,
            .leader_epoch = -1,
            .metadata = BYTES_LIT(""),
            .expire_ms = -1,
        };
    }
    return count;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the owner's loop. */
static enum err find_subscribed(struct offset_delete *m, bool **ret)
{
    struct arena *arena = m->call.rq->arena;
    int32_t count = m->out.topics_count;
    bool *subscribed = ARENA_ARRAY(arena, bool, (size_t)count);
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    if (subscribed == NULL || names == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) names[i] = m->out.topics[i].name;
    *ret = subscribed;
    const struct groups_loop *gl = groups_loop_of(m->call.owner);
    return groups_subscribed(gl->groups, m->call.key, arena, names, count, subscribed);
}

static void act(struct coordinator_call *call)
{
    struct offset_delete *m = CONTAINER_OF(call, struct offset_delete, call);
    struct groups_loop *gl = groups_loop_of(call->owner);
    enum err err = groups_offset_delete(gl->groups, call->key);
    struct offset_entry *entries =
        ARENA_ARRAY(call->rq->arena, struct offset_entry, m->partition_count);
    bool *subscribed = NULL;
    if (err == ERR_OK && (entries == NULL || find_subscribed(m, &subscribed) != ERR_OK))
        err = ERR_INVALID_COMMIT_OFFSET_SIZE;
    int32_t count = 0;
    for (int32_t i = 0; err == ERR_OK && i < m->out.topics_count; i++)
        count += add_entries(m, i, subscribed[i], entries + count);
    if (err != ERR_OK || count == 0) {
        answer(m, err);
        return;
    }
    m->commit.commit.group = call->key;
    m->commit.commit.entries = entries;
    m->commit.commit.entry_count = count;
    m->commit.done = stored;
    group_commit_begin(gl, &m->commit);
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err look_up(struct offset_delete *m, struct kafka_request *rq, int32_t topic,
                        const struct offset_delete_request_topic *in)
{
    struct offset_delete_response_topic *out = &m->out.topics[topic];
    *out = OFFSET_DELETE_RESPONSE_TOPIC_INIT;
    out->name = in->name;
    out->partitions = ARENA_ARRAY(rq->arena, struct offset_delete_response_partition,
                                  (size_t)in->partitions_count);
    if (out->partitions == NULL) return ERR_TOO_LARGE;
    out->partitions_count = in->partitions_count;
    m->partition_count += (size_t)in->partitions_count;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err found = topic_find(rq_store(rq), in->name, NULL, &t);
    if (t != NULL) m->ids[topic] = t->id;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        enum err err = found;
        if (err == ERR_OK) err = topic_check_partition(t, in->partitions[i].partition_index, -1);
        out->partitions[i].partition_index = in->partitions[i].partition_index;
        out->partitions[i].error_code = err_kafka(err);
    }
    return ERR_OK;
}

enum err kafka_offset_delete(struct kafka_request *rq)
{
    struct offset_delete_request in;
    TRY(offset_delete_request_decode(&rq->body, rq->version, &in));
    struct offset_delete *m = ARENA_NEW(rq->arena, struct offset_delete);
    if (m == NULL) return ERR_TOO_LARGE;
    size_t count = (size_t)in.topics_count;
    m->out = OFFSET_DELETE_RESPONSE_INIT;
    m->out.topics = ARENA_ARRAY(rq->arena, struct offset_delete_response_topic, count);
    m->out.topics_count = in.topics_count;
    m->ids = ARENA_ARRAY(rq->arena, struct uuid, count);
    if (m->out.topics == NULL || m->ids == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < in.topics_count; i++) TRY(look_up(m, rq, i, &in.topics[i]));
    if (in.group_id.len == 0) {
        struct offset_delete_response failed = OFFSET_DELETE_RESPONSE_INIT;
        failed.error_code = err_kafka(ERR_INVALID_GROUP_ID);
        KAFKA_ENCODE(rq, offset_delete, &failed);
        kafka_reply(rq);
        return ERR_OK;
    }
    coordinator_call_begin(&m->call, COORDINATOR_GROUP, rq, in.group_id, act);
    return ERR_OK;
}
