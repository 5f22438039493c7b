#include "bridge/request.h"
#include "storage/store.h"
#include "base/check.h"

void kinesis_describe_limits(struct front_request *rq)
{
    struct catalog_totals totals;
    store_totals(rq_store(rq), &totals);
    struct describe_limits_output out = {
        .shard_limit = rq_bridge(rq)->options.shard_limit,
        .open_shard_count = (int32_t)totals.open_shards,
        .on_demand_stream_count = totals.on_demand_streams,
        .on_demand_stream_count_limit = STREAMS_ON_DEMAND_MAX,
    };
    front_reply(rq, &out);
}
