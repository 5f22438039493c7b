/* Writes a value by the table of its shape; what is particular to a format is in struct format. */
#include "protocol/aws/codec.h"

#include "protocol/aws/format.h"
#include "base/check.h"

static void put_struct(const struct format *f, const struct aws_shape *shape,
                       const uint8_t *base, struct writer *w);

static void put_elements(const struct format *f, const struct aws_shape *shape,
                         const uint8_t *data, uint32_t count, struct writer *w)
{
    f->list_begin(w, count);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) f->separate(w);
        const uint8_t *at = data + (size_t)i * shape->size;
        if (shape->element->kind == AWS_STRUCT) put_struct(f, shape->element, at, w);
        else f->text(w, *(const struct bytes *)(const void *)at);
    }
    f->list_end(w);
}

static void put_pairs(const struct format *f, const struct aws_pair *pairs, uint32_t count,
                      struct writer *w)
{
    f->map_begin(w, count);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) f->separate(w);
        f->pair_key(w, pairs[i].key);
        f->text(w, pairs[i].value);
    }
    f->map_end(w);
}

static void put_value(const struct format *f, const struct aws_member *m, const uint8_t *base,
                      struct writer *w)
{
    const void *at = base + m->offset;
    switch (m->shape->kind) {
    case AWS_STRING: f->text(w, *(const struct bytes *)at); return;
    case AWS_BLOB: f->blob(w, *(const struct bytes *)at); return;
    case AWS_INTEGER: f->integer(w, *(const int32_t *)at); return;
    case AWS_LONG: f->integer(w, *(const int64_t *)at); return;
    case AWS_BOOLEAN: f->boolean(w, *(const bool *)at); return;
    case AWS_TIMESTAMP: f->timestamp(w, *(const int64_t *)at); return;
    case AWS_LIST:
        put_elements(f, m->shape, *(const uint8_t *const *)at,
                     *(const uint32_t *)(const void *)(base + m->aux_offset), w);
        return;
    case AWS_MAP:
        put_pairs(f, *(const struct aws_pair *const *)at,
                  *(const uint32_t *)(const void *)(base + m->aux_offset), w);
        return;
    case AWS_STRUCT:
        put_struct(f, m->shape, m->by_pointer ? *(const uint8_t *const *)at : at, w);
        return;
    }
}

/* A required list is written, empty, even when its pointer is NULL. */
static bool is_written(const struct aws_member *m, const uint8_t *base)
{
    bool is_list = m->shape->kind == AWS_LIST || m->shape->kind == AWS_MAP;
    return (m->required && is_list) || !aws_member_absent(m, base);
}

static void put_struct(const struct format *f, const struct aws_shape *shape,
                       const uint8_t *base, struct writer *w)
{
    uint32_t count = 0;
    if (f->needs_count)
        for (uint32_t i = 0; i < shape->members_count; i++)
            count += is_written(&shape->members[i], base);
    f->map_begin(w, count);
    bool first = true;
    for (uint32_t i = 0; i < shape->members_count; i++) {
        const struct aws_member *m = &shape->members[i];
        if (!is_written(m, base)) continue;
        if (!first) f->separate(w);
        first = false;
        f->member_key(w, m);
        put_value(f, m, base, w);
    }
    f->map_end(w);
}

static const struct format *format_of(enum aws_codec codec)
{
    return codec == AWS_JSON ? &json_output : &cbor_output;
}

void aws_encode(const struct aws_shape *shape, enum aws_codec codec, const void *value,
                struct writer *w)
{
    if (shape) put_struct(format_of(codec), shape, value, w);
}

void aws_encode_pairs(enum aws_codec codec, const struct aws_pair *pairs,
                      uint32_t count, struct writer *w)
{
    put_pairs(format_of(codec), pairs, count, w);
}

void aws_encode_error(enum aws_codec codec, const char *type, struct bytes message,
                      bool capital, struct writer *w)
{
    const struct aws_pair pairs[] = {
        {BYTES_LIT("__type"), bytes_str(type)},
        {capital ? BYTES_LIT("Message") : BYTES_LIT("message"), message},
    };
    put_pairs(format_of(codec), pairs, bytes_is_null(message) ? 1 : 2, w);
}
