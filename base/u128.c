#include "base/u128.h"

#include "base/mem.h"
#include "base/check.h"

char *u128_to_text(u128 v, char *to)
{
    char digits[U128_TEXT_BYTES];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v > 0);
    mem_copy(to, digits + at, sizeof digits - at);
    return to;
}

bool u128_from_text(struct bytes b, u128 *ret)
{
    u128 v = 0;
    if (b.len == 0) return false;
    for (size_t i = 0; i < b.len; i++) {
        unsigned digit = (unsigned)b.data[i] - '0';
        if (digit > 9 || v > (U128_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *ret = v;
    return true;
}
