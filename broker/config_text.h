/* Configs as DescribeConfigs and CreateTopics show them. */
#ifndef BROKER_CONFIG_TEXT_H
#define BROKER_CONFIG_TEXT_H

#include "base/arena.h"
#include "storage/control/control.h"
#include "storage/topic/topic.h"

/* Where a value comes from: Kafka's ConfigSource codes. */
enum config_source {
    CONFIG_OF_TOPIC = 1,
    CONFIG_OF_STATIC_BROKER = 4,
    CONFIG_OF_DEFAULT = 5,
};

struct config_text {
    struct bytes value;             /* in the arena */
    enum config_source source;
};

/* The effective value of a topic config. Thread: any. */
struct config_text config_text_of_topic(struct arena *arena, const struct topic *t,
                                        const struct config_spec *spec);

#endif
