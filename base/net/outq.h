/* Output that waits: a queue of byte ranges, each kept alive by what it lies in. Small pieces are
 * copied together, record bytes go by reference. Thread: one owner. */
#ifndef BASE_NET_OUTQ_H
#define BASE_NET_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/bytes.h"
#include "base/slab.h"
#include "base/writer.h"

struct outq_heap;                /* a buffer taken over from a writer */

struct outq_part {
    const uint8_t *data;
    size_t len;
    struct slab *slab;           /* exactly one of slab and heap keeps data */
    struct outq_heap *heap;
};

struct outq {
    struct outq_part *parts;     /* [first, first + count) are in use */
    uint32_t first;
    uint32_t count;
    uint32_t cap;
    size_t bytes;                /* sum of all parts */
    bool failed;                 /* memory was out: some of what was added is missing, and nothing
                                    is added any more; the owner closes what the queue belongs to */
    size_t *total;               /* where they are counted too (room.h), or NULL; stays for ever */
};

/* A zeroed outq is empty and owns nothing. */
void outq_done(struct outq *q);
void outq_copy(struct outq *q, struct bytes b);
/* Takes a reference of its own. */
void outq_ref(struct outq *q, struct slab_view view);
/* Everything in w, which is empty afterwards but may have kept its buffer. */
void outq_writer(struct outq *q, struct writer *w);
/* Moves the first len bytes (len <= from->bytes) to the end of to. */
void outq_move(struct outq *to, struct outq *from, size_t len);
/* The first parts as vectors, at most max; returns how many. */
int outq_vectors(const struct outq *q, struct iovec *vectors, int max);
/* Copies the first bytes, at most cap, without removing them; returns how many. */
size_t outq_peek(const struct outq *q, uint8_t *to, size_t cap);
/* Removes the first len bytes (len <= q->bytes). */
void outq_drop(struct outq *q, size_t len);

#endif
