/* Zigzag varints inside records. Kept apart from base/cursor.h because a record walk is the hottest
 * loop of Produce: lengths and deltas are nearly always one byte, and that case is one compare.
 * Thread: any. */
#ifndef PROTOCOL_BATCH_VARINT_H
#define PROTOCOL_BATCH_VARINT_H

#include <stdbool.h>
#include <stdint.h>

/* More than one byte. max_bits: 32 or 64. False when cut short, longer than the type or
 * overflowing it; *at is then of no use. */
bool varint_get_long(const uint8_t **at, const uint8_t *end, unsigned max_bits, uint64_t *ret);

static inline int64_t varint_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline bool varint_get(const uint8_t **at, const uint8_t *end, int32_t *ret)
{
    uint64_t v;
    if (*at < end && **at < 0x80) v = *(*at)++;
    else if (!varint_get_long(at, end, 32, &v)) return false;
    *ret = (int32_t)varint_unzigzag(v);
    return true;
}

static inline bool varlong_get(const uint8_t **at, const uint8_t *end, int64_t *ret)
{
    uint64_t v;
    if (*at < end && **at < 0x80) v = *(*at)++;
    else if (!varint_get_long(at, end, 64, &v)) return false;
    *ret = varint_unzigzag(v);
    return true;
}

/* Bytes that v takes: 1..10; an int32 takes at most 5. */
static inline uint32_t varint_size(int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    return (uint32_t)(70 - __builtin_clzll(z | 1)) / 7;
}

/* Writes v at to, returns what follows it. */
static inline uint8_t *varint_put(uint8_t *to, int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; z >= 0x80; z >>= 7) *to++ = (uint8_t)(z | 0x80);
    *to++ = (uint8_t)z;
    return to;
}

#endif
