/* OffsetCommit: topics and partitions are looked up where the request came in, the group's owner
 * says whether this client may commit, and storage answers when the offsets are durable. */
#include "broker/group/commits.h"
#include "broker/topics.h"
#include "protocol/batch/batch.h"
#include "protocol/kafka/msg/offset_commit.h"
#include "base/check.h"

struct offset_commit {
    struct coordinator_call call;
    struct group_commit commit;
    struct offset_commit_request in;
    struct offset_commit_response out;
    struct uuid *ids;               /* by topic */
    size_t *name_lens;
    int32_t known;                  /* partitions that are there */
};

static void answer(struct offset_commit *m)
{
    KAFKA_ENCODE(m->call.rq, offset_commit, &m->out);
    coordinator_call_answer(&m->call);
}

/* For what had no error of its own so far. */
static void set_errors(struct offset_commit *m, enum err err)
{
    for (int32_t i = 0; i < m->out.topics_count; i++) {
        struct offset_commit_response_topic *t = &m->out.topics[i];
        for (int32_t p = 0; p < t->partitions_count; p++)
            if (t->partitions[p].error_code == 0) t->partitions[p].error_code = err_kafka(err);
    }
}

static void stored(struct group_commit *c, enum err err)
{
    struct offset_commit *m = CONTAINER_OF(c, struct offset_commit, commit);
    set_errors(m, err);
    /* Expiry or DeleteGroups may have taken the group out of the table meanwhile. */
    if (err == ERR_OK)
        groups_restore(c->gl->groups, groups_loop_now_ms(c->gl), m->call.key);
    answer(m);
}

/* A retention that reaches beyond all time is one for ever. */
static int64_t expiry_ms(int64_t now_ms, int64_t retention_ms)
{
    if (retention_ms < 0) return -1;                /* the broker's */
    return retention_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + retention_ms;
}

static int32_t add_entries(struct offset_commit *m, int32_t topic, int64_t now_ms,
                           struct offset_entry *to)
{
    const struct groups_config *config = groups_loop_config(groups_loop_of(m->call.owner));
    const struct offset_commit_request_topic *in = &m->in.topics[topic];
    int32_t count = 0;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        const struct offset_commit_request_partition *p = &in->partitions[i];
        struct offset_commit_response_partition *out = &m->out.topics[topic].partitions[i];
        if (out->error_code != 0) continue;
        out->error_code = err_kafka(groups_check_metadata(config, p->committed_metadata));
        if (out->error_code != 0) continue;
        bool none = bytes_is_null(p->committed_metadata);
        to[count++] = (struct offset_entry){
            .topic_id = m->ids[topic],
            .partition = p->partition_index,
            .offset = p->committed_offset,
            .leader_epoch = p->committed_leader_epoch,
            .metadata = none ? BYTES_LIT("") : p->committed_metadata,
            .commit_ms = now_ms,
            .expire_ms = expiry_ms(now_ms, m->in.retention_time_ms),
        };
    }
    return count;
}

/* As Kafka would write it: it refuses a batch beyond message.max.bytes, whatever is in it. */
static bool is_too_large(const struct offset_commit *m, const struct offset_entry *entries,
                         const int32_t *counts)
{
    bool lasts = m->in.retention_time_ms >= 0;
    size_t bytes = BATCH_HEADER_BYTES;
    int32_t n = 0;
    for (int32_t i = 0; i < m->in.topics_count; i++)
        for (int32_t end = n + counts[i]; n < end; n++)
            bytes += groups_commit_record_bytes(m->in.group_id.len, m->name_lens[i],
                                                entries[n].metadata.len, lasts, n);
    return bytes > groups_loop_config(groups_loop_of(m->call.owner))->commit_bytes_max;
}

static void act(struct coordinator_call *call)
{
    struct offset_commit *m = CONTAINER_OF(call, struct offset_commit, call);
    struct groups_loop *gl = groups_loop_of(call->owner);
    int64_t now_ms = groups_loop_now_ms(gl);
    struct commit_in who = {
        .group_id = call->key,
        .member_id = m->in.member_id,
        .instance_id = m->in.group_instance_id,
        .generation = m->in.generation_id_or_member_epoch,
        .group_not_found_known = call->rq->version >= 9,
    };
    size_t count = 0;
    for (int32_t i = 0; i < m->in.topics_count; i++)
        count += (size_t)m->in.topics[i].partitions_count;
    enum err err = groups_commit(gl->groups, now_ms, &who);
    struct offset_entry *entries = ARENA_ARRAY(call->rq->arena, struct offset_entry, count);
    int32_t *counts = ARENA_ARRAY(call->rq->arena, int32_t, (size_t)m->in.topics_count);
    if (err == ERR_OK && (entries == NULL || counts == NULL)) err = ERR_INVALID_COMMIT_OFFSET_SIZE;
    int32_t entry_count = 0;
    for (int32_t i = 0; err == ERR_OK && i < m->in.topics_count; i++)
        entry_count += counts[i] = add_entries(m, i, now_ms, entries + entry_count);
    if (err == ERR_OK && is_too_large(m, entries, counts)) err = ERR_UNKNOWN_SERVER_ERROR;
    if (err != ERR_OK || entry_count == 0) {
        set_errors(m, err);
        answer(m);
        return;
    }
    m->commit.commit.group = call->key;
    m->commit.commit.entries = entries;
    m->commit.commit.entry_count = entry_count;
    m->commit.done = stored;
    group_commit_begin(gl, &m->commit);
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the one that has the request. */
static enum err look_up(struct offset_commit *m, struct kafka_request *rq, int32_t topic)
{
    const struct offset_commit_request_topic *in = &m->in.topics[topic];
    struct offset_commit_response_topic *out = &m->out.topics[topic];
    *out = OFFSET_COMMIT_RESPONSE_TOPIC_INIT;
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partitions = ARENA_ARRAY(rq->arena, struct offset_commit_response_partition,
                                  (size_t)in->partitions_count);
    if (out->partitions == NULL) return ERR_TOO_LARGE;
    out->partitions_count = in->partitions_count;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err found = topic_find(rq_store(rq), rq->version >= 10 ? BYTES_NULL : in->name,
                                &in->topic_id, &t);
    if (t != NULL) m->ids[topic] = t->id;
    if (t != NULL) m->name_lens[topic] = topic_name(t).len;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        enum err err = found;
        if (err == ERR_OK) err = topic_check_partition(t, in->partitions[i].partition_index, -1);
        out->partitions[i].partition_index = in->partitions[i].partition_index;
        out->partitions[i].error_code = err_kafka(err);
        m->known += err == ERR_OK;
    }
    return ERR_OK;
}

static enum err prepare(struct kafka_request *rq)
{
    struct offset_commit *m = rq->context;
    TRY(offset_commit_request_decode(&rq->body, rq->version, &m->in));
    size_t count = (size_t)m->in.topics_count;
    m->out = OFFSET_COMMIT_RESPONSE_INIT;
    m->out.topics = ARENA_ARRAY(rq->arena, struct offset_commit_response_topic, count);
    m->out.topics_count = m->in.topics_count;
    m->ids = ARENA_ARRAY(rq->arena, struct uuid, count);
    m->name_lens = ARENA_ARRAY(rq->arena, size_t, count);
    if (m->out.topics == NULL || m->ids == NULL || m->name_lens == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < m->in.topics_count; i++) TRY(look_up(m, rq, i));
    return ERR_OK;
}

static void encode(struct kafka_request *rq)
{
    const struct offset_commit *m = rq->context;
    KAFKA_ENCODE(rq, offset_commit, &m->out);
}

static void begin(struct kafka_request *rq)
{
    struct offset_commit *m = rq->context;
    if (m->known > 0) coordinator_call_begin(&m->call, COORDINATOR_GROUP, rq, m->in.group_id, act);
    else kafka_reply_many(rq, kafka_is_long(rq), encode);    /* nothing to ask the group for */
}

enum err kafka_offset_commit(struct kafka_request *rq)
{
    struct offset_commit *m = ARENA_NEW(rq->arena, struct offset_commit);
    if (m == NULL) return ERR_TOO_LARGE;
    m->known = 0;
    rq->context = m;
    return kafka_prepare(rq, prepare, begin);
}
