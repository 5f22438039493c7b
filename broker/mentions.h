/* What a request names more than once: Kafka answers such a name once, with an error, and does
 * nothing about it. Linear time, memory from the request's arena. */
#ifndef BROKER_MENTIONS_H
#define BROKER_MENTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/map.h"

struct mention {
    struct map_node node;
    struct bytes key;
    int32_t first;      /* where this key stands first: its own place, unless it is a repeat */
    bool repeated;      /* it comes again later; told at the first place */
};

/* keys: one an entry; a null key is like no other. ret: one an entry, in the arena.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
enum err mentions_find(struct arena *arena, const struct bytes *keys, int32_t count,
                       struct mention **ret);

#endif
