#include "storage/engine/keys.h"

#include "base/mem.h"
#include "storage/wal/wal.h"
#include "base/check.h"

void format_write(uint32_t version, uint8_t to[FORMAT_BYTES])
{
    store_be32(to, version);
}

enum err format_read(struct bytes value, uint32_t *ret_version)
{
    if (value.len != FORMAT_BYTES) return ERR_FORMAT;
    *ret_version = load_be32(value.data);
    return ERR_OK;
}

struct log_key log_key(uint64_t log_id, int64_t last_offset)
{
    struct log_key k;
    store_be64(k.data, 2 * log_id + 1);
    store_be64(k.data + 8, (uint64_t)last_offset);
    return k;
}

struct log_key log_key_first(uint64_t log_id)
{
    return log_key(log_id, 0);
}

struct log_range_key log_range_first(uint64_t log_id)
{
    struct log_range_key k;
    store_be64(k.data, 2 * log_id);
    store_be64(k.data + 8, UINT64_MAX);
    return k;
}

enum err log_key_read(struct bytes key, uint64_t *ret_log_id, int64_t *ret_last_offset)
{
    if (key.len != LOG_KEY_BYTES || load_be64(key.data) % 2 == 0) return ERR_FORMAT;
    *ret_log_id = load_be64(key.data) / 2;
    *ret_last_offset = (int64_t)load_be64(key.data + 8);
    return ERR_OK;
}

void log_entry_header(const struct log_entry *v, uint8_t to[LOG_ENTRY_HEADER_BYTES])
{
    store_be64(to, (uint64_t)v->arrival_ms);
    store_be32(to + 8, (uint32_t)v->partition_addressed);
    store_be32(to + 12, (uint32_t)v->batch.len);
}

enum err log_entry_next(struct bytes *run, struct log_entry *ret)
{
    if (run->len == 0) return ERR_NOT_FOUND;
    if (run->len < LOG_ENTRY_HEADER_BYTES) return ERR_FORMAT;
    size_t len = load_be32(run->data + 12);
    if (len > run->len - LOG_ENTRY_HEADER_BYTES) return ERR_FORMAT;
    ret->arrival_ms = (int64_t)load_be64(run->data);
    ret->partition_addressed = (int32_t)load_be32(run->data + 8);
    ret->batch = bytes_slice(*run, LOG_ENTRY_HEADER_BYTES, len);
    size_t bytes = LOG_ENTRY_HEADER_BYTES + len;
    *run = bytes_slice(*run, bytes, run->len - bytes);
    return ERR_OK;
}

struct extent_key extent_key(uint64_t number)
{
    struct extent_key k = {.data = {'E'}};
    store_be64(k.data + 1, number);
    return k;
}

void extent_value_write(const struct wal_extent *e, uint8_t to[EXTENT_VALUE_BYTES])
{
    to[0] = e->sealed;
    store_be32(to + 1, e->end);
    store_be64(to + 5, e->last_frame);
    store_be64(to + 13, e->payload_bytes);
    store_be64(to + 21, e->dead_bytes);
    store_be64(to + 29, e->punched_bytes);
}

enum err extent_value_read(struct bytes key, struct bytes value, struct wal_extent *ret)
{
    if (key.len != EXTENT_KEY_BYTES || key.data[0] != 'E' || value.len != EXTENT_VALUE_BYTES)
        return ERR_FORMAT;
    *ret = (struct wal_extent){
        .number = load_be64(key.data + 1),
        .sealed = value.data[0] == 1,
        .end = load_be32(value.data + 1),
        .last_frame = load_be64(value.data + 5),
        .payload_bytes = load_be64(value.data + 13),
        .dead_bytes = load_be64(value.data + 21),
        .punched_bytes = load_be64(value.data + 29),
    };
    return ERR_OK;
}

void mark_write(const struct wal_place *p, uint8_t to[MARK_VALUE_BYTES])
{
    store_be64(to, p->store_id);
    store_be64(to + 8, p->frame);
    store_be64(to + 16, p->extent);
    store_be32(to + 24, p->position);
    store_be64(to + 28, p->payload_bytes);
}

enum err mark_read(struct bytes value, struct wal_place *ret)
{
    if (value.len != MARK_VALUE_BYTES) return ERR_FORMAT;
    *ret = (struct wal_place){
        .store_id = load_be64(value.data),
        .frame = load_be64(value.data + 8),
        .extent = load_be64(value.data + 16),
        .position = load_be32(value.data + 24),
        .payload_bytes = load_be64(value.data + 28),
    };
    return ERR_OK;
}

void pointer_write(const struct wal_pointer *p, uint8_t to[POINTER_BYTES])
{
    store_be64(to, p->extent);
    store_be32(to + 8, p->position);
    store_be32(to + 12, p->bytes);
    store_be32(to + 16, p->crc);
}

enum err pointer_read(struct bytes of, struct wal_pointer *ret)
{
    if (of.len != POINTER_BYTES) return ERR_FORMAT;
    *ret = (struct wal_pointer){
        .extent = load_be64(of.data),
        .position = load_be32(of.data + 8),
        .bytes = load_be32(of.data + 12),
        .crc = load_be32(of.data + 16),
    };
    return ERR_OK;
}

struct chunk_key chunk_key(uint64_t log_id, int64_t last_offset)
{
    struct chunk_key k;
    k.data[0] = 'C';
    store_be64(k.data + 1, log_id);
    store_be64(k.data + 9, (uint64_t)last_offset);
    return k;
}

struct chunk_key chunk_key_first(uint64_t log_id)
{
    return chunk_key(log_id, 0);
}

enum err chunk_key_read(struct bytes key, uint64_t *ret_log_id, int64_t *ret_last_offset)
{
    if (key.len != CHUNK_KEY_BYTES || key.data[0] != 'C') return ERR_FORMAT;
    *ret_log_id = load_be64(key.data + 1);
    *ret_last_offset = (int64_t)load_be64(key.data + 9);
    return ERR_OK;
}

void chunk_write(const struct chunk *c, uint8_t to[CHUNK_VALUE_BYTES])
{
    store_be64(to, (uint64_t)c->first_offset);
    store_be64(to + 8, c->bytes);
    store_be64(to + 16, c->bytes_total);
    store_be64(to + 24, (uint64_t)c->timestamp_max);
    store_be64(to + 32, (uint64_t)c->timestamp_max_batch);
    store_be64(to + 40, (uint64_t)c->arrival_last_ms);
    store_be32(to + 48, c->batch_count);
    store_be32(to + 52, 0);
}

enum err chunk_read(struct bytes key, struct bytes value, struct chunk *ret)
{
    uint64_t log_id;
    int64_t last_offset;
    TRY(chunk_key_read(key, &log_id, &last_offset));
    if (value.len != CHUNK_VALUE_BYTES) return ERR_FORMAT;
    *ret = (struct chunk){
        .first_offset = (int64_t)load_be64(value.data),
        .last_offset = last_offset,
        .bytes = load_be64(value.data + 8),
        .bytes_total = load_be64(value.data + 16),
        .timestamp_max = (int64_t)load_be64(value.data + 24),
        .timestamp_max_batch = (int64_t)load_be64(value.data + 32),
        .arrival_last_ms = (int64_t)load_be64(value.data + 40),
        .batch_count = load_be32(value.data + 48),
    };
    return ERR_OK;
}

struct start_key start_key(uint64_t log_id)
{
    struct start_key k;
    k.data[0] = 'S';
    store_be64(k.data + 1, log_id);
    return k;
}

void start_write(int64_t log_start, int64_t arrival_last_ms, uint8_t to[START_VALUE_BYTES])
{
    store_be64(to, (uint64_t)log_start);
    store_be64(to + 8, (uint64_t)arrival_last_ms);
}

enum err start_read(struct bytes value, int64_t *ret_log_start, int64_t *ret_arrival_last_ms)
{
    if (value.len != START_VALUE_BYTES) return ERR_FORMAT;
    *ret_log_start = (int64_t)load_be64(value.data);
    *ret_arrival_last_ms = (int64_t)load_be64(value.data + 8);
    return ERR_OK;
}

struct producers_key producers_key(uint64_t log_id)
{
    struct producers_key k;
    store_be64(k.data, log_id);
    return k;
}

enum err producers_key_read(struct bytes key, uint64_t *ret_log_id)
{
    if (key.len != PRODUCERS_KEY_BYTES) return ERR_FORMAT;
    *ret_log_id = load_be64(key.data);
    return ERR_OK;
}

size_t producers_header_write(int64_t offset_next, uint32_t count, uint8_t *to)
{
    store_be64(to, (uint64_t)offset_next);
    store_be32(to + 8, count);
    return PRODUCERS_HEADER_BYTES;
}

size_t producer_write(const struct producer_entry *p, uint8_t *to)
{
    store_be32(to, (uint32_t)p->partition_addressed);
    store_be64(to + 4, (uint64_t)p->producer_id);
    store_be16(to + 12, (uint16_t)p->epoch);
    store_be16(to + 14, p->batch_count);
    store_be64(to + 16, (uint64_t)p->arrival_last_ms);
    uint8_t *at = to + PRODUCER_BYTES;
    for (int i = 0; i < p->batch_count; i++, at += PRODUCER_BATCH_BYTES) {
        store_be32(at, (uint32_t)p->batches[i].first_sequence);
        store_be32(at + 4, (uint32_t)p->batches[i].last_sequence);
        store_be64(at + 8, (uint64_t)p->batches[i].base_offset);
        store_be64(at + 16, (uint64_t)p->batches[i].arrival_ms);
        store_be64(at + 24, p->batches[i].log_id);
    }
    return (size_t)(at - to);
}

enum err producers_header_read(struct bytes value, int64_t *ret_offset_next, uint32_t *ret_count)
{
    if (value.len < PRODUCERS_HEADER_BYTES) return ERR_FORMAT;
    uint32_t count = load_be32(value.data + 8);
    if (count > (value.len - PRODUCERS_HEADER_BYTES) / PRODUCER_BYTES) return ERR_FORMAT;
    *ret_offset_next = (int64_t)load_be64(value.data);
    *ret_count = count;
    return ERR_OK;
}

enum err producer_read(struct bytes *rest, struct producer_entry *ret)
{
    if (rest->len < PRODUCER_BYTES) return ERR_FORMAT;
    const uint8_t *at = rest->data;
    struct producer_entry p = {
        .partition_addressed = (int32_t)load_be32(at),
        .producer_id = (int64_t)load_be64(at + 4),
        .epoch = (int16_t)load_be16(at + 12),
        .batch_count = load_be16(at + 14),
        .arrival_last_ms = (int64_t)load_be64(at + 16),
    };
    if (p.batch_count > PRODUCER_BATCHES_MAX) return ERR_FORMAT;
    size_t bytes = PRODUCER_BYTES + (size_t)p.batch_count * PRODUCER_BATCH_BYTES;
    if (rest->len < bytes) return ERR_FORMAT;
    at += PRODUCER_BYTES;
    for (int i = 0; i < p.batch_count; i++, at += PRODUCER_BATCH_BYTES) {
        p.batches[i] = (struct producer_batch){
            .first_sequence = (int32_t)load_be32(at),
            .last_sequence = (int32_t)load_be32(at + 4),
            .base_offset = (int64_t)load_be64(at + 8),
            .arrival_ms = (int64_t)load_be64(at + 16),
            .log_id = load_be64(at + 24),
        };
    }
    *rest = bytes_slice(*rest, bytes, rest->len - bytes);
    *ret = p;
    return ERR_OK;
}

struct topic_key topic_key(const struct uuid *id)
{
    struct topic_key k;
    mem_copy(k.data, id, sizeof k.data);
    return k;
}

struct topic_block_key topic_block_key(const struct uuid *id, int32_t block)
{
    struct topic_block_key k;
    mem_copy(k.data, id, TOPIC_KEY_BYTES);
    store_be32(k.data + TOPIC_KEY_BYTES, (uint32_t)block);
    return k;
}

void catalog_counters_write(const struct catalog_counters *c, uint8_t to[CATALOG_COUNTERS_BYTES])
{
    store_be64(to, c->version);
    store_be64(to + 8, c->log_id_next);
    store_be64(to + 16, (uint64_t)c->producer_id_next);
}

enum err catalog_counters_read(struct bytes value, struct catalog_counters *ret)
{
    if (value.len != CATALOG_COUNTERS_BYTES) return ERR_FORMAT;
    ret->version = load_be64(value.data);
    ret->log_id_next = load_be64(value.data + 8);
    ret->producer_id_next = (int64_t)load_be64(value.data + 16);
    return ERR_OK;
}

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
