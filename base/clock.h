/* Time comes in as a value: pure code gets now_ms as an argument; threads read the clock here. A
 * test replaces the source, so that whole-server simulations run on virtual time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Wall clock, ms since 1970 UTC, cut to the years 1970 to 9999: for what is stored or shown. It
 * may be set, so the difference of two of its times is no span: it can be negative, or years.
 * Thread: any. */
int64_t clock_wall_ms(void);
/* Monotonic: for time-outs and measurements. Thread: any. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* The wall clock's time when it was first asked, moved on by the monotonic clock: for a span whose
 * start a client keeps, which may outlive the process. Setting the clock does not change it before
 * the next start. Thread: any. */
int64_t clock_steady_ms(void);

/* Replace all of them by a counter that only a test moves; NULL gives the real clock back.
 * us: monotonic and wall microseconds alike. Thread: before others start. */
void clock_fake(const int64_t *us);
/* Set the wall clock alone so far ahead of the counter; negative: behind it. Until the next
 * clock_fake(). Thread: a test's only one. */
void clock_fake_shift(int64_t ms);

#endif
