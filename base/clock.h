/* Time comes in as a value: pure code gets now_ms as an argument; threads read the clock here. A
 * test replaces the source, so that whole-server simulations run on virtual time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Wall clock, ms since 1970 UTC: for what is stored or shown. Thread: any. */
int64_t clock_wall_ms(void);
/* Monotonic: for time-outs and measurements. Thread: any. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

/* Replace all three by a counter that only a test moves; NULL gives the real clock back.
 * us: monotonic and wall microseconds alike. Thread: before others start. */
void clock_fake(const int64_t *us);

#endif
