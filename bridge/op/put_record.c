#include "bridge/put.h"
#include "bridge/stream.h"
#include "base/clock.h"
#include "protocol/kinesis/sequence.h"
#include "storage/log/plog.h"
#include "base/check.h"

struct put_one {
    struct put put;
    struct put_record record;
};

static void done(struct put *p)
{
    const struct put_record *r = &p->records[0];
    if (r->err != ERR_OK) {
        front_fail(p->rq, r->err, "%s", r->text);
        return;
    }
    struct put_record_output out = {
        .shard_id = shard_id_text(p->rq->arena, r->shard),
        .sequence_number = put_sequence(p, r),
    };
    front_reply(p->rq, &out);
}

/* It was given out here before the clock was set back. */
static bool is_of_ours(const struct topic *t, const struct sequence *s)
{
    const struct shard *shard = s->shard_index < 0 ? NULL : topic_shard(t, (int32_t)s->shard_index);
    struct log_bounds bounds;
    if (shard == NULL || s->kind == SEQUENCE_OLD ||
        s->shard_created_s != sequence_created_s(shard->created_ms))
        return false;
    enum err err = plog_bounds(t->partitions[shard->partition].log, &bounds);
    return err == ERR_OK ? s->offset < bounds.last_stable : err == ERR_COLD;
}

/* A number that a client has must lie in the past; then the next one is larger anyway. */
static bool check_ordering(struct front_request *rq, const struct topic *t, struct bytes number)
{
    struct sequence sequence;
    if (bytes_is_null(number)) return true;
    if (sequence_parse(number, &sequence) == ERR_OK &&
        (sequence.time_s <= clock_wall_ms() / 1000 || is_of_ours(t, &sequence)))
        return true;
    front_fail(rq, ERR_INVALID_ARGUMENT,
               "ExclusiveMinimumSequenceNumber %.*s used in PutRecord on stream %s under account "
               "%.*s is invalid.",
               BYTES_ARGS(number), t->name, BYTES_ARGS(rq_bridge(rq)->account));
    return false;
}

void kinesis_put_record(struct front_request *rq)
{
    const struct put_record_input *in = &rq_input(rq)->put_record;
    struct put_one *m = ARENA_NEW(rq->arena, struct put_one);
    if (m == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    m->record = (struct put_record){
        .partition_key = in->partition_key, .explicit_hash_key = in->explicit_hash_key,
        .data = in->data};
    if (put_hash(rq, &m->record, 1) != ERR_OK) return;
    struct topic *t = stream_find_readable(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    if (put_check_sizes(rq, t, &m->record, 1) != ERR_OK ||
        !check_ordering(rq, t, in->sequence_number_for_ordering) ||
        front_is_dry_run(rq, in->dry_run)) {
        topic_unref(t);
        return;
    }
    m->put = (struct put){.rq = rq, .topic = t, .records = &m->record, .count = 1, .done = done};
    put_start(&m->put);
}
