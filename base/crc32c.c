/* Three ways to one number. The processor's instruction takes 3 cycles but starts one every cycle,
 * so long input is cut into three lanes that run beside each other and are joined afterwards: a
 * lane's CRC is moved over the bytes of the lanes behind it, which is a linear map and hence four
 * table look-ups. Without the instruction: eight tables, eight bytes a step.
 *
 * Everything works on the raw register (crc ^ ~0); the tables are made on the first call. */
#include "base/crc32c.h"

#include <pthread.h>
#include <stdatomic.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#include "base/check.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define HAS_INSTRUCTION 1
#endif

enum { POLYNOMIAL_REVERSED = 0x82f63b78, LANE_LONG = 2048, LANE_SHORT = 256 };

typedef uint32_t extend_fn(uint32_t state, const uint8_t *p, size_t len);

static extend_fn extend_first;
static _Atomic(extend_fn *) extend = extend_first;
static bool hardware;
static uint32_t slice[8][256];            /* slice[k][b]: byte b followed by k zero bytes */

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t extend_tables(uint32_t state, const uint8_t *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t v = __builtin_bswap64(load_be64(p)) ^ state;     /* little-endian on any machine */
        state = 0;
        for (int k = 0; k < 8; k++) state ^= slice[7 - k][v >> 8 * k & 0xff];
    }
    for (; len > 0; len--, p++) state = state >> 8 ^ slice[0][(state ^ *p) & 0xff];
    return state;
}

static void slice_make(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t v = b;
        for (int bit = 0; bit < 8; bit++) v = v >> 1 ^ (v & 1 ? (uint32_t)POLYNOMIAL_REVERSED : 0);
        slice[0][b] = v;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            slice[k][b] = slice[k - 1][b] >> 8 ^ slice[0][slice[k - 1][b] & 0xff];
}

#ifdef HAS_INSTRUCTION

static uint32_t over_long[4][256];        /* moves a state over LANE_LONG zero bytes */
static uint32_t over_short[4][256];

#if defined(__x86_64__)
#define WITH_CRC __attribute__((target("sse4.2")))
#define STEP8(state, v) ((uint32_t)__builtin_ia32_crc32di((state), (v)))
#define STEP1(state, v) (__builtin_ia32_crc32qi((state), (v)))
static bool instruction_is_there(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#else
/* As text, because the two compilers name the intrinsics differently. */
#define WITH_CRC
static inline uint32_t STEP8(uint32_t state, uint64_t v)
{
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(state) : "r"(v));
    return state;
}
static inline uint32_t STEP1(uint32_t state, uint8_t v)
{
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(state) : "r"(v));
    return state;
}
static bool instruction_is_there(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#endif

static uint32_t over(uint32_t table[4][256], uint32_t state)
{
    return table[0][state & 0xff] ^ table[1][state >> 8 & 0xff] ^ table[2][state >> 16 & 0xff] ^
           table[3][state >> 24];
}

WITH_CRC static uint32_t lanes(uint32_t state, const uint8_t *p, size_t lane,
                               uint32_t table[4][256])
{
    uint32_t second = 0, third = 0;
    for (size_t i = 0; i < lane; i += 8) {
        state = STEP8(state, load64(p + i));
        second = STEP8(second, load64(p + lane + i));
        third = STEP8(third, load64(p + 2 * lane + i));
    }
    return over(table, over(table, state) ^ second) ^ third;
}

WITH_CRC static uint32_t extend_instruction(uint32_t state, const uint8_t *p, size_t len)
{
    for (; len >= 3 * LANE_LONG; len -= 3 * LANE_LONG, p += 3 * LANE_LONG)
        state = lanes(state, p, LANE_LONG, over_long);
    for (; len >= 3 * LANE_SHORT; len -= 3 * LANE_SHORT, p += 3 * LANE_SHORT)
        state = lanes(state, p, LANE_SHORT, over_short);
    for (; len >= 8; len -= 8, p += 8) state = STEP8(state, load64(p));
    for (; len > 0; len--, p++) state = STEP1(state, *p);
    return state;
}

/* The map is linear: 32 single bits moved over the zero bytes give all of it. */
static void over_make(uint32_t table[4][256], size_t zero_bytes)
{
    static const uint8_t zeros[LANE_LONG];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t moved = extend_tables((uint32_t)1 << bit, zeros, zero_bytes);
        for (int b = 0; b < 256; b++)
            if (b >> bit % 8 & 1) table[bit / 8][b] ^= moved;
    }
}

#endif

static void choose(void)
{
    slice_make();
    extend_fn *chosen = extend_tables;
#ifdef HAS_INSTRUCTION
    if (instruction_is_there()) {
        over_make(over_long, LANE_LONG);
        over_make(over_short, LANE_SHORT);
        hardware = true;
        chosen = extend_instruction;
    }
#endif
    atomic_store_explicit(&extend, chosen, memory_order_release);
}

static pthread_once_t chosen_once = PTHREAD_ONCE_INIT;

static uint32_t extend_first(uint32_t state, const uint8_t *p, size_t len)
{
    pthread_once(&chosen_once, choose);
    return atomic_load_explicit(&extend, memory_order_acquire)(state, p, len);
}

uint32_t crc32c_extend(uint32_t crc, const void *data, size_t len)
{
    return ~atomic_load_explicit(&extend, memory_order_acquire)(~crc, data, len);
}

uint32_t crc32c_extend_tables(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&chosen_once, choose);
    return ~extend_tables(~crc, data, len);
}

bool crc32c_is_hardware(void)
{
    pthread_once(&chosen_once, choose);
    return hardware;
}
