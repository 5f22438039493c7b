#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

void kinesis_untag_resource(struct kinesis_request *rq)
{
    const struct untag_resource_input *in = &rq->input->untag_resource;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, in->resource_arn);
    if (t != NULL) tags_remove(rq, t, in->tag_keys, in->tag_keys_count);
}
