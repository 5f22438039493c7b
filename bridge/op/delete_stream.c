#include "bridge/change.h"
#include "bridge/stream.h"
#include "base/check.h"

static void done(struct front_request *rq, struct control *c)
{
    CLEANUP(topic_unrefp) struct topic *t = rq->context;
    if (c->err == ERR_OK) stream_show_deleting(rq_bridge(rq), t);
    change_reply_empty(rq, c);
}

void kinesis_delete_stream(struct front_request *rq)
{
    const struct delete_stream_input *in = &rq_input(rq)->delete_stream;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    if (t->consumer_count > 0 && !in->enforce_consumer_deletion) {
        front_fail(rq, ERR_RESOURCE_IN_USE,
                   "DeleteStream can\u2019t delete %.*s:%s because there are consumers "
                   "associated with this data stream. To delete %s anyway, set the "
                   "EnforceConsumerDeletion parameter to true to force the deletion of all the "
                   "consumers that are associated with it.",
                   BYTES_ARGS(rq_bridge(rq)->account), t->name, t->name);
        return;
    }
    struct control change = {.kind = CONTROL_DELETE_TOPIC, .id = t->id};
    rq->context = TAKE(t);
    change_start(rq, &change, done);
}
