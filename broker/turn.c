#include "broker/turn.h"

#include "base/net/loop.h"
#include "base/check.h"

bool turn_is_full(struct broker_loop *home, size_t bytes)
{
    if (bytes > LONG_BODY_BYTES) return true;
    uint64_t turn = loop_turns(home->loop);
    if (home->turn != turn) home->turn_bytes = 0;
    home->turn = turn;
    home->turn_bytes += bytes;
    return bytes > SMALL_BODY_BYTES && home->turn_bytes > TURN_BYTES;
}
