/* Replicas that a client assigns by hand, as Kafka's controller looks at them
 * (ReplicationControlManager.validateManualPartitionAssignment), with one broker registered. */
#ifndef BROKER_ASSIGNMENT_H
#define BROKER_ASSIGNMENT_H

#include <stdint.h>
#include "base/arena.h"

/* NULL: the brokers may hold one partition's replicas. node: the one that is registered. factor:
 * how many replicas the partitions before it have, 0: there is none. Linear. Thread: any. */
const char *assignment_fault(struct arena *arena, const int32_t *brokers, int32_t count,
                             int32_t node, int32_t factor);

#endif
