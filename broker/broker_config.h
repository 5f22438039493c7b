/* What DescribeConfigs says of the broker itself: every config that Apache Kafka's has. */
#ifndef BROKER_BROKER_CONFIG_H
#define BROKER_BROKER_CONFIG_H

#include "base/arena.h"
#include "base/bytes.h"
#include "broker/config_text.h"
#include "broker/kafka_config.h"
#include "broker/state.h"

struct broker_config {
    const struct kafka_config *spec;
    struct bytes value;             /* in the arena; null: none */
    enum config_source source;
};

/* All of them, kafka_config_count(); NULL when the arena is full. advertised: what this client is
 * told to connect to. Thread: any. */
struct broker_config *broker_configs(struct arena *arena, const struct broker *b,
                                     const struct net_address *advertised);

/* Whether its value is one of Diglot's own, not only Kafka's default. Thread: any. */
bool broker_config_is_own(const char *name);

#endif
