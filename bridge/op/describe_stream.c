#include "bridge/shard.h"
#include "bridge/stream.h"
#include "base/check.h"

enum { SHARDS_MAX = 100 };      /* AWS's default and cap of a page */

void kinesis_describe_stream(struct kinesis_request *rq)
{
    const struct describe_stream_input *in = &rq->input->describe_stream;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    struct kinesis_enhanced_metrics none = {0};
    struct kinesis_stream_mode_details mode;
    struct describe_stream_output out = {
        .stream_description = {
            .stream_name = topic_name(t),
            .stream_arn = stream_arn(rq, t),
            .stream_status = kinesis_stream_status_text(stream_status(rq->bridge, t)),
            .stream_mode_details = stream_mode(t, &mode),
            .retention_period_hours = stream_retention_hours(t),
            .stream_creation_timestamp_ms = t->created_ms,
            .enhanced_monitoring = &none,
            .enhanced_monitoring_count = 1,
            .encryption_type = BYTES_LIT("NONE"),
        }};
    struct shard_page page = {
        .count_max = in->has_limit && in->limit < SHARDS_MAX ? in->limit : SHARDS_MAX, .after = -1, .filter = -1};
    if (!bytes_is_null(in->exclusive_start_shard_id) &&
        !shard_page_after(rq, t, in->exclusive_start_shard_id, &page))
        return;
    if (stream_status(rq->bridge, t) != KINESIS_STREAM_STATUS_CREATING) shard_list(rq, t, &page);
    out.stream_description.shards = page.shards;
    out.stream_description.shards_count = page.count;
    out.stream_description.has_more_shards = page.more;
    kinesis_reply(rq, &out);
}
