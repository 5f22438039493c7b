#include "bridge/tags.h"
#include "base/check.h"

void kinesis_untag_resource(struct kinesis_request *rq)
{
    const struct untag_resource_input *in = &rq->input->untag_resource;
    struct consumer_ref of;
    if (!tags_find(rq, in->resource_arn, &of)) return;
    tags_remove(rq, &of, in->tag_keys, in->tag_keys_count);
    topic_unref(of.topic);
}
