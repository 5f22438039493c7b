#include "protocol/kafka/api.h"

#include <assert.h>
#include <stddef.h>
#include "protocol/kafka/msg/schema.h"
#include "base/check.h"

#define KAFKA(NAME, key_, min_, max_, plane_, handler)                                             \
    static_assert((key_) == KAFKA_##NAME##_KEY, #NAME " has another key in its schema");           \
    static_assert((min_) >= KAFKA_##NAME##_MIN && (max_) <= KAFKA_##NAME##_MAX &&                  \
                      (min_) <= (max_),                                                            \
                  #NAME " is served beyond its schema");
#include "protocol/schema/kafka_api.def"
#undef KAFKA

/* Kafka advertises Produce from version 0 although it refuses 0-2, because librdkafka before 2.8
 * takes its absence for a broker without message format 1 (KAFKA-18659). */
#define ADVERTISED_MIN(key, min) ((key) == KAFKA_PRODUCE_KEY ? 0 : (min))

#define KAFKA(NAME, key_, min_, max_, plane_, handler)                                             \
    {.index = KAFKA_API_##NAME,                                                                    \
     .key = key_,                                                                                  \
     .version_min = min_,                                                                          \
     .version_max = max_,                                                                          \
     .version_advertised_min = ADVERTISED_MIN(key_, min_),                                         \
     .flexible_min = KAFKA_##NAME##_FLEXIBLE,                                                      \
     .plane = KAFKA_PLANE_##plane_,                                                                \
     .name = KAFKA_##NAME##_NAME},
const struct kafka_api kafka_apis[KAFKA_API_COUNT] = {
#include "protocol/schema/kafka_api.def"
};
#undef KAFKA

enum { KEY_LIMIT = 128 };

/* Position + 1 by key, 0 for none: a jump instead of a search, since every frame asks. */
static const uint8_t by_key[KEY_LIMIT] = {
#define KAFKA(NAME, key_, ...) [key_] = KAFKA_API_##NAME + 1,
#include "protocol/schema/kafka_api.def"
#undef KAFKA
};

const struct kafka_api *kafka_api_find(int16_t key)
{
    if (key < 0 || key >= KEY_LIMIT || by_key[key] == 0) return NULL;
    return &kafka_apis[by_key[key] - 1];
}

bool kafka_api_serves(const struct kafka_api *api, int16_t version)
{
    return version >= api->version_min && version <= api->version_max;
}
