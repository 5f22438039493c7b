#include "bridge/tags.h"
#include "base/check.h"

void kinesis_tag_resource(struct front_request *rq)
{
    const struct tag_resource_input *in = &rq_input(rq)->tag_resource;
    struct consumer_ref of;
    if (!tags_find(rq, in->resource_arn, &of)) return;
    tags_add(rq, &of, in->tags, in->tags_count);
    topic_unref(of.topic);
}
