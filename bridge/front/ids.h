/* The ids of an answer: x-amzn-RequestId, a UUID of version 4, and x-amz-id-2, 96 characters of
 * base64. They only have to differ. */
#ifndef BRIDGE_FRONT_IDS_H
#define BRIDGE_FRONT_IDS_H

#include "base/arena.h"
#include "bridge/state.h"

/* Texts live in the arena; BYTES_NULL when it has no room. Thread: l's loop. */
struct bytes ids_request(struct bridge_loop *l, struct arena *arena);
struct bytes ids_second(struct bridge_loop *l, struct arena *arena);

#endif
