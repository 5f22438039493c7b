#include "bridge/consumer.h"

#include "bridge/stream.h"
#include "protocol/kinesis/arn.h"
#include "base/check.h"

const struct stream_consumer *consumer_named(const struct topic *t, struct bytes name)
{
    for (int32_t i = 0; i < t->consumer_count; i++)
        if (bytes_equal_str(name, t->consumers[i].name)) return &t->consumers[i];
    return NULL;
}

struct bytes consumer_arn(struct kinesis_request *rq, const struct topic *t,
                          const struct stream_consumer *c)
{
    return arn_consumer(rq->arena, stream_arn(rq, t), bytes_str(c->name), c->created_ms / 1000);
}

struct kinesis_consumer consumer_show(struct kinesis_request *rq, const struct topic *t,
                                      const struct stream_consumer *c,
                                      enum kinesis_consumer_status status)
{
    return (struct kinesis_consumer){
        .consumer_name = arena_copy(rq->arena, bytes_str(c->name)),
        .consumer_arn = consumer_arn(rq, t, c),
        .consumer_status = kinesis_consumer_status_text(status),
        .consumer_creation_timestamp_ms = c->created_ms,
    };
}

static void fail_not_found(struct kinesis_request *rq, struct bytes name, struct bytes stream)
{
    kinesis_fail(rq, ERR_RESOURCE_NOT_FOUND,
                 "Consumer %.*s under stream %.*s under account %.*s not found.", BYTES_ARGS(name),
                 BYTES_ARGS(stream), BYTES_ARGS(rq->bridge->account));
}

bool consumer_find(struct kinesis_request *rq, struct bytes stream_arn, struct bytes name,
                   struct bytes consumer_arn, struct consumer_ref *ret)
{
    struct arn arn = {0};
    bool by_arn = !bytes_is_null(consumer_arn);
    if (by_arn && (arn_parse(consumer_arn, &arn) != ERR_OK || bytes_is_null(arn.consumer))) {
        kinesis_fail(rq, ERR_INVALID_ARGUMENT, "Invalid ConsumerARN: %.*s",
                     BYTES_ARGS(consumer_arn));
        return false;
    }
    if (!by_arn && (bytes_is_null(stream_arn) || bytes_is_null(name))) {
        kinesis_fail(rq, ERR_INVALID_ARGUMENT,
                     "Either ConsumerARN, or StreamARN and ConsumerName, must be provided.");
        return false;
    }
    CLEANUP(topic_unrefp) struct topic *t =
        by_arn ? stream_find(rq, arn.stream, BYTES_NULL) : stream_find(rq, BYTES_NULL, stream_arn);
    if (t == NULL) return false;
    struct bytes wanted = by_arn ? arn.consumer : name;
    const struct stream_consumer *c = consumer_named(t, wanted);
    if (c == NULL || (by_arn && c->created_ms / 1000 != arn.consumer_created_s)) {
        fail_not_found(rq, wanted, topic_name(t));
        return false;
    }
    *ret = (struct consumer_ref){.topic = TAKE(t), .consumer = c};
    return true;
}
