/* What Kafka says of the records of a batch that may not be stored (LogValidator). */
#ifndef BROKER_PRODUCE_FAULTS_H
#define BROKER_PRODUCE_FAULTS_H

#include "base/arena.h"
#include "protocol/batch/validate.h"
#include "protocol/kafka/msg/produce.h"
#include "storage/topic/topic.h"

/* Fills the record errors and the message of out, whose index is set, in words from the arena; when
 * that is full, or without faults, out stays as it is. now_ms: when t's bounds were looked at.
 * Thread: any. */
void produce_faults_tell(struct arena *arena, const struct batch_faults *faults, int64_t now_ms,
                         const struct topic *t, struct produce_response_partition *out);

#endif
