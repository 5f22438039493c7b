#include "bridge/change.h"
#include "bridge/consumer.h"
#include "bridge/stream.h"
#include "base/check.h"

static void done(struct kinesis_request *rq, struct control *c)
{
    const struct register_stream_consumer_input *in = &rq->input->register_stream_consumer;
    const struct stream_consumer *added = c->err == ERR_OK
                                              ? consumer_named(c->topic, in->consumer_name)
                                              : NULL;
    if (c->err == ERR_RESOURCE_IN_USE) {
        kinesis_fail(rq, c->err,
                     "Consumer %.*s under stream ARN %.*s under account %.*s already exists.",
                     BYTES_ARGS(in->consumer_name), BYTES_ARGS(in->stream_arn),
                     BYTES_ARGS(rq->bridge->account));
    } else if (added == NULL) {
        change_fail(rq, c);
    } else {
        /* CREATING is what AWS answers; the next look at it says ACTIVE. */
        struct register_stream_consumer_output out = {
            .consumer = consumer_show(rq, c->topic, added, KINESIS_CONSUMER_STATUS_CREATING)};
        kinesis_reply(rq, &out);
    }
}

void kinesis_register_stream_consumer(struct kinesis_request *rq)
{
    const struct register_stream_consumer_input *in = &rq->input->register_stream_consumer;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, in->stream_arn);
    if (t == NULL) return;
    struct control change = {.kind = CONTROL_ADD_CONSUMER, .id = t->id,
                             .consumer = in->consumer_name};
    change_start(rq, &change, done);
}
