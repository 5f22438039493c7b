/* What kafka_exporter would show of this broker, under its names, so that existing boards work:
 * topics, partitions, committed offsets and lag.
 *
 * Everything comes from memory at the moment of asking: a log that nobody used since the start has
 * no offsets to show, only its partition. Bounded: COLLECT_PARTITIONS_MAX partitions and
 * COLLECT_OFFSETS_MAX committed offsets are shown, and how many more there are is a series of its
 * own. */
#ifndef BROKER_COLLECT_H
#define BROKER_COLLECT_H

#include "base/bytes.h"
#include "base/writer.h"

enum { COLLECT_PARTITIONS_MAX = 8192, COLLECT_OFFSETS_MAX = 16384 };

/* For metrics_collector(); broker: a struct broker. Thread: any, while the broker lives. */
void broker_collect(struct writer *out, void *broker);

/* For groups_config.on_members: keeps kafka_consumergroup_members of one group. Thread: the group's
 * loop. */
void collect_members(struct bytes group_id, int64_t count);

#endif
