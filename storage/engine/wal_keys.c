#include "storage/engine/wal_keys.h"

#include "base/mem.h"
#include "storage/wal/wal.h"
#include "base/check.h"

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
