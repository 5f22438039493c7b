#include "protocol/batch/build.h"

#include <assert.h>
#include "base/mem.h"
#include "protocol/batch/varint.h"
#include "base/check.h"

static uint32_t bytes_size(int64_t len)
{
    return varint_size(len) + (uint32_t)(len > 0 ? len : 0);
}

static int64_t len_or_null(struct bytes b)
{
    return bytes_is_null(b) ? -1 : (int64_t)b.len;
}

/* Times are the caller's: a difference may wrap, and wraps back when the record is read. */
static int64_t delta(int64_t timestamp, int64_t base_timestamp)
{
    return (int64_t)((uint64_t)timestamp - (uint64_t)base_timestamp);
}

/* A record's size without the length in front of it. */
static uint32_t body_size(int64_t timestamp_delta, int32_t offset_delta, struct bytes key,
                          int64_t value_len, const struct record_header *headers,
                          uint32_t header_count)
{
    uint32_t bytes = 1 + varint_size(timestamp_delta) + varint_size(offset_delta) +
                     bytes_size(len_or_null(key)) + bytes_size(value_len) +
                     varint_size(header_count);
    for (uint32_t i = 0; i < header_count; i++)
        bytes +=
            bytes_size((int64_t)headers[i].key.len) + bytes_size(len_or_null(headers[i].value));
    return bytes;
}

void batch_size_init(struct batch_size *s, int64_t base_timestamp)
{
    *s = (struct batch_size){.bytes = BATCH_HEADER_BYTES, .base_timestamp = base_timestamp};
}

size_t batch_size_add(struct batch_size *s, int64_t timestamp, struct bytes key, int64_t value_len,
                      const struct record_header *headers, uint32_t header_count)
{
    uint32_t body = body_size(delta(timestamp, s->base_timestamp), s->count, key, value_len,
                              headers, header_count);
    s->count++;
    s->bytes += varint_size(body) + body;
    return varint_size(body) + body;
}

void batch_builder_init(struct batch_builder *b, uint8_t *to, size_t bytes, int64_t base_timestamp)
{
    assert(bytes >= BATCH_HEADER_BYTES);
    *b = (struct batch_builder){.batch = to,
                                .at = to + BATCH_HEADER_BYTES,
                                .end = to + bytes,
                                .base_timestamp = base_timestamp,
                                .max_timestamp = INT64_MIN};
}

static uint8_t *put_bytes(uint8_t *to, struct bytes b)
{
    to = varint_put(to, len_or_null(b));
    mem_copy(to, b.data, b.len);
    return to + b.len;
}

/* All of the record but its value's bytes, whose place it returns. */
static uint8_t *put_record(struct batch_builder *b, int64_t timestamp, struct bytes key,
                           int64_t value_len, const struct record_header *headers,
                           uint32_t header_count)
{
    int64_t timestamp_delta = delta(timestamp, b->base_timestamp);
    uint32_t body = body_size(timestamp_delta, b->count, key, value_len, headers, header_count);
    assert(varint_size(body) + (size_t)body <= (size_t)(b->end - b->at));
    uint8_t *at = varint_put(b->at, body);
    *at++ = 0;
    at = varint_put(at, timestamp_delta);
    at = varint_put(at, b->count);
    at = put_bytes(at, key);
    uint8_t *value = varint_put(at, value_len);
    at = varint_put(value + (value_len > 0 ? value_len : 0), header_count);
    for (uint32_t i = 0; i < header_count; i++)
        at = put_bytes(put_bytes(at, headers[i].key), headers[i].value);
    b->at = at;
    b->count++;
    if (timestamp > b->max_timestamp) b->max_timestamp = timestamp;
    return value;
}

void batch_builder_add(struct batch_builder *b, int64_t timestamp, struct bytes key,
                       struct bytes value, const struct record_header *headers,
                       uint32_t header_count)
{
    uint8_t *to = put_record(b, timestamp, key, len_or_null(value), headers, header_count);
    mem_copy(to, value.data, value.len);
}

uint8_t *batch_builder_reserve(struct batch_builder *b, int64_t timestamp, struct bytes key,
                               size_t value_len, const struct record_header *headers,
                               uint32_t header_count)
{
    return put_record(b, timestamp, key, (int64_t)value_len, headers, header_count);
}

size_t batch_builder_finish(struct batch_builder *b)
{
    assert(b->count > 0);
    struct batch_info info = {
        .bytes = (uint32_t)(b->at - b->batch),
        .last_offset_delta = b->count - 1,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = b->max_timestamp,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
        .count = b->count,
    };
    batch_write_header(b->batch, &info);
    return info.bytes;
}
