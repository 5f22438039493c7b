/* What CloudWatch would show of each stream, under the names that its Prometheus exporter gives:
 * aws_kinesis_incoming_bytes_sum{stream_name="..."} and so on.
 *
 * Sums count from the start of the server; maxima are of this minute and the one before. A stream
 * has series once it was used through this door, until it is deleted. At most METERS_MAX streams
 * have series of their own; what others do is counted under one further name, stream_name="". */
#ifndef BRIDGE_METER_H
#define BRIDGE_METER_H

#include <stdint.h>
#include "base/uuid.h"
#include "base/writer.h"

enum { METERS_MAX = 2048 };

/* Sums. The order is that of their names in meter.c. */
enum meter_sum {
    METER_INCOMING_BYTES, METER_INCOMING_RECORDS,
    METER_PUT_RECORD_BYTES, METER_PUT_RECORD_LATENCY_MS, METER_PUT_RECORD_SUCCESS,
    METER_PUT_RECORD_CALLS,
    METER_PUT_RECORDS_BYTES, METER_PUT_RECORDS_LATENCY_MS, METER_PUT_RECORDS_SUCCESS,
    METER_PUT_RECORDS_CALLS,
    METER_PUT_RECORDS_TOTAL, METER_PUT_RECORDS_SUCCESSFUL, METER_PUT_RECORDS_FAILED,
    METER_PUT_RECORDS_THROTTLED,
    METER_GET_RECORDS_BYTES, METER_GET_RECORDS_RECORDS, METER_GET_RECORDS_LATENCY_MS,
    METER_GET_RECORDS_SUCCESS,
    METER_GET_RECORDS_CALLS, METER_READ_EXCEEDED, METER_WRITE_EXCEEDED,
    METER_SUBSCRIBE_SUCCESS, METER_SUBSCRIBE_RATE_EXCEEDED,
    METER_EVENT_BYTES, METER_EVENT_RECORDS, METER_EVENT_SUCCESS,
    METER_SUM_COUNT
};
enum meter_maximum { METER_ITERATOR_AGE, METER_EVENT_BEHIND, METER_MAXIMUM_COUNT };

/* What one request or event adds; a zeroed one adds nothing. A maximum of 0 is a value like any
 * other: `seen` says which were set. */
struct meter_delta {
    int64_t sums[METER_SUM_COUNT];
    int64_t maxima[METER_MAXIMUM_COUNT];
    bool seen[METER_MAXIMUM_COUNT];
};

struct meters;
struct topic;
struct store;

struct meters *stream_meters_new(void);            /* never NULL */
void stream_meters_free(struct meters *m);         /* NULL is a no-op */

/* Thread: any; a short leaf lock. */
void stream_meter_add(struct meters *m, const struct topic *t, const struct meter_delta *delta);

/* Forgets the streams that the store does not have any more, then writes the others. Thread:
 * any. */
void stream_meters_write(struct meters *m, struct store *s, struct writer *out);

/* For metrics_collector(); bridge: a struct bridge. Thread: any, while the bridge lives. */
void bridge_collect(struct writer *out, void *bridge);

#endif
