/* What CloudWatch would show of this broker if it were an Amazon MSK cluster (namespace AWS/Kafka),
 * under the names that its Prometheus exporter gives:
 * aws_kafka_bytes_in_per_sec_average{cluster_name="diglot",broker_id="1",topic="..."} and so on.
 *
 * Traffic is what clients of the Kafka door sent and got, record batches alone, as Kafka counts it.
 * At most MSK_TOPICS_MAX topics have series of their own; what others do is shown under topic="".
 * Source: Amazon MSK Developer Guide, "Amazon MSK metrics for monitoring Standard brokers". */
#ifndef BROKER_METRICS_MSK_H
#define BROKER_METRICS_MSK_H

#include "base/writer.h"
#include "broker/metrics/collection.h"

enum { MSK_TOPICS_MAX = 2048 };

struct meters;

struct meters *msk_traffic_new(struct broker *b);       /* free with meters_free() */

/* Records that a producer's batch brought, and bytes that a consumer gets. Thread: any; a short
 * leaf lock, twice. */
void msk_count_in(struct broker *b, const struct topic *t, size_t bytes, int64_t records);
void msk_count_out(struct broker *b, const struct topic *t, size_t bytes);

/* Thread: any, while the broker lives. */
void msk_write(struct writer *out, const struct collection *c);

#endif
