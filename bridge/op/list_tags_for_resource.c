#include "bridge/tags.h"
#include "base/check.h"

void kinesis_list_tags_for_resource(struct kinesis_request *rq)
{
    const struct list_tags_for_resource_input *in = &rq->input->list_tags_for_resource;
    struct consumer_ref of;
    if (!tags_find(rq, in->resource_arn, &of)) return;
    struct list_tags_for_resource_output out = {0};
    out.tags = tags_list(rq->arena, &of, BYTES_NULL, &out.tags_count);
    aws_encode(kinesis_operations[rq->op].output, rq->codec, &out, &rq->http->reply);
    topic_unref(of.topic);
    kinesis_reply_encoded(rq);
}
