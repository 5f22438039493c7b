/* Aggregates of the Kinesis Producer Library: one record that holds many. */
#ifndef PROTOCOL_KINESIS_KPL_H
#define PROTOCOL_KINESIS_KPL_H

#include "base/bytes.h"

/* Does the record begin like an aggregate (f3 89 9a c2) and have room for its checksum? KCL drops
 * the sub-records of an aggregate that lies in the wrong shard, so such a record must always be
 * routed by hash. Thread: any. */
bool kpl_is_aggregate(struct bytes data);

#endif
