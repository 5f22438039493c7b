/* State machines as tables: from each state, those that may follow.
 *
 *   static const moves phase_moves[] = {[HEAD] = TO(ADMIT) | TO(RUNNING), [ADMIT] = TO(RUNNING)};
 *
 *   static void phase_move(struct http1 *h, enum phase to)
 *   {
 *       MOVE(phase_moves, h->phase, to);
 *   }
 *
 * A state changes in such a function alone; a move that its table does not have is a bug of ours
 * and aborts. */
#ifndef BASE_MOVES_H
#define BASE_MOVES_H

#include <assert.h>
#include <stdint.h>

typedef uint32_t moves;         /* a set of states; a table has one for each */

#define TO(state) ((moves)1 << (state))

/* state: what changes; to: evaluated more than once. */
#define MOVE(table, state, to)                                                                     \
    do {                                                                                           \
        static_assert(sizeof(table) / sizeof *(table) <= 32, "too many states for a set");         \
        assert((unsigned)(to) < sizeof(table) / sizeof *(table) && ((table)[state] & TO(to)));     \
        (state) = (to);                                                                            \
    } while (0)

#endif
