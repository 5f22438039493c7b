/* A topic, which is a stream: what the catalog knows of it, as an immutable, refcounted value.
 *
 * A change makes a new value and replaces the old one in the catalog, so whoever holds a reference
 * reads it without a lock for as long as it likes; `version` tells two values apart. The partition
 * logs are shared by all values of a topic. */
#ifndef STORAGE_TOPIC_H
#define STORAGE_TOPIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/u128.h"
#include "base/uuid.h"
#include "protocol/batch/batch.h"
#include "storage/topic/log_ref.h"

struct plog;

enum {
    TOPIC_NAME_BYTES_MAX = 249,      /* Kafka; a stream's is at most STREAM_NAME_BYTES_MAX */
    STREAM_NAME_BYTES_MAX = 128,
    TOPIC_PARTITIONS_MAX = 10000,
    TOPIC_SHARDS_MAX = 65536,        /* open ones, and closed ones still inside retention */
    TOPIC_TAGS_MAX = 50,             /* of a stream, and of each of its consumers */
    TOPIC_CONSUMERS_MAX = 20,
    STREAMS_ON_DEMAND_MAX = 50,      /* of an account, counted at the Kinesis door */
};

/* A window of one partition's log that is one shard of the stream (design: shards are windows).
 * Open shards of a topic cover 0 .. 2^128 - 1 with no hole and no overlap. */
struct shard {
    int32_t index;              /* counts up from 0, never reused; shardId-%012d */
    int32_t partition;
    int64_t first_offset;
    int64_t end_offset;         /* exclusive; -1 while open */
    u128 hash_first;            /* inclusive */
    u128 hash_last;             /* inclusive */
    int32_t parent;             /* shard index or -1 */
    int32_t adjacent_parent;    /* merged with parent, or -1 */
    int64_t created_ms;         /* in every sequence number of the shard; a child's lies up to a
                                   second ahead of its making, more when it is split again at
                                   once */
    int64_t closed_ms;          /* 0 while open; before created_ms in a shard that never lived */
    int32_t child;              /* index of its first child, whose sibling stands behind it; -1:
                                   none. Worked out, not stored */
};

/* Neighbours in the list of shards. Most are closed and never change again, so the values of a
 * topic share the blocks in which they are the same, and a change costs what it changes. */
struct shard_block {
    atomic_uint refs;
    struct shard shards[];      /* SHARD_BLOCK_MAX; fewer in the last block of a topic */
};
enum { SHARD_BLOCK_MAX = 64 };
void shard_block_unref(struct shard_block *b);      /* NULL is a no-op. Thread: any */

struct partition {
    struct plog *log;           /* shared by all values of the topic, each of which holds a
                                   reference; NULL in values that nobody serves */
    uint64_t log_id;            /* names the log in every key, never reused */
    int32_t open_shard;         /* its position, -1 when retired by a merge */
    u128 forward_hash;          /* first hash of the newest shard here: once retired, records that
                                   name this partition go where this hash lives */
};

/* The reference is a log's first member. Thread: any. */
static inline struct log_ref *partition_log_ref(const struct partition *p)
{
    return (struct log_ref *)p->log;
}

/* In the order of the config's legal words. */
enum { CLEANUP_COMPACT = 1 << 0, CLEANUP_DELETE = 1 << 1 };

struct topic_config {           /* every value is effective: set here or the broker's default */
    int64_t retention_ms;       /* -1: for ever */
    int64_t retention_bytes;    /* per partition; -1: no limit */
    int32_t max_message_bytes;
    int32_t min_insync_replicas;
    uint8_t cleanup;            /* cleanup.policy: CLEANUP_... */
    bool log_append_time;       /* message.timestamp.type */
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int64_t flush_messages;     /* INT64_MAX: never by count */
    int64_t flush_ms;
    int32_t max_record_kib;     /* diglot.max.record.kib: MaxRecordSizeInKiB of the stream */
    bool retired_reject;        /* diglot.retired.partition = forward | reject */
    int8_t compression_type;    /* enum batch_codec, or -1: the producer's */
    int32_t compression_level[CODEC_COUNT];     /* of gzip, lz4 and zstd, whatever the type is */
};

/* A config that was set for this topic, by its Kafka name. */
struct topic_setting {
    char *name;
    char *value;
};

struct topic_tag {
    char *key;
    char *value;
};

struct stream_consumer {
    char *name;
    int64_t created_ms;         /* its second count is part of the consumer's ARN */
    int32_t tag_count;
    struct topic_tag *tags;
};
void stream_consumer_done(struct stream_consumer *c);   /* gives back what it owns */

struct topic {
    atomic_uint refs;
    uint64_t version;           /* grows with each change of any topic */
    struct uuid id;
    char *name;
    size_t name_len;
    int64_t created_ms;
    bool on_demand;             /* StreamMode; a topic made through Kafka is PROVISIONED */
    bool internal;              /* not a stream */
    bool deleted;               /* set in the last value: logs are closed */
    int32_t partition_count;
    struct partition *partitions;
    int32_t shard_count;        /* open, and closed with data still inside retention; by index */
    struct shard_block **blocks;    /* of them; see topic_nth() */
    int32_t shard_index_next;
    int32_t finished_count;     /* so many shards does open[] know of; see draft_finish() */
    int32_t open_count;
    int32_t *open;              /* positions of the open shards, ordered by range */
    struct topic_config config;
    int32_t setting_count;
    struct topic_setting *settings;
    int32_t tag_count;
    struct topic_tag *tags;
    int32_t consumer_count;
    struct stream_consumer *consumers;
};

struct batch_packing;

struct topic *topic_ref(struct topic *t);
void topic_unref(struct topic *t);      /* NULL is a no-op; the last one frees. Thread: any */
void topic_unrefp(struct topic **t);    /* for CLEANUP() */
struct bytes topic_name(const struct topic *t);

/* compression.type: does the topic want a batch that has this codec packed with another one? */
static inline bool topic_repacks(const struct topic *t, enum batch_codec codec)
{
    return t->config.compression_type >= 0 && t->config.compression_type != (int8_t)codec;
}
/* How, and up to which size: max.message.bytes. Only when topic_repacks(). Thread: any. */
struct batch_packing topic_packing(const struct topic *t);

/* True when Kinesis may see it: not internal and at most STREAM_NAME_BYTES_MAX long. */
/* "." and ".." illegal, 1..249 of [a-zA-Z0-9._-]. */
bool topic_name_is_legal(struct bytes name);
bool topic_is_stream(const struct topic *t);

/* NULL when no shard (any more) has this index. */
const struct shard *topic_shard(const struct topic *t, int32_t index);
/* The shard at a position, < shard_count: their order is that of their indexes. */
static inline const struct shard *topic_nth(const struct topic *t, int32_t position)
{
    return &t->blocks[position / SHARD_BLOCK_MAX]->shards[position % SHARD_BLOCK_MAX];
}
static inline int32_t topic_block_count(const struct topic *t)
{
    return (t->shard_count + SHARD_BLOCK_MAX - 1) / SHARD_BLOCK_MAX;
}
static inline int32_t topic_block_shards(const struct topic *t, int32_t block)
{
    int32_t rest = t->shard_count - block * SHARD_BLOCK_MAX;
    return rest < SHARD_BLOCK_MAX ? rest : SHARD_BLOCK_MAX;
}
/* Does `before`, NULL for none, hold this block of t too? */
bool topic_shares_block(const struct topic *t, const struct topic *before, int32_t block);
/* The position of the first shard with this index or a higher one; shard_count: none. */
int32_t topic_shard_at(const struct topic *t, int32_t index);
/* The open shard whose range holds the hash; never NULL for a stream. */
const struct shard *topic_shard_of_hash(const struct topic *t, u128 hash);
/* Where a Kafka produce to this partition goes: itself, or, for a retired one, the partition of the
 * open shard that took over its range (its first hash, when that was split again). */
int32_t topic_forward(const struct topic *t, int32_t partition);
int32_t topic_open_shards(const struct topic *t);
/* What its tags and consumers, with their tags, take in memory, about. */
int64_t topic_tag_bytes(const struct topic *t);

/* NULL, or what is wrong with it: open shards cover the hash range once, windows of a partition
 * meet, children are younger than their parents. */
const char *topic_invariant(const struct topic *t);
/* The same of a value that was made from a right one, NULL for none: of the blocks that it does not
 * share with that one. Asserted of every value before it is published. */
const char *topic_invariant_since(const struct topic *t, const struct topic *before);

#endif
