/* Every key and value that storage keeps: the one file that knows their bytes.
 *
 * Numbers are big-endian, so that the engine's bytewise order is log order. A change of anything
 * here needs a new FORMAT_VERSION and a new golden file (tests/golden/storage). */
#ifndef STORAGE_KEYS_H
#define STORAGE_KEYS_H

#include <assert.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/uuid.h"

/* ---- KV_META
 *   "format"    4  FORMAT_VERSION of the directory; any other than ours is refused
 *   "secret"   32  random, made at first start (secret.h) */
enum { FORMAT_VERSION = 4, FORMAT_BYTES = 4 };
#define KEY_FORMAT BYTES_LIT("format")
#define KEY_SECRET BYTES_LIT("secret")
void format_write(uint32_t version, uint8_t to[FORMAT_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err format_read(struct bytes value, uint32_t *ret_version);

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

/* ---- KV_EXTENTS and KV_DISCARDS: the engine's own (kv_wal.c)
 *
 * extent key:     0  1  'E'
 *                 1  8  number of the extent
 * extent value:   0  1  1: sealed
 *                 1  4  bytes of the file, once sealed
 *                 5  8  its last frame, once sealed
 *                13  8  bytes of the runs in it, once sealed
 *                21  8  bytes of those that were deleted
 *                29  8  the same when holes were made last
 * mark key:       "mark"; in KV_LOG one zero byte, in front of every key of a log: tables that are
 *                 written out apart have a mark each
 * mark value:     0  8  store id
 *                 8  8  frame: all up to this one is in these tables
 *                16  8  extent where the next one stands
 *                24  4  position there
 *                28  8  bytes of the runs of that extent up to there
 * discard:        the first key of a range of KV_LOG, and as value its end
 *
 * In the tables a value of KV_LOG has a byte in front: VALUE_INLINE and then the run, or
 * VALUE_POINTER and then
 *                 0  8  number of the extent
 *                 8  4  position there
 *                12  4  bytes
 *                16  4  CRC-32C of them */
enum {
    EXTENT_KEY_BYTES = 9,
    EXTENT_VALUE_BYTES = 37,
    MARK_VALUE_BYTES = 36,
    POINTER_BYTES = 20,
    VALUE_INLINE = 0,
    VALUE_POINTER = 1,
};
#define KEY_MARK     BYTES_LIT("mark")
#define KEY_LOG_MARK BYTES_LIT("\0")
#define KEY_LOG_MIN  BYTES_LIT("\0\0")      /* behind the mark */

struct extent_key {
    uint8_t data[EXTENT_KEY_BYTES];
};
struct extent_key extent_key(uint64_t number);
struct wal_extent;
void extent_value_write(const struct wal_extent *e, uint8_t to[EXTENT_VALUE_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err extent_value_read(struct bytes key, struct bytes value, struct wal_extent *ret);
struct wal_place;
void mark_write(const struct wal_place *p, uint8_t to[MARK_VALUE_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err mark_read(struct bytes value, struct wal_place *ret);
struct wal_pointer;
void pointer_write(const struct wal_pointer *p, uint8_t to[POINTER_BYTES]);
/* of: what stands behind VALUE_POINTER. Errors: ERR_FORMAT. Thread: any. */
enum err pointer_read(struct bytes of, struct wal_pointer *ret);

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

/* ---- KV_CATALOG: one entry a topic, its full blocks of shards behind it, and in KV_META the
 * numbers that count up
 *
 * key:      0 16  topic id
 * value:    0  1  TOPIC_RECORD_VERSION
 *           1  1  1: on demand, 2: internal, 4: consumers come with tags
 *           2 16  topic id
 *          18  8  version: the catalog version that made this value
 *          26  8  created, ms since 1970
 *          34  4  next shard index
 *          38     name: 4 bytes of length, then its bytes; every text here is so
 *                 then five lists, each with 4 bytes of count in front:
 *   partition     0  8  log id
 *                 8 16  first hash of the newest shard here (where a retired one forwards to)
 *   shard         (the count is of all; here stand the last 1 to 64, those before them in blocks)
 *                 0  4  index
 *                 4  4  partition
 *                 8  8  first offset
 *                16  8  end offset, -1 while open
 *                24 16  first hash
 *                40 16  last hash
 *                56  4  parent, -1 none
 *                60  4  adjacent parent, -1 none
 *                64  8  created, ms
 *                72  8  closed, ms, 0 while open
 *   setting       name, value
 *   tag           key, value
 *   consumer      name, then 8: created, ms; with flag 4 a list of its tags, as above
 *
 * key:      0 16  topic id
 *          16  4  number of a block, from 0 on: one for each 64 shards that others stand behind
 * value:          64 shards, as above
 *
 * KV_META "cluster_id"   22  text, made at first start
 *         "catalog"       0  8  catalog version: of the latest change
 *                         8  8  next log id
 *                        16  8  next producer id; those below are given or lost */
enum {
    TOPIC_KEY_BYTES = 16,
    TOPIC_BLOCK_KEY_BYTES = TOPIC_KEY_BYTES + 4,
    TOPIC_RECORD_VERSION = 2,
    TOPIC_PARTITION_BYTES = 24,
    TOPIC_SHARD_BYTES = 80,
    CLUSTER_ID_BYTES = 22,
    CATALOG_COUNTERS_BYTES = 24
};
static_assert(TOPIC_PARTITION_BYTES == 8 + 16 && TOPIC_SHARD_BYTES == 4 * 4 + 4 * 8 + 2 * 16,
              "on-disk format");
#define KEY_CLUSTER_ID       BYTES_LIT("cluster_id")
#define KEY_CATALOG_COUNTERS BYTES_LIT("catalog")

struct topic_key {
    uint8_t data[TOPIC_KEY_BYTES];
};
struct topic_key topic_key(const struct uuid *id);
struct topic_block_key {
    uint8_t data[TOPIC_BLOCK_KEY_BYTES];
};
struct topic_block_key topic_block_key(const struct uuid *id, int32_t block);

struct catalog_counters {
    uint64_t version;
    uint64_t log_id_next;
    int64_t producer_id_next;
};
void catalog_counters_write(const struct catalog_counters *c, uint8_t to[CATALOG_COUNTERS_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err catalog_counters_read(struct bytes value, struct catalog_counters *ret);

/* ---- KV_OFFSETS: one entry a group, topic and partition
 *
 * key:      0  2  length of the group id
 *           2     group id
 *             16  topic id
 *              4  partition
 * value:    0  8  offset
 *           8  4  leader epoch, -1 unknown
 *          12  8  committed, ms
 *          20  8  expires, ms, -1 by the group's retention
 *          28     metadata */
enum { OFFSET_GROUP_BYTES_MAX = 32767, OFFSET_VALUE_HEADER_BYTES = 28 };
static_assert(OFFSET_VALUE_HEADER_BYTES == 8 + 4 + 8 + 8, "on-disk format");

/* At most OFFSET_KEY_BYTES_MAX go to `to`; returns the length. */
enum { OFFSET_KEY_BYTES_MAX = 2 + OFFSET_GROUP_BYTES_MAX + 16 + 4 };
size_t offset_key_write(struct bytes group, const struct uuid *topic_id, int32_t partition,
                        uint8_t *to);
/* The front of all keys of a group; returns its length. */
size_t offset_group_key_write(struct bytes group, uint8_t *to);
/* ret_group is a view of key. Errors: ERR_FORMAT. Thread: any. */
enum err offset_key_read(struct bytes key, struct bytes *ret_group, struct uuid *ret_topic_id,
                         int32_t *ret_partition);

struct offset_value {
    int64_t offset;
    int32_t leader_epoch;
    int64_t commit_ms;
    int64_t expire_ms;
};
void offset_value_write(const struct offset_value *v, uint8_t to[OFFSET_VALUE_HEADER_BYTES]);
/* ret_metadata is a view of value. Errors: ERR_FORMAT. Thread: any. */
enum err offset_value_read(struct bytes value, struct offset_value *ret,
                           struct bytes *ret_metadata);

#define KEY_BYTES(key) bytes_of((key).data, sizeof (key).data)

#endif
