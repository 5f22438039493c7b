#include "bridge/stream.h"
#include "base/check.h"

void kinesis_describe_stream_summary(struct front_request *rq)
{
    const struct describe_stream_summary_input *in = &rq_input(rq)->describe_stream_summary;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    struct stream_parts parts = {0};
    struct describe_stream_summary_output out = {
        .stream_description_summary = {
            STREAM_DESCRIPTION(rq, t, &parts),
            .open_shard_count = topic_open_shards(t),
            .consumer_count = t->consumer_count,
            .has_consumer_count = true,
            .max_record_size_in_kib = t->config.max_record_kib,
            .has_max_record_size_in_kib = true,
            .record_distribution_strategy = t->on_demand ? BYTES_LIT("USER_PARTITION_KEY")
                                                         : BYTES_NULL,
        }};
    front_reply(rq, &out);
}
