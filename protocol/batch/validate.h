/* What a broker checks before it takes a producer's batch, in Apache Kafka's order and with its
 * errors (ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords, LogValidator).
 * Fuzz: fuzz_batch */
#ifndef PROTOCOL_BATCH_VALIDATE_H
#define PROTOCOL_BATCH_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/inflate.h"

struct batch_rules {
    int16_t produce_version;          /* of the request: zstd wants 7 */
    bool is_compacted;                /* cleanup.policy has compact: every record needs a key */
    bool is_log_append_time;          /* message.timestamp.type */
    uint32_t batch_bytes_max;         /* max.message.bytes */
    int64_t now_ms;
    int64_t timestamp_before_max_ms;  /* message.timestamp.before.max.ms */
    int64_t timestamp_after_max_ms;   /* message.timestamp.after.max.ms */
};

enum batch_fault_kind {
    BATCH_FAULT_NO_KEY,               /* "Compacted topic cannot accept message without key" */
    BATCH_FAULT_TIMESTAMP,            /* beyond the before/after bounds */
    BATCH_FAULT_TIMESTAMP_TYPE,       /* the producer claims LogAppendTime */
};

/* One record at fault, for the record_errors of a Produce v8+ answer. */
struct batch_fault {
    enum batch_fault_kind kind;
    int32_t index;                    /* of the record in its batch */
    int64_t timestamp;
};

enum { BATCH_FAULTS_MAX = 64 };       /* further ones are counted, not listed */

struct batch_faults {
    uint32_t count;                   /* all that were found */
    uint32_t listed;                  /* <= BATCH_FAULTS_MAX */
    bool has_time;                    /* one at least is about a timestamp */
    bool in_log;                      /* the request was sound: it is the log that refuses; Kafka
                                       * tells its start with that */
    struct batch_fault list[BATCH_FAULTS_MAX];
};

struct batch_verdict {
    struct batch_info info;
    int64_t max_timestamp;        /* of the records: what batch_set_time() wants on a CreateTime
                                       * topic, whatever the header says */
    int32_t max_timestamp_delta;  /* offset delta of the first record that has it */
    struct bytes records;         /* not compressed: in the batch, or in the inflater's output until
                                       * its next run or trim */
};

/* Check the records field of one partition of a Produce request: exactly one v2 batch, right sizes,
 * base offset 0, CRC, count, no control batch, a sequence when there is a producer id, and every
 * record's structure (a compressed batch is unpacked for that), offset, key and timestamp.
 * faults: set in every case. With count > 0 these are the answer's record errors.
 * Errors: ERR_INVALID_RECORD - no batch or several, magic 0 or 1, wrong counts, broken records or
 *     compressed data, a control batch, or faults of kind NO_KEY; ERR_INVALID_TIMESTAMP - faults
 *     about timestamps; ERR_CORRUPT_MESSAGE - sizes or CRC; ERR_MESSAGE_TOO_LARGE - larger than the
 *     rules or, unpacked, than the inflater allows; ERR_UNSUPPORTED_COMPRESSION_TYPE; ERR_BUSY - no
 *     memory.
 * After a failure the inflater keeps no large output; after success the caller trims it.
 * Thread: any, one owner of inflater. Never blocks; a compressed batch costs its unpacking. */
enum err batch_validate(struct bytes records, const struct batch_rules *rules,
                        struct inflater *inflater, struct batch_faults *faults,
                        struct batch_verdict *ret);

#endif
