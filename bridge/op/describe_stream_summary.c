#include "bridge/stream.h"
#include "base/check.h"

void kinesis_describe_stream_summary(struct kinesis_request *rq)
{
    const struct describe_stream_summary_input *in = &rq->input->describe_stream_summary;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    struct kinesis_enhanced_metrics none = {0};
    struct kinesis_stream_mode_details mode;
    struct describe_stream_summary_output out = {
        .stream_description_summary = {
            .stream_name = topic_name(t),
            .stream_arn = stream_arn(rq, t),
            .stream_status = kinesis_stream_status_text(stream_status(rq->bridge, t)),
            .stream_mode_details = stream_mode(t, &mode),
            .retention_period_hours = stream_retention_hours(t),
            .stream_creation_timestamp_ms = t->created_ms,
            .enhanced_monitoring = &none,
            .enhanced_monitoring_count = 1,
            .encryption_type = BYTES_LIT("NONE"),
            .open_shard_count = topic_open_shards(t),
            .consumer_count = t->consumer_count,
            .has_consumer_count = true,
        }};
    kinesis_reply(rq, &out);
}
