#include "storage/wal/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/check.h"

enum { MAGIC_BYTES = 8, CRC_AT = 60 };
static_assert(CRC_AT + 4 == EXTENT_HEADER_BYTES && CRC_AT + 4 == FRAME_HEADER_BYTES,
              "on-disk format");

static const char extent_magic[] = "DGLTEXT1", frame_magic[] = "DGLTFRAM", suffix[] = ".extent";

static void begin(uint8_t *to, const char *magic)
{
    memset(to, 0, CRC_AT);
    mem_copy(to, magic, MAGIC_BYTES);
}

static void end(uint8_t *to)
{
    store_be32(to + CRC_AT, crc32c(to, CRC_AT));
}

static bool is_whole(const uint8_t *from, const char *magic)
{
    return memcmp(from, magic, MAGIC_BYTES) == 0 &&
           load_be32(from + CRC_AT) == crc32c(from, CRC_AT);
}

void extent_header_write(const struct extent_header *h, uint8_t to[EXTENT_HEADER_BYTES])
{
    begin(to, extent_magic);
    store_be64(to + 8, h->store_id);
    store_be64(to + 16, h->extent);
    store_be64(to + 24, h->first_frame);
    end(to);
}

enum err extent_header_read(const uint8_t from[EXTENT_HEADER_BYTES], struct extent_header *ret)
{
    if (!is_whole(from, extent_magic)) return ERR_FORMAT;
    *ret = (struct extent_header){
        .store_id = load_be64(from + 8),
        .extent = load_be64(from + 16),
        .first_frame = load_be64(from + 24),
    };
    return ERR_OK;
}

void frame_header_write(const struct frame_header *h, uint8_t to[FRAME_HEADER_BYTES])
{
    begin(to, frame_magic);
    store_be64(to + 8, h->store_id);
    store_be64(to + 16, h->frame);
    store_be64(to + 24, h->extent);
    store_be32(to + 32, h->position);
    store_be32(to + 36, h->payload_bytes);
    store_be32(to + 40, h->run_count);
    store_be32(to + 44, h->batch_bytes);
    store_be32(to + 48, h->batch_crc);
    store_be32(to + 52, h->table_crc);
    end(to);
}

enum err frame_header_read(const uint8_t from[FRAME_HEADER_BYTES], struct frame_header *ret)
{
    if (!is_whole(from, frame_magic)) return ERR_FORMAT;
    *ret = (struct frame_header){
        .store_id = load_be64(from + 8),
        .frame = load_be64(from + 16),
        .extent = load_be64(from + 24),
        .position = load_be32(from + 32),
        .payload_bytes = load_be32(from + 36),
        .run_count = load_be32(from + 40),
        .batch_bytes = load_be32(from + 44),
        .batch_crc = load_be32(from + 48),
        .table_crc = load_be32(from + 52),
    };
    return ERR_OK;
}

uint64_t frame_bytes(uint64_t payload_bytes, uint64_t run_count, uint64_t batch_bytes)
{
    uint64_t bytes = FRAME_HEADER_BYTES + payload_bytes + run_count * FRAME_RUN_BYTES + batch_bytes;
    return (bytes + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

void frame_run_write(const struct frame_run *r, uint8_t to[FRAME_RUN_BYTES])
{
    mem_copy(to, r->key, RUN_KEY_BYTES);
    store_be32(to + 16, r->at);
    store_be32(to + 20, r->bytes);
    store_be32(to + 24, r->crc);
}

void frame_run_read(const uint8_t from[FRAME_RUN_BYTES], struct frame_run *ret)
{
    mem_copy(ret->key, from, RUN_KEY_BYTES);
    ret->at = load_be32(from + 16);
    ret->bytes = load_be32(from + 20);
    ret->crc = load_be32(from + 24);
}

void extent_name(uint64_t number, char to[EXTENT_NAME_BYTES])
{
    snprintf(to, EXTENT_NAME_BYTES, "%016" PRIx64 "%s", number, suffix);
}

bool extent_name_read(const char *name, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9') number = number << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f') number = number << 4 | (uint64_t)(c - 'a' + 10);
        else return false;
    }
    *ret_number = number;
    return strcmp(name + 16, suffix) == 0;
}
