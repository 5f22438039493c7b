/* The bytes of the write-ahead log: the one file that knows their places. Numbers are big-endian.
 *
 * extent: a file "<16 hex digits of its number>.extent"
 *     0  8  "DGLTEXT1"
 *     8  8  store id: random, made with the directory; what a client sends cannot look like a frame
 *    16  8  number of the extent
 *    24  8  number of its first frame
 *    32 28  zero
 *    60  4  CRC-32C of these
 *    64     frames, each at a multiple of 8
 * frame: one commit
 *     0  8  "DGLTFRAM"
 *     8  8  store id
 *    16  8  number of the frame; they count up by one, over all extents
 *    24  8  number of the extent
 *    32  4  position in it
 *    36  4  bytes of the payload
 *    40  4  runs in it
 *    44  4  bytes of the batch
 *    48  4  CRC-32C of the batch
 *    52  4  CRC-32C of the run table
 *    56  4  zero
 *    60  4  CRC-32C of these
 *    64     payload: the runs, one behind the other
 *           run table, FRAME_RUN_BYTES each:
 *             0 16  key
 *            16  4  place in the payload
 *            20  4  bytes
 *            24  4  CRC-32C of them
 *           batch, as the engine has it
 *           zeros up to a multiple of 8
 *
 * The batch stands last: of a write that was cut short it is missing, and its CRC tells so. Once
 * all of a frame is in tables its batch may be a hole, as may runs that were deleted; its header
 * and run table stay as long as the extent. */
#ifndef STORAGE_FRAME_H
#define STORAGE_FRAME_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"

enum {
    EXTENT_HEADER_BYTES = 64,
    FRAME_HEADER_BYTES = 64,
    FRAME_RUN_BYTES = 28,
    FRAME_ALIGN = 8,
    RUN_KEY_BYTES = 16,
    EXTENT_NAME_BYTES = 32,
};
static_assert(FRAME_RUN_BYTES == RUN_KEY_BYTES + 3 * 4, "on-disk format");

struct extent_header {
    uint64_t store_id;
    uint64_t extent;
    uint64_t first_frame;
};
void extent_header_write(const struct extent_header *h, uint8_t to[EXTENT_HEADER_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err extent_header_read(const uint8_t from[EXTENT_HEADER_BYTES], struct extent_header *ret);

struct frame_header {
    uint64_t store_id;
    uint64_t frame;
    uint64_t extent;
    uint32_t position;
    uint32_t payload_bytes;
    uint32_t run_count;
    uint32_t batch_bytes;
    uint32_t batch_crc;
    uint32_t table_crc;
};
void frame_header_write(const struct frame_header *h, uint8_t to[FRAME_HEADER_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err frame_header_read(const uint8_t from[FRAME_HEADER_BYTES], struct frame_header *ret);
/* Bytes of the whole frame. */
uint64_t frame_bytes(uint64_t payload_bytes, uint64_t run_count, uint64_t batch_bytes);

struct frame_run {
    uint8_t key[RUN_KEY_BYTES];
    uint32_t at;                /* in the payload */
    uint32_t bytes;
    uint32_t crc;
};
void frame_run_write(const struct frame_run *r, uint8_t to[FRAME_RUN_BYTES]);
void frame_run_read(const uint8_t from[FRAME_RUN_BYTES], struct frame_run *ret);

void extent_name(uint64_t number, char to[EXTENT_NAME_BYTES]);
/* False: not the name of an extent. */
bool extent_name_read(const char *name, uint64_t *ret_number);

#endif
