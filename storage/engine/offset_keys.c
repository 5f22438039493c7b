#include "storage/engine/offset_keys.h"

#include "base/mem.h"
#include "base/check.h"

size_t offset_group_key_write(struct bytes group, uint8_t *to)
{
    assert(group.len <= OFFSET_GROUP_BYTES_MAX);
    store_be16(to, (uint16_t)group.len);
    mem_copy(to + 2, group.data, group.len);
    return 2 + group.len;
}

size_t offset_key_write(struct bytes group, const struct uuid *topic_id, int32_t partition,
                        uint8_t *to)
{
    size_t len = offset_group_key_write(group, to);
    mem_copy(to + len, topic_id, sizeof *topic_id);
    store_be32(to + len + sizeof *topic_id, (uint32_t)partition);
    return len + sizeof *topic_id + 4;
}

enum err offset_key_read(struct bytes key, struct bytes *ret_group, struct uuid *ret_topic_id,
                         int32_t *ret_partition)
{
    enum { REST = 2 + sizeof(struct uuid) + 4 };
    if (key.len < REST || load_be16(key.data) != key.len - REST) return ERR_FORMAT;
    *ret_group = bytes_slice(key, 2, key.len - REST);
    mem_copy(ret_topic_id, key.data + 2 + ret_group->len, sizeof *ret_topic_id);
    *ret_partition = (int32_t)load_be32(key.data + key.len - 4);
    return ERR_OK;
}

void offset_value_write(const struct offset_value *v, uint8_t to[OFFSET_VALUE_HEADER_BYTES])
{
    store_be64(to, (uint64_t)v->offset);
    store_be32(to + 8, (uint32_t)v->leader_epoch);
    store_be64(to + 12, (uint64_t)v->commit_ms);
    store_be64(to + 20, (uint64_t)v->expire_ms);
}

enum err offset_value_read(struct bytes value, struct offset_value *ret, struct bytes *ret_metadata)
{
    if (value.len < OFFSET_VALUE_HEADER_BYTES) return ERR_FORMAT;
    ret->offset = (int64_t)load_be64(value.data);
    ret->leader_epoch = (int32_t)load_be32(value.data + 8);
    ret->commit_ms = (int64_t)load_be64(value.data + 12);
    ret->expire_ms = (int64_t)load_be64(value.data + 20);
    *ret_metadata = bytes_slice(value, OFFSET_VALUE_HEADER_BYTES,
                                value.len - OFFSET_VALUE_HEADER_BYTES);
    return ERR_OK;
}
