/* CBOR (RFC 8949) as values: definite and open-ended lists, maps and strings, as AWS's SDKs and AWS
 * itself send them. Tags are passed over: the one in use is 1 on timestamps, and AWS means
 * milliseconds by a whole number under it. A count is believed only if that many smallest elements
 * fit into the bytes left. */
#include "protocol/aws/reader.h"

#include <math.h>
#include "base/mem.h"
#include "base/check.h"

enum {
    MAJOR_UNSIGNED, MAJOR_NEGATIVE, MAJOR_BYTES, MAJOR_TEXT, MAJOR_LIST, MAJOR_MAP, MAJOR_TAG,
    MAJOR_OTHER
};
enum { INFO_OPEN = 31, BREAK = 0xff };

struct head {
    unsigned major;
    unsigned info;           /* the low five bits */
    uint64_t value;          /* what they, or the bytes behind them, say */
};

static struct head take_head(struct reader *r)
{
    struct head h = {.major = MAJOR_OTHER};
    reader_count(r);
    if (r->at == r->end) {
        reader_break(r);
        return h;
    }
    uint8_t first = *r->at++;
    h = (struct head){.major = first >> 5, .info = first & 31, .value = first & 31};
    if (h.info < 24 || h.info == INFO_OPEN) return h;
    size_t bytes = (size_t)1 << (h.info - 24);
    if (h.info > 27 || (size_t)(r->end - r->at) < bytes) {
        reader_break(r);
        return h;
    }
    h.value = 0;
    for (size_t i = 0; i < bytes; i++) h.value = h.value << 8 | *r->at++;
    return h;
}

static struct bytes take_bytes(struct reader *r, uint64_t len)
{
    if (len > (size_t)(r->end - r->at)) {
        reader_break(r);
        return BYTES_NULL;
    }
    struct bytes b = bytes_of(r->at, len);
    r->at += len;
    return b;
}

/* The chunks of an open-ended string; their total into *ret_len, their bytes to to unless NULL. A
 * character must not be split between two of them. */
static void chunks(struct reader *r, unsigned major, uint8_t *to, size_t *ret_len)
{
    size_t len = 0;
    while (!r->broken) {
        if (r->at < r->end && *r->at == BREAK) {
            r->at++;
            break;
        }
        struct head h = take_head(r);
        if (h.major != major || h.info == INFO_OPEN) reader_break(r);
        struct bytes part = r->broken ? BYTES_NULL : take_bytes(r, h.value);
        if (major == MAJOR_TEXT && !bytes_is_utf8(part, NULL)) reader_break(r);
        if (to) mem_copy(to + len, part.data, part.len);
        len += part.len;
    }
    *ret_len = len;
}

static struct bytes open_string(struct reader *r, unsigned major)
{
    const uint8_t *from = r->at;
    size_t len;
    chunks(r, major, NULL, &len);
    uint8_t *text = r->broken ? NULL : arena_alloc(r->arena, len);
    if (text == NULL) {
        reader_break(r);
        return BYTES_NULL;
    }
    r->at = from;
    chunks(r, major, text, &len);
    return bytes_of(text, len);
}

static void string(struct reader *r, struct head h, struct value *ret)
{
    ret->bytes = h.info == INFO_OPEN ? open_string(r, h.major) : take_bytes(r, h.value);
    bool text = h.major == MAJOR_TEXT;
    if (text && h.info != INFO_OPEN && !bytes_is_utf8(ret->bytes, NULL)) reader_break(r);
    if (!r->broken) ret->kind = text ? VALUE_TEXT : VALUE_BYTES;
}

static void begin(struct reader *r, struct head h, struct value *ret)
{
    bool map = h.major == MAJOR_MAP;
    ret->nest = (struct nest){.open_ended = h.info == INFO_OPEN, .left = h.value};
    if (!ret->nest.open_ended && h.value > (uint64_t)(r->end - r->at) / (map ? 2 : 1)) {
        reader_break(r);
        return;
    }
    ret->kind = map ? VALUE_MAP : VALUE_LIST;
}

/* IEEE 754 half precision. */
static double half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double v = exponent == 0    ? ldexp(fraction, -24)
               : exponent == 31 ? (fraction ? NAN : INFINITY)
                                : ldexp(fraction + 1024, exponent - 25);
    return bits & 0x8000 ? -v : v;
}

static void other(struct reader *r, struct head h, struct value *ret)
{
    uint32_t low = (uint32_t)h.value;
    float single;
    switch (h.info) {
    case 20:
    case 21:
        ret->kind = VALUE_BOOLEAN;
        ret->flag = h.info == 21;
        return;
    case 22:                 /* null */
    case 23:                 /* undefined */
        return;
    case 25: ret->real = half((uint16_t)low); break;
    case 26:
        __builtin_memcpy(&single, &low, sizeof single);
        ret->real = (double)single;
        break;
    case 27: __builtin_memcpy(&ret->real, &h.value, sizeof ret->real); break;
    default: reader_break(r); return;
    }
    ret->kind = VALUE_REAL;
}

static void cbor_next(struct reader *r, struct value *ret)
{
    ret->kind = VALUE_NULL;
    struct head h = take_head(r);
    while (h.major == MAJOR_TAG && h.info != INFO_OPEN && !r->broken) h = take_head(r);
    if (r->broken) return;
    switch (h.major) {
    case MAJOR_UNSIGNED:
    case MAJOR_NEGATIVE:
        if (h.info == INFO_OPEN) {
            reader_break(r);
            return;
        }
        ret->kind = VALUE_INTEGER;
        ret->integer = h.value > INT64_MAX ? INT64_MAX : (int64_t)h.value;
        if (h.major == MAJOR_NEGATIVE) ret->integer = -1 - ret->integer;
        return;
    case MAJOR_BYTES:
    case MAJOR_TEXT: string(r, h, ret); return;
    case MAJOR_LIST:
    case MAJOR_MAP: begin(r, h, ret); return;
    case MAJOR_TAG: reader_break(r); return;
    default: other(r, h, ret); return;
    }
}

static bool cbor_list_next(struct reader *r, struct nest *nest)
{
    if (r->broken) return false;
    if (!nest->open_ended) return nest->left-- > 0;
    if (r->at == r->end) {
        reader_break(r);
        return false;
    }
    if (*r->at != BREAK) return true;
    r->at++;
    return false;
}

static bool cbor_map_next(struct reader *r, struct nest *nest, struct bytes *ret_key)
{
    if (!cbor_list_next(r, nest)) return false;
    struct value key;
    cbor_next(r, &key);
    if (key.kind == VALUE_LIST || key.kind == VALUE_MAP) reader_break(r);
    *ret_key = key.kind == VALUE_TEXT ? key.bytes : BYTES_LIT("");
    return !r->broken;
}

const struct reader_format cbor_format = {cbor_next, cbor_list_next, cbor_map_next, 1};
