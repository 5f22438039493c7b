/* JSON (RFC 8259) as values. Strings are scanned sixteen bytes at a time where the processor can,
 * since they are nearly all of a PutRecords body; strings without escapes are views into the body.
 * Strict: bad UTF-8, raw control characters, leading zeros and trailing commas are not JSON. Lone
 * surrogates become U+FFFD, as they have no UTF-8. */
#include "protocol/aws/reader.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "base/mem.h"
#include "base/check.h"

enum { NUMBER_TEXT_MAX = 64 };   /* digits beyond this say nothing that a double could keep */

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

/* The next byte that is no white space, without taking it; 0 at the end. */
static uint8_t peek(struct reader *r)
{
    if (r->at < r->end && *r->at > ' ') return *r->at;
    skip_space(r);
    return r->at < r->end ? *r->at : 0;
}

bool json_at_end(struct reader *r)
{
    skip_space(r);
    return r->at == r->end;
}

/* The first '"', '\' or control byte at or behind p; *high is set when a byte >= 0x80 may have been
 * passed. end when there is none. */
static const uint8_t *scan_string(const uint8_t *p, const uint8_t *end, bool *high)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const void *)p);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop), bits = (unsigned)_mm_movemask_epi8(v);
        if (mask != 0) {
            unsigned at = (unsigned)__builtin_ctz(mask);
            if (bits & ((1u << at) - 1)) *high = true;
            return p + at;
        }
        if (bits) *high = true;
    }
#endif
    for (; p < end; p++) {
        if (*p == '"' || *p == '\\' || *p < 0x20) return p;
        if (*p >= 0x80) *high = true;
    }
    return end;
}

/* Four hexadecimal digits at p; -1 when they are not. */
static int32_t hex4(const uint8_t *p, const uint8_t *end)
{
    static const int8_t hex[256] = {           /* of each: 1 more than its value */
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};
    int32_t v[4];
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) v[i] = hex[p[i]] - 1;
    if ((v[0] | v[1] | v[2] | v[3]) < 0) return -1;
    return v[0] << 12 | v[1] << 8 | v[2] << 4 | v[3];
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (uint8_t)(0xe0 | c >> 12);
        } else {
            *to++ = (uint8_t)(0xf0 | c >> 18);
            *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (uint8_t)(0x80 | (c & 0x3f));
    return to;
}

/* The escape behind a '\' at *p; moves *p behind it. False when it is none. */
static bool unescape(const uint8_t **p, const uint8_t *end, uint8_t **to)
{
    static const uint8_t meant[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                       ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    if (*p == end) return false;
    uint8_t c = *(*p)++;
    if (meant[c] != 0) {
        *(*to)++ = meant[c];
        return true;
    }
    if (c != 'u') return false;
    int32_t v = hex4(*p, end);
    if (v < 0) return false;
    *p += 4;
    uint32_t code = (uint32_t)v;
    if (v >= 0xd800 && v < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        int32_t low = hex4(*p + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((uint32_t)(v - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
            *p += 6;
        }
    }
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    *to = put_utf8(*to, code);
    return true;
}

/* The end of the string that goes on at p, i.e. its closing quote; NULL when there is none. Where
 * one escape follows the other nothing is scanned, here and in escaped(). */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end, bool *high)
{
    for (;;) {
        while (end - p >= 2 && *p == '\\') p += 2;
        p = scan_string(p, end, high);
        if (p == end || *p < 0x20) return NULL;
        if (*p == '"') return p;
        if (end - p < 2) return NULL;
    }
}

/* A string with escapes: from its first byte, the first '\' already found at p. */
static struct bytes escaped(struct reader *r, const uint8_t *from, const uint8_t *p, bool *high)
{
    const uint8_t *end = string_end(p, r->end, high);
    uint8_t *text = end ? arena_alloc(r->arena, (size_t)(end - from)) : NULL, *to = text;
    if (text == NULL) {
        reader_break(r);
        return BYTES_NULL;
    }
    while (from < end) {
        size_t plain = (size_t)(p - from);
        mem_copy(to, from, plain);
        to += plain;
        from = p;
        while (from < end && *from == '\\') {
            from++;
            if (!unescape(&from, end, &to)) {
                reader_break(r);
                return BYTES_NULL;
            }
        }
        bool unused;
        p = scan_string(from, end, &unused);
    }
    r->at = end + 1;
    return bytes_of(text, (size_t)(to - text));
}

/* A string whose opening quote is at r->at. */
static struct bytes string(struct reader *r)
{
    bool high = false;
    const uint8_t *from = r->at + 1, *p = scan_string(from, r->end, &high);
    struct bytes text;
    if (p < r->end && *p == '"') {
        text = bytes_of(from, (size_t)(p - from));
        r->at = p + 1;
    } else if (p < r->end && *p == '\\') {
        text = escaped(r, from, p, &high);
    } else {
        reader_break(r);
        return BYTES_NULL;
    }
    if (high && !r->broken && !bytes_is_utf8(text, NULL)) reader_break(r);
    return text;
}

static const uint8_t *digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p;
}

/* The end of the number at p by JSON's grammar; NULL when it is none. *whole: no fraction, no
 * exponent. */
static const uint8_t *number_end(const uint8_t *p, const uint8_t *end, bool *whole)
{
    *whole = true;
    if (p < end && *p == '-') p++;
    const uint8_t *from = p;
    p = digits(p, end);
    if (p == from || (*from == '0' && p - from > 1)) return NULL;
    if (p < end && *p == '.') {
        *whole = false;
        from = ++p;
        p = digits(p, end);
        if (p == from) return NULL;
    }
    if (p < end && (*p | 0x20) == 'e') {
        *whole = false;
        if (++p < end && (*p == '+' || *p == '-')) p++;
        from = p;
        p = digits(p, end);
        if (p == from) return NULL;
    }
    return p;
}

static void number(struct reader *r, struct value *ret)
{
    bool whole;
    const uint8_t *from = r->at, *end = number_end(from, r->end, &whole);
    if (end == NULL) {
        reader_break(r);
        return;
    }
    r->at = end;
    struct bytes text = bytes_of(from, (size_t)(end - from));
    ret->kind = VALUE_INTEGER;
    if (whole) {
        if (!bytes_to_i64(text, &ret->integer)) ret->integer = *from == '-' ? INT64_MIN : INT64_MAX;
        return;
    }
    char copy[NUMBER_TEXT_MAX];
    if (text.len >= sizeof copy) {
        char *long_copy = (char *)arena_alloc(r->arena, text.len + 1);
        if (long_copy == NULL) reader_break(r);
        ret->real = long_copy ? strtod(bytes_to_text(text, long_copy, text.len + 1), NULL) : 0;
    } else {
        ret->real = strtod(bytes_to_text(text, copy, sizeof copy), NULL);
    }
    ret->kind = VALUE_REAL;
}

static void word(struct reader *r, const char *text, enum value_kind kind, bool flag,
                 struct value *ret)
{
    size_t len = strlen(text);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0) {
        reader_break(r);
        return;
    }
    r->at += len;
    ret->kind = kind;
    ret->flag = flag;
}

static void json_next(struct reader *r, struct value *ret)
{
    ret->kind = VALUE_NULL;
    reader_count(r);
    uint8_t c = peek(r);
    switch (c) {
    case '"':
        ret->bytes = string(r);
        ret->kind = r->broken ? VALUE_NULL : VALUE_TEXT;
        return;
    case '{':
    case '[':
        r->at++;
        ret->kind = c == '{' ? VALUE_MAP : VALUE_LIST;
        ret->nest = (struct nest){.open_ended = true};
        return;
    case 't': word(r, "true", VALUE_BOOLEAN, true, ret); return;
    case 'f': word(r, "false", VALUE_BOOLEAN, false, ret); return;
    case 'n': word(r, "null", VALUE_NULL, false, ret); return;
    default: number(r, ret); return;
    }
}

/* Takes what stands before an element: nothing, a comma, or the end. */
static bool element(struct reader *r, struct nest *nest, uint8_t close)
{
    uint8_t c = peek(r);
    if (c == close) {
        r->at++;
        return false;
    }
    if (c == 0 || (nest->begun && c != ',')) {
        reader_break(r);
        return false;
    }
    r->at += nest->begun;
    nest->begun = true;
    return true;
}

static bool json_list_next(struct reader *r, struct nest *nest)
{
    return element(r, nest, ']');
}

static bool json_map_next(struct reader *r, struct nest *nest, struct bytes *ret_key)
{
    if (!element(r, nest, '}')) return false;
    reader_count(r);
    if (peek(r) != '"') {
        reader_break(r);
        return false;
    }
    *ret_key = string(r);
    if (peek(r) != ':') {
        reader_break(r);
        return false;
    }
    r->at++;
    return true;
}

const struct reader_format json_format = {json_next, json_list_next, json_map_next, 1000};
