#include "broker/metrics/msk.h"

#include <inttypes.h>
#include "base/meter.h"
#include "base/metrics.h"
#include "base/net/counters.h"
#include "broker/state.h"
#include "storage/store.h"
#include "base/check.h"

#define CLUSTER "cluster_name=\"diglot\""

/* ---- Traffic */

enum { BYTES_IN, BYTES_OUT, MESSAGES_IN, TRAFFIC_COUNT };

static const struct meter_series traffic[TRAFFIC_COUNT] = {
    [BYTES_IN] = {METER_RATE, "aws_kafka_bytes_in_per_sec_average",
                  "Bytes of record batches a second from producers, of this minute and the last."},
    [BYTES_OUT] = {METER_RATE, "aws_kafka_bytes_out_per_sec_average",
                   "Bytes of record batches a second to consumers, of this minute and the last."},
    [MESSAGES_IN] = {METER_RATE, "aws_kafka_messages_in_per_sec_average",
                     "Records a second from producers, of this minute and the last."},
};

struct traffic_of {
    int32_t node_id;
    const struct topic *topic;          /* NULL: the broker's */
};

static void write_labels(struct writer *out, const void *who)
{
    const struct traffic_of *of = who;
    writer_printf(out, CLUSTER ",broker_id=\"%" PRId32 "\"", of->node_id);
    if (of->topic == NULL) return;
    writer_text(out, ",topic=");
    metrics_label(out, topic_name(of->topic));
}

static bool is_alive(void *context, const struct meter_key *key)
{
    struct broker *b = context;
    if (uuid_is_zero(&key->id)) return true;            /* the broker's own */
    struct topic *t = store_topic_by_id(b->store, &key->id);
    topic_unref(t);
    return t != NULL;
}

static const struct meter_plan plan = {
    .series = traffic,
    .series_count = TRAFFIC_COUNT,
    .keys_max = MSK_TOPICS_MAX + 1,
    .labels_beyond = CLUSTER ",topic=\"\"",
    .write_labels = write_labels,
    .is_alive = is_alive,
};

static void count(struct broker *b, const struct topic *t, const struct meter_delta *delta)
{
    struct meter_key key = {.id = t != NULL ? t->id : (struct uuid){{0}}};
    struct traffic_of of = {.node_id = b->options.node_id, .topic = t};
    meter_add(b->traffic, &key, &of, delta);
}

struct meters *msk_traffic_new(struct broker *b)
{
    return meters_new(&plan, b);
}

void msk_count_in(struct broker *b, const struct topic *t, size_t bytes, int64_t records)
{
    struct meter_delta d = {.by = {[BYTES_IN] = (int64_t)bytes, [MESSAGES_IN] = records}};
    count(b, NULL, &d);
    count(b, t, &d);
}

void msk_count_out(struct broker *b, const struct topic *t, size_t bytes)
{
    struct meter_delta d = {.by = {[BYTES_OUT] = (int64_t)bytes}};
    count(b, NULL, &d);
    count(b, t, &d);
}

/* ---- Lag of a group on a topic: rows of a group are ordered by topic */

struct topic_lag {
    const struct offset_row *row;       /* one of them, for the names */
    bool known;                         /* of one partition at least */
    int64_t max, sum;                   /* records */
    int64_t max_ms;                     /* -1: not known */
};

/* Takes the rows of one group and topic from `at` on; returns where the next ones begin. */
static int32_t lag_of_topic(const struct collection *c, int32_t at, struct topic_lag *ret)
{
    *ret = (struct topic_lag){.row = &c->offsets[at], .max_ms = -1};
    int32_t end = collection_topic_end(c, at);
    for (; at < end; at++) {
        const struct offset_row *row = &c->offsets[at];
        if (row->lag_ms > ret->max_ms) ret->max_ms = row->lag_ms;
        if (row->lag < 0) continue;
        ret->known = true;
        ret->sum += row->lag;
        if (row->lag > ret->max) ret->max = row->lag;
    }
    return end;
}

enum lag_series { LAG_MAX, LAG_SUM, LAG_TIME, LAG_COUNT };
static const struct {
    const char *name, *help;
} lag_series[LAG_COUNT] = {
    [LAG_MAX] = {"aws_kafka_max_offset_lag_maximum",
                 "Records a group has not committed, of the partition that has most."},
    [LAG_SUM] = {"aws_kafka_sum_offset_lag_maximum",
                 "Records a group has not committed, of all partitions of a topic."},
    [LAG_TIME] = {"aws_kafka_estimated_max_time_lag_maximum",
                  "Seconds since the oldest record arrived that a group has not committed."},
};

static void write_lag(struct writer *out, const struct topic_lag *lag, enum lag_series series)
{
    int64_t value = series == LAG_MAX ? lag->max : series == LAG_SUM ? lag->sum : lag->max_ms;
    if (!lag->known || value < 0) return;
    writer_printf(out, "%s{" CLUSTER ",consumer_group=", lag_series[series].name);
    metrics_label(out, lag->row->group);
    writer_text(out, ",topic=");
    metrics_label(out, topic_name(lag->row->topic));
    if (series == LAG_TIME)
        writer_printf(out, "} %" PRId64 ".%03d\n", value / 1000, (int)(value % 1000));
    else writer_printf(out, "} %" PRId64 "\n", value);
}

static void write_lags(struct writer *out, const struct collection *c)
{
    for (enum lag_series series = 0; series < LAG_COUNT; series++) {
        metrics_head(out, lag_series[series].name, "gauge", lag_series[series].help);
        struct topic_lag lag;
        for (int32_t at = 0; at < c->offset_count;) {
            at = lag_of_topic(c, at, &lag);
            write_lag(out, &lag, series);
        }
    }
}

/* ---- The broker */

static void write_broker(struct writer *out, const struct broker *b, const char *name,
                         const char *help, int64_t value)
{
    metrics_head(out, name, "gauge", help);
    writer_printf(out, "%s{" CLUSTER ",broker_id=\"%" PRId32 "\"} %" PRId64 "\n", name,
                  b->options.node_id, value);
}

void msk_write(struct writer *out, const struct collection *c)
{
    const struct broker *b = c->broker;
    struct catalog_totals totals;
    store_totals(b->store, &totals);
    write_broker(out, b, "aws_kafka_partition_count_average", "Partitions of the broker.",
                 totals.partitions);
    write_broker(out, b, "aws_kafka_connection_count_average", "Connections of Kafka clients.",
                 net_connections_open("kafka"));
    /* This door has no quotas, so it never makes a client wait. */
    write_broker(out, b, "aws_kafka_produce_throttle_time_average",
                 "Milliseconds that producers are made to wait.", 0);
    write_broker(out, b, "aws_kafka_fetch_throttle_time_average",
                 "Milliseconds that consumers are made to wait.", 0);
    write_lags(out, c);
    meters_write(&b->traffic, 1, out);
}
