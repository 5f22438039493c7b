#include "base/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include "base/check.h"

static const int64_t *fake_us;

static int64_t read_us(clockid_t id)
{
    if (fake_us != NULL) return *fake_us;
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_fake(const int64_t *us)
{
    fake_us = us;
}
