/* What storage keeps of a partition log: its runs of batches, a summary of each chunk of them,
 * where it starts, and its producers. */
#ifndef STORAGE_LOG_KEYS_H
#define STORAGE_LOG_KEYS_H

#include <assert.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "storage/engine/keys.h"

/* ---- KV_LOG: one entry a run of record batches, those that a log got in one commit
 *
 * A run shares one key, so that many small batches cost the engine one insertion. It is closed at
 * RUN_BYTES or RUN_BATCHES; a batch beyond RUN_BYTES is a run of its own.
 * key:    0  8  2 * log id + 1; a log id is never reused. The even numbers begin the ranges that
 *               are deleted: no key that was put has one's first 8 bytes (see kv_rocksdb.c)
 *         8  8  LAST offset of the run: a seek to any offset lands on the run that holds it
 * value:        its batches, one after the other, each:
 *         0  8  arrival time, ms since 1970; never goes back in a log
 *         8  4  partition that the producer addressed (a retired one is forwarded): whose sequence
 *               it is
 *        12  4  bytes of the batch
 *        16     the batch, base offset and leader epoch filled in */
enum { LOG_KEY_BYTES = 16, LOG_ENTRY_HEADER_BYTES = 16, RUN_BYTES = 64 << 10, RUN_BATCHES = 256 };
#define LOG_ID_MAX (UINT64_MAX / 2)
static_assert(LOG_KEY_BYTES == 8 + 8 && LOG_ENTRY_HEADER_BYTES == 8 + 4 + 4, "on-disk format");

struct log_key {
    uint8_t data[LOG_KEY_BYTES];
};
struct log_key log_key(uint64_t log_id, int64_t last_offset);
/* The keys of a log are in [log_key_first(id), log_key_first(id + 1)). */
struct log_key log_key_first(uint64_t log_id);
/* Where a delete of all up to a key begins: in front of every key of the log. */
struct log_range_key {
    uint8_t data[LOG_KEY_BYTES];
};
struct log_range_key log_range_first(uint64_t log_id);
/* Errors: ERR_FORMAT - not a key of this kind. Thread: any. */
enum err log_key_read(struct bytes key, uint64_t *ret_log_id, int64_t *ret_last_offset);

struct log_entry {
    int64_t arrival_ms;
    int32_t partition_addressed;
    struct bytes batch;         /* borrowed */
};
/* The 16 bytes in front of the batch. */
void log_entry_header(const struct log_entry *v, uint8_t to[LOG_ENTRY_HEADER_BYTES]);
/* Takes the first batch off a run.
 * Errors: ERR_NOT_FOUND - the run is empty; ERR_FORMAT - cut short, or not a batch. Thread: any. */
enum err log_entry_next(struct bytes *run, struct log_entry *ret);

/* ---- KV_INDEX: a summary of each chunk of a log (about 1 MiB), and where the log starts
 *
 * chunk key:    0  1  'C'
 *               1  8  log id
 *               9  8  LAST offset of the chunk
 * chunk value:  0  8  first offset
 *               8  8  bytes of its batches
 *              16  8  bytes of all batches of the log up to its end, removed ones too
 *              24  8  largest record timestamp
 *              32  8  last offset of the first batch that has it
 *              40  8  arrival time of its last batch
 *              48  4  batches
 *              52  4  zero
 * start key:    0  1  'S'
 *               1  8  log id
 * start value:  0  8  first readable offset. Where all batches were removed, also the next offset
 *               8  8  arrival time of the newest batch then, so that it never goes back */
enum { CHUNK_KEY_BYTES = 17, CHUNK_VALUE_BYTES = 56, START_KEY_BYTES = 9, START_VALUE_BYTES = 16 };
static_assert(CHUNK_KEY_BYTES == 1 + LOG_KEY_BYTES && CHUNK_VALUE_BYTES == 6 * 8 + 4 + 4,
              "on-disk format");

struct chunk_key {
    uint8_t data[CHUNK_KEY_BYTES];
};
struct chunk_key chunk_key(uint64_t log_id, int64_t last_offset);
struct chunk_key chunk_key_first(uint64_t log_id);
/* Errors: ERR_FORMAT. Thread: any. */
enum err chunk_key_read(struct bytes key, uint64_t *ret_log_id, int64_t *ret_last_offset);

struct chunk {
    int64_t first_offset;
    int64_t last_offset;        /* in the key */
    uint64_t bytes;
    uint64_t bytes_total;
    int64_t timestamp_max;
    int64_t timestamp_max_batch;
    int64_t arrival_last_ms;
    uint32_t batch_count;
};
void chunk_write(const struct chunk *c, uint8_t to[CHUNK_VALUE_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err chunk_read(struct bytes key, struct bytes value, struct chunk *ret);

struct start_key {
    uint8_t data[START_KEY_BYTES];
};
struct start_key start_key(uint64_t log_id);
void start_write(int64_t log_start, int64_t arrival_last_ms, uint8_t to[START_VALUE_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err start_read(struct bytes value, int64_t *ret_log_start, int64_t *ret_arrival_last_ms);

/* ---- KV_PRODUCERS: one snapshot a log
 *
 * Producers follow the partition addressed: when a reshard gives it another log, its snapshot gets
 * them, and the batches of theirs that this log does not hold are named by the log that does.
 * key:      0  8  log id
 * value:    0  8  offset up to which (exclusive) it tells of the log
 *           8  4  producers
 *          12     producers, one after the other:
 *   producer 0  4  partition addressed
 *            4  8  producer id
 *           12  2  epoch
 *           14  2  batches, 0 .. PRODUCER_BATCHES_MAX
 *           16  8  arrival time of its latest batch
 *           24     batches, oldest first:
 *     batch  0  4  first sequence
 *            4  4  last sequence
 *            8  8  offset of its first record
 *           16  8  arrival time
 *           24  8  id of the log that holds it */
enum {
    PRODUCER_BATCHES_MAX = 5,               /* as Apache Kafka's ProducerStateEntry */
    PRODUCERS_KEY_BYTES = 8,
    PRODUCERS_HEADER_BYTES = 12,
    PRODUCER_BYTES = 24,
    PRODUCER_BATCH_BYTES = 32
};

struct producers_key {
    uint8_t data[PRODUCERS_KEY_BYTES];
};
struct producers_key producers_key(uint64_t log_id);
/* Errors: ERR_FORMAT. Thread: any. */
enum err producers_key_read(struct bytes key, uint64_t *ret_log_id);

struct producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t base_offset;
    int64_t arrival_ms;
    uint64_t log_id;            /* where it lies: before a reshard, another log took what was
                                   addressed so */
};
struct producer_entry {
    int32_t partition_addressed;
    int64_t producer_id;
    int16_t epoch;
    uint16_t batch_count;
    int64_t arrival_last_ms;
    struct producer_batch batches[PRODUCER_BATCHES_MAX];
};
/* Both return the bytes written. */
size_t producers_header_write(int64_t offset_next, uint32_t count, uint8_t *to);
size_t producer_write(const struct producer_entry *p, uint8_t *to);
/* Errors: ERR_FORMAT. Thread: any. */
enum err producers_header_read(struct bytes value, int64_t *ret_offset_next, uint32_t *ret_count);
/* Takes one producer off what follows the header. Errors: ERR_FORMAT. Thread: any. */
enum err producer_read(struct bytes *rest, struct producer_entry *ret);

#endif
