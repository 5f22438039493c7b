/* A server whose door holds requests until the test releases them. */
#ifndef TESTS_HELD_FIXTURE_H
#define TESTS_HELD_FIXTURE_H

#include "net_fixture.h"

enum { HELD_MAX = 1024 };

static struct server s;
static void *held[HELD_MAX];           /* in the order of their coming; NULL once it was answered */
static int held_count;
static int gone_count;                  /* those whose client left */

/* Answers a request that was held; each test file has its own. Thread: the loop's. */
static void answer(void *request);

static inline void held_reset(void)
{
    held_count = gone_count = 0;
}

static inline void hold(void *request)
{
    EXPECT(held_count < HELD_MAX);
    held[held_count++] = request;
}

static inline void held_gone(void *request)
{
    gone_count++;
    for (int i = 0; i < held_count; i++)
        if (held[i] == request) held[i] = NULL;
}

static inline void release(void *index)
{
    int i = *(int *)index;
    EXPECT(held[i] != NULL);
    answer(TAKE(held[i]));
}

static inline void release_one(int i)
{
    on_loop(s.loops[0], release, &i);
}

/* The server's stop has begun, and waits for what is held. */
static inline void stop_begin(void)
{
    listener_stop(s.listener);
    turn_of(s.loops[0]);
}

static inline void read_held(void *to)
{
    *(int *)to = held_count;
}

static inline void until_held(int count)
{
    int now = 0;
    UNTIL(now >= count, on_loop(s.loops[0], read_held, &now));
    EXPECT_EQ(now, count);
}

static inline int64_t closed(enum net_close reason)
{
    return metric_value(s.counters.closed[reason]);
}

#endif
