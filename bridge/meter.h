/* What CloudWatch would show of each stream, shard and stream consumer, under the names that its
 * Prometheus exporter gives: aws_kinesis_incoming_bytes_sum{stream_name="..."} and so on.
 *
 * Sums count from the start of the server, maxima are of this minute and the one before (see
 * base/meter.h). All of it counts what was done through this door. Whoever is beyond a table's
 * limit is counted under labels that no name can have. */
#ifndef BRIDGE_METER_H
#define BRIDGE_METER_H

#include <stdint.h>
#include "base/meter.h"

enum {
    METER_STREAMS_MAX = 2048,
    METER_SHARDS_MAX = 16384,
    METER_CONSUMERS_MAX = 16384,
};

/* Places in a delta of meter_stream(). */
enum {
    METER_INCOMING_BYTES, METER_INCOMING_RECORDS,
    METER_PUT_RECORD_BYTES, METER_PUT_RECORD_LATENCY_MS, METER_PUT_RECORD_SUCCESS,
    METER_PUT_RECORD_CALLS,
    METER_PUT_RECORDS_BYTES, METER_PUT_RECORDS_LATENCY_MS, METER_PUT_RECORDS_SUCCESS,
    METER_PUT_RECORDS_CALLS,
    METER_PUT_RECORDS_TOTAL, METER_PUT_RECORDS_SUCCESSFUL, METER_PUT_RECORDS_FAILED,
    METER_PUT_RECORDS_THROTTLED,
    METER_GET_RECORDS_BYTES, METER_GET_RECORDS_RECORDS, METER_GET_RECORDS_LATENCY_MS,
    METER_GET_RECORDS_SUCCESS, METER_GET_RECORDS_CALLS,
    METER_GET_RECORDS_ITERATOR_AGE_MS,      /* maximum */
    METER_READ_EXCEEDED, METER_WRITE_EXCEEDED,
    METER_STREAM_COUNT
};

/* Of meter_shard(). */
enum {
    METER_SHARD_INCOMING_BYTES, METER_SHARD_INCOMING_RECORDS,
    METER_SHARD_OUTGOING_BYTES, METER_SHARD_OUTGOING_RECORDS,
    METER_SHARD_ITERATOR_AGE_MS,            /* maximum */
    METER_SHARD_READ_EXCEEDED, METER_SHARD_WRITE_EXCEEDED,
    METER_SHARD_COUNT
};

/* Of meter_consumer(). */
enum {
    METER_SUBSCRIBE_SUCCESS, METER_SUBSCRIBE_RATE_EXCEEDED,
    METER_EVENT_BYTES, METER_EVENT_RECORDS, METER_EVENT_SUCCESS,
    METER_EVENT_BEHIND_MS,                  /* maximum */
    METER_CONSUMER_COUNT
};

struct store;
struct topic;

struct bridge_meters {
    struct meters *streams, *shards, *consumers;
};

/* s: asked who is still there; outlives m. */
void bridge_meters_init(struct bridge_meters *m, struct store *s);
void bridge_meters_done(struct bridge_meters *m);

/* A request or event adds what it did. Thread: any; a short leaf lock. */
void meter_stream(const struct bridge_meters *m, const struct topic *t,
                  const struct meter_delta *delta);
void meter_shard(const struct bridge_meters *m, const struct topic *t, int32_t shard,
                 const struct meter_delta *delta);
/* created_ms: another consumer of the same name begins at 0. */
void meter_consumer(const struct bridge_meters *m, const struct topic *t, struct bytes name,
                    int64_t created_ms, const struct meter_delta *delta);

/* Forgets who is gone, writes the others. Thread: any. */
void bridge_meters_write(const struct bridge_meters *m, struct writer *out);

/* For metrics_collector(); bridge: a struct bridge. Thread: any, while the bridge lives. */
void bridge_collect(struct writer *out, void *bridge);

#endif
