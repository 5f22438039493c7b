#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

void kinesis_remove_tags_from_stream(struct front_request *rq)
{
    const struct remove_tags_from_stream_input *in = &rq_input(rq)->remove_tags_from_stream;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    struct consumer_ref of = {.topic = t};
    if (t != NULL) tags_remove(rq, &of, in->tag_keys, in->tag_keys_count);
}
