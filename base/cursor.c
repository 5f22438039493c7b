#include "base/cursor.h"

#include "base/check.h"

void cursor_init(struct cursor *c, struct bytes b, struct arena *arena)
{
    *c = (struct cursor){.at = b.data, .left = b.len, .err = ERR_OK, .arena = arena,
                         .elements_left = UINT32_MAX};
}

static void poison(struct cursor *c, enum err err)
{
    if (c->err == ERR_OK) c->err = err;
    c->left = 0;
}

uint32_t cursor_fail(struct cursor *c)
{
    poison(c, ERR_INVALID_REQUEST);
    return 0;
}

/* NULL, and the cursor poisoned, when fewer than len bytes are left. */
static const uint8_t *take(struct cursor *c, size_t len)
{
    if (len > c->left || c->err != ERR_OK) {
        cursor_fail(c);
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += len;
    c->left -= len;
    return p;
}

int8_t cursor_i8(struct cursor *c)
{
    const uint8_t *p = take(c, 1);
    return p ? (int8_t)*p : 0;
}

bool cursor_bool(struct cursor *c)
{
    return cursor_i8(c) != 0;
}

uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = take(c, 2);
    return p ? load_be16(p) : 0;
}

int16_t cursor_i16(struct cursor *c)
{
    return (int16_t)cursor_u16(c);
}

uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = take(c, 4);
    return p ? load_be32(p) : 0;
}

int32_t cursor_i32(struct cursor *c)
{
    return (int32_t)cursor_u32(c);
}

int64_t cursor_i64(struct cursor *c)
{
    const uint8_t *p = take(c, 8);
    return p ? (int64_t)load_be64(p) : 0;
}

double cursor_f64(struct cursor *c)
{
    int64_t bits = cursor_i64(c);
    double v;
    __builtin_memcpy(&v, &bits, sizeof v);
    return v;
}

/* Little-endian base 128, at most bits wide; a longer or overflowing one poisons. */
static uint64_t uvar(struct cursor *c, unsigned bits)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        const uint8_t *p = take(c, 1);
        if (p == NULL) return 0;
        uint64_t part = *p & 0x7f;
        if (shift + 7 > bits && part >> (bits - shift) != 0) return cursor_fail(c);
        v |= part << shift;
        if ((*p & 0x80) == 0) return v;
    }
    return cursor_fail(c);
}

uint32_t cursor_uvarint(struct cursor *c)
{
    return (uint32_t)uvar(c, 32);
}

int32_t cursor_varint(struct cursor *c)
{
    uint32_t v = cursor_uvarint(c);
    return (int32_t)(v >> 1 ^ -(v & 1));
}

int64_t cursor_varlong(struct cursor *c)
{
    uint64_t v = uvar(c, 64);
    return (int64_t)(v >> 1 ^ -(v & 1));
}

struct bytes cursor_take(struct cursor *c, size_t len)
{
    const uint8_t *p = take(c, len);
    return p ? bytes_of(p, len) : BYTES_NULL;
}

void cursor_skip(struct cursor *c, size_t len)
{
    take(c, len);
}

/* -1 for null; poisons (and gives -1) on any other negative length, and on a string that the short
 * form could not hold: Kafka refuses those in the compact form too. */
static int64_t length(struct cursor *c, bool flexible, bool wide)
{
    int64_t len = flexible ? (int64_t)cursor_uvarint(c) - 1 : wide ? cursor_i32(c) : cursor_i16(c);
    if (c->err != ERR_OK) return -1;
    if (len >= -1 && (wide || len <= INT16_MAX)) return len;
    cursor_fail(c);
    return -1;
}

static struct bytes sized(struct cursor *c, int64_t len, bool nullable)
{
    if (len >= 0) return cursor_take(c, (size_t)len);
    if (!nullable) cursor_fail(c);
    return BYTES_NULL;
}

struct bytes cursor_string(struct cursor *c, bool flexible)
{
    return sized(c, length(c, flexible, false), false);
}

struct bytes cursor_string_or_null(struct cursor *c, bool flexible)
{
    return sized(c, length(c, flexible, false), true);
}

struct bytes cursor_bytes(struct cursor *c, bool flexible)
{
    return sized(c, length(c, flexible, true), false);
}

struct bytes cursor_bytes_or_null(struct cursor *c, bool flexible)
{
    return sized(c, length(c, flexible, true), true);
}

int32_t cursor_count_or_null(struct cursor *c, bool flexible, uint32_t element_bytes_min)
{
    int64_t count = length(c, flexible, true);
    if (count <= 0) return (int32_t)count;
    /* Divide, never multiply: the count is the sender's. */
    if ((uint64_t)count <= c->left / element_bytes_min) return (int32_t)count;
    cursor_fail(c);
    return -1;
}

int32_t cursor_count(struct cursor *c, bool flexible, uint32_t element_bytes_min)
{
    int32_t count = cursor_count_or_null(c, flexible, element_bytes_min);
    if (count < 0) cursor_fail(c);
    return count < 0 ? 0 : count;
}

void *cursor_array(struct cursor *c, int32_t count, size_t element_bytes)
{
    if (count <= 0 || c->err != ERR_OK) return NULL;
    bool fits = (uint32_t)count <= c->elements_left;
    void *p = fits ? arena_array(c->arena, (size_t)count, element_bytes) : NULL;
    if (p == NULL) poison(c, ERR_TOO_LARGE);
    if (!fits) c->elements_left = 0;
    if (p != NULL) c->elements_left -= (uint32_t)count;
    return p;
}

void cursor_skip_tags(struct cursor *c)
{
    for (uint32_t count = cursor_uvarint(c); count > 0 && c->err == ERR_OK; count--) {
        cursor_uvarint(c);
        cursor_skip(c, cursor_uvarint(c));
    }
}

enum err cursor_finish(struct cursor *c)
{
    return c->err;
}
