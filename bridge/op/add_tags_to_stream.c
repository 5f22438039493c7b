#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

void kinesis_add_tags_to_stream(struct front_request *rq)
{
    const struct add_tags_to_stream_input *in = &rq_input(rq)->add_tags_to_stream;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    struct consumer_ref of = {.topic = t};
    if (t != NULL) tags_add(rq, &of, in->tags, in->tags_count);
}
