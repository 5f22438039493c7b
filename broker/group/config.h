/* What groups keep to: bounds, times and who is told. */
#ifndef BROKER_GROUP_CONFIG_H
#define BROKER_GROUP_CONFIG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

struct groups_config {
    int32_t session_ms_min;             /* group.min.session.timeout.ms */
    int32_t session_ms_max;             /* group.max.session.timeout.ms */
    int32_t initial_delay_ms;           /* group.initial.rebalance.delay.ms */
    int64_t offset_retention_ms;        /* offsets.retention.minutes */
    uint32_t offset_metadata_chars_max; /* offset.metadata.max.bytes, counted as Kafka does */
    size_t commit_bytes_max;            /* of one commit, as Kafka would write it */
    uint32_t members_max;               /* group.max.size; as many pending members beside them */
    uint32_t protocols_max;             /* of one member */
    uint32_t groups_max;                /* of this table */
    size_t bytes_max;                   /* held by all groups: ids, metadata, assignments */
    size_t group_bytes_max;             /* held by one */
    atomic_size_t *bytes_all;           /* held by the groups of all tables, which bytes_max is for;
                                           NULL: this one is alone */
    /* Told of every change of a group's number of members; GROUP_GONE: the group ended. NULL is
     * legal. */
    void (*on_members)(struct bytes group_id, int64_t count);
};
enum { GROUP_GONE = -1 };

/* Kafka's defaults where it has one, but no initial delay and bounds where Kafka has none. */
void groups_config_default(struct groups_config *ret);

#endif
