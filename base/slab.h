/* Refcounted byte blocks: record bytes live in one from the socket that brought them to the socket
 * that takes them away. Written by the one owner before it is shared, immutable afterwards.
 * A slab may carry a budget from which its bytes were taken; the last unref gives them back. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

struct budget;

struct slab {
    atomic_uint refs;
    size_t len;             /* bytes in use */
    size_t cap;
    _Atomic(struct budget *) budget;    /* may be NULL; not owned */
    uint8_t data[];
};

/* One reference, len 0. NULL when memory is out or the budget refuses; budget may be NULL.
 * Thread: any. */
struct slab *slab_new(struct budget *budget, size_t cap);
struct slab *slab_copy(struct bytes b);          /* no budget; len = b.len; never NULL */
struct slab *slab_ref(struct slab *s);           /* returns s */
void slab_unref(struct slab *s);                 /* NULL is a no-op */
void slab_unrefp(struct slab **s);               /* for CLEANUP() */
/* Gives the slab's bytes back to its budget now, because another limit counts them from here on.
 * Thread: any that holds a reference. */
void slab_disown(struct slab *s);

static inline struct bytes slab_bytes(const struct slab *s)
{
    return bytes_of(s->data, s->len);
}

/* A view together with the slab that keeps it alive. */
struct slab_view {
    struct slab *slab;
    struct bytes bytes;
};

#endif
