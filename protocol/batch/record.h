/* The records inside a batch, one after the other, and questions about their timestamps.
 *
 *   struct record_iter it;
 *   TRY(record_iter_init(&it, batch, inflater));
 *   struct record r;
 *   while (record_iter_next(&it, &r)) use(&r);
 *   TRY(it.err);
 *
 * Views point into the batch or, when it was compressed, into the inflater's output, which lives
 * until its next run (inflater_take() keeps it longer).
 * Fuzz: fuzz_batch */
#ifndef PROTOCOL_BATCH_RECORD_H
#define PROTOCOL_BATCH_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/inflate.h"

struct record {
    int64_t offset;
    int64_t timestamp;         /* of the batch when it has LogAppendTime */
    struct bytes key;          /* null and empty differ */
    struct bytes value;
    uint32_t header_count;
    struct bytes headers;      /* their checked wire form, for record_header_next() */
};

struct record_header {
    struct bytes key;          /* never null */
    struct bytes value;        /* may be null */
};

struct record_iter {
    struct batch_info info;
    const uint8_t *at;
    const uint8_t *end;
    int32_t left;              /* records not read yet */
    enum err err;              /* ERR_OK until a record is found broken */
};

/* batch: exactly one, as batch_next() gives it; borrowed while it is iterated. The CRC is not
 * checked. inflater: only used when the batch is compressed, may be NULL when it is known not to
 * be.
 * Errors: those of batch_peek() and inflater_run().
 * Thread: any, one owner. */
enum err record_iter_init(struct record_iter *it, struct bytes batch, struct inflater *inflater);

/* False at the end and on a broken record; it->err is then ERR_OK or ERR_INVALID_RECORD (a size
 * beyond the bytes left, a record that its fields do not fill, bytes after the last record). */
bool record_iter_next(struct record_iter *it, struct record *ret);

/* Takes the first header off r->headers; false when none is left. r came from
 * record_iter_next(). */
bool record_header_next(struct record *r, struct record_header *ret);

/* First record at or behind offset_from whose timestamp is >= timestamp, and that record's
 * timestamp.
 * Errors: ERR_NOT_FOUND - none is; those of iterating.
 * Thread: any, one owner of inflater. */
enum err batch_find_time(struct bytes batch, int64_t offset_from, int64_t timestamp,
                         struct inflater *inflater, int64_t *ret_offset, int64_t *ret_timestamp);

/* First record at or behind offset_from that has the largest timestamp of those there.
 * Errors: ERR_NOT_FOUND - there is none; those of iterating.
 * Thread: any, one owner of inflater. */
enum err batch_find_max_time(struct bytes batch, int64_t offset_from, struct inflater *inflater,
                             int64_t *ret_offset, int64_t *ret_timestamp);

#endif
