/* One event of a SubscribeToShard stream. Inside fanout alone. */
#ifndef BRIDGE_FANOUT_EVENT_H
#define BRIDGE_FANOUT_EVENT_H

#include "bridge/get.h"
#include "bridge/shard.h"
#include "protocol/aws/codec.h"

/* The event that carries page, which may be empty, to a consumer that has then had all of the shard
 * below page->offset_next: with where to continue, or the shard's children when that was its end.
 * What it names lies in the arena. False: there is no memory for it. Thread: the request's loop. */
bool fanout_event(const struct topic *t, const struct shard *shard, const struct log_bounds *bounds,
                  const struct get_page *page, struct arena *arena,
                  struct kinesis_subscribe_to_shard_event *ret);

#endif
