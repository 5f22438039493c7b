/* How much of what clients ask, or are answered, begins in one turn of a loop. A request of many
 * things is read, and looked through once at least, by its loop: some 5 ms a MiB, and ten times
 * that where each thing is remembered, as what members of groups support. When many such come at
 * once they begin one a turn (loop_defer_long()): large ones, and what is not small beyond
 * TURN_BYTES in one turn. */
#ifndef BROKER_TURN_H
#define BROKER_TURN_H

#include "broker/state.h"

enum { LONG_BODY_BYTES = 128 << 10, SMALL_BODY_BYTES = 512, TURN_BYTES = 32 << 10 };

/* Whether a request of that many bytes, or with such an answer, is to wait for a turn of its own;
 * else this turn has them.
 * Thread: the loop's. */
bool turn_is_full(struct broker_loop *home, size_t bytes);

#endif
