#include "protocol/aws/base64.h"

#include <assert.h>
#include <string.h>
#ifdef __x86_64__
#include <tmmintrin.h>
#endif
#include "base/mem.h"
#include "base/check.h"

static const uint8_t alphabet[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a character + 1; 0 for what is none of the alphabet. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

#ifdef __x86_64__

#define SSSE3 __attribute__((target("ssse3")))

SSSE3 static __m128i in_range(__m128i v, char first, char last)
{
    return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8(first - 1)),
                         _mm_cmplt_epi8(v, _mm_set1_epi8(last + 1)));
}

SSSE3 static __m128i pick(__m128i mask, int value)
{
    return _mm_and_si128(mask, _mm_set1_epi8((char)value));
}

/* Whole groups of 16 characters into 12 bytes; stops before one with a stranger in it. Writes 16
 * bytes a step, so the last step leaves 4 bytes of room. Returns the characters done. */
SSSE3 static size_t decode_wide(const uint8_t *from, size_t len, uint8_t *to)
{
    const __m128i gather = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    size_t done = 0;
    for (; len - done >= 24; done += 16, to += 12) {
        __m128i v = _mm_loadu_si128((const void *)(from + done));
        __m128i upper = in_range(v, 'A', 'Z'), lower = in_range(v, 'a', 'z');
        __m128i digit = in_range(v, '0', '9');
        __m128i plus = _mm_cmpeq_epi8(v, _mm_set1_epi8('+'));
        __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('/'));
        __m128i letter = _mm_or_si128(upper, lower);
        __m128i known = _mm_or_si128(_mm_or_si128(letter, digit), _mm_or_si128(plus, slash));
        if (_mm_movemask_epi8(known) != 0xffff) break;
        __m128i shift = _mm_or_si128(_mm_or_si128(pick(upper, -'A'), pick(lower, 26 - 'a')),
                                     _mm_or_si128(pick(digit, 52 - '0'), pick(plus, 62 - '+')));
        v = _mm_add_epi8(v, _mm_or_si128(shift, pick(slash, 63 - '/')));
        /* Pairs of 6 bits to 12, pairs of those to 24; then the three bytes in order. */
        v = _mm_maddubs_epi16(v, _mm_set1_epi32(0x01400140));
        v = _mm_madd_epi16(v, _mm_set1_epi32(0x00011000));
        _mm_storeu_si128((void *)to, _mm_shuffle_epi8(v, gather));
    }
    return done;
}

/* Whole groups of 12 bytes into 16 characters; reads 16 bytes a step. Returns the bytes done. */
SSSE3 static size_t encode_wide(const uint8_t *from, size_t len, uint8_t *to)
{
    const __m128i spread = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    size_t done = 0;
    for (; len - done >= 16; done += 12, to += 16) {
        __m128i v = _mm_loadu_si128((const void *)(from + done));
        v = _mm_shuffle_epi8(v, spread);
        /* The 24 bits of three bytes are now in both halves of four: shift each six into its
         * byte. */
        __m128i high = _mm_mulhi_epu16(_mm_and_si128(v, _mm_set1_epi32(0x0fc0fc00)),
                                       _mm_set1_epi32(0x04000040));
        __m128i low = _mm_mullo_epi16(_mm_and_si128(v, _mm_set1_epi32(0x003f03f0)),
                                      _mm_set1_epi32(0x01000010));
        v = _mm_or_si128(high, low);
        __m128i shift = _mm_or_si128(pick(in_range(v, 0, 25), 'A'),
                                     pick(in_range(v, 26, 51), 'a' - 26));
        shift = _mm_or_si128(shift, pick(in_range(v, 52, 61), '0' - 52));
        shift = _mm_or_si128(shift, pick(_mm_cmpeq_epi8(v, _mm_set1_epi8(62)), '+' - 62));
        shift = _mm_or_si128(shift, pick(_mm_cmpeq_epi8(v, _mm_set1_epi8(63)), '/' - 63));
        _mm_storeu_si128((void *)to, _mm_add_epi8(v, shift));
    }
    return done;
}

static bool is_wide(void)
{
    return __builtin_cpu_supports("ssse3");
}

#else

static size_t decode_wide(const uint8_t *from, size_t len, uint8_t *to)
{
    (void)from, (void)len, (void)to;
    return 0;
}

static size_t encode_wide(const uint8_t *from, size_t len, uint8_t *to)
{
    (void)from, (void)len, (void)to;
    return 0;
}

static bool is_wide(void)
{
    return false;
}

#endif

/* The last one to four characters, padding and all. */
static enum base64_fault decode_last(const uint8_t *from, uint8_t *to, size_t *ret_len,
                                     size_t *ret_at)
{
    size_t chars = 4;
    while (chars > 0 && from[chars - 1] == '=') chars--;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t v = i < chars ? values[from[i]] : values['A'];
        if (v == 0) {
            *ret_at = i;
            return BASE64_CHARACTER;
        }
        bits = bits << 6 | (v - 1u);
    }
    if (chars < 2) return BASE64_LAST;
    to[0] = (uint8_t)(bits >> 16);
    if (chars > 2) to[1] = (uint8_t)(bits >> 8);
    if (chars > 3) to[2] = (uint8_t)bits;
    *ret_len = chars - 1;
    uint32_t unused = chars == 2 ? 0xffff : chars == 3 ? 0xff : 0;
    return bits & unused ? BASE64_LAST : BASE64_OK;
}

enum base64_fault base64_decode(struct bytes text, uint8_t *to, size_t *ret_len, size_t *ret_at)
{
    if (text.len % 4 != 0) return BASE64_LENGTH;
    if (text.len == 0) {
        *ret_len = 0;
        return BASE64_OK;
    }
    const uint8_t *from = text.data;
    size_t i = is_wide() && text.len >= 24 ? decode_wide(from, text.len, to) : 0, out = i / 4 * 3;
    for (; i < text.len - 4; i += 4, out += 3) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            uint8_t v = values[from[i + j]];
            if (v == 0) {
                /* Padding before a last group of nothing but padding is too much padding. */
                *ret_at = i + j;
                while (from[i + j] == '=' && i + j + 1 < text.len) i++;
                return from[i + j] == '=' ? BASE64_LAST : BASE64_CHARACTER;
            }
            bits = bits << 6 | (v - 1u);
        }
        to[out] = (uint8_t)(bits >> 16);
        to[out + 1] = (uint8_t)(bits >> 8);
        to[out + 2] = (uint8_t)bits;
    }
    size_t len = 0, at = 0;
    enum base64_fault fault = decode_last(from + i, to + out, &len, &at);
    if (fault == BASE64_CHARACTER) *ret_at = i + at;
    if (fault == BASE64_OK) *ret_len = out + len;
    return fault;
}

void base64_encode(struct bytes data, uint8_t *to)
{
    const uint8_t *from = data.data;
    size_t i = is_wide() && data.len >= 16 ? encode_wide(from, data.len, to) : 0;
    to += i / 3 * 4;
    for (; data.len - i >= 3; i += 3, to += 4) {
        uint32_t bits = (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | from[i + 2];
        for (int j = 0; j < 4; j++) to[j] = alphabet[bits >> (18 - 6 * j) & 63];
    }
    size_t left = data.len - i;
    if (left == 0) return;
    uint32_t bits = (uint32_t)from[i] << 16 | (left == 2 ? (uint32_t)from[i + 1] << 8 : 0);
    to[0] = alphabet[bits >> 18];
    to[1] = alphabet[bits >> 12 & 63];
    to[2] = left == 2 ? alphabet[bits >> 6 & 63] : '=';
    to[3] = '=';
}
