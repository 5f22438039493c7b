/* Record batch v2: the header as a view, walking over batches, and the fields a broker sets.
 *
 *    0  8  base offset              set by the broker, outside the CRC
 *    8  4  length                   of what follows, 49 + records
 *   12  4  partition leader epoch   set by the broker, outside the CRC
 *   16  1  magic                    2
 *   17  4  CRC-32C                  of everything from byte 21 on
 *   21  2  attributes               0-2 codec, 3 LogAppendTime, 4 transactional, 5 control
 *   23  4  last offset delta
 *   27  8  base timestamp           ms
 *   35  8  max timestamp            ms
 *   43  8  producer id              -1: none
 *   51  2  producer epoch
 *   53  4  base sequence
 *   57  4  record count
 *   61     records, compressed as a whole when a codec is set
 *
 * All functions are pure; none looks at the records behind the header (record.h does).
 * Fuzz: fuzz_batch */
#ifndef PROTOCOL_BATCH_BATCH_H
#define PROTOCOL_BATCH_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"

enum { BATCH_HEADER_BYTES = 61, BATCH_LENGTH_END = 12, BATCH_CRC_START = 21, BATCH_MAGIC = 2 };

enum batch_codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COUNT };

struct batch_info {
    int64_t base_offset;
    uint32_t bytes;                /* of the whole batch: 12 + length field */
    int32_t leader_epoch;
    uint32_t crc;
    uint16_t attributes;
    int32_t last_offset_delta;     /* last offset = base_offset + this, in compacted batches too */
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;           /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;                 /* records inside, never negative here */
    enum batch_codec codec;        /* may be >= CODEC_COUNT: an unknown one, 5..7 */
    bool is_log_append_time;       /* every record's timestamp is max_timestamp */
    bool is_transactional;
    bool is_control;
};

/* The header of the batch that b begins with. b may go on behind it; ret->bytes tells where it
 * ends. Checks sizes and magic, not the CRC.
 * Errors: ERR_CORRUPT_MESSAGE - shorter than its length field or than a header, a negative count or
 *     last offset delta, or a magic that never existed; ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT - magic
 *     0 or 1.
 * Thread: any. */
enum err batch_peek(struct bytes b, struct batch_info *ret);

/* Takes the first batch off range (stored data, a fetched answer). ret_info may be NULL.
 * Errors: ERR_NOT_FOUND - the range is empty; those of batch_peek(), range stays as it was.
 * Thread: any. */
enum err batch_next(struct bytes *range, struct bytes *ret_batch, struct batch_info *ret_info);

/* The pieces of batch_peek() for those who check in an order of their own. Thread: any. */

/* Size that the length field claims, from a batch's first 12 bytes; UINT32_MAX for a negative
 * one. */
uint32_t batch_bytes(const uint8_t *first12);
/* All fields as they stand, nothing checked, from BATCH_HEADER_BYTES bytes. */
void batch_read_header(const uint8_t *header, struct batch_info *ret);

/* True when the stored CRC is that of the bytes. batch: exactly one batch. Thread: any. */
bool batch_crc_is_right(struct bytes batch);

static inline int64_t batch_last_offset(const struct batch_info *info)
{
    return info->base_offset + info->last_offset_delta;
}

/* The last record's sequence; they wrap from INT32_MAX to 0. Only for base_sequence >= 0. */
int32_t batch_last_sequence(const struct batch_info *info);

/* The fields below are set in place in a batch that only the caller sees; batch points to its
 * first byte and batch_peek() accepted it. Thread: the batch's owner. */

/* Outside the CRC. */
void batch_set_base_offset(uint8_t *batch, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch);

/* Timestamp type and max timestamp: for a LogAppendTime topic (true, time of append), for a
 * CreateTime one (false, the maximum that batch_validate() found). Rewrites the CRC only when
 * something changed. */
void batch_set_time(uint8_t *batch, bool log_append_time, int64_t max_timestamp);

/* Header and CRC in front of records that already lie behind it. info->crc and info->attributes are
 * made here, from the records and from the other fields. */
void batch_write_header(uint8_t *batch, const struct batch_info *info);

#endif
