#include "bridge/tags.h"
#include "base/check.h"

void kinesis_untag_resource(struct front_request *rq)
{
    const struct untag_resource_input *in = &rq_input(rq)->untag_resource;
    struct consumer_ref of;
    if (!tags_find(rq, in->resource_arn, &of)) return;
    tags_remove(rq, &of, in->tag_keys, in->tag_keys_count);
    topic_unref(of.topic);
}
