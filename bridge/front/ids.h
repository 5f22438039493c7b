/* The ids of an answer: x-amzn-RequestId, a UUID of version 4, and x-amz-id-2, 96 characters of
 * base64. They only have to differ. */
#ifndef BRIDGE_FRONT_IDS_H
#define BRIDGE_FRONT_IDS_H

#include "base/arena.h"

/* A loop's generator; not for secrets. */
struct ids {
    uint64_t random[2];
};
void ids_init(struct ids *ids);

/* Texts live in the arena; BYTES_NULL when it has no room. Thread: the loop of ids. */
struct bytes ids_request(struct ids *ids, struct arena *arena);
struct bytes ids_second(struct ids *ids, struct arena *arena);

#endif
