#include "bridge/change.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "base/check.h"

void kinesis_merge_shards(struct front_request *rq)
{
    const struct merge_shards_input *in = &rq_input(rq)->merge_shards;
    int32_t lower_index, upper_index;
    if (!shard_name(rq, in->stream_name, in->stream_arn, in->shard_to_merge, &lower_index)) return;
    if (!shard_name(rq, in->stream_name, in->stream_arn, in->adjacent_shard_to_merge, &upper_index))
        return;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL || !stream_is_provisioned(rq, t) || !stream_is_active(rq, t)) return;
    const struct shard *lower = shard_to_change(rq, t, lower_index);
    const struct shard *upper = lower ? shard_to_change(rq, t, upper_index) : NULL;
    if (upper == NULL) return;
    if (!shard_is_open(rq, t, lower) || !shard_is_open(rq, t, upper)) return;
    if (lower->hash_last == U128_MAX || lower->hash_last + 1 != upper->hash_first) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "Shards %.*s and %.*s in stream %s under account %.*s are not an adjacent "
                   "pair of shards eligible for merging",
                   BYTES_ARGS(shard_id_text(rq->arena, lower->index)),
                   BYTES_ARGS(shard_id_text(rq->arena, upper->index)), t->name,
                   BYTES_ARGS(rq_bridge(rq)->account));
        return;
    }
    struct control change = {
        .kind = CONTROL_MERGE, .id = t->id, .shard = lower->index, .adjacent_shard = upper->index};
    change_start(rq, &change, change_reply_empty);
}
