#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

void kinesis_list_tags_for_resource(struct kinesis_request *rq)
{
    const struct list_tags_for_resource_input *in = &rq->input->list_tags_for_resource;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, in->resource_arn);
    if (t == NULL) return;
    struct list_tags_for_resource_output out = {0};
    out.tags = tags_list(rq->arena, t, BYTES_NULL, &out.tags_count);
    kinesis_reply(rq, &out);
}
