/* What handlers ask about topics, in Kafka's terms. */
#ifndef BROKER_TOPICS_H
#define BROKER_TOPICS_H

#include "broker/request.h"
#include "storage/topic/topic.h"

/* One broker leads every partition for ever, so its epoch never moves: a topic that is made anew
 * has another id. Checked against the epoch a client believes in (KIP-320). */
enum { LEADER_EPOCH = 0 };

/* Authorised operations that Kafka reports when it has no authoriser: all that the resource knows.
 * Bits are AclOperation codes. */
enum {
    OPERATIONS_TOPIC = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11,
    OPERATIONS_CLUSTER = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12,
    OPERATIONS_GROUP = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11,
    OPERATIONS_NOT_ASKED = INT32_MIN
};

/* A reference to the topic, by name, or by id when name is null.
 * Errors: ERR_UNKNOWN_TOPIC_OR_PARTITION - no such name; ERR_UNKNOWN_TOPIC_ID - no such id.
 * Thread: any. */
enum err topic_find(struct store *s, struct bytes name, const struct uuid *id, struct topic **ret);

/* Errors: ERR_UNKNOWN_TOPIC_OR_PARTITION; ERR_FENCED_LEADER_EPOCH; ERR_UNKNOWN_LEADER_EPOCH.
 * epoch: what the client believes, -1 when it does not say. Thread: any. */
enum err topic_check_partition(const struct topic *t, int32_t partition, int32_t epoch);

#endif
