#include "base/net/room.h"

#include <assert.h>
#include "base/check.h"

size_t room_for(const struct room *r, size_t wanted)
{
    size_t used = r->queued + r->promised;
    size_t share = used < ROOM_BYTES ? (ROOM_BYTES - used) / 2 : 0;
    if (share < ROOM_ANSWER_BYTES_MIN) share = ROOM_ANSWER_BYTES_MIN;
    return wanted < share ? wanted : share;
}

void room_promise(struct room *r, size_t bytes)
{
    r->promised += bytes;
}

void room_release(struct room *r, size_t bytes)
{
    assert(bytes <= r->promised);
    r->promised -= bytes;
}
