#include "base/bytes.h"

#include <assert.h>
#include <strings.h>
#include "base/mem.h"
#include "base/check.h"

bool bytes_equal_nocase(struct bytes a, const char *s)
{
    return a.len == strlen(s) &&
           (a.len == 0 || strncasecmp((const char *)a.data, s, a.len) == 0);
}

struct bytes bytes_trim(struct bytes b)
{
    while (b.len > 0 && b.data[0] <= ' ') b = bytes_slice(b, 1, b.len - 1);
    while (b.len > 0 && b.data[b.len - 1] <= ' ') b.len--;
    return b;
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): who does not know the key
 * cannot make names that fall together. */
static uint64_t hash_key[2];

void bytes_hash_seed(uint64_t low, uint64_t high)
{
    hash_key[0] = low;
    hash_key[1] = high;
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint64_t bytes_hash(struct bytes b)
{
    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575, hash_key[1] ^ 0x646f72616e646f6d,
                     hash_key[0] ^ 0x6c7967656e657261, hash_key[1] ^ 0x7465646279746573};
    size_t at = 0;
    for (; b.len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word = load_le64(b.data + at);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)b.len << 56;
    for (int shift = 0; at < b.len; at++, shift += 8) last |= (uint64_t)b.data[at] << shift;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t bytes_fnv1a(struct bytes b)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < b.len; i++) h = (h ^ b.data[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

struct bytes bytes_slice(struct bytes b, size_t from, size_t len)
{
    assert(from <= b.len && len <= b.len - from);
    return bytes_of(b.data ? b.data + from : NULL, len);
}

char *bytes_to_text(struct bytes b, char *to, size_t cap)
{
    assert(cap > 0);
    size_t len = b.len < cap ? b.len : cap - 1;
    mem_copy(to, b.data, len);
    to[len] = '\0';
    return to;
}

/* Length of the well-formed sequence at p, 0 when there is none. */
static size_t utf8_step(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xe0) return p[0] >= 0xc2 && left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    size_t len = p[0] >= 0xf0 ? 4 : 3;
    if (p[0] > 0xf4 || len > left) return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;     /* overlong */
    if (p[0] == 0xed && p[1] > 0x9f) return 0;     /* surrogate */
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;     /* overlong */
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;     /* beyond U+10FFFF */
    return len;
}

bool bytes_is_utf8(struct bytes b, size_t *ret_chars)
{
    size_t chars = 0;
    for (size_t i = 0; i < b.len;) {
        for (; b.len - i >= 8; i += 8, chars += 8)         /* plain ASCII, a word at a time */
            if (load_be64(b.data + i) & 0x8080808080808080u) break;
        size_t step = 1;
        for (int run = 0; run < 8 && i < b.len; run++, i += step, chars++) {
            step = utf8_step(b.data + i, b.len - i);
            if (step == 0) return false;
        }
    }
    if (ret_chars) *ret_chars = chars;
    return true;
}

bool bytes_to_u64(struct bytes b, uint64_t *ret)
{
    uint64_t v = 0;
    if (b.len == 0) return false;
    for (size_t i = 0; i < b.len; i++) {
        unsigned digit = (unsigned)b.data[i] - '0';
        if (digit > 9) return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *ret = v;
    return true;
}

bool bytes_to_i64(struct bytes b, int64_t *ret)
{
    bool negative = b.len > 0 && b.data[0] == '-';
    uint64_t v;
    if (!bytes_to_u64(negative ? bytes_slice(b, 1, b.len - 1) : b, &v)) return false;
    if (v > (uint64_t)INT64_MAX + negative) return false;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}
