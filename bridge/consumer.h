/* Stream consumers (enhanced fan-out): their ARNs and look-up. */
#ifndef BRIDGE_CONSUMER_H
#define BRIDGE_CONSUMER_H

#include "bridge/request.h"
#include "storage/topic/topic.h"

struct consumer_ref {
    struct topic *topic;                    /* reference */
    const struct stream_consumer *consumer; /* inside topic */
};
/* The consumer named by its ARN, or by the stream's ARN and its name; what is given of these has to
 * agree. False: answered. On success the caller drops ret->topic. */
bool consumer_find(struct front_request *rq, struct bytes stream_arn, struct bytes name,
                   struct bytes consumer_arn, struct consumer_ref *ret);
/* In the arena. */
struct bytes consumer_arn(struct front_request *rq, const struct topic *t,
                          const struct stream_consumer *c);
/* ACTIVE, or CREATING for stream_create_ms after it was registered. */
enum kinesis_consumer_status consumer_status(const struct bridge *b,
                                             const struct stream_consumer *c);
/* False and answered (ResourceInUseException) unless the consumer is ACTIVE. */
bool consumer_is_active(struct front_request *rq, const struct consumer_ref *consumer);
struct kinesis_consumer consumer_show(struct front_request *rq, const struct topic *t,
                                      const struct stream_consumer *c,
                                      enum kinesis_consumer_status status);
const struct stream_consumer *consumer_named(const struct topic *t, struct bytes name);

#endif
