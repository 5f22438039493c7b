#include "bridge/change.h"
#include "bridge/consumer.h"
#include "bridge/stream.h"
#include "bridge/tags.h"
#include "base/check.h"

static void done(struct front_request *rq, struct control *c)
{
    const struct register_stream_consumer_input *in = &rq_input(rq)->register_stream_consumer;
    const struct stream_consumer *added = c->err == ERR_OK
                                              ? consumer_named(c->topic, in->consumer_name)
                                              : NULL;
    if (c->err == ERR_RESOURCE_IN_USE) {
        front_fail(rq, c->err,
                   "Consumer %.*s under stream ARN %.*s under account %.*s already exists.",
                   BYTES_ARGS(in->consumer_name), BYTES_ARGS(in->stream_arn),
                   BYTES_ARGS(rq_bridge(rq)->account));
    } else if (added == NULL) {
        change_fail(rq, c);
    } else {
        /* CREATING is what AWS answers; the next look at it says ACTIVE. */
        struct register_stream_consumer_output out = {
            .consumer = consumer_show(rq, c->topic, added, KINESIS_CONSUMER_STATUS_CREATING)};
        front_reply(rq, &out);
    }
}

/* As many as that may be CREATING at once. False: answered. */
static bool may_create(struct front_request *rq, const struct topic *t)
{
    enum { CREATING_MAX = 5 };
    int creating = 0;
    for (int32_t i = 0; i < t->consumer_count; i++)
        creating += consumer_status(rq_bridge(rq), &t->consumers[i]) ==
                    KINESIS_CONSUMER_STATUS_CREATING;
    if (creating < CREATING_MAX) return true;
    front_fail(rq, ERR_LIMIT_EXCEEDED,
               "At most %d consumers of stream %s under account %.*s can be CREATING at once.",
               CREATING_MAX, t->name, BYTES_ARGS(rq_bridge(rq)->account));
    return false;
}

void kinesis_register_stream_consumer(struct front_request *rq)
{
    const struct register_stream_consumer_input *in = &rq_input(rq)->register_stream_consumer;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, in->stream_arn);
    if (t == NULL || !stream_is_active(rq, t) || !may_create(rq, t)) return;
    struct topic_tag *tags = tags_of_new(rq, topic_name(t), in->tags, in->tags_count);
    if (tags == NULL) return;
    struct control change = {.kind = CONTROL_ADD_CONSUMER, .id = t->id,
                             .consumer = in->consumer_name, .tags = tags,
                             .tag_count = (int32_t)in->tags_count};
    change_start(rq, &change, done);
}
