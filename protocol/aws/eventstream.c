#include "protocol/aws/eventstream.h"

#include <assert.h>
#include <zlib.h>
#include "protocol/aws/codec.h"
#include "base/check.h"

enum { PRELUDE_BYTES = 12, TYPE_STRING = 7 };

static void put_headers(struct writer *w, const struct eventstream_header *headers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct bytes name = bytes_str(headers[i].name), value = bytes_str(headers[i].value);
        assert(name.len > 0 && name.len <= UINT8_MAX && value.len <= UINT16_MAX);
        writer_i8(w, (int8_t)name.len);
        writer_bytes_raw(w, name);
        writer_i8(w, TYPE_STRING);
        writer_u16(w, (uint16_t)value.len);
        writer_bytes_raw(w, value);
    }
}

/* A message begun here is finished by message_end; what is written between is its payload. Lengths
 * and check sums are known only then. Returns where it begins. */
static size_t message_begin(struct writer *w, const struct eventstream_header *headers,
                            uint32_t count)
{
    size_t at = w->len;
    writer_i64(w, 0);
    writer_i32(w, 0);
    put_headers(w, headers, count);
    writer_patch_i32(w, at + 4, (int32_t)(w->len - at - PRELUDE_BYTES));
    return at;
}

static void message_end(struct writer *w, size_t at)
{
    if (w->err != ERR_OK) return;
    assert(w->splice_count == 0);
    writer_patch_i32(w, at, (int32_t)(w->len - at + 4));
    writer_patch_i32(w, at + 8, (int32_t)crc32(0, w->data + at, PRELUDE_BYTES - 4));
    writer_u32(w, (uint32_t)crc32(0, w->data + at, (uInt)(w->len - at)));
}

void eventstream_message(struct writer *w, const struct eventstream_header *headers,
                         uint32_t header_count, struct bytes payload)
{
    size_t at = message_begin(w, headers, header_count);
    writer_bytes_raw(w, payload);
    message_end(w, at);
}

void eventstream_initial_response(struct writer *w)
{
    static const struct eventstream_header headers[] = {
        {":event-type", "initial-response"},
        {":content-type", "application/x-amz-json-1.1"},
        {":message-type", "event"},
    };
    eventstream_message(w, headers, 3, BYTES_LIT("{}"));
}

void eventstream_event(struct writer *w, const char *type, const struct aws_shape *shape,
                       const void *event)
{
    const struct eventstream_header headers[] = {
        {":event-type", type},
        {":content-type", "application/x-amz-json-1.1"},
        {":message-type", "event"},
    };
    size_t at = message_begin(w, headers, 3);
    aws_encode(shape, AWS_JSON, event, w);
    message_end(w, at);
}

void eventstream_exception(struct writer *w, const char *type, struct bytes message)
{
    const struct eventstream_header headers[] = {
        {":exception-type", type},
        {":content-type", "application/x-amz-json-1.1"},
        {":message-type", "exception"},
    };
    size_t at = message_begin(w, headers, 3);
    /* A modelled exception has no other member than its message. */
    struct aws_pair pair = {BYTES_LIT("message"), message};
    aws_encode_pairs(AWS_JSON, &pair, bytes_is_null(message) ? 0 : 1, w);
    message_end(w, at);
}
