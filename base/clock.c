#include "base/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include "base/check.h"

/* The end of year 9999: later ones have no date in RFC 3339, nor in most clients. */
static const int64_t wall_ms_max = 253402300799999;

static const int64_t *fake_us;
static int64_t fake_shift_ms;
/* Of the wall clock and the monotonic one, when the first steady time was asked for; 0: not yet. */
static _Atomic int64_t ahead_ms;

static int64_t read_us(clockid_t id)
{
    if (fake_us != NULL) return *fake_us;
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    int64_t ms = read_us(CLOCK_REALTIME) / 1000 + (fake_us != NULL ? fake_shift_ms : 0);
    return ms < 0 ? 0 : ms > wall_ms_max ? wall_ms_max : ms;
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_steady_ms(void)
{
    int64_t mono_ms = clock_mono_ms(), ahead = atomic_load(&ahead_ms);
    if (fake_us != NULL) return mono_ms;
    if (ahead == 0) {
        int64_t mine = clock_wall_ms() - mono_ms;
        ahead = atomic_compare_exchange_strong(&ahead_ms, &ahead, mine) ? mine : ahead;
    }
    return mono_ms + ahead;
}

void clock_fake(const int64_t *us)
{
    fake_us = us;
    fake_shift_ms = 0;
}

void clock_fake_shift(int64_t ms)
{
    fake_shift_ms = ms;
}
