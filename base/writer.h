/* A growing output buffer for wire bytes, with record bytes spliced in by reference.
 *
 * Sticky like the cursor: beyond cap_max, or out of memory, err is set and later writes do nothing.
 * A splice keeps a reference to its slab until writer_done(). Thread: one owner. */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/slab.h"

struct budget;

struct writer_splice {
    size_t at;               /* position in data before which the view is sent */
    struct slab_view view;   /* owns one reference */
};

struct writer {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t cap_max;          /* hard limit of len; splices do not count */
    struct writer_splice *splices;
    uint32_t splice_count;
    uint32_t splice_cap;
    size_t splice_bytes;     /* sum of all splices */
    enum err err;            /* ERR_OK or ERR_TOO_LARGE */
    struct budget *budget;   /* of more than WRITER_FREE_BYTES; NULL after writer_init() */
    size_t charged;
};
enum { WRITER_FREE_BYTES = 8 * 1024 };

void writer_init(struct writer *w, size_t cap_max);
void writer_done(struct writer *w);
void writer_reset(struct writer *w);                /* empties, keeps the buffer */
/* Takes the buffer out; the caller frees it with mem_free(). w is empty and has none. */
uint8_t *writer_take(struct writer *w);
size_t writer_total(const struct writer *w);        /* len + splice_bytes */

/* Makes room for about so many more bytes at once, where they are many: growing by doubling copies
 * them and holds twice as much. */
void writer_reserve(struct writer *w, size_t len);
/* Room for len bytes at the end, not zeroed, already counted; NULL when poisoned. */
uint8_t *writer_space(struct writer *w, size_t len);
void writer_raw(struct writer *w, const void *data, size_t len);
void writer_bytes_raw(struct writer *w, struct bytes b);   /* no length in front */
void writer_text(struct writer *w, const char *s);
void writer_decimal(struct writer *w, uint64_t v);
void writer_printf(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends the view in place at this position without copying; takes a reference of its own. */
void writer_splice(struct writer *w, struct slab_view view);

void writer_bool(struct writer *w, bool v);
void writer_i8(struct writer *w, int8_t v);
void writer_i16(struct writer *w, int16_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_i32(struct writer *w, int32_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_i64(struct writer *w, int64_t v);
void writer_f64(struct writer *w, double v);
void writer_uvarint(struct writer *w, uint32_t v);
void writer_varint(struct writer *w, int32_t v);
void writer_varlong(struct writer *w, int64_t v);
/* Kafka strings, bytes and counts; null is written as such. */
void writer_string(struct writer *w, struct bytes b, bool flexible);
void writer_bytes(struct writer *w, struct bytes b, bool flexible);
void writer_count(struct writer *w, int32_t count, bool flexible);     /* -1 = null */
/* Overwrite 4 bytes written earlier at position at. */
void writer_patch_i32(struct writer *w, size_t at, int32_t v);

#endif
