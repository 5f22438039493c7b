#include "protocol/batch/varint.h"

#include "base/check.h"

bool varint_get_long(const uint8_t **at, const uint8_t *end, unsigned max_bits, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < max_bits; shift += 7) {
        if (*at == end) return false;
        uint8_t byte = *(*at)++;
        uint64_t part = byte & 0x7f;
        if (shift + 7 > max_bits && part >> (max_bits - shift) != 0) return false;
        v |= part << shift;
        if (byte < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}
