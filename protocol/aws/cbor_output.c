/* CBOR output: definite lengths, blobs as byte strings, times as tag 1 with whole epoch
 * milliseconds, which is what AWS's SDKs expect against the letter of RFC 8949. */
#include "protocol/aws/format.h"

#include "base/mem.h"
#include "base/check.h"

enum {
    UNSIGNED = 0x00, NEGATIVE = 0x20, BYTES = 0x40, TEXT = 0x60, LIST = 0x80, MAP = 0xa0, TAG = 0xc0
};

static void head(struct writer *w, uint8_t major, uint64_t v)
{
    uint8_t out[9];
    size_t len = 1;
    if (v < 24) {
        out[0] = major | (uint8_t)v;
    } else {
        unsigned size = v > UINT32_MAX ? 3 : v > UINT16_MAX ? 2 : v > UINT8_MAX ? 1 : 0;
        out[0] = major | (uint8_t)(24 + size);
        len += (size_t)1 << size;
        for (size_t i = len - 1; i > 0; i--, v >>= 8) out[i] = (uint8_t)v;
    }
    writer_raw(w, out, len);
}

static void map_begin(struct writer *w, uint32_t count)
{
    head(w, MAP, count);
}

static void list_begin(struct writer *w, uint32_t count)
{
    head(w, LIST, count);
}

static void nothing(struct writer *w)
{
    (void)w;
}

static void member_key(struct writer *w, const struct aws_member *m)
{
    writer_raw(w, m->cbor_key, m->cbor_key_len);
}

static void blob(struct writer *w, struct bytes data)
{
    head(w, BYTES, data.len);
    writer_bytes_raw(w, data);
}

/* Strict readers refuse text that is not UTF-8: each bad byte becomes U+FFFD. */
static void text(struct writer *w, struct bytes b)
{
    if (bytes_is_utf8(b, NULL)) {
        head(w, TEXT, b.len);
        writer_bytes_raw(w, b);
        return;
    }
    writer_raw(w, "\x7f", 1);                    /* open-ended, a chunk a character */
    for (size_t i = 0; i < b.len;) {
        size_t len = 1;
        while (len < 4 && i + len < b.len && (b.data[i + len] & 0xc0) == 0x80) len++;
        bool good = bytes_is_utf8(bytes_of(b.data + i, len), NULL);
        if (!good) len = 1;
        struct bytes part = good ? bytes_of(b.data + i, len) : BYTES_LIT("\xef\xbf\xbd");
        head(w, TEXT, part.len);
        writer_bytes_raw(w, part);
        i += len;
    }
    writer_raw(w, "\xff", 1);
}

static void integer(struct writer *w, int64_t v)
{
    if (v < 0) head(w, NEGATIVE, (uint64_t)(-1 - v));
    else head(w, UNSIGNED, (uint64_t)v);
}

static void boolean(struct writer *w, bool v)
{
    writer_raw(w, v ? "\xf5" : "\xf4", 1);
}

static void timestamp(struct writer *w, int64_t ms)
{
    head(w, TAG, 1);
    integer(w, ms);
}

const struct format cbor_output = {
    .map_begin = map_begin, .map_end = nothing, .list_begin = list_begin, .list_end = nothing,
    .separate = nothing, .member_key = member_key, .pair_key = text, .text = text, .blob = blob,
    .integer = integer, .boolean = boolean, .timestamp = timestamp, .needs_count = true,
};
