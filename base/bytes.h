/* A borrowed view of bytes or text: never owns, never NUL-terminated. data == NULL is "null",
 * which both protocols tell apart from empty. Whoever keeps a view keeps what it points into. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t len;
};

#define BYTES_NULL ((struct bytes){NULL, 0})
/* Of a string literal or an array. */
#define BYTES_LIT(s) ((struct bytes){(const uint8_t *)(s), sizeof(s) - 1})
/* printf("%.*s", BYTES_ARGS(b)) */
#define BYTES_ARGS(b) (int)(b).len, (const char *)((b).data ? (b).data : (const uint8_t *)"")

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){data, len};
}

static inline struct bytes bytes_str(const char *s)
{
    return (struct bytes){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline bool bytes_is_null(struct bytes b)
{
    return b.data == NULL;
}

/* Null and empty are different. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    if ((a.data == NULL) != (b.data == NULL)) return false;
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool bytes_equal_str(struct bytes a, const char *s)
{
    return bytes_equal(a, bytes_str(s));
}

/* The same, but for ASCII letters' case. */
bool bytes_equal_nocase(struct bytes a, const char *s);

/* Without the blanks and control characters at both ends, as Java's String.trim(). */
struct bytes bytes_trim(struct bytes b);

/* memcmp order, shorter first on a tie. */
int bytes_compare(struct bytes a, struct bytes b);

/* For tables in memory only; never stored or shown: it hangs on a key that the process chooses at
 * its start, so that no sender can choose names that all fall into one place of a table. */
uint64_t bytes_hash(struct bytes b);
/* The key; 0 until it is set. Thread: main, before others start and before any table is filled. */
void bytes_hash_seed(uint64_t low, uint64_t high);
/* FNV-1a: the same for ever, for what is shown. */
uint64_t bytes_fnv1a(struct bytes b);

/* [from, from + len), which must lie inside b. */
struct bytes bytes_slice(struct bytes b, size_t from, size_t len);

/* Copies at most cap - 1 bytes and always ends with NUL; returns to. */
char *bytes_to_text(struct bytes b, char *to, size_t cap);

/* True when b is well-formed UTF-8 (RFC 3629); ret_chars: its code points, may be NULL. */
bool bytes_is_utf8(struct bytes b, size_t *ret_chars);

/* Decimal without sign or blanks. Errors: false when empty, not digits or beyond the type. */
bool bytes_to_u64(struct bytes b, uint64_t *ret);
bool bytes_to_i64(struct bytes b, int64_t *ret);     /* takes a leading '-' */

/* Big-endian loads and stores at any alignment. */
static inline uint16_t load_be16(const void *p)
{
    uint16_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
static inline uint32_t load_be32(const void *p)
{
    uint32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t load_be64(const void *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline uint64_t load_le64(const void *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
static inline void store_be16(void *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    __builtin_memcpy(p, &v, sizeof v);
}
static inline void store_be32(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    __builtin_memcpy(p, &v, sizeof v);
}
static inline void store_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    __builtin_memcpy(p, &v, sizeof v);
}

#endif
