/* A UUID as its 16 bytes in wire order: topic ids of both the catalog and the Kafka protocol. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct uuid {
    uint8_t bytes[16];
};

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool uuid_is_zero(const struct uuid *u)
{
    return uuid_equal(u, &(struct uuid){{0}});
}

#endif
