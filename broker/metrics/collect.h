/* What kafka_exporter would show of this broker, under its names, so that existing boards work:
 * topics, partitions, committed offsets and lag; and what CloudWatch would show of it (msk.h).
 *
 * Everything comes from memory at the moment of asking; broker_look_up() (look_up.h) brings there
 * beforehand what only the disk knows. What stays unknown has no series. */
#ifndef BROKER_METRICS_COLLECT_H
#define BROKER_METRICS_COLLECT_H

#include "base/bytes.h"
#include "base/writer.h"

/* For metrics_collector(); broker: a struct broker. Thread: any, while the broker lives. */
void broker_collect(struct writer *out, void *broker);

/* For groups_config.on_members: keeps kafka_consumergroup_members of one group. Groups whose ids
 * are shown alike, since they are not UTF-8, share one. Thread: the group's loop. */
void collect_members(struct bytes group_id, int64_t count);

#endif
