/* How much may pass: token buckets of shards and of their consumers.
 *
 * A profile is a set of limits. `kinesis` is what AWS gives a shard (Amazon Kinesis Data Streams
 * quotas): 1 MiB/s and 1,000 records/s in, 2 MiB/s and 5 GetRecords/s out, 5 GetShardIterator/s; a
 * call that returns 10 MB closes the shard's reads for the next 5 s. `off` lets everything pass.
 * Buckets hold one second's worth and refill continuously; a bucket is made at its first use and
 * dropped when it is full again, LIMITS_BUCKETS_MAX at most (beyond it the fullest one makes room).
 * Time comes in as now_ms (clock_mono_ms). Thread: any; a short leaf lock inside. */
#ifndef POLICY_LIMITS_H
#define POLICY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/uuid.h"

enum limits_profile { LIMITS_OFF, LIMITS_KINESIS };
enum { LIMITS_BUCKETS_MAX = 65536 };

struct limits;

struct limits *limits_new(enum limits_profile profile);     /* never NULL */
void limits_free(struct limits *l);                         /* NULL is a no-op */
void limits_set(struct limits *l, enum limits_profile profile);     /* from the next call on */

/* One shard. */
struct limits_key {
    struct uuid topic_id;
    int32_t shard;
};

/* Takes one record of so many bytes (data and partition key) if both buckets have room: all or
 * nothing. A record beyond 1 MiB takes from a tank of 10 MiB that refills at the same rate, less
 * what smaller records take; these go on after it. False: ProvisionedThroughputExceeded. */
bool limits_take_write(struct limits *l, const struct limits_key *key, uint32_t bytes,
                       int64_t now_ms);

/* Before a GetRecords: takes one of the 5 calls. False: exceeded, or a penalty runs. */
bool limits_take_read(struct limits *l, const struct limits_key *key, int64_t now_ms);
/* After it: what it returned, which may be more than was left; then the next calls wait. */
void limits_charge_read(struct limits *l, const struct limits_key *key, uint64_t bytes,
                        int64_t now_ms);

/* One of the 5 GetShardIterator calls a second. */
bool limits_take_iterator(struct limits *l, const struct limits_key *key, int64_t now_ms);

/* Enhanced fan-out: how many bytes may be pushed now to this consumer of the shard (2 MiB/s each);
 * 0: later. consumer: any number that names it within the stream. Charged by the second call. */
uint64_t limits_push_room(struct limits *l, const struct limits_key *key, uint64_t consumer,
                          int64_t now_ms);
void limits_charge_push(struct limits *l, const struct limits_key *key, uint64_t consumer,
                        uint64_t bytes, int64_t now_ms);

/* How many shards and consumers have buckets now, at most LIMITS_BUCKETS_MAX: for tests. */
uint32_t limits_gauges(struct limits *l);

#endif
