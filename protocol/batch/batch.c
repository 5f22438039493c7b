#include "protocol/batch/batch.h"

#include <assert.h>
#include "base/crc32c.h"
#include "base/check.h"

enum {
    AT_LENGTH = 8, AT_LEADER_EPOCH = 12, AT_MAGIC = 16, AT_CRC = 17, AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23, AT_BASE_TIMESTAMP = 27, AT_MAX_TIMESTAMP = 35, AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51, AT_BASE_SEQUENCE = 53, AT_COUNT = 57,
};
static_assert(AT_COUNT + 4 == (int)BATCH_HEADER_BYTES, "the wire format");
static_assert(AT_ATTRIBUTES == (int)BATCH_CRC_START && AT_LEADER_EPOCH == (int)BATCH_LENGTH_END,
              "the wire format");

enum { CODEC_BITS = 7, LOG_APPEND_TIME_BIT = 8, TRANSACTIONAL_BIT = 16, CONTROL_BIT = 32 };

uint32_t batch_bytes(const uint8_t *first12)
{
    uint32_t length = load_be32(first12 + AT_LENGTH);
    return length <= INT32_MAX ? BATCH_LENGTH_END + length : UINT32_MAX;
}

void batch_read_header(const uint8_t *p, struct batch_info *ret)
{
    uint16_t attributes = load_be16(p + AT_ATTRIBUTES);
    *ret = (struct batch_info){
        .base_offset = (int64_t)load_be64(p),
        .bytes = batch_bytes(p),
        .leader_epoch = (int32_t)load_be32(p + AT_LEADER_EPOCH),
        .crc = load_be32(p + AT_CRC),
        .attributes = attributes,
        .last_offset_delta = (int32_t)load_be32(p + AT_LAST_OFFSET_DELTA),
        .base_timestamp = (int64_t)load_be64(p + AT_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)load_be64(p + AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)load_be64(p + AT_PRODUCER_ID),
        .producer_epoch = (int16_t)load_be16(p + AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)load_be32(p + AT_BASE_SEQUENCE),
        .count = (int32_t)load_be32(p + AT_COUNT),
        .codec = attributes & CODEC_BITS,
        .is_log_append_time = attributes & LOG_APPEND_TIME_BIT,
        .is_transactional = attributes & TRANSACTIONAL_BIT,
        .is_control = attributes & CONTROL_BIT,
    };
}

enum err batch_peek(struct bytes b, struct batch_info *ret)
{
    if (b.len <= AT_MAGIC) return ERR_CORRUPT_MESSAGE;
    uint8_t magic = b.data[AT_MAGIC];
    if (magic < BATCH_MAGIC) return ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    if (magic > BATCH_MAGIC || b.len < BATCH_HEADER_BYTES) return ERR_CORRUPT_MESSAGE;
    struct batch_info info;
    batch_read_header(b.data, &info);
    if (info.bytes < BATCH_HEADER_BYTES || info.bytes > b.len) return ERR_CORRUPT_MESSAGE;
    if (info.count < 0 || info.last_offset_delta < 0) return ERR_CORRUPT_MESSAGE;
    *ret = info;
    return ERR_OK;
}

enum err batch_next(struct bytes *range, struct bytes *ret_batch, struct batch_info *ret_info)
{
    if (range->len == 0) return ERR_NOT_FOUND;
    struct batch_info info;
    TRY(batch_peek(*range, &info));
    *ret_batch = bytes_slice(*range, 0, info.bytes);
    *range = bytes_slice(*range, info.bytes, range->len - info.bytes);
    if (ret_info) *ret_info = info;
    return ERR_OK;
}

static uint32_t crc_of(const uint8_t *batch, size_t bytes)
{
    return crc32c(batch + BATCH_CRC_START, bytes - BATCH_CRC_START);
}

bool batch_crc_is_right(struct bytes batch)
{
    assert(batch.len >= BATCH_HEADER_BYTES);
    return load_be32(batch.data + AT_CRC) == crc_of(batch.data, batch.len);
}

int32_t batch_last_sequence(const struct batch_info *info)
{
    int64_t last = (int64_t)info->base_sequence + info->last_offset_delta;
    return (int32_t)(last > INT32_MAX ? last - INT32_MAX - 1 : last);
}

void batch_set_base_offset(uint8_t *batch, int64_t base_offset)
{
    store_be64(batch, (uint64_t)base_offset);
}

void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch)
{
    store_be32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void batch_set_time(uint8_t *batch, bool log_append_time, int64_t max_timestamp)
{
    uint16_t before = load_be16(batch + AT_ATTRIBUTES);
    uint16_t after = log_append_time ? before | LOG_APPEND_TIME_BIT
                                     : before & (uint16_t)~LOG_APPEND_TIME_BIT;
    if (after == before && (int64_t)load_be64(batch + AT_MAX_TIMESTAMP) == max_timestamp) return;
    store_be16(batch + AT_ATTRIBUTES, after);
    store_be64(batch + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    store_be32(batch + AT_CRC, crc_of(batch, batch_bytes(batch)));
}

void batch_write_header(uint8_t *batch, const struct batch_info *info)
{
    uint16_t attributes = (uint16_t)info->codec;
    if (info->is_log_append_time) attributes |= LOG_APPEND_TIME_BIT;
    if (info->is_transactional) attributes |= TRANSACTIONAL_BIT;
    if (info->is_control) attributes |= CONTROL_BIT;
    store_be64(batch, (uint64_t)info->base_offset);
    store_be32(batch + AT_LENGTH, info->bytes - BATCH_LENGTH_END);
    store_be32(batch + AT_LEADER_EPOCH, (uint32_t)info->leader_epoch);
    batch[AT_MAGIC] = BATCH_MAGIC;
    store_be16(batch + AT_ATTRIBUTES, attributes);
    store_be32(batch + AT_LAST_OFFSET_DELTA, (uint32_t)info->last_offset_delta);
    store_be64(batch + AT_BASE_TIMESTAMP, (uint64_t)info->base_timestamp);
    store_be64(batch + AT_MAX_TIMESTAMP, (uint64_t)info->max_timestamp);
    store_be64(batch + AT_PRODUCER_ID, (uint64_t)info->producer_id);
    store_be16(batch + AT_PRODUCER_EPOCH, (uint16_t)info->producer_epoch);
    store_be32(batch + AT_BASE_SEQUENCE, (uint32_t)info->base_sequence);
    store_be32(batch + AT_COUNT, (uint32_t)info->count);
    store_be32(batch + AT_CRC, crc_of(batch, info->bytes));
}
