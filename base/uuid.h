/* A UUID as its 16 bytes in wire order: topic ids of both the catalog and the Kafka protocol,
 * cluster ids, member ids. Kafka's text form is base64url without padding, 22 characters. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base/bytes.h"

struct uuid {
    uint8_t bytes[16];
};

enum { UUID_TEXT_LEN = 22 };

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool uuid_is_zero(const struct uuid *u)
{
    return uuid_equal(u, &(struct uuid){{0}});
}

/* Random (version 4). Never one of the ids that Kafka reserves (0 to 100 as a number) and never one
 * whose text begins with '-', which command lines take for an option. Thread: any. */
struct uuid uuid_random(void);

/* Writes 22 characters and a NUL; returns to. */
char *uuid_to_text(const struct uuid *id, char to[UUID_TEXT_LEN + 1]);

/* False, with ret untouched, when b is not 22 characters of base64url or sets bits beyond the
 * 128th. */
bool uuid_from_text(struct bytes b, struct uuid *ret);

#endif
