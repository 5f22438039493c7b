/* SubscribeToShard: records pushed to an enhanced fan-out consumer as they are appended.
 *
 * A subscription holds a place (consumer, shard) in one table over all loops. Within 5 s of its start a
 * second one is refused; later a second one takes the place over, and the first one ends with an
 * exception in its stream. It lives on the loop of its connection, sleeps on a watch of the log and
 * wakes by an append, a reshard, the 5 s heartbeat or the end of its 5 minutes. */
#ifndef BRIDGE_FANOUT_H
#define BRIDGE_FANOUT_H

#include "base/bytes.h"
#include "base/uuid.h"
#include "bridge/consumer.h"
#include "bridge/request.h"
#include "bridge/shard.h"

enum { SUBSCRIPTIONS_MAX = 65536 };

struct subscriptions;

struct subscriptions *subscriptions_new(void);              /* never NULL. Thread: main */
void subscriptions_free(struct subscriptions *s);           /* none is left; NULL is a no-op */
/* Ends every subscription of a consumer that was deregistered. Thread: any. */
void subscriptions_drop(struct subscriptions *s, const struct uuid *topic_id, struct bytes consumer);

/* Starts the stream of rq, or answers why not. Takes over consumer->topic. Thread: the request's loop. */
void fanout_start(struct kinesis_request *rq, const struct consumer_ref *consumer,
                  const struct shard *shard, const struct shard_position *from);

#endif
