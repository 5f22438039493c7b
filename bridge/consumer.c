#include "bridge/consumer.h"

#include <inttypes.h>
#include "base/clock.h"
#include "bridge/stream.h"
#include "protocol/kinesis/arn.h"
#include "base/check.h"

const struct stream_consumer *consumer_named(const struct topic *t, struct bytes name)
{
    for (int32_t i = 0; i < t->consumer_count; i++)
        if (bytes_equal_str(name, t->consumers[i].name)) return &t->consumers[i];
    return NULL;
}

struct bytes consumer_arn(struct front_request *rq, const struct topic *t,
                          const struct stream_consumer *c)
{
    return arn_consumer(rq->arena, stream_arn(rq, t), bytes_str(c->name), c->created_ms / 1000);
}

struct kinesis_consumer consumer_show(struct front_request *rq, const struct topic *t,
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

enum kinesis_consumer_status consumer_status(const struct bridge *b,
                                             const struct stream_consumer *c)
{
    return stream_is_recent(b, c->created_ms, clock_wall_ms()) ? KINESIS_CONSUMER_STATUS_CREATING
                                                               : KINESIS_CONSUMER_STATUS_ACTIVE;
}

bool consumer_is_active(struct front_request *rq, const struct consumer_ref *consumer)
{
    if (consumer_status(rq_bridge(rq), consumer->consumer) == KINESIS_CONSUMER_STATUS_ACTIVE)
        return true;
    front_fail(rq, ERR_RESOURCE_IN_USE,
               "Consumer %s with creation timestamp %" PRId64 " under stream: %s , account %.*s "
               "is not in ACTIVE status.",
               consumer->consumer->name, consumer->consumer->created_ms / 1000,
               consumer->topic->name, BYTES_ARGS(rq_bridge(rq)->account));
    return false;
}

static void fail_not_found(struct front_request *rq, struct bytes name, struct bytes stream)
{
    front_fail(rq, ERR_RESOURCE_NOT_FOUND,
               "Consumer %.*s under stream %.*s under account %.*s not found.", BYTES_ARGS(name),
               BYTES_ARGS(stream), BYTES_ARGS(rq_bridge(rq)->account));
}

bool consumer_find(struct front_request *rq, struct bytes stream_arn, struct bytes name,
                   struct bytes consumer_arn, struct consumer_ref *ret)
{
    struct arn arn = {0};
    bool by_arn = !bytes_is_null(consumer_arn);
    if (by_arn && (arn_parse(consumer_arn, &arn) != ERR_OK || bytes_is_null(arn.consumer))) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "Invalid ConsumerARN: %.*s",
                   BYTES_ARGS(consumer_arn));
        return false;
    }
    if (!by_arn && (bytes_is_null(stream_arn) || bytes_is_null(name))) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "Either ConsumerARN, or StreamARN and ConsumerName, must be provided.");
        return false;
    }
    /* The stream's part of the ARN is looked up as one: it names an account and a region too. */
    struct bytes of_consumer = by_arn ? arn_stream(rq->arena, arn.region, arn.account, arn.stream)
                                      : stream_arn;
    struct bytes wanted = by_arn ? arn.consumer : name;
    bool agree = (bytes_is_null(stream_arn) || bytes_equal(stream_arn, of_consumer)) &&
                 (bytes_is_null(name) || bytes_equal(name, wanted));
    if (!agree) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "ConsumerARN %.*s is not that of the given StreamARN and ConsumerName.",
                   BYTES_ARGS(consumer_arn));
        return false;
    }
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, of_consumer);
    if (t == NULL) return false;
    const struct stream_consumer *c = consumer_named(t, wanted);
    if (c == NULL || (by_arn && c->created_ms / 1000 != arn.consumer_created_s)) {
        fail_not_found(rq, wanted, topic_name(t));
        return false;
    }
    *ret = (struct consumer_ref){.topic = TAKE(t), .consumer = c};
    return true;
}
