/* UpdateShardCount: at most twice, at least half of the open shards, in shards of even width. */
#include <inttypes.h>
#include "bridge/change.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "base/check.h"

enum { SHARDS_MAX = 10000 };

struct shard_counts {
    struct bytes name, arn;
    int32_t before;
};

static void done(struct front_request *rq, struct control *c)
{
    const struct update_shard_count_input *in = &rq_input(rq)->update_shard_count;
    const struct shard_counts *counts = rq->context;
    if (c->err == ERR_LIMIT_EXCEEDED) {
        shard_fail_limit(rq, in->target_shard_count - counts->before);
        return;
    }
    if (c->err != ERR_OK) {
        change_fail(rq, c);
        return;
    }
    struct update_shard_count_output out = {
        .stream_name = counts->name,
        .stream_arn = counts->arn,
        .current_shard_count = counts->before,
        .has_current_shard_count = true,
        .target_shard_count = in->target_shard_count,
        .has_target_shard_count = true,
    };
    front_reply(rq, &out);
}

void kinesis_update_shard_count(struct front_request *rq)
{
    const struct update_shard_count_input *in = &rq_input(rq)->update_shard_count;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL || !stream_is_provisioned(rq, t) || !stream_is_active(rq, t)) return;
    int32_t open = topic_open_shards(t), target = in->target_shard_count;
    if (target > SHARDS_MAX || target > 2 * (int64_t)open) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "UpdateShardCount cannot scale up over double your current open shard count. "
                   "Current open shard count: %" PRId32 " Target shard count: %" PRId32,
                   open, target);
        return;
    }
    if (2 * (int64_t)target < open) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "UpdateShardCount cannot scale down below half your current open shard count. "
                   "Current open shard count: %" PRId32 " Target shard count: %" PRId32,
                   open, target);
        return;
    }
    struct shard_counts *counts = ARENA_NEW(rq->arena, struct shard_counts);
    if (counts == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    *counts = (struct shard_counts){arena_copy(rq->arena, topic_name(t)), stream_arn(rq, t), open};
    rq->context = counts;
    struct control change = {.kind = CONTROL_RESHARD, .id = t->id, .partitions = target,
                             .account_limits = true};
    change_start(rq, &change, done);
}
