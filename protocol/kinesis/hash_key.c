/* MD5 (RFC 1321), once over one block and once over eight blocks side by side: its 64 steps wait
 * for each other, so eight keys in vector lanes take little longer than one. Both are the same
 * lines over another type. */
#include "protocol/kinesis/hash_key.h"

#include "base/mem.h"
#include "base/check.h"

enum { BLOCK_BYTES = 64, BLOCK_WORDS = 16, LANES = 8, SINGLE_MAX = 55 };

/* One number a lane; gcc and clang split it over whatever vector registers there are. */
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

#define MIX_1(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define MIX_2(b, c, d) ((c) ^ ((d) & ((b) ^ (c))))
#define MIX_3(b, c, d) ((b) ^ (c) ^ (d))
#define MIX_4(b, c, d) ((c) ^ ((b) | ~(d)))

#define STEP(mix, a, b, c, d, i, word, turn)                                                       \
    do {                                                                                           \
        a += mix(b, c, d) + words[(word) & 15] + sines[i];                                         \
        a = (a << (turn) | a >> (32 - (turn))) + b;                                                \
    } while (0)

/* Sixteen steps: the word of step i is first + i * stride. */
#define ROUND(mix, from, first, stride, t1, t2, t3, t4)                                            \
    for (int i = 0; i < 16; i += 4) {                                                              \
        STEP(mix, a, b, c, d, (from) + i, (first) + i * (stride), t1);                             \
        STEP(mix, d, a, b, c, (from) + i + 1, (first) + (i + 1) * (stride), t2);                   \
        STEP(mix, c, d, a, b, (from) + i + 2, (first) + (i + 2) * (stride), t3);                   \
        STEP(mix, b, c, d, a, (from) + i + 3, (first) + (i + 3) * (stride), t4);                   \
    }

#define MD5_BLOCK(name, type)                                                                      \
    static void name(type state[4], const type words[BLOCK_WORDS])                                 \
    {                                                                                              \
        type a = state[0], b = state[1], c = state[2], d = state[3];                               \
        ROUND(MIX_1, 0, 0, 1, 7, 12, 17, 22)                                                       \
        ROUND(MIX_2, 16, 1, 5, 5, 9, 14, 20)                                                       \
        ROUND(MIX_3, 32, 5, 3, 4, 11, 16, 23)                                                      \
        ROUND(MIX_4, 48, 0, 7, 6, 10, 15, 21)                                                      \
        state[0] += a;                                                                             \
        state[1] += b;                                                                             \
        state[2] += c;                                                                             \
        state[3] += d;                                                                             \
    }

MD5_BLOCK(block_one, uint32_t)
MD5_BLOCK(block_lanes, lanes)

static const uint32_t start[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

static uint32_t load_le32(const uint8_t *p)
{
    uint32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

/* The block that ends a message: its last bytes (at most SINGLE_MAX), the mark and the bit
 * length. */
static void last_block(struct bytes rest, uint64_t total_bytes, uint8_t block[BLOCK_BYTES])
{
    memset(block, 0, BLOCK_BYTES);
    mem_copy(block, rest.data, rest.len);
    block[rest.len] = 0x80;
    uint64_t bits = total_bytes * 8;
    __builtin_memcpy(block + BLOCK_BYTES - 8, &bits, 8);
}

static void absorb(uint32_t state[4], const uint8_t block[BLOCK_BYTES])
{
    uint32_t words[BLOCK_WORDS];
    for (int i = 0; i < BLOCK_WORDS; i++) words[i] = load_le32(block + 4 * i);
    block_one(state, words);
}

static void digest_of(struct bytes data, uint32_t state[4])
{
    uint8_t block[BLOCK_BYTES];
    size_t at = 0;
    mem_copy(state, start, sizeof start);
    for (; data.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) absorb(state, data.data + at);
    struct bytes rest = bytes_of(data.data + at, data.len - at);
    if (rest.len > SINGLE_MAX) {                 /* the length needs a block of its own */
        memset(block, 0, sizeof block);
        mem_copy(block, rest.data, rest.len);
        block[rest.len] = 0x80;
        absorb(state, block);
        last_block(BYTES_NULL, data.len, block);
        block[0] = 0;
    } else {
        last_block(rest, data.len, block);
    }
    absorb(state, block);
}

void md5(struct bytes data, uint8_t digest[MD5_BYTES])
{
    uint32_t state[4];
    digest_of(data, state);
    __builtin_memcpy(digest, state, MD5_BYTES);
}

static u128 number_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    u128 v = __builtin_bswap32(a);
    v = v << 32 | __builtin_bswap32(b);
    v = v << 32 | __builtin_bswap32(c);
    return v << 32 | __builtin_bswap32(d);
}

u128 hash_key_of(struct bytes partition_key)
{
    uint32_t state[4];
    digest_of(partition_key, state);
    return number_of(state[0], state[1], state[2], state[3]);
}

/* Eight keys of one block each. */
static void hash_lanes(const struct bytes *const keys[LANES], u128 *const ret[LANES], int count)
{
    lanes words[BLOCK_WORDS], state[4];
    uint8_t block[BLOCK_BYTES];
    for (int lane = 0; lane < count; lane++) {
        last_block(*keys[lane], keys[lane]->len, block);
        for (int i = 0; i < BLOCK_WORDS; i++) words[i][lane] = load_le32(block + 4 * i);
    }
    for (int lane = count; lane < LANES; lane++)
        for (int i = 0; i < BLOCK_WORDS; i++) words[i][lane] = 0;
    for (int i = 0; i < 4; i++) state[i] = start[i] - (lanes){0};
    block_lanes(state, words);
    for (int lane = 0; lane < count; lane++)
        *ret[lane] = number_of(state[0][lane], state[1][lane], state[2][lane], state[3][lane]);
}

void hash_key_of_many(const struct bytes *partition_keys, size_t count, u128 *ret)
{
    const struct bytes *keys[LANES];
    u128 *results[LANES];
    int waiting = 0;
    for (size_t i = 0; i < count; i++) {
        if (partition_keys[i].len > SINGLE_MAX) {
            ret[i] = hash_key_of(partition_keys[i]);
            continue;
        }
        keys[waiting] = &partition_keys[i];
        results[waiting++] = &ret[i];
        if (waiting == LANES) {
            hash_lanes(keys, results, waiting);
            waiting = 0;
        }
    }
    if (waiting == 1) *results[0] = hash_key_of(*keys[0]);
    else if (waiting > 1) hash_lanes(keys, results, waiting);
}

bool hash_key_parse(struct bytes text, u128 *ret)
{
    return u128_from_text(text, ret);
}
