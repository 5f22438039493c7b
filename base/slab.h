/* Refcounted byte blocks: record bytes live in one from the socket that brought them to the socket
 * that takes them away. Written by the one owner before it is shared, immutable afterwards.
 * A slab may carry a budget from which its bytes were taken; the last unref gives them back. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

struct budget;

struct slab {
    atomic_uint refs;
    size_t len;             /* bytes in use */
    size_t cap;
    size_t charged;         /* taken from the budget */
    size_t announced;       /* of the budget's address space: what is still to come */
    _Atomic(struct budget *) budget;    /* may be NULL; not owned */
    uint8_t data[];
};

/* On whose behalf a slab is filled: budget_take_part(). */
struct slab_part {
    const void *who;
    size_t held;
    int64_t now_ms;
};
enum { SLAB_SMALL_BYTES = 64 * 1024 };  /* the request is small: it may use the reserve */

/* One reference, len 0. NULL when memory is out or the budget refuses; budget may be NULL.
 * Thread: any. */
struct slab *slab_new(struct budget *budget, size_t cap);
/* One for want bytes that are to come, with the three functions below: filled by one owner, who has
 * the only reference. It takes address space alone, and less than want while much is announced.
 * NULL when memory is out. */
struct slab *slab_announce(struct budget *budget, size_t want);
/* One whose want bytes are all there to be copied; extra: what the request costs besides. NULL when
 * memory is out or the budget refuses. part as below. */
struct slab *slab_arrived(struct budget *budget, size_t want, size_t extra,
                          const struct slab_part *part);
/* Makes room for so many bytes behind len and takes them from the budget; may move *at. False: the
 * budget refuses, or memory is out; then nothing has changed. */
bool slab_expect(struct slab **at, size_t want, size_t bytes, const struct slab_part *part);
/* Of the bytes expected so many came; the others are given back. */
void slab_came(struct slab *s, size_t expected, size_t came);
/* Charges what the request costs besides; not refused. */
void slab_extra(struct slab *s, size_t extra);
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
