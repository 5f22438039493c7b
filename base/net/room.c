#include "base/net/room.h"

#include <assert.h>
#include "base/check.h"

static size_t limit_of(const struct room *r)
{
    return r->limit ? r->limit : ROOM_BYTES;
}

bool room_has(struct room *r, size_t bytes, int64_t now_ms)
{
    size_t used = r->queued + r->promised;
    if (used == 0 || (used < limit_of(r) && bytes <= limit_of(r) - used)) return true;
    r->pressed_ms = now_ms;
    return false;
}

bool room_is_pressed(const struct room *r, int64_t now_ms, int64_t ms)
{
    return r->pressed_ms != 0 && now_ms - r->pressed_ms <= ms;
}

size_t room_for(const struct room *r, size_t wanted)
{
    size_t used = r->queued + r->promised;
    size_t share = used < limit_of(r) ? (limit_of(r) - used) / 2 : 0;
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
