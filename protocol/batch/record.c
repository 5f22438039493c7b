/* Record:  length, attributes (1 byte), timestamp delta (varlong), offset delta, key length, key,
 * value length, value, header count, headers: {key length, key, value length, value}
 * Lengths, counts and deltas are zigzag varints; a negative length of a key or value is null. */
#include "protocol/batch/record.h"

#include "protocol/batch/varint.h"
#include "base/check.h"

static inline bool get_bytes(const uint8_t **at, const uint8_t *end, struct bytes *ret)
{
    int32_t len;
    if (!varint_get(at, end, &len)) return false;
    if (len < 0) {
        *ret = BYTES_NULL;
        return true;
    }
    if ((size_t)len > (size_t)(end - *at)) return false;
    *ret = bytes_of(*at, (size_t)len);
    *at += len;
    return true;
}

static bool get_header(const uint8_t **at, const uint8_t *end, struct record_header *ret)
{
    return get_bytes(at, end, &ret->key) && !bytes_is_null(ret->key) &&
           get_bytes(at, end, &ret->value);
}

/* ret->offset and ret->timestamp are the deltas. */
static inline bool get_record(const uint8_t **at, const uint8_t *end, struct record *ret)
{
    int32_t bytes, offset_delta, headers;
    if (!varint_get(at, end, &bytes) || bytes < 1 || bytes > end - *at) return false;
    const uint8_t *p = *at + 1;            /* behind the attributes, which have no meaning yet */
    const uint8_t *record_end = *at + bytes;
    if (!varlong_get(&p, record_end, &ret->timestamp)) return false;
    if (!varint_get(&p, record_end, &offset_delta)) return false;
    if (!get_bytes(&p, record_end, &ret->key) || !get_bytes(&p, record_end, &ret->value))
        return false;
    /* A header takes two bytes at least. */
    if (!varint_get(&p, record_end, &headers)) return false;
    if (headers < 0 || headers > (record_end - p) / 2) return false;
    ret->offset = offset_delta;
    ret->header_count = (uint32_t)headers;
    ret->headers = bytes_of(p, (size_t)(record_end - p));
    struct record_header ignored;
    for (; headers > 0; headers--)
        if (!get_header(&p, record_end, &ignored)) return false;
    *at = record_end;
    return p == record_end;
}

enum err record_iter_init(struct record_iter *it, struct bytes batch, struct inflater *inflater)
{
    struct record_iter made = {.err = ERR_OK};
    TRY(batch_peek(batch, &made.info));
    struct bytes records =
        bytes_slice(batch, BATCH_HEADER_BYTES, made.info.bytes - BATCH_HEADER_BYTES);
    if (made.info.codec != CODEC_NONE)
        TRY(inflater_run(inflater, made.info.codec, records, &records));
    made.at = records.data;
    made.end = records.data + records.len;
    made.left = made.info.count;
    *it = made;
    return ERR_OK;
}

bool record_iter_next(struct record_iter *it, struct record *ret)
{
    if (it->err != ERR_OK) return false;
    if (it->left == 0) {
        if (it->at != it->end) it->err = ERR_INVALID_RECORD;
        return false;
    }
    if (!get_record(&it->at, it->end, ret)) {
        it->err = ERR_INVALID_RECORD;
        return false;
    }
    it->left--;
    /* Deltas are the producer's: they may wrap, which must not be undefined. */
    ret->offset = (int64_t)((uint64_t)it->info.base_offset + (uint64_t)ret->offset);
    ret->timestamp = it->info.is_log_append_time
                         ? it->info.max_timestamp
                         : (int64_t)((uint64_t)it->info.base_timestamp + (uint64_t)ret->timestamp);
    return true;
}

bool record_header_next(struct record *r, struct record_header *ret)
{
    if (r->header_count == 0) return false;
    const uint8_t *at = r->headers.data, *end = at + r->headers.len;
    if (!get_header(&at, end, ret)) return false;
    r->header_count--;
    r->headers = bytes_of(at, (size_t)(end - at));
    return true;
}

enum err batch_find_time(struct bytes batch, int64_t offset_from, int64_t timestamp,
                         struct inflater *inflater, int64_t *ret_offset, int64_t *ret_timestamp)
{
    struct record_iter it;
    TRY(record_iter_init(&it, batch, inflater));
    struct record r;
    while (record_iter_next(&it, &r)) {
        if (r.timestamp < timestamp || r.offset < offset_from) continue;
        *ret_offset = r.offset;
        *ret_timestamp = r.timestamp;
        return ERR_OK;
    }
    TRY(it.err);
    return ERR_NOT_FOUND;
}

enum err batch_find_max_time(struct bytes batch, int64_t offset_from, struct inflater *inflater,
                             int64_t *ret_offset, int64_t *ret_timestamp)
{
    struct record_iter it;
    TRY(record_iter_init(&it, batch, inflater));
    struct record r, max = {.timestamp = INT64_MIN};
    bool found = false;
    while (record_iter_next(&it, &r)) {
        if (r.offset < offset_from || (found && r.timestamp <= max.timestamp)) continue;
        max = r;
        found = true;
    }
    TRY(it.err);
    if (!found) return ERR_NOT_FOUND;
    *ret_offset = max.offset;
    *ret_timestamp = max.timestamp;
    return ERR_OK;
}
