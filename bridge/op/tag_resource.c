#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

void kinesis_tag_resource(struct kinesis_request *rq)
{
    const struct tag_resource_input *in = &rq->input->tag_resource;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, in->resource_arn);
    if (t != NULL) tags_add(rq, t, in->tags, in->tags_count);
}
