#include "bridge/tags.h"
#include "base/check.h"

void kinesis_list_tags_for_resource(struct front_request *rq)
{
    const struct list_tags_for_resource_input *in = &rq_input(rq)->list_tags_for_resource;
    struct consumer_ref of;
    if (!tags_find(rq, in->resource_arn, &of)) return;
    struct list_tags_for_resource_output out = {0};
    out.tags = tags_list(rq->arena, &of, BYTES_NULL, &out.tags_count);
    aws_encode(front_operation(rq)->output, rq->codec, &out, &rq->http->reply);
    topic_unref(of.topic);
    front_reply_encoded(rq);
}
