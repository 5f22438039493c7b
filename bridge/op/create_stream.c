#include <inttypes.h>
#include "bridge/change.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "base/check.h"

enum { ON_DEMAND_SHARDS = 4 };

static void done(struct kinesis_request *rq, struct control *c)
{
    const struct create_stream_input *in = &rq->input->create_stream;
    if (c->err == ERR_OK)
        kinesis_reply(rq, NULL);
    else if (c->err == ERR_TOPIC_ALREADY_EXISTS)
        kinesis_fail(rq, ERR_RESOURCE_IN_USE, "Stream %.*s under account %.*s already exists.",
                     BYTES_ARGS(in->stream_name), BYTES_ARGS(rq->bridge->account));
    else if (c->err == ERR_LIMIT_EXCEEDED)
        shard_fail_limit(rq, c->partitions);
    else
        change_fail(rq, c);
}

void kinesis_create_stream(struct kinesis_request *rq)
{
    const struct create_stream_input *in = &rq->input->create_stream;
    struct bytes mode = in->stream_mode_details ? in->stream_mode_details->stream_mode : BYTES_NULL;
    bool on_demand = bytes_equal_str(mode, "ON_DEMAND") ||
                     (bytes_is_null(mode) && !in->has_shard_count);
    if (on_demand && in->has_shard_count) {
        kinesis_fail(rq, ERR_INVALID_ARGUMENT,
                     "ShardCount cannot be given for a stream in mode ON_DEMAND.");
        return;
    }
    struct topic_tag *tags = ARENA_ARRAY(rq->arena, struct topic_tag, in->tags_count);
    struct config_change *retention = ARENA_NEW(rq->arena, struct config_change);
    if (tags == NULL || retention == NULL) {
        kinesis_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    for (uint32_t i = 0; i < in->tags_count; i++)
        tags[i] = (struct topic_tag){(char *)arena_copy(rq->arena, in->tags[i].key).data,
                                     (char *)arena_copy(rq->arena, in->tags[i].value).data};
    *retention = (struct config_change){CONFIG_SET, BYTES_LIT("retention.ms"),
                                        BYTES_LIT("86400000")};
    struct control change = {
        .kind = CONTROL_CREATE_TOPIC,
        .name = in->stream_name,
        .partitions = in->has_shard_count ? in->shard_count : ON_DEMAND_SHARDS,
        .on_demand = on_demand,
        .account_limits = true,
        .configs = retention,
        .config_count = 1,
        .tags = tags,
        .tag_count = (int32_t)in->tags_count,
    };
    change_start(rq, &change, done);
}
