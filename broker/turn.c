#include "broker/turn.h"

#include "base/net/loop.h"
#include "base/check.h"

static void on_turn_over(struct job *job)
{
    CONTAINER_OF(job, struct broker_loop, turn_over)->turn_bytes = 0;
}

bool turn_is_full(struct broker_loop *home, size_t bytes)
{
    if (bytes > LONG_BODY_BYTES) return true;
    if (home->turn_bytes == 0) {
        home->turn_over.run = on_turn_over;
        loop_defer_flush(home->loop, &home->turn_over);
    }
    home->turn_bytes += bytes;
    return bytes > SMALL_BODY_BYTES && home->turn_bytes > TURN_BYTES;
}
