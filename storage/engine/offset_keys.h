/* What storage keeps of consumer groups: their committed offsets. */
#ifndef STORAGE_OFFSET_KEYS_H
#define STORAGE_OFFSET_KEYS_H

#include <assert.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/uuid.h"
#include "storage/engine/keys.h"

/* ---- KV_OFFSETS: one entry a group, topic and partition
 *
 * key:      0  2  length of the group id
 *           2     group id
 *             16  topic id
 *              4  partition
 * value:    0  8  offset
 *           8  4  leader epoch, -1 unknown
 *          12  8  committed, ms
 *          20  8  expires, ms, -1 by the group's retention
 *          28     metadata */
enum { OFFSET_GROUP_BYTES_MAX = 32767, OFFSET_VALUE_HEADER_BYTES = 28 };
static_assert(OFFSET_VALUE_HEADER_BYTES == 8 + 4 + 8 + 8, "on-disk format");

/* At most OFFSET_KEY_BYTES_MAX go to `to`; returns the length. */
enum { OFFSET_KEY_BYTES_MAX = 2 + OFFSET_GROUP_BYTES_MAX + 16 + 4 };
size_t offset_key_write(struct bytes group, const struct uuid *topic_id, int32_t partition,
                        uint8_t *to);
/* The front of all keys of a group; returns its length. */
size_t offset_group_key_write(struct bytes group, uint8_t *to);
/* ret_group is a view of key. Errors: ERR_FORMAT. Thread: any. */
enum err offset_key_read(struct bytes key, struct bytes *ret_group, struct uuid *ret_topic_id,
                         int32_t *ret_partition);

struct offset_value {
    int64_t offset;
    int32_t leader_epoch;
    int64_t commit_ms;
    int64_t expire_ms;
};
void offset_value_write(const struct offset_value *v, uint8_t to[OFFSET_VALUE_HEADER_BYTES]);
/* ret_metadata is a view of value. Errors: ERR_FORMAT. Thread: any. */
enum err offset_value_read(struct bytes value, struct offset_value *ret,
                           struct bytes *ret_metadata);

#endif
