/* The bytes of a frame or of a body on their way into a slab: taken from the door's budget as they
 * come, refused when it has none left. Inside base/net only.
 *
 * begin, then for each piece: expect, copy or read behind slab->len, came; end when it is whole.
 * Thread: the connection's loop. */
#ifndef BASE_NET_INTAKE_H
#define BASE_NET_INTAKE_H

#include "base/net/conn.h"
#include "base/slab.h"

/* A zeroed one reads nothing. */
struct intake {
    struct slab *slab;               /* NULL: nothing is being read */
    size_t want;                     /* its size, or the most that it may be */
    size_t expected;                 /* bytes behind slab->len that were taken already */
};

/* want bytes will come, of which the first are there to be copied. False: no memory. */
bool intake_begin(struct intake *in, struct conn *c, size_t want, size_t there);
/* At most want bytes will come. False: no memory. */
bool intake_begin_unknown(struct intake *in, struct conn *c, size_t want);
/* Room for so many bytes more. held: what the connection's half bodies hold; together they may go
 * beyond the budget as far as one of them may. False: the budget refuses. */
bool intake_expect(struct intake *in, struct conn *c, size_t held, size_t bytes);
/* So many of them came. */
void intake_came(struct intake *in, size_t bytes);
/* For conn_protocol.direct: a place for a large rest, already expected; 0: not worth it. False in
 * ret_refused: the budget refuses. */
size_t intake_direct(struct intake *in, struct conn *c, uint8_t **ret_to, bool *ret_refused);
/* Whether one body may be as large. */
bool intake_is_one(const struct conn *c, size_t bytes);
/* It is whole: hands the slab over. held: what other half bodies of the connection hold. */
struct slab *intake_end(struct intake *in, struct conn *c, size_t held);
/* Gives it up. */
void intake_drop(struct intake *in, struct conn *c);

static inline size_t intake_rest(const struct intake *in)
{
    return in->want - in->slab->len;
}

#endif
