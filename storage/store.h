/* A data directory in use: what both doors see of storage.
 *
 * Requests that may block travel as jobs: the caller fills one, hands it over, and gets it back on
 * its own loop through done(). Until then it belongs to storage. Catalog changes are in control.h,
 * committed offsets in offsets.h. */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/budget.h"
#include "base/err.h"
#include "base/mailbox.h"
#include "base/slab.h"
#include "storage/codecs.h"
#include "storage/engine/kv.h"
#include "storage/log/plog.h"
#include "storage/topic/topic.h"

struct store;
struct loop;

enum { STORE_THREADS_MAX = 64 };

struct store_options {
    const char *data_dir;               /* NULL: in memory (tests), with `kv` below */
    struct kv *kv;                      /* an engine made by the caller; the store owns it then */
    int worker_count;                   /* 1 .. STORE_THREADS_MAX, each */
    int reader_count;
    bool durability_power;              /* acknowledge after a group fsync */
    size_t tail_bytes_max;              /* of all tail caches together */
    int64_t offsets_bytes_max;          /* of committed offsets, notes included */
    int64_t producers_bytes_max;        /* of what is known of idempotent producers */
    int64_t partitions_max;             /* of all topics */
    struct topic_config topic_defaults;
    int32_t num_partitions;             /* broker default for new topics */
    int64_t producer_expiry_ms;         /* producer.id.expiration.ms */
    int64_t retention_check_ms;         /* log.retention.check.interval.ms */
    int32_t shard_limit;                /* per account */
    bool manual;                        /* no threads: store_turn() runs everything (simulation) */
};
void store_options_default(struct store_options *ret);

/* Locks and opens the directory, reads the catalog, starts the threads. Logs open at first use.
 * ret_text: why not, in words for the operator, to be freed with mem_free(); may be NULL.
 * Errors: ERR_FORMAT - another format; ERR_BUSY - in use by another process; ERR_DISK.
 * Thread: main, before loops run. Blocks. */
enum err store_open(const struct store_options *options, struct store **ret, char **ret_text);
/* Whether this version reads what an engine holds; changes nothing. ret_text as above.
 * Errors: ERR_FORMAT - another one; ERR_NOT_FOUND - no data of ours; ERR_DISK. Thread: main.
 * Blocks. */
enum err store_format_check(struct kv *kv, char **ret_text);
/* The end of a server whose loops were stopped: ends the threads of storage, and runs on this one
 * what storage and these loops still have in hand, until nothing is left. What the doors ask
 * meanwhile is answered as before; what waits for a log that will not go on gets ERR_CLOSED.
 * Thread: main. Blocks. */
void store_finish(struct store *s, struct loop *const *loops, uint32_t loop_count);
/* All jobs must have come back. Syncs. Thread: main. */
void store_close(struct store *s);
/* Simulation: runs everything that waits in storage, once; false when there was nothing. */
bool store_turn(struct store *s);
const struct store_options *store_options(const struct store *s);
struct kv *store_kv(struct store *s);

/* ---- Topics. References; Thread: any; a short lock. */
struct topic *store_topic(struct store *s, struct bytes name);            /* NULL: none */
struct topic *store_topic_by_id(struct store *s, const struct uuid *id);  /* NULL: none */
/* All topics ordered by name, from the first one that is > after (null: from the start); at most
 * max. Returns how many; ret_topics[max] gets references. */
int32_t store_topics(struct store *s, struct bytes after, int32_t max, struct topic **ret_topics);
/* How much there is of everything. */
struct catalog_totals {
    int64_t topics;
    int64_t partitions;
    int64_t shards;             /* open, and closed ones that are still listed */
    int64_t open_shards;        /* of streams */
    int64_t tag_bytes;          /* topic_tag_bytes() */
    int32_t on_demand_streams;
};
void store_totals(struct store *s, struct catalog_totals *ret);
struct bytes store_cluster_id(const struct store *s); /* 22 characters, made at first start */

/* ---- Append */

/* One record batch on its way into a log. The caller sets the first block, storage the second. */
struct append {
    struct job job;                     /* storage's */
    struct topic *topic;                /* reference; the caller's again in done(), perhaps a newer
                                           value */
    int32_t partition;                  /* of the shard; storage sets it without one: the home of
                                           what the producer addressed (topic_forward()) */
    int32_t partition_addressed;        /* what the producer named: its sequences are kept per
                                           this */
    int32_t shard;                      /* the shard it was routed to by hash, or -1 (Kafka) */
    struct slab_view batch;             /* one validated v2 batch, mutable until done(); the log
                                           takes references of its own */
    bool sync;                          /* durable against power loss before done() */
    bool behind;                        /* of a request that names very many logs: what names few
                                           goes in front */
    struct loop *home;                  /* NULL: done() runs on the worker (tests) */
    void (*done)(struct append *a);

    enum err err;                       /* ERR_OK: durable. ERR_MOVED: the shard map changed, route
                                           again with a fresh topic, nothing was written */
    int64_t base_offset;                /* of the first record; a duplicate gets its original one */
    int64_t arrival_ms;                 /* a duplicate's original one too */
    int64_t append_time_ms;             /* on a topic with LogAppendTime, else -1; a duplicate's
                                           largest time stamp in either case */
    int64_t log_start;
    struct append *next_in_turn;        /* the caller's for store_append_list(), then the
                                           worker's */
};
/* Errors come in a->err: ERR_MOVED; ERR_KAFKA_STORAGE_ERROR; ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
 * ERR_INVALID_PRODUCER_EPOCH; ERR_CLOSED; ERR_TOO_LARGE. Order is kept per calling thread and log,
 * and without a shard per calling thread and partition addressed, also while reshards change its
 * home.
 * Thread: any. */
void store_append(struct store *s, struct append *a);
/* As store_append() for each, in order; NULL-ended by next_in_turn, may be empty. What one worker
 * takes of them is handed over at once: one wake-up, one commit. Errors, Thread: as
 * store_append(). */
void store_append_list(struct store *s, struct append *list);

/* ---- Read from disk */

struct log_open {                    /* storage's, as a read or a look-up begins */
    struct job job;
    struct plog *log;
    void (*then)(struct log_open *o);
    enum err err;
};
struct log_read {
    struct job job;                  /* storage's, as the next one */
    struct log_open open;
    struct topic *topic;             /* reference; kept by the caller until done() */
    int32_t partition;
    int64_t offset;
    size_t bytes_max;
    bool min_one;
    uint64_t client;                 /* whose turn it is at the readers, as for fair_post() */
    struct loop *home;               /* NULL: done() runs on the reader (tests) */
    void (*done)(struct log_read *r);
    int tries;                       /* reader.c's, as the next two */
    size_t read_bytes;               /* so far */
    int64_t offset_next;

    enum err err;                    /* as plog_read_tail(), never ERR_COLD; ERR_BUSY - no memory */
    struct read_result result;       /* inited by the caller, may hold batches already */
};
/* Opens the log if need be, then reads: if the home loop calls, what the disk's cache has and a
 * turn of the loop may cost is read right here, the rest on a reader thread. done() is called later
 * in either case. A bytes_max of 0 without min_one only opens it and gives the bounds. Thread:
 * any. */
void store_read(struct store *s, struct log_read *r);

/* ---- Look-ups by time: on reader threads, and where a batch is unpacked on a codec lane */

enum log_seek_kind {
    LOG_SEEK_TIMESTAMP,         /* first record whose own timestamp >= time_ms (ListOffsets) */
    LOG_SEEK_MAX_TIMESTAMP,     /* the record with the largest timestamp (ListOffsets -3) */
    LOG_SEEK_ARRIVAL,           /* first record that arrived at or after time_ms (AT_TIMESTAMP) */
    LOG_SEEK_BOUNDS             /* only the bounds */
};
struct log_seek {
    struct codec_work work;     /* storage's, but for client: whose turn it is */
    struct log_open open;       /* storage's */
    struct topic *topic;
    int32_t partition;
    enum log_seek_kind kind;
    int64_t time_ms;
    struct loop *home;
    void (*done)(struct log_seek *q);
    int tries;              /* reader.c's */

    enum err err;           /* ERR_NOT_FOUND: no such record. ERR_KAFKA_STORAGE_ERROR; ERR_CLOSED */
    int64_t offset;
    int64_t timestamp_ms;   /* the found record's own timestamp (arrival for LOG_SEEK_ARRIVAL) */
    struct log_bounds bounds;
};
void store_seek(struct store *s, struct log_seek *q);   /* Thread: any */

#endif
