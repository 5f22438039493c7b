/* Token buckets: a level that rises with time at a rate, up to full, and falls with what is
 * taken. Below zero it is a debt; until that is paid nothing passes. Levels count thousandths of a
 * unit, so that what rises in a millisecond is a whole number. Pure: whoever has a level keeps its
 * time, too, and several levels may share one. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

enum { BUCKET_UNIT = 1000 };

/* A level after so many ms; a clock that went back is one that stood. per_s: units, 0 - it never
 * rises. full: in thousandths. */
static inline int64_t bucket_rise(int64_t level, int64_t full, int64_t per_s, int64_t passed_ms)
{
    if (per_s == 0 || passed_ms <= 0) return level;
    /* Compared by time, so that a long pause cannot overflow the product. */
    int64_t missing_ms = (full - level + per_s - 1) / per_s;
    return passed_ms >= missing_ms ? full : level + passed_ms * per_s;
}

/* Room for so many units? What is beyond a whole bucket is met by a full one, and leaves a debt. */
static inline bool bucket_has(int64_t level, int64_t full, int64_t units)
{
    int64_t wanted = units * BUCKET_UNIT;
    return level >= (wanted < full ? wanted : full);
}

#endif
