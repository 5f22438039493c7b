/* SubscribeToShard: records pushed to an enhanced fan-out consumer as they are appended.
 *
 * A subscription lives on the loop of its connection, sleeps on a watch of the log and wakes by an
 * append, a reshard, the heartbeat at least every 5 s or the end of its 5 minutes. It ends early
 * when another one takes its place over (subscriptions.h). */
#ifndef BRIDGE_FANOUT_H
#define BRIDGE_FANOUT_H

#include "bridge/consumer.h"
#include "bridge/request.h"
#include "bridge/shard.h"

/* What the events that are being made on a loop, and what was read for them, take together: beyond
 * it subscriptions wait for their turn. Those under way may take as much again. */
enum { FANOUT_LOOP_BYTES = 16 << 20 };

/* Starts the stream of rq, or answers why not. Takes over consumer->topic. Thread: the request's
 * loop. */
void fanout_start(struct front_request *rq, const struct consumer_ref *consumer,
                  const struct shard *shard, const struct shard_position *from);

#endif
