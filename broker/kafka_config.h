/* The configs that a broker of Apache Kafka has, as a table: kafka_config.def. */
#ifndef BROKER_KAFKA_CONFIG_H
#define BROKER_KAFKA_CONFIG_H

#include <stdint.h>
#include "base/bytes.h"

enum {
    KAFKA_CONFIG_BOOLEAN = 1, KAFKA_CONFIG_STRING, KAFKA_CONFIG_INT, KAFKA_CONFIG_SHORT,
    KAFKA_CONFIG_LONG, KAFKA_CONFIG_DOUBLE, KAFKA_CONFIG_LIST, KAFKA_CONFIG_CLASS,
    KAFKA_CONFIG_PASSWORD
};

struct kafka_config {
    const char *name;
    int8_t type;                /* Kafka's ConfigType code, as above */
    const char *usual;          /* Kafka's default; NULL: none, or worked out from other configs */
    const char *documentation;
};

/* By name. Thread: any. */
int32_t kafka_config_count(void);
const struct kafka_config *kafka_config(int32_t index);
/* Its index; -1: no broker of Apache Kafka has a config of this name. Thread: any. */
int32_t kafka_config_find(struct bytes name);

#endif
