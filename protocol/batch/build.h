/* Makes an uncompressed v2 batch straight in its slab: the exact size is known before, each value
 * has one destination, the CRC is one pass at the end.
 *
 *   struct batch_size size;
 *   batch_size_init(&size, now_ms);
 *   for each record: batch_size_add(&size, now_ms, key, value_len, headers, header_count);
 *   struct slab *slab = slab_new(budget, size.bytes);
 *   batch_builder_init(&b, slab->data, size.bytes, now_ms);
 *   for each record: batch_builder_add(...) in the same order with the same sizes
 *   slab->len = batch_builder_finish(&b);
 *
 * The batch has base offset 0, no producer id and CreateTime. */
#ifndef PROTOCOL_BATCH_BUILD_H
#define PROTOCOL_BATCH_BUILD_H

#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"
#include "protocol/batch/record.h"

struct batch_size {
    size_t bytes;              /* of the batch so far, header included */
    int64_t base_timestamp;
    int32_t count;
};

/* base_timestamp: that of the first record, ms. */
void batch_size_init(struct batch_size *s, int64_t base_timestamp);
/* key may be null. value_len -1: a null value. Returns the bytes that this record adds. */
size_t batch_size_add(struct batch_size *s, int64_t timestamp, struct bytes key, int64_t value_len,
                      const struct record_header *headers, uint32_t header_count);

struct batch_builder {
    uint8_t *batch;            /* first byte of the header */
    uint8_t *at;
    uint8_t *end;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t count;
};

/* to: room for bytes bytes; borrowed until batch_builder_finish(). */
void batch_builder_init(struct batch_builder *b, uint8_t *to, size_t bytes, int64_t base_timestamp);
/* Appends a record. Asserts that it fits. */
void batch_builder_add(struct batch_builder *b, int64_t timestamp, struct bytes key,
                       struct bytes value, const struct record_header *headers,
                       uint32_t header_count);
/* As batch_builder_add(), but the caller writes the value itself: returns the place for its
 * value_len bytes (a base64 decoder's output, for one). */
uint8_t *batch_builder_reserve(struct batch_builder *b, int64_t timestamp, struct bytes key,
                               size_t value_len, const struct record_header *headers,
                               uint32_t header_count);
/* Writes the header and the CRC; returns the batch's size. At least one record was added. */
size_t batch_builder_finish(struct batch_builder *b);

#endif
