/* OffsetFetch: committed offsets are in memory, within reach of every thread: no job, no waiting;
 * what asks for very many is looked up and answered on a codec lane. All offsets of a group that is
 * named again are copied once, and told as often as it is named.
 *
 * Up to version 7 a request is about one group; it is read as a list of one and the answer is
 * folded back. A group or partition without a commit answers -1 and no error. require_stable has
 * nothing to wait for: an offset that can be seen is durable, and no transaction holds any back. */
#include "broker/mentions.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/offset_fetch.h"
#include "storage/state/offsets.h"

#include <stdlib.h>
#include "base/check.h"

enum { GROUPS_SINCE = 8, TOPIC_IDS_SINCE = 10 };

/* The request in the one shape, and the answer to it. */
struct offset_fetch {
    struct kafka_request *rq;
    struct offset_fetch_request in;
    struct mention *mentions;       /* one a group; of those that ask for all */
    struct offset_fetch_response_group *groups;
    enum err err;
    bool asks_much;
};

static void set(struct offset_fetch_response_group_topic_partition *p, const struct offset_entry *e)
{
    p->partition_index = e->partition;
    p->committed_offset = e->offset;
    p->committed_leader_epoch = e->leader_epoch;
    p->metadata = e->metadata;
}

/* ---- Named topics */

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err one_partition(struct offset_fetch *m, struct bytes group, const struct topic *t,
                              int32_t partition,
                              struct offset_fetch_response_group_topic_partition *out)
{
    *out = OFFSET_FETCH_RESPONSE_GROUP_TOPIC_PARTITION_INIT;
    out->partition_index = partition;
    out->committed_offset = -1;
    struct offset_entry e;
    if (t == NULL || !store_offset(rq_store(m->rq), group, &t->id, partition, m->rq->arena, &e))
        return ERR_OK;
    if (bytes_is_null(e.metadata)) return ERR_TOO_LARGE;
    set(out, &e);
    return ERR_OK;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err one_topic(struct offset_fetch *m, struct bytes group,
                          const struct offset_fetch_request_group_topic *in,
                          struct offset_fetch_response_group_topic *out)
{
    bool by_id = m->rq->version >= TOPIC_IDS_SINCE;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err err = topic_find(rq_store(m->rq), by_id ? BYTES_NULL : in->name, &in->topic_id, &t);
    /* A name that leads nowhere was never committed for; an id that does is a stale client's. */
    int16_t error = err == ERR_OK || !by_id ? 0 : err_kafka(err);
    *out = OFFSET_FETCH_RESPONSE_GROUP_TOPIC_INIT;
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partitions = ARENA_ARRAY(m->rq->arena, struct offset_fetch_response_group_topic_partition,
                                  (size_t)in->partition_indexes_count);
    if (out->partitions == NULL) return ERR_TOO_LARGE;
    out->partitions_count = in->partition_indexes_count;
    for (int32_t i = 0; i < in->partition_indexes_count; i++) {
        TRY(one_partition(m, group, t, in->partition_indexes[i], &out->partitions[i]));
        out->partitions[i].error_code = error;
    }
    return ERR_OK;
}

/* ---- All topics of a group */

static int by_topic_and_partition(const void *a_, const void *b_)
{
    const struct offset_entry *a = a_, *b = b_;
    int order = memcmp(&a->topic_id, &b->topic_id, sizeof a->topic_id);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

/* The entries of one topic, as many as stand in a row.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err add_topic(struct offset_fetch *m, struct offset_fetch_response_group *out,
                          const struct offset_entry *entries, int32_t count)
{
    struct topic *t = store_topic_by_id(rq_store(m->rq), &entries[0].topic_id);
    if (t == NULL) return ERR_OK;       /* being deleted, and its offsets with it */
    struct offset_fetch_response_group_topic *topic = &out->topics[out->topics_count++];
    *topic = OFFSET_FETCH_RESPONSE_GROUP_TOPIC_INIT;
    topic->name = arena_copy(m->rq->arena, topic_name(t));
    topic->topic_id = t->id;
    topic_unref(t);
    topic->partitions = ARENA_ARRAY(
        m->rq->arena, struct offset_fetch_response_group_topic_partition, (size_t)count);
    if (bytes_is_null(topic->name) || topic->partitions == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) {
        topic->partitions[i] = OFFSET_FETCH_RESPONSE_GROUP_TOPIC_PARTITION_INIT;
        set(&topic->partitions[i], &entries[i]);
    }
    topic->partitions_count = count;
    return ERR_OK;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err all_topics(struct offset_fetch *m, struct bytes group,
                           struct offset_fetch_response_group *out)
{
    struct offset_entry *entries;
    int32_t count = store_offsets_of_group(rq_store(m->rq), group, true, m->rq->arena,
                                           &entries);
    if (count < 0) return ERR_TOO_LARGE;
    if (count == 0) return ERR_OK;
    qsort(entries, (size_t)count, sizeof *entries, by_topic_and_partition);
    out->topics =
        ARENA_ARRAY(m->rq->arena, struct offset_fetch_response_group_topic, (size_t)count);
    if (out->topics == NULL) return ERR_TOO_LARGE;
    for (int32_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count; to++)
            if (!uuid_equal(&entries[to].topic_id, &entries[from].topic_id)) break;
        TRY(add_topic(m, out, &entries[from], to - from));
    }
    return ERR_OK;
}

/* ---- Groups */

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err one_group(struct offset_fetch *m, const struct offset_fetch_request_group *in,
                          struct offset_fetch_response_group *out)
{
    *out = OFFSET_FETCH_RESPONSE_GROUP_INIT;
    out->group_id = in->group_id;
    if (in->topics_count < 0) return all_topics(m, in->group_id, out);
    out->topics = ARENA_ARRAY(m->rq->arena, struct offset_fetch_response_group_topic,
                              (size_t)in->topics_count);
    if (out->topics == NULL) return ERR_TOO_LARGE;
    out->topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++)
        TRY(one_topic(m, in->group_id, &in->topics[i], &out->topics[i]));
    return ERR_OK;
}

/* Up to version 7: the one group as a list.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err unfold(struct offset_fetch *m)
{
    struct offset_fetch_request *in = &m->in;
    size_t count = in->topics_count < 0 ? 0 : (size_t)in->topics_count;
    struct offset_fetch_request_group *group =
        ARENA_NEW(m->rq->arena, struct offset_fetch_request_group);
    struct offset_fetch_request_group_topic *topics =
        ARENA_ARRAY(m->rq->arena, struct offset_fetch_request_group_topic, count);
    if (group == NULL || topics == NULL) return ERR_TOO_LARGE;
    for (size_t i = 0; i < count; i++)
        topics[i] = (struct offset_fetch_request_group_topic){
            .name = in->topics[i].name,
            .partition_indexes = in->topics[i].partition_indexes,
            .partition_indexes_count = in->topics[i].partition_indexes_count,
        };
    group->group_id = in->group_id;
    group->topics = topics;
    group->topics_count = in->topics_count;
    in->groups = group;
    in->groups_count = 1;
    return ERR_OK;
}

/* And its answer back.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err fold(struct offset_fetch *m, struct offset_fetch_response *out)
{
    const struct offset_fetch_response_group *group = &m->groups[0];
    out->topics = ARENA_ARRAY(m->rq->arena, struct offset_fetch_response_topic,
                              (size_t)group->topics_count);
    if (out->topics == NULL) return ERR_TOO_LARGE;
    out->topics_count = group->topics_count;
    out->error_code = group->error_code;
    for (int32_t i = 0; i < group->topics_count; i++) {
        const struct offset_fetch_response_group_topic *from = &group->topics[i];
        struct offset_fetch_response_topic *to = &out->topics[i];
        to->name = from->name;
        to->partitions_count = from->partitions_count;
        to->partitions = ARENA_ARRAY(m->rq->arena, struct offset_fetch_response_partition,
                                     (size_t)from->partitions_count);
        if (to->partitions == NULL) return ERR_TOO_LARGE;
        for (int32_t p = 0; p < from->partitions_count; p++)
            to->partitions[p] = (struct offset_fetch_response_partition){
                .partition_index = from->partitions[p].partition_index,
                .committed_offset = from->partitions[p].committed_offset,
                .committed_leader_epoch = from->partitions[p].committed_leader_epoch,
                .metadata = from->partitions[p].metadata,
                .error_code = from->partitions[p].error_code,
            };
    }
    return ERR_OK;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err find_mentions(struct offset_fetch *m)
{
    int32_t count = m->in.groups_count;
    struct bytes *keys = ARENA_ARRAY(m->rq->arena, struct bytes, (size_t)count);
    if (keys == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++)
        keys[i] = m->in.groups[i].topics_count < 0 ? m->in.groups[i].group_id : BYTES_NULL;
    return mentions_find(m->rq->arena, keys, count, &m->mentions);
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err look_up(struct offset_fetch *m)
{
    struct kafka_request *rq = m->rq;
    m->groups = ARENA_ARRAY(rq->arena, struct offset_fetch_response_group,
                            (size_t)m->in.groups_count);
    if (m->groups == NULL) return ERR_TOO_LARGE;
    TRY(find_mentions(m));
    for (int32_t i = 0; i < m->in.groups_count; i++) {
        int32_t first = m->mentions[i].first;
        if (first < i) m->groups[i] = m->groups[first];
        else TRY(one_group(m, &m->in.groups[i], &m->groups[i]));
    }
    struct offset_fetch_response out = OFFSET_FETCH_RESPONSE_INIT;
    if (rq->version < GROUPS_SINCE) {
        TRY(fold(m, &out));
    } else {
        out.groups = m->groups;
        out.groups_count = m->in.groups_count;
    }
    KAFKA_ENCODE(rq, offset_fetch, &out);
    return ERR_OK;
}

static void work(struct kafka_request *rq)
{
    struct offset_fetch *m = rq->context;
    m->err = look_up(m);
}

static void worked(struct kafka_request *rq)
{
    const struct offset_fetch *m = rq->context;
    if (m->err == ERR_OK) kafka_reply(rq);
    else kafka_abort(rq);
}

static bool asks_much(const struct offset_fetch *m)
{
    int64_t count = m->in.groups_count;
    for (int32_t i = 0; i < m->in.groups_count && count <= KAFKA_ENTRIES_HERE_MAX; i++) {
        const struct offset_fetch_request_group *g = &m->in.groups[i];
        if (g->topics_count < 0) count += store_group_offsets_count(rq_store(m->rq), g->group_id);
        for (int32_t t = 0; t < g->topics_count; t++)
            count += 1 + g->topics[t].partition_indexes_count;
    }
    return count > KAFKA_ENTRIES_HERE_MAX;
}

static enum err prepare(struct kafka_request *rq)
{
    struct offset_fetch *m = rq->context;
    TRY(offset_fetch_request_decode(&rq->body, rq->version, &m->in));
    if (rq->version < GROUPS_SINCE) TRY(unfold(m));
    m->asks_much = asks_much(m);
    return ERR_OK;
}

static void begin(struct kafka_request *rq)
{
    const struct offset_fetch *m = rq->context;
    if (m->asks_much) {
        kafka_beside(rq, work, worked);
        return;
    }
    work(rq);
    worked(rq);
}

enum err kafka_offset_fetch(struct kafka_request *rq)
{
    struct offset_fetch *m = ARENA_NEW(rq->arena, struct offset_fetch);
    if (m == NULL) return ERR_TOO_LARGE;
    m->rq = rq;
    rq->context = m;
    return kafka_prepare(rq, prepare, begin);
}
