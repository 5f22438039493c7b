/* A number is kept as three 64-bit limbs. Ten to the nineteenth fits into one limb, so three
 * divisions of 128 by 64 bits give its decimal digits in three pieces: no general big-number
 * arithmetic, and well below 0.1 us a number. */
#include "protocol/kinesis/sequence.h"

#include <assert.h>
#include "base/mem.h"
#include "base/u128.h"
#include "base/check.h"

enum { LIMBS = 3, PIECE_DIGITS = 19, DIGITS = SEQUENCE_TEXT_BYTES - 1, HEX_DIGITS = 47 };

/* Positions in bits from the low end; the table in the header counts hexadecimal digits from the
 * top. */
enum {
    BIT_SHARD = 4, BIT_TIME = 36, BIT_BETWEEN = 72, BIT_INDEX = 80, BIT_DIGIT = 144,
    BIT_CREATED = 148, BIT_TWO = 184
};

static const uint64_t piece_size = 10000000000000000000u;     /* 10^19 */
static const uint64_t index_end = INT64_MAX;
static const int64_t created_s_end = 16025175000;             /* AWS takes none at or beyond it */
static const int64_t time_s_end = (int64_t)1 << 36;

struct wide {
    uint64_t limb[LIMBS];    /* lowest first */
};

static void put_bits(struct wide *n, unsigned at, uint64_t v)
{
    n->limb[at / 64] |= v << at % 64;
    if (at % 64 > 0 && at / 64 + 1 < LIMBS) n->limb[at / 64 + 1] |= v >> (64 - at % 64);
}

static uint64_t get_bits(const struct wide *n, unsigned at, unsigned width)
{
    uint64_t v = n->limb[at / 64] >> at % 64;
    if (at % 64 > 0 && at / 64 + 1 < LIMBS) v |= n->limb[at / 64 + 1] << (64 - at % 64);
    return width == 64 ? v : v & (((uint64_t)1 << width) - 1);
}

/* (high : low) / 10^19, high below 10^19. */
static uint64_t divide(uint64_t high, uint64_t low, uint64_t *ret_rest)
{
#ifdef __x86_64__
    uint64_t quotient;
    __asm__("divq %[by]"
            : "=a"(quotient), "=d"(*ret_rest)
            : [by] "r"(piece_size), "a"(low), "d"(high));
    return quotient;
#else
    u128 v = (u128)high << 64 | low;
    *ret_rest = (uint64_t)(v % piece_size);
    return (uint64_t)(v / piece_size);
#endif
}

/* Eight digits at once: v in halves, each half in halves again, in the lanes of one word. */
static void put_eight(char *to, uint32_t v)
{
    uint64_t n = v / 10000 | (uint64_t)(v % 10000) << 32;            /* two numbers below 10^4 */
    uint64_t q = (n * 10486 >> 20) & 0x0000007f0000007f;              /* n / 100 */
    n = q | (n - 100 * q) << 16;                                     /* four numbers below 100 */
    q = (n * 103 >> 10) & 0x000f000f000f000f;                        /* n / 10 */
    n = (q | (n - 10 * q) << 8) + 0x3030303030303030;
    store_be64(to, __builtin_bswap64(n));                            /* lowest byte first */
}

/* The lead + 16 last digits of v. */
static void put_piece(char *to, uint64_t v, unsigned lead)
{
    uint32_t first = (uint32_t)(v / 10000000000000000u);
    uint64_t rest = v % 10000000000000000u;
    for (unsigned i = lead; i > 0; first /= 10) to[--i] = (char)('0' + first % 10);
    put_eight(to + lead, (uint32_t)(rest / 100000000));
    put_eight(to + lead + 8, (uint32_t)(rest % 100000000));
}

static int64_t seconds_of(int64_t ms, int64_t end_s)
{
    int64_t s = ms < 0 ? 0 : ms / 1000;
    return s < end_s ? s : end_s - 1;
}

int64_t sequence_created_s(int64_t shard_created_ms)
{
    return seconds_of(shard_created_ms, created_s_end);
}

static struct bytes format(int64_t created_ms, uint32_t shard_index, uint64_t index,
                           int64_t time_ms, bool between, char *to)
{
    assert(shard_index <= INT32_MAX);
    struct wide n = {{2}};
    put_bits(&n, BIT_SHARD, shard_index);
    put_bits(&n, BIT_TIME, (uint64_t)seconds_of(time_ms, time_s_end));
    put_bits(&n, BIT_BETWEEN, between);
    put_bits(&n, BIT_INDEX, index);
    put_bits(&n, BIT_DIGIT, shard_index & 15);
    put_bits(&n, BIT_CREATED, (uint64_t)sequence_created_s(created_ms));
    put_bits(&n, BIT_TWO, 2);
    /* The top limb is below 10^19, and so is the quotient's: each divides in one step. */
    uint64_t low, middle, rest;
    uint64_t q1 = divide(n.limb[2], n.limb[1], &rest), q0 = divide(rest, n.limb[0], &low);
    uint64_t high = divide(q1, q0, &middle);
    put_piece(to, high, 2);
    put_piece(to + DIGITS - 2 * PIECE_DIGITS, middle, 3);
    put_piece(to + DIGITS - PIECE_DIGITS, low, 3);
    to[DIGITS] = '\0';
    return bytes_of(to, DIGITS);
}

struct bytes sequence_format(int64_t shard_created_ms, uint32_t shard_index, int64_t offset,
                             int64_t time_ms, char *to)
{
    assert(offset >= 0 && offset <= SEQUENCE_OFFSET_MAX);
    return format(shard_created_ms, shard_index, (uint64_t)offset + 1, time_ms, false, to);
}

struct bytes sequence_format_between(int64_t shard_created_ms, uint32_t shard_index,
                                     int64_t offset_next, char *to)
{
    assert(offset_next >= 0 && offset_next <= SEQUENCE_OFFSET_MAX);
    /* The index of the record in front of it, or of the shard's start. */
    return format(shard_created_ms, shard_index, (uint64_t)offset_next, shard_created_ms, true,
                  to);
}

struct bytes sequence_format_start(int64_t shard_created_ms, uint32_t shard_index, char *to)
{
    return format(shard_created_ms, shard_index, 0, shard_created_ms, false, to);
}

struct bytes sequence_format_end(int64_t shard_created_ms, uint32_t shard_index, int64_t closed_ms,
                                 char *to)
{
    return format(shard_created_ms, shard_index, index_end, closed_ms, false, to);
}

/* False when not digits or beyond three limbs. */
static bool read_decimal(struct bytes text, struct wide *ret)
{
    struct wide n = {{0}};
    if (text.len == 0) return false;
    for (size_t i = 0; i < text.len; i++) {
        u128 carry = (u128)((unsigned)text.data[i] - '0');
        if (carry > 9) return false;
        for (int limb = 0; limb < LIMBS; limb++) {
            carry += (u128)n.limb[limb] * 10;
            n.limb[limb] = (uint64_t)carry;
            carry >>= 64;
        }
        if (carry != 0) return false;
    }
    *ret = n;
    return true;
}

/* AWS's oldest form: below 2^129, of 32 hexadecimal digits (33 at the top of the range), the first
 * a mark that shorter numbers leave out. */
static enum err read_version_0(struct wide n, struct sequence *ret)
{
    if (n.limb[1] >> 60 == 0 && n.limb[2] == 0) n.limb[1] |= (uint64_t)1 << 60;
    unsigned up = n.limb[2] != 0 ? 4 : 0;
    int64_t created_s = (int64_t)get_bits(&n, 88 + up, 36);
    if (created_s >= created_s_end) return ERR_INVALID_ARGUMENT;
    *ret = (struct sequence){
        .kind = SEQUENCE_OLD,
        .shard_index = (int64_t)get_bits(&n, up, 16),
        .shard_created_s = created_s,
    };
    return ERR_OK;
}

/* Version 1 has another order behind the creation time, and a byte where 2 has its index. */
static void read_version_1(const struct wide *n, struct sequence *ret)
{
    *ret = (struct sequence){
        .kind = SEQUENCE_OLD,
        .version = 1,
        .shard_index = (int64_t)get_bits(n, BIT_SHARD, 32),
        .shard_created_s = (int64_t)get_bits(n, BIT_CREATED, 36),
        .time_s = (int64_t)get_bits(n, 100, 36),
    };
}

static enum err read_version_2(const struct wide *n, struct sequence *ret)
{
    uint64_t index = get_bits(n, BIT_INDEX, 64);
    int64_t shard_index = (int64_t)get_bits(n, BIT_SHARD, 32);
    int64_t created_s = (int64_t)get_bits(n, BIT_CREATED, 36);
    bool between = get_bits(n, BIT_BETWEEN, 8) != 0 && index < index_end;
    if (index > index_end || created_s >= created_s_end) return ERR_INVALID_ARGUMENT;
    *ret = (struct sequence){
        .kind = between              ? SEQUENCE_BETWEEN
                : index == 0         ? SEQUENCE_SHARD_START
                : index == index_end ? SEQUENCE_SHARD_END
                                     : SEQUENCE_RECORD,
        .version = 2,
        .shard_index = shard_index > INT32_MAX ? -shard_index : shard_index,
        .offset = between                        ? (int64_t)index
                  : index > 0 && index < index_end ? (int64_t)index - 1
                                                   : 0,
        .shard_created_s = created_s,
        .time_s = (int64_t)get_bits(n, BIT_TIME, 36),
    };
    return ERR_OK;
}

enum err sequence_parse(struct bytes text, struct sequence *ret)
{
    struct wide n;
    if (!read_decimal(text, &n)) return ERR_INVALID_ARGUMENT;
    if (n.limb[2] <= 1) return read_version_0(n, ret);
    /* The plain 2 with nothing behind it is no number either. */
    if (n.limb[2] >> (BIT_TWO - 128) != 2) return ERR_INVALID_ARGUMENT;
    unsigned version = n.limb[0] & 15;
    if (version == 2) return read_version_2(&n, ret);
    if (version != 1) return ERR_INVALID_ARGUMENT;
    read_version_1(&n, ret);
    return ERR_OK;
}
