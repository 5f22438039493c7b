#include "bridge/consumer.h"
#include "bridge/stream.h"
#include "base/check.h"

void kinesis_describe_stream_consumer(struct front_request *rq)
{
    const struct describe_stream_consumer_input *in = &rq_input(rq)->describe_stream_consumer;
    struct consumer_ref found;
    if (!consumer_find(rq, in->stream_arn, in->consumer_name, in->consumer_arn, &found)) return;
    struct kinesis_consumer shown = consumer_show(rq, found.topic, found.consumer,
                                                  consumer_status(rq_bridge(rq), found.consumer));
    struct describe_stream_consumer_output out = {
        .consumer_description = {.consumer_name = shown.consumer_name,
                                 .consumer_arn = shown.consumer_arn,
                                 .consumer_status = shown.consumer_status,
                                 .consumer_creation_timestamp_ms =
                                     shown.consumer_creation_timestamp_ms,
                                 .stream_arn = stream_arn(rq, found.topic)}};
    topic_unref(found.topic);
    front_reply(rq, &out);
}
