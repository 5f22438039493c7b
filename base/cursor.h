/* A sticky, bounded reader of big-endian wire bytes (Kafka protocol primitive types).
 *
 * The first read beyond the end, or the first illegal value, poisons the cursor: err is set, left
 * becomes 0 and every later read yields zero, null or empty. So a decoder reads straight on like a
 * schema and asks once, at the end. Views point into the bytes under the cursor; arrays come from
 * the arena. Thread: one owner. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

struct cursor {
    const uint8_t *at;
    size_t left;
    enum err err;           /* ERR_OK until the first failure, then ERR_INVALID_REQUEST or
                               ERR_TOO_LARGE */
    struct arena *arena;    /* for arrays; may be NULL when none are read */
    uint32_t elements_left; /* that arrays may still have, all together; no bound until it is set;
                               0 once one wanted more */
};

void cursor_init(struct cursor *c, struct bytes b, struct arena *arena);
/* Poison with ERR_INVALID_REQUEST unless poisoned already; returns 0. */
uint32_t cursor_fail(struct cursor *c);

bool cursor_bool(struct cursor *c);             /* any non-zero byte is true */
int8_t cursor_i8(struct cursor *c);
int16_t cursor_i16(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
int32_t cursor_i32(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
int64_t cursor_i64(struct cursor *c);
double cursor_f64(struct cursor *c);
uint32_t cursor_uvarint(struct cursor *c);      /* at most 5 bytes */
int32_t cursor_varint(struct cursor *c);        /* zigzag */
int64_t cursor_varlong(struct cursor *c);       /* zigzag, at most 10 bytes */
struct bytes cursor_take(struct cursor *c, size_t len);   /* exactly len bytes */
void cursor_skip(struct cursor *c, size_t len);

/* flexible chooses the compact form. The _or_null forms allow null, the others poison on it. */
struct bytes cursor_string(struct cursor *c, bool flexible);
struct bytes cursor_string_or_null(struct cursor *c, bool flexible);
struct bytes cursor_bytes(struct cursor *c, bool flexible);
struct bytes cursor_bytes_or_null(struct cursor *c, bool flexible);

/* Element count of an array: -1 is null (the non-null form poisons). Believed only if that many
 * smallest elements fit into the bytes left; element_bytes_min >= 1. */
int32_t cursor_count(struct cursor *c, bool flexible, uint32_t element_bytes_min);
int32_t cursor_count_or_null(struct cursor *c, bool flexible, uint32_t element_bytes_min);
/* Zeroed array in the arena; poisons with ERR_TOO_LARGE and returns NULL beyond the arena's cap or
 * elements_left.
 * count <= 0 gives NULL. */
void *cursor_array(struct cursor *c, int32_t count, size_t element_bytes);

/* Reads past all tagged fields. */
void cursor_skip_tags(struct cursor *c);
/* The error of the whole read; trailing bytes are legal (Kafka ignores them too).
 * Errors: ERR_INVALID_REQUEST - a short read or an illegal value; ERR_TOO_LARGE - beyond the
 * arena. */
enum err cursor_finish(struct cursor *c);

#endif
