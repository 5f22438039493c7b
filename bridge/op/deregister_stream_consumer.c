#include "bridge/change.h"
#include "bridge/consumer.h"
#include "bridge/subscriptions.h"
#include "base/check.h"

static void done(struct front_request *rq, struct control *c)
{
    if (c->err == ERR_OK) subscriptions_drop(rq_bridge(rq)->subscriptions, &c->id, c->consumer);
    change_reply_empty(rq, c);
}

void kinesis_deregister_stream_consumer(struct front_request *rq)
{
    const struct deregister_stream_consumer_input *in = &rq_input(rq)->deregister_stream_consumer;
    struct consumer_ref found;
    if (!consumer_find(rq, in->stream_arn, in->consumer_name, in->consumer_arn, &found)) return;
    struct control change = {.kind = CONTROL_REMOVE_CONSUMER, .id = found.topic->id,
                             .consumer = arena_copy(rq->arena, bytes_str(found.consumer->name))};
    topic_unref(found.topic);
    change_start(rq, &change, done);
}
