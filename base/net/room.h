/* How much output may wait on one loop: what its connections have queued, and what answers that
 * are being made will add. No door refuses for want of it; answers that may be shorter (a fetch, a
 * page of records) become shorter, so that many readers who ask for much and take nothing cost a
 * stated amount.
 *
 * Each answer gets at most half of what is left, and ROOM_ANSWER_BYTES_MIN in any case: a loop's
 * output stays within ROOM_BYTES and that minimum for each request under way: or one batch of a
 * fetch, or one record of a page, if larger.
 * Thread: the loop's. */
#ifndef BASE_NET_ROOM_H
#define BASE_NET_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROOM_BYTES = 128 << 20, ROOM_ANSWER_BYTES_MIN = 64 << 10 };

/* A zeroed one is empty. */
struct room {
    size_t limit;               /* 0: ROOM_BYTES */
    int64_t pressed_ms;         /* when an answer last had to wait for room; 0 = never */
    size_t queued;              /* kept by the loop's output queues: outq.total */
    size_t promised;            /* kept by room_promise() and room_release() */
};

/* Whether an answer of so many bytes may be made now: there is room, or nothing waits at all. False
 * is remembered: those who take their answers slowly are then closed. Cheap while there is room. */
bool room_has(struct room *r, size_t bytes, int64_t now_ms);
static inline bool room_is_half_full(const struct room *r)
{
    return r->queued + r->promised > (r->limit ? r->limit : ROOM_BYTES) / 2;
}
bool room_is_pressed(const struct room *r, int64_t now_ms, int64_t ms);
/* The most that an answer may have which would like to have wanted bytes. */
size_t room_for(const struct room *r, size_t wanted);
/* An answer of so many bytes is under way: read from disk, not queued yet. */
void room_promise(struct room *r, size_t bytes);
void room_release(struct room *r, size_t bytes);

#endif
