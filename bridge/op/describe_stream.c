#include "bridge/shard.h"
#include "bridge/stream.h"
#include "base/check.h"

enum { SHARDS_MAX = 100 };      /* AWS's default and cap of a page */

void kinesis_describe_stream(struct front_request *rq)
{
    const struct describe_stream_input *in = &rq_input(rq)->describe_stream;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    struct stream_parts parts = {0};
    struct describe_stream_output out = {.stream_description = {STREAM_DESCRIPTION(rq, t, &parts)}};
    struct shard_page page = {
        .count_max = in->has_limit && in->limit < SHARDS_MAX ? in->limit : SHARDS_MAX,
        .after = -1,
        .filter = -1,
    };
    if (!bytes_is_null(in->exclusive_start_shard_id) &&
        !shard_page_after(rq, t, in->exclusive_start_shard_id, &page))
        return;
    if (stream_status(rq_bridge(rq), t) != KINESIS_STREAM_STATUS_CREATING) shard_list(rq, t, &page);
    out.stream_description.shards = page.shards;
    out.stream_description.shards_count = page.count;
    out.stream_description.has_more_shards = page.more;
    front_reply(rq, &out);
}
