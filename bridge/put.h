/* Putting records: PutRecord and PutRecords share this road to the logs.
 *
 * Each record goes to the open shard whose range holds its hash; records of one shard travel as one
 * record batch, in their order, and come back with their offsets. When a reshard overtakes them,
 * what was not written is routed again by the new shard map. Thread: the request's loop. */
#ifndef BRIDGE_PUT_H
#define BRIDGE_PUT_H

#include "base/u128.h"
#include "bridge/request.h"

struct put_record {
    struct bytes partition_key;
    struct bytes explicit_hash_key;     /* its text, or null; kept as a header for Kafka readers */
    struct bytes data;
    u128 hash;
    int32_t next;                       /* put.c's: in the same batch, -1: last */

    enum err err;                       /* ERR_OK: what follows is set */
    const char *text;                   /* with an error; in the arena */
    int32_t shard;                      /* with ERR_PROVISIONED_THROUGHPUT_EXCEEDED too */
    int64_t shard_created_ms;
    int64_t offset;
    int64_t arrival_ms;
};

struct put {
    struct front_request *rq;
    struct topic *topic;                /* reference, dropped when done */
    struct put_record *records;
    uint32_t count;
    void (*done)(struct put *p);        /* every record has its result */
    uint32_t pending;                   /* put.c's */
    struct put_pack *packs;             /* put.c's */
};

/* The header that carries an ExplicitHashKey into the log. */
#define PUT_EXPLICIT_HASH_HEADER "diglot.explicit.hash.key"

/* Fills in the hash of each record. Errors: ERR_INVALID_ARGUMENT, answered already - an
 * ExplicitHashKey is out of range. Thread: the request's loop. */
enum err put_hash(struct front_request *rq, struct put_record *records, uint32_t count);
/* Their data and partition keys against the stream's MaxRecordSizeInKiB. Errors: ERR_VALIDATION,
 * answered already in the form of a broken constraint. Thread: the request's loop. */
enum err put_check_sizes(struct front_request *rq, const struct topic *t,
                         const struct put_record *records, uint32_t count);

/* Starts; p->done() comes later, or inside when no record passed. Takes over p->topic. */
void put_start(struct put *p);

/* The sequence number of a record that was put, in the arena. */
struct bytes put_sequence(struct put *p, const struct put_record *r);

#endif
