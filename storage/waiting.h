/* The appends that wait at the logs of one worker, and whose turn it is.
 *
 * Each log keeps what was appended to it in its order. The logs that may go on stand in a ring and
 * take turns, a share each, so that what waits at one does not stand in front of another's. One
 * that is frozen stands outside of the ring, with what waits at it. Thread: the worker. */
#ifndef STORAGE_WAITING_H
#define STORAGE_WAITING_H

#include <stdbool.h>

struct append;
struct plog;

struct waiting {
    struct plog *turn;          /* whose it is; NULL: nothing waits that may go on */
};

void waiting_add(struct plog *log, struct append *a);
/* Its first one, which the caller owns from then on; NULL: none. With the last one the log leaves
 * the ring. */
struct append *waiting_take(struct waiting *w, struct plog *log);
/* Puts the log into the ring, behind all that stand there; in it already: a no-op. */
void waiting_join(struct waiting *w, struct plog *log);
bool waiting_joined(const struct plog *log);
/* The log whose turn it is, which goes to the next one with that. Needs one. */
struct plog *waiting_next(struct waiting *w);

#endif
