/* JSON output: no white space, times as epoch seconds with as many decimals as they need, blobs as
 * base64. Text is expected to be UTF-8; bytes that are not go out as U+FFFD, since one bad record
 * must not make a whole answer unreadable. */
#include "protocol/aws/format.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "base/mem.h"
#include "protocol/aws/base64.h"
#include "base/check.h"

static void put_char(struct writer *w, char c)
{
    uint8_t *p = writer_space(w, 1);
    if (p) *p = (uint8_t)c;
}

static void map_begin(struct writer *w, uint32_t count)
{
    (void)count;
    put_char(w, '{');
}

static void map_end(struct writer *w)
{
    put_char(w, '}');
}

static void list_begin(struct writer *w, uint32_t count)
{
    (void)count;
    put_char(w, '[');
}

static void list_end(struct writer *w)
{
    put_char(w, ']');
}

static void separate(struct writer *w)
{
    put_char(w, ',');
}

static void member_key(struct writer *w, const struct aws_member *m)
{
    writer_raw(w, m->json_key, m->json_key_len);
}

/* Bytes at the start of text that go out as they are: printable ASCII. */
static size_t plain_bytes(struct bytes text, size_t from)
{
    size_t i = from;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  last = _mm_set1_epi8(0x1f);
    for (; text.len - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const void *)(text.data + i));
        __m128i plain = _mm_cmpgt_epi8(v, last);           /* signed: bytes >= 0x80 are below */
        __m128i bad = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(bad, plain));
        if (mask != 0xffff) return i + (size_t)__builtin_ctz(~mask) - from;
    }
#endif
    while (i < text.len && text.data[i] >= 0x20 && text.data[i] < 0x80 && text.data[i] != '"' &&
           text.data[i] != '\\')
        i++;
    return i - from;
}

static void put_escape(struct writer *w, uint8_t c)
{
    static const char plain[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    const char *found = c ? strchr(meant, c) : NULL;
    if (found) writer_raw(w, (char[]){'\\', plain[found - meant]}, 2);
    else writer_printf(w, "\\u%04x", c);
}

/* The multi-byte character at the start of text, or one stray byte of it. */
static size_t put_wide(struct writer *w, struct bytes text)
{
    size_t len = text.data[0] >= 0xf0 ? 4 : text.data[0] >= 0xe0 ? 3 : 2;
    if (len <= text.len && bytes_is_utf8(bytes_of(text.data, len), NULL)) {
        writer_raw(w, text.data, len);
        return len;
    }
    writer_text(w, "\xef\xbf\xbd");
    return 1;
}

static void text(struct writer *w, struct bytes b)
{
    size_t plain = plain_bytes(b, 0);
    if (plain == b.len) {                /* nearly always: one piece, quotes and all */
        uint8_t *p = writer_space(w, b.len + 2);
        if (p == NULL) return;
        p[0] = '"';
        mem_copy(p + 1, b.data, b.len);
        p[b.len + 1] = '"';
        return;
    }
    put_char(w, '"');
    for (size_t i = 0; i < b.len;) {
        plain = plain_bytes(b, i);
        writer_raw(w, b.data + i, plain);
        i += plain;
        if (i == b.len) break;
        if (b.data[i] < 0x80) put_escape(w, b.data[i++]);
        else i += put_wide(w, bytes_of(b.data + i, b.len - i));
    }
    put_char(w, '"');
}

static void pair_key(struct writer *w, struct bytes key)
{
    text(w, key);
    put_char(w, ':');
}

static void blob(struct writer *w, struct bytes data)
{
    size_t len = base64_encoded(data.len);
    uint8_t *p = writer_space(w, len + 2);
    if (p == NULL) return;
    p[0] = '"';
    base64_encode(data, p + 1);
    p[len + 1] = '"';
}

static void integer(struct writer *w, int64_t v)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (v < 0) digits[--at] = '-';
    writer_raw(w, digits + at, sizeof digits - at);
}

static void boolean(struct writer *w, bool v)
{
    writer_text(w, v ? "true" : "false");
}

static void timestamp(struct writer *w, int64_t ms)
{
    if (ms < 0) {
        put_char(w, '-');
        ms = -ms;
    }
    integer(w, ms / 1000);
    unsigned part = (unsigned)(ms % 1000);
    if (part == 0) return;
    char decimals[4] = {'.', (char)('0' + part / 100), (char)('0' + part / 10 % 10),
                        (char)('0' + part % 10)};
    writer_raw(w, decimals, part % 100 == 0 ? 2 : part % 10 == 0 ? 3 : 4);
}

const struct format json_output = {
    .map_begin = map_begin, .map_end = map_end, .list_begin = list_begin, .list_end = list_end,
    .separate = separate, .member_key = member_key, .pair_key = pair_key, .text = text,
    .blob = blob,
    .integer = integer, .boolean = boolean, .timestamp = timestamp,
};
