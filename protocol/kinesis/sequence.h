/* Kinesis sequence numbers: a pure function of a shard and an offset, in AWS's layout.
 *
 * A number of version 2 is 47 hexadecimal digits, printed in decimal (56 digits):
 *    0   1  '2'
 *    1   9  creation time of the shard, epoch seconds
 *   10   1  last hexadecimal digit of the shard index
 *   11  16  index in the shard, 63 bits: offset + 1; 0 is the shard's start, 7fff...f its end
 *   27   2  '00'; '01' in a number between two records
 *   29   9  time of the record, epoch seconds
 *   38   8  shard index
 *   46   1  version, '2'
 * In one shard, creation time and shard digit are constant and the index stands above the time, so
 * numeric order is offset order; and the offset comes back without a look-up. Offsets go up to
 * SEQUENCE_OFFSET_MAX. The record time must be the stored append time, since equal records must
 * have equal numbers at every reading; it is cut to seconds. What a wrong clock gives is cut to
 * what the fields hold, and AWS takes: a creation time of 1970 to 2477, a record time of 1970 to
 * 4147. The digits '01' below the index make a number that no record has: larger than that of the
 * record in front of it, whatever its time, and smaller than that of the next one.
 * Fuzz: fuzz_kinesis_sequence */
#ifndef PROTOCOL_KINESIS_SEQUENCE_H
#define PROTOCOL_KINESIS_SEQUENCE_H

#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"

enum { SEQUENCE_TEXT_BYTES = 57 };              /* 56 digits and NUL */
#define SEQUENCE_OFFSET_MAX (INT64_MAX - 2)

enum sequence_kind {
    SEQUENCE_RECORD,         /* offset is set */
    SEQUENCE_BETWEEN,        /* offset is that of the next record: nothing has this number */
    SEQUENCE_SHARD_START,    /* StartingSequenceNumber of a shard: before its first record */
    SEQUENCE_SHARD_END,      /* EndingSequenceNumber of a closed shard: behind its last record */
    SEQUENCE_OLD,            /* AWS's versions 0 and 1, e.g. "0": legal text, of no shard of ours */
};

struct sequence {
    enum sequence_kind kind;
    uint8_t version;             /* 2, or 0 and 1 with SEQUENCE_OLD */
    int64_t shard_index;         /* negative where the text says so; ours never are */
    int64_t offset;              /* of a record, or the next one; 0 otherwise */
    int64_t shard_created_s;     /* epoch seconds */
    int64_t time_s;              /* of the record, or of the shard's creation or closing */
};

/* Write 56 digits and NUL to to[SEQUENCE_TEXT_BYTES] and return the digits (borrowed from to).
 * shard_created_ms, time_ms: epoch milliseconds, cut to the range of their fields; shard_index:
 * 0..2^31 - 1; offset: 0..SEQUENCE_OFFSET_MAX. Thread: any. */
struct bytes sequence_format(int64_t shard_created_ms, uint32_t shard_index, int64_t offset,
                             int64_t time_ms, char *to);
/* A number behind every record below offset_next and in front of the one there, for readers to
 * continue at or after. offset_next: 0..SEQUENCE_OFFSET_MAX. */
struct bytes sequence_format_between(int64_t shard_created_ms, uint32_t shard_index,
                                     int64_t offset_next, char *to);
/* The same for a shard's start, and for the end of a shard that was closed at closed_ms. */
struct bytes sequence_format_start(int64_t shard_created_ms, uint32_t shard_index, char *to);
struct bytes sequence_format_end(int64_t shard_created_ms, uint32_t shard_index, int64_t closed_ms,
                                 char *to);

/* The creation second that the numbers of a shard carry. Thread: any. */
int64_t sequence_created_s(int64_t shard_created_ms);

/* Read a number. text: decimal, up to 129 digits as its pattern allows; borrowed.
 * ret: untouched on failure.
 * Errors: ERR_INVALID_ARGUMENT - not digits, of no known version, index with the top bit set, or
 * a creation time beyond what AWS takes.
 * Thread: any. */
enum err sequence_parse(struct bytes text, struct sequence *ret);

#endif
