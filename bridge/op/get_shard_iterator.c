/* GetShardIterator. LATEST is fixed now, not at the first GetRecords; a log that is not open yet is
 * opened for that first. */
#include "base/clock.h"
#include "base/mem.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "policy/limits.h"
#include "protocol/kinesis/token.h"
#include "storage/store.h"
#include "base/check.h"

struct iterator_request {
    struct front_request *rq;
    struct topic *topic;            /* reference */
    const struct shard *shard;
    struct log_seek open;
};

static void answer(struct iterator_request *m, const struct shard_position *at)
{
    struct front_request *rq = m->rq;
    struct iterator_token token = {
        .stream_name = topic_name(m->topic),
        .shard_index = (uint32_t)m->shard->index,
        .kind = at->kind == SHARD_AT_OFFSET    ? ITERATOR_AT_OFFSET
                : at->kind == SHARD_AT_HORIZON ? ITERATOR_TRIM_HORIZON
                                               : ITERATOR_AT_TIMESTAMP,
        .position = at->value,
        .created_ms = clock_steady_ms(),
    };
    mem_copy(token.topic_id, m->topic->id.bytes, sizeof token.topic_id);
    char text[ITERATOR_TEXT_BYTES];
    struct get_shard_iterator_output out = {
        .shard_iterator = iterator_format(&rq_bridge(rq)->token_key, &token, text)};
    topic_unref(m->topic);
    if (front_is_dry_run(rq, rq_input(rq)->get_shard_iterator.dry_run)) return;
    front_reply(rq, &out);
}

static void look(struct iterator_request *m);

static void opened(struct log_seek *q)
{
    struct iterator_request *m = CONTAINER_OF(q, struct iterator_request, open);
    struct front_request *rq = m->rq;
    front_hold(rq);
    if (q->err == ERR_OK) {
        look(m);
    } else {
        stream_fail(rq, m->topic, q->err);
    }
    front_release(rq);
}

static void look(struct iterator_request *m)
{
    const struct get_shard_iterator_input *in = &rq_input(m->rq)->get_shard_iterator;
    struct shard_position at;
    enum err err = shard_position(m->rq, m->topic, m->shard, in->shard_iterator_type,
                                  in->starting_sequence_number, in->has_timestamp, in->timestamp_ms,
                                  &at);
    if (err == ERR_OK) {
        answer(m, &at);
    } else if (err == ERR_COLD) {
        m->open = (struct log_seek){.topic = m->topic, .partition = m->shard->partition,
                                    .kind = LOG_SEEK_BOUNDS,
                                    .work.client = front_client(m->rq),
                                    .home = m->rq->http->loop, .done = opened};
        store_seek(rq_store(m->rq), &m->open);
    } else if (err == ERR_KAFKA_STORAGE_ERROR || err == ERR_CLOSED) {
        stream_fail(m->rq, m->topic, err);
    } else {
        topic_unref(m->topic);          /* answered already */
    }
}

void kinesis_get_shard_iterator(struct front_request *rq)
{
    const struct get_shard_iterator_input *in = &rq_input(rq)->get_shard_iterator;
    struct iterator_request *m = ARENA_NEW(rq->arena, struct iterator_request);
    if (m == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    int32_t index;
    if (!shard_name(rq, in->stream_name, in->stream_arn, in->shard_id, &index)) return;
    CLEANUP(topic_unrefp)
    struct topic *t = stream_find_readable(rq, in->stream_name, in->stream_arn);
    const struct shard *shard = t ? shard_to_read(rq, t, index) : NULL;
    if (shard == NULL) return;
    struct limits_key key = {.topic_id = t->id, .shard = shard->index};
    if (!limits_take_iterator(rq_bridge(rq)->limits, &key, clock_mono_ms())) {
        front_fail(rq, ERR_PROVISIONED_THROUGHPUT_EXCEEDED, "%s",
                   shard_rate_text(rq, t, shard->index));
        return;
    }
    *m = (struct iterator_request){.rq = rq, .topic = TAKE(t), .shard = shard};
    look(m);
}
