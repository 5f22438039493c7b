/* The appends that wait at the logs of one worker, and whose turn it is.
 *
 * Each log keeps what was appended to it in its order. The logs that may go on stand in a ring and
 * take turns, a share each, so that what waits at one does not stand in front of another's. Logs at
 * which only appends of requests wait that name very many stand in a ring of their own, which has
 * one share in FRONT_SHARES while others wait: else a request that names 10,000 would stand in
 * front of everybody's. A log that is frozen stands in none, with what waits at it. Thread: the
 * worker. */
#ifndef STORAGE_WAITING_H
#define STORAGE_WAITING_H

#include <stdbool.h>
#include <stdint.h>

struct append;
struct plog;

enum { FRONT_SHARES = 4 };
enum waiting_ring { WAITING_FRONT, WAITING_BEHIND, WAITING_RINGS };
struct waiting {
    struct plog *turn[WAITING_RINGS];       /* whose it is; NULL: nothing waits that may go on */
    uint32_t front_shares;                  /* since one was given to WAITING_BEHIND */
};

void waiting_add(struct plog *log, struct append *a);
/* Its first one, which the caller owns from then on; NULL: none. With the last one the log leaves
 * the ring. */
struct append *waiting_take(struct waiting *w, struct plog *log);
/* Puts the log into a ring, behind all that stand there; what stands in that one already, or in
 * front, stays where it is. */
void waiting_join(struct waiting *w, struct plog *log, enum waiting_ring ring);
bool waiting_joined(const struct plog *log);
bool waiting_any(const struct waiting *w);
/* The ring that has the next share. Something waits in one. */
enum waiting_ring waiting_ring_next(struct waiting *w);
/* The log of that ring whose turn it is, which goes to the next one with that. Needs one. */
struct plog *waiting_next(struct waiting *w, enum waiting_ring ring);

#endif
