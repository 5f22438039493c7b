#include "storage/engine/log_keys.h"

#include "base/mem.h"
#include "base/check.h"

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
