#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

void kinesis_list_tags_for_stream(struct front_request *rq)
{
    const struct list_tags_for_stream_input *in = &rq_input(rq)->list_tags_for_stream;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    struct list_tags_for_stream_output out = {0};
    out.tags = tags_list(rq->arena, &(struct consumer_ref){.topic = t},
                         in->exclusive_start_tag_key, &out.tags_count);
    if (in->has_limit && (uint32_t)in->limit < out.tags_count) {
        out.tags_count = (uint32_t)in->limit;
        out.has_more_tags = true;
    }
    front_reply(rq, &out);
}
