/* A count of bytes that may be in use at once. Taking more than is left is refused, so a loop stops
 * reading sockets and TCP pushes back.
 *
 * What a client sends is taken as it comes (budget_take_part()), never because it was announced.
 * Three rules keep those who hold much from stopping the others:
 *   - small requests may go beyond the limit by an eighth: the reserve;
 *   - who holds an eighth already gets no more once half of all is in use: the share;
 *   - one at a time may go beyond all of this, so that of many half requests which fill the budget
 *     together one comes to its end: the way out.
 * What a request needs while it is worked on (arena, answer) is charged beyond the limit, up to
 * twice as much (budget_charge()); there the request fails.
 * Thread: any. */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUDGET_RESERVE = 8, BUDGET_SHARE = 8, BUDGET_HARD = 2 };    /* an eighth, an eighth, twice */

struct budget {
    atomic_size_t used;
    atomic_size_t announced;             /* address space for bytes that have not come */
    size_t limit;
    _Atomic(const void *) beyond;        /* who uses the way out, or NULL */
    atomic_int_least64_t refused_ms;     /* when it last refused a part; 0 = never */
};

void budget_init(struct budget *b, size_t limit);
/* True when the bytes were taken. One take larger than the whole limit is granted when nothing else
 * is in use, so that no legal request waits for ever. */
bool budget_take(struct budget *b, size_t bytes);
/* Takes a part of a request that is coming in. who: the connection, whose requests hold so many
 * bytes already; NULL: without the way out. small: the whole request is. now_ms: monotonic. */
bool budget_take_part(struct budget *b, size_t bytes, const void *who, size_t held, bool small,
                      int64_t now_ms);
/* The request is whole, or has gone: the way out is free for the next once no more than the limit
 * is in use. */
void budget_part_end(struct budget *b, const void *who);
/* Whether a part was refused within the last ms. */
bool budget_is_pressed(const struct budget *b, int64_t now_ms, int64_t ms);
/* Charges work on a request that is under way. False: beyond BUDGET_HARD times the limit. */
bool budget_charge(struct budget *b, size_t bytes);
void budget_give(struct budget *b, size_t bytes);

/* Address space for a body before it comes: as much as the limit. */
bool budget_announce(struct budget *b, size_t bytes);
void budget_announce_end(struct budget *b, size_t bytes);

#endif
