#include "bridge/change.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "protocol/kinesis/hash_key.h"
#include "base/check.h"

static void done(struct front_request *rq, struct control *c)
{
    if (c->err == ERR_LIMIT_EXCEEDED) shard_fail_limit(rq, 1);
    else change_reply_empty(rq, c);
}

void kinesis_split_shard(struct front_request *rq)
{
    const struct split_shard_input *in = &rq_input(rq)->split_shard;
    int32_t index;
    if (!shard_name(rq, in->stream_name, in->stream_arn, in->shard_to_split, &index)) return;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL || !stream_is_provisioned(rq, t) || !stream_is_active(rq, t)) return;
    const struct shard *shard = shard_to_change(rq, t, index);
    if (shard == NULL || !shard_is_open(rq, t, shard)) return;
    u128 at;
    char first[U128_TEXT_BYTES], last[U128_TEXT_BYTES];
    bool inside = hash_key_parse(in->new_starting_hash_key, &at) && at > shard->hash_first + 1 &&
                  at < shard->hash_last;
    if (!inside) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "NewStartingHashKey %.*s used in SplitShard() on shard %.*s in stream %s "
                   "under account %.*s is not both greater than one plus the shard's "
                   "StartingHashKey %s and less than the shard's EndingHashKey %s.",
                   BYTES_ARGS(in->new_starting_hash_key),
                   BYTES_ARGS(shard_id_text(rq->arena, shard->index)), t->name,
                   BYTES_ARGS(rq_bridge(rq)->account), u128_to_text(shard->hash_first, first),
                   u128_to_text(shard->hash_last, last));
        return;
    }
    struct control change = {
        .kind = CONTROL_SPLIT, .id = t->id, .shard = shard->index, .hash_first = at,
        .account_limits = true};
    change_start(rq, &change, done);
}
