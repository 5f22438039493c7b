/* The Kafka APIs that the server speaks, from protocol/schema/kafka_api.def. Handlers are the
 * broker's column of the same rows; this table is what a frame needs before it reaches one. Thread:
 * any. */
#ifndef PROTOCOL_KAFKA_API_H
#define PROTOCOL_KAFKA_API_H

#include <stdbool.h>
#include <stdint.h>

enum kafka_plane { KAFKA_PLANE_DATA, KAFKA_PLANE_CONTROL };

/* Positions in the table, for arrays with an entry an API: KAFKA_API_PRODUCE and so on. */
enum kafka_api_index {
#define KAFKA(NAME, ...) KAFKA_API_##NAME,
#include "protocol/schema/kafka_api.def"
#undef KAFKA
    KAFKA_API_COUNT
};

struct kafka_api {
    enum kafka_api_index index;
    int16_t key;
    int16_t version_min;            /* served */
    int16_t version_max;
    int16_t version_advertised_min; /* what ApiVersions says: lower than served for Produce only */
    int16_t flexible_min;           /* INT16_MAX: never flexible */
    enum kafka_plane plane;
    const char *name;               /* "ListOffsets" */
};

/* In order of key. */
extern const struct kafka_api kafka_apis[KAFKA_API_COUNT];

/* NULL when the key is unknown or not served. */
const struct kafka_api *kafka_api_find(int16_t key);
bool kafka_api_serves(const struct kafka_api *api, int16_t version);

#endif
