/* What the engine keeps for itself in its tables: extents, marks, discards, pointers to runs. */
#ifndef STORAGE_WAL_KEYS_H
#define STORAGE_WAL_KEYS_H

#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "storage/engine/keys.h"

/* ---- KV_EXTENTS and KV_DISCARDS: the engine's own (kv_wal.c)
 *
 * extent key:     0  1  'E'
 *                 1  8  number of the extent
 * extent value:   0  1  1: sealed
 *                 1  4  bytes of the file, once sealed
 *                 5  8  its last frame, once sealed
 *                13  8  bytes of the runs in it, once sealed
 *                21  8  bytes of those that were deleted
 *                29  8  the same when holes were made last
 * mark key:       "mark"; in KV_LOG one zero byte, in front of every key of a log: tables that are
 *                 written out apart have a mark each
 * mark value:     0  8  store id
 *                 8  8  frame: all up to this one is in these tables
 *                16  8  extent where the next one stands
 *                24  4  position there
 *                28  8  bytes of the runs of that extent up to there
 * discard:        the first key of a range of KV_LOG, and as value its end
 *
 * In the tables a value of KV_LOG has a byte in front: VALUE_INLINE and then the run, or
 * VALUE_POINTER and then
 *                 0  8  number of the extent
 *                 8  4  position there
 *                12  4  bytes
 *                16  4  CRC-32C of them */
enum {
    EXTENT_KEY_BYTES = 9,
    EXTENT_VALUE_BYTES = 37,
    MARK_VALUE_BYTES = 36,
    POINTER_BYTES = 20,
    VALUE_INLINE = 0,
    VALUE_POINTER = 1,
};
#define KEY_MARK     BYTES_LIT("mark")
#define KEY_LOG_MARK BYTES_LIT("\0")
#define KEY_LOG_MIN  BYTES_LIT("\0\0")      /* behind the mark */

struct extent_key {
    uint8_t data[EXTENT_KEY_BYTES];
};
struct extent_key extent_key(uint64_t number);
struct wal_extent;
void extent_value_write(const struct wal_extent *e, uint8_t to[EXTENT_VALUE_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err extent_value_read(struct bytes key, struct bytes value, struct wal_extent *ret);
struct wal_place;
void mark_write(const struct wal_place *p, uint8_t to[MARK_VALUE_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err mark_read(struct bytes value, struct wal_place *ret);
struct wal_pointer;
void pointer_write(const struct wal_pointer *p, uint8_t to[POINTER_BYTES]);
/* of: what stands behind VALUE_POINTER. Errors: ERR_FORMAT. Thread: any. */
enum err pointer_read(struct bytes of, struct wal_pointer *ret);

#endif
