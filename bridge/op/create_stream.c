#include <inttypes.h>
#include "bridge/change.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

enum { ON_DEMAND_SHARDS = 4 };

static void fail_exists(struct front_request *rq)
{
    front_fail(rq, ERR_RESOURCE_IN_USE, "Stream %.*s under account %.*s already exists.",
               BYTES_ARGS(rq_input(rq)->create_stream.stream_name),
               BYTES_ARGS(rq_bridge(rq)->account));
}

static void done(struct front_request *rq, struct control *c)
{
    if (c->err == ERR_OK)
        front_reply(rq, NULL);
    else if (c->err == ERR_TOPIC_ALREADY_EXISTS)
        fail_exists(rq);
    else if (c->err == ERR_LIMIT_EXCEEDED && c->text[0] == '\0')
        shard_fail_limit(rq, c->partitions);
    else
        change_fail(rq, c);
}

/* What the members say about each other. NULL: nothing is wrong. */
static const char *what_is_wrong(const struct create_stream_input *in, bool on_demand,
                                 enum err *ret_err)
{
    bool automatic = bytes_equal_str(in->record_distribution_strategy, "AUTO");
    *ret_err = ERR_INVALID_ARGUMENT;
    if (on_demand && in->has_shard_count)
        return "ShardCount cannot be given for a stream in mode ON_DEMAND.";
    if (automatic && !on_demand)
        return "RecordDistributionStrategy AUTO is for streams in mode ON_DEMAND.";
    if (automatic)
        return "RecordDistributionStrategy AUTO is not supported: records go where their partition "
               "key says.";
    *ret_err = ERR_VALIDATION;
    if (in->has_warm_throughput_mibps)
        return "WarmThroughputMiBps is not supported: the account has no "
               "MinimumThroughputBillingCommitment.";
    if (!on_demand && !in->has_shard_count)
        return "1 validation error detected: Value null at 'shardCount' failed to satisfy "
               "constraint: Member must not be null";
    return NULL;
}

/* What a new stream has and a new topic has not. False: the arena is full. */
static bool set_configs(struct front_request *rq, struct control *change)
{
    enum { CONFIGS_MAX = 2 };
    const struct create_stream_input *in = &rq_input(rq)->create_stream;
    struct config_change *to = ARENA_ARRAY(rq->arena, struct config_change, CONFIGS_MAX);
    if (to == NULL) return false;
    to[change->config_count++] = (struct config_change){CONFIG_SET, BYTES_LIT("retention.ms"),
                                                        BYTES_LIT("86400000")};
    if (in->has_max_record_size_in_kib)
        to[change->config_count++] = stream_max_record(rq, in->max_record_size_in_kib);
    change->configs = to;
    return true;
}

void kinesis_create_stream(struct front_request *rq)
{
    const struct create_stream_input *in = &rq_input(rq)->create_stream;
    struct bytes mode = in->stream_mode_details ? in->stream_mode_details->stream_mode : BYTES_NULL;
    bool on_demand = bytes_equal_str(mode, "ON_DEMAND") ||
                     (bytes_is_null(mode) && !in->has_shard_count);
    enum err err;
    const char *wrong = what_is_wrong(in, on_demand, &err);
    if (wrong != NULL) {
        front_fail(rq, err, "%s", wrong);
        return;
    }
    if (stream_is_deleting(rq_bridge(rq), in->stream_name)) {
        fail_exists(rq);
        return;
    }
    struct topic_tag *tags = tags_of_new(rq, in->stream_name, in->tags, in->tags_count);
    if (tags == NULL) return;
    struct control change = {
        .kind = CONTROL_CREATE_TOPIC,
        .name = in->stream_name,
        .partitions = on_demand ? ON_DEMAND_SHARDS : in->shard_count,
        .on_demand = on_demand,
        .account_limits = true,
        .tags = tags,
        .tag_count = (int32_t)in->tags_count,
    };
    if (set_configs(rq, &change)) change_start(rq, &change, done);
    else front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
}
