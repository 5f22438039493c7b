/* Ranges of KV_LOG that were deleted and are not taken out of the tables yet: nobody finds them any
 * more, and the sweeper counts what lies there as dead before it goes (kv_reclaim.c). Each is kept
 * in the family KV_DISCARDS too, its first key to its end. Only inside storage/engine. */
#ifndef STORAGE_DISCARDS_H
#define STORAGE_DISCARDS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

enum { DISCARD_KEY_BYTES = 32 };

struct bound {
    uint8_t data[DISCARD_KEY_BYTES];
    uint8_t len;
};
static inline struct bytes bound_bytes(const struct bound *b)
{
    return bytes_of(b->data, b->len);
}
struct bound bound_of(struct bytes key);        /* at most DISCARD_KEY_BYTES */

struct discard {
    struct bound from;
    struct bound to;
};

/* Disjoint, in order. Thread: the caller's lock. */
struct discards {
    struct discard *all;
    uint32_t count;
    uint32_t cap;
};
void discards_done(struct discards *d);
/* What [from, to) becomes together with those that it touches: what is to be stored. */
struct discard discards_joined(const struct discards *d, struct bytes from, struct bytes to);
void discards_add(struct discards *d, struct bytes from, struct bytes to);
/* Takes this one out. False: it has grown since. */
bool discards_remove(struct discards *d, const struct discard *x);
bool discards_have(const struct discards *d, struct bytes key);
/* Those that touch [from, to); to null: no end. A copy, to be ended with discards_done(). */
struct discards discards_of(const struct discards *d, struct bytes from, struct bytes to);

#endif
