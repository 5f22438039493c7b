/* What DescribeConfigs says of the broker itself. */
#ifndef BROKER_BROKER_CONFIG_H
#define BROKER_BROKER_CONFIG_H

#include "base/arena.h"
#include "base/bytes.h"
#include "broker/config_text.h"
#include "broker/state.h"

struct broker_config {
    struct bytes name;
    struct bytes value;             /* in the arena */
    struct bytes usual;             /* Kafka's default; null: none */
    int8_t type;                    /* Kafka's ConfigType code */
    enum config_source source;
    struct bytes documentation;     /* null: none */
};

/* All of them, topic defaults under their broker names included; NULL when the arena is full.
 * Thread: any. */
struct broker_config *broker_configs(struct arena *arena, const struct broker *b,
                                     int32_t *ret_count);

#endif
