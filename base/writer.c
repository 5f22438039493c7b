#include "base/writer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/budget.h"
#include "base/mem.h"
#include "base/check.h"

enum { CAP_FIRST = 256, RESERVE_BYTES_MIN = 64 << 10 };

void writer_init(struct writer *w, size_t cap_max)
{
    *w = (struct writer){.cap_max = cap_max, .err = ERR_OK};
}

static void splices_drop(struct writer *w)
{
    for (uint32_t i = 0; i < w->splice_count; i++) slab_unref(w->splices[i].view.slab);
    w->splice_count = 0;
    w->splice_bytes = 0;
}

static void uncharge(struct writer *w)
{
    if (w->charged > 0) budget_give(w->budget, w->charged);
    w->charged = 0;
}

void writer_done(struct writer *w)
{
    splices_drop(w);
    mem_free(w->splices);
    mem_free(w->data);
    uncharge(w);
    *w = (struct writer){.cap_max = w->cap_max, .err = ERR_OK, .budget = w->budget};
}

uint8_t *writer_take(struct writer *w)
{
    uint8_t *data = w->data;
    uncharge(w);
    w->data = NULL;
    w->cap = w->len = 0;
    return data;
}

void writer_reset(struct writer *w)
{
    splices_drop(w);
    w->len = 0;
    w->err = ERR_OK;
}

size_t writer_total(const struct writer *w)
{
    return w->len + w->splice_bytes;
}

static bool fail(struct writer *w)
{
    w->err = ERR_TOO_LARGE;
    return false;
}

static bool grow_to(struct writer *w, size_t cap)
{
    size_t charge = w->budget != NULL && cap > WRITER_FREE_BYTES ? cap - w->charged : 0;
    if (charge > 0 && !budget_charge(w->budget, charge)) return fail(w);
    w->charged += charge;
    uint8_t *data = mem_try_grow(w->data, cap);
    if (data == NULL) return fail(w);
    w->data = data;
    w->cap = cap;
    return true;
}

static bool grow(struct writer *w, size_t len)
{
    if (w->err != ERR_OK || len > w->cap_max || w->len > w->cap_max - len) return fail(w);
    size_t cap = w->cap ? w->cap : CAP_FIRST;
    while (cap < w->len + len) cap *= 2;
    return grow_to(w, cap < w->cap_max ? cap : w->cap_max);
}

void writer_reserve(struct writer *w, size_t len)
{
    bool fits = len <= w->cap_max && w->len <= w->cap_max - len;
    if (w->err == ERR_OK && len > RESERVE_BYTES_MIN && fits && len > w->cap - w->len)
        (void)grow_to(w, w->len + len);
}

uint8_t *writer_space(struct writer *w, size_t len)
{
    if (w->err != ERR_OK || len > w->cap - w->len)
        if (!grow(w, len)) return NULL;
    uint8_t *p = w->data + w->len;
    w->len += len;
    return p;
}

void writer_raw(struct writer *w, const void *data, size_t len)
{
    if (len == 0) return;
    uint8_t *p = writer_space(w, len);
    if (p != NULL) mem_copy(p, data, len);
}

void writer_bytes_raw(struct writer *w, struct bytes b)
{
    writer_raw(w, b.data, b.len);
}

void writer_text(struct writer *w, const char *s)
{
    writer_bytes_raw(w, bytes_str(s));
}

void writer_decimal(struct writer *w, uint64_t v)
{
    char text[20], *at = text + sizeof text;
    do *--at = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    writer_raw(w, at, (size_t)(text + sizeof text - at));
}

void writer_printf(struct writer *w, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    uint8_t *p = writer_space(w, (size_t)len + 1);    /* vsnprintf wants room for its NUL */
    if (p != NULL) {
        vsnprintf((char *)p, (size_t)len + 1, format, again);
        w->len--;
    }
    va_end(again);
}

void writer_splice(struct writer *w, struct slab_view view)
{
    if (w->err != ERR_OK || view.bytes.len == 0) return;
    if (w->splice_count == w->splice_cap) {
        uint32_t cap = w->splice_cap ? w->splice_cap * 2 : 8;
        struct writer_splice *grown = mem_try_grow(w->splices, cap * sizeof *w->splices);
        if (grown == NULL) {
            fail(w);
            return;
        }
        w->splices = grown;
        w->splice_cap = cap;
    }
    slab_ref(view.slab);
    w->splices[w->splice_count++] = (struct writer_splice){.at = w->len, .view = view};
    w->splice_bytes += view.bytes.len;
}

void writer_i8(struct writer *w, int8_t v)
{
    uint8_t *p = writer_space(w, 1);
    if (p != NULL) *p = (uint8_t)v;
}

void writer_bool(struct writer *w, bool v)
{
    writer_i8(w, v);
}

void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = writer_space(w, 2);
    if (p != NULL) store_be16(p, v);
}

void writer_i16(struct writer *w, int16_t v)
{
    writer_u16(w, (uint16_t)v);
}

void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_space(w, 4);
    if (p != NULL) store_be32(p, v);
}

void writer_i32(struct writer *w, int32_t v)
{
    writer_u32(w, (uint32_t)v);
}

void writer_i64(struct writer *w, int64_t v)
{
    uint8_t *p = writer_space(w, 8);
    if (p != NULL) store_be64(p, (uint64_t)v);
}

void writer_f64(struct writer *w, double v)
{
    int64_t bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    writer_i64(w, bits);
}

static void uvar(struct writer *w, uint64_t v)
{
    uint8_t out[10];
    size_t len = 0;
    for (; v >= 0x80; v >>= 7) out[len++] = (uint8_t)(v | 0x80);
    out[len++] = (uint8_t)v;
    writer_raw(w, out, len);
}

void writer_uvarint(struct writer *w, uint32_t v)
{
    uvar(w, v);
}

void writer_varint(struct writer *w, int32_t v)
{
    uvar(w, (uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

void writer_varlong(struct writer *w, int64_t v)
{
    uvar(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

void writer_count(struct writer *w, int32_t count, bool flexible)
{
    if (flexible) writer_uvarint(w, (uint32_t)(count + 1));
    else writer_i32(w, count);
}

void writer_string(struct writer *w, struct bytes b, bool flexible)
{
    int32_t len = bytes_is_null(b) ? -1 : (int32_t)b.len;
    if (len > INT16_MAX) w->err = ERR_TOO_LARGE;    /* no reader takes it, compact or not */
    if (flexible) writer_uvarint(w, (uint32_t)(len + 1));
    else writer_i16(w, (int16_t)len);
    writer_bytes_raw(w, b);
}

void writer_bytes(struct writer *w, struct bytes b, bool flexible)
{
    writer_count(w, bytes_is_null(b) ? -1 : (int32_t)b.len, flexible);
    writer_bytes_raw(w, b);
}

void writer_patch_i32(struct writer *w, size_t at, int32_t v)
{
    if (w->err != ERR_OK) return;
    assert(at + 4 <= w->len);
    store_be32(w->data + at, (uint32_t)v);
}
