#include "bridge/meter.h"

#include "base/metrics.h"
#include "bridge/state.h"
#include "protocol/kinesis/arn.h"
#include "storage/store.h"
#include "base/check.h"

#define SUM(name) {METER_SUM, "aws_kinesis_" name "_sum",                                          \
                   "As CloudWatch's metric of this name; since the start."}
/* How often it was told, whatever it was. */
#define CALLS(name) {METER_SUM, "aws_kinesis_" name "_sample_count",                               \
                     "As CloudWatch's metric of this name; since the start."}
#define MAXIMUM(name) {METER_MAXIMUM, "aws_kinesis_" name "_maximum",                              \
                       "As CloudWatch's metric of this name; of this minute and the last."}

static const struct meter_series stream_series[METER_STREAM_COUNT] = {
    [METER_INCOMING_BYTES] = SUM("incoming_bytes"),
    [METER_INCOMING_RECORDS] = SUM("incoming_records"),
    [METER_PUT_RECORD_BYTES] = SUM("put_record_bytes"),
    [METER_PUT_RECORD_LATENCY_MS] = SUM("put_record_latency"),
    [METER_PUT_RECORD_SUCCESS] = SUM("put_record_success"),
    [METER_PUT_RECORD_CALLS] = CALLS("put_record_success"),
    [METER_PUT_RECORDS_BYTES] = SUM("put_records_bytes"),
    [METER_PUT_RECORDS_LATENCY_MS] = SUM("put_records_latency"),
    [METER_PUT_RECORDS_SUCCESS] = SUM("put_records_success"),
    [METER_PUT_RECORDS_CALLS] = CALLS("put_records_success"),
    [METER_PUT_RECORDS_TOTAL] = SUM("put_records_total_records"),
    [METER_PUT_RECORDS_SUCCESSFUL] = SUM("put_records_successful_records"),
    [METER_PUT_RECORDS_FAILED] = SUM("put_records_failed_records"),
    [METER_PUT_RECORDS_THROTTLED] = SUM("put_records_throttled_records"),
    [METER_GET_RECORDS_BYTES] = SUM("get_records_bytes"),
    [METER_GET_RECORDS_RECORDS] = SUM("get_records_records"),
    [METER_GET_RECORDS_LATENCY_MS] = SUM("get_records_latency"),
    [METER_GET_RECORDS_SUCCESS] = SUM("get_records_success"),
    [METER_GET_RECORDS_CALLS] = CALLS("get_records_success"),
    [METER_GET_RECORDS_ITERATOR_AGE_MS] = MAXIMUM("get_records_iterator_age_milliseconds"),
    [METER_READ_EXCEEDED] = SUM("read_provisioned_throughput_exceeded"),
    [METER_WRITE_EXCEEDED] = SUM("write_provisioned_throughput_exceeded"),
};

static const struct meter_series shard_series[METER_SHARD_COUNT] = {
    [METER_SHARD_INCOMING_BYTES] = SUM("incoming_bytes"),
    [METER_SHARD_INCOMING_RECORDS] = SUM("incoming_records"),
    [METER_SHARD_OUTGOING_BYTES] = SUM("outgoing_bytes"),
    [METER_SHARD_OUTGOING_RECORDS] = SUM("outgoing_records"),
    [METER_SHARD_ITERATOR_AGE_MS] = MAXIMUM("iterator_age_milliseconds"),
    [METER_SHARD_READ_EXCEEDED] = SUM("read_provisioned_throughput_exceeded"),
    [METER_SHARD_WRITE_EXCEEDED] = SUM("write_provisioned_throughput_exceeded"),
};

static const struct meter_series consumer_series[METER_CONSUMER_COUNT] = {
    [METER_SUBSCRIBE_SUCCESS] = SUM("subscribe_to_shard_success"),
    [METER_SUBSCRIBE_RATE_EXCEEDED] = SUM("subscribe_to_shard_rate_exceeded"),
    [METER_EVENT_BYTES] = SUM("subscribe_to_shard_event_bytes"),
    [METER_EVENT_RECORDS] = SUM("subscribe_to_shard_event_records"),
    [METER_EVENT_SUCCESS] = SUM("subscribe_to_shard_event_success"),
    [METER_EVENT_BEHIND_MS] = MAXIMUM("subscribe_to_shard_event_millis_behind_latest"),
};

/* ---- Streams */

static void write_stream(struct writer *out, const void *who)
{
    const struct topic *t = who;
    writer_text(out, "stream_name=");
    metrics_label(out, topic_name(t));
}

static bool stream_is_alive(void *store, const struct meter_key *key)
{
    struct topic *t = store_topic_by_id(store, &key->id);
    topic_unref(t);
    return t != NULL;
}

static const struct meter_plan stream_plan = {
    .series = stream_series,
    .series_count = METER_STREAM_COUNT,
    .keys_max = METER_STREAMS_MAX,
    .labels_beyond = "stream_name=\"\"",
    .write_labels = write_stream,
    .is_alive = stream_is_alive,
};

void meter_stream(const struct bridge_meters *m, const struct topic *t,
                  const struct meter_delta *delta)
{
    struct meter_key key = {.id = t->id};
    meter_add(m->streams, &key, t, delta);
}

/* ---- Shards */

struct shard_who {
    const struct topic *topic;
    int32_t shard;
};

static void write_shard(struct writer *out, const void *who)
{
    const struct shard_who *w = who;
    char id[SHARD_ID_TEXT_BYTES];
    write_stream(out, w->topic);
    writer_text(out, ",shard_id=");
    metrics_label(out, shard_id_format(w->shard, id));
}

static bool shard_is_alive(void *store, const struct meter_key *key)
{
    struct topic *t = store_topic_by_id(store, &key->id);
    bool alive = t != NULL && topic_shard(t, (int32_t)key->part) != NULL;
    topic_unref(t);
    return alive;
}

/* An empty label is as good as none, so these would else be the series of the streams beyond. */
static const struct meter_plan shard_plan = {
    .series = shard_series,
    .series_count = METER_SHARD_COUNT,
    .keys_max = METER_SHARDS_MAX,
    .labels_beyond = "stream_name=\"\",shard_id=\"other\"",
    .write_labels = write_shard,
    .is_alive = shard_is_alive,
};

void meter_shard(const struct bridge_meters *m, const struct topic *t, int32_t shard,
                 const struct meter_delta *delta)
{
    struct meter_key key = {.id = t->id, .part = (uint64_t)shard};
    meter_add(m->shards, &key, &(struct shard_who){t, shard}, delta);
}

/* ---- Consumers */

struct consumer_who {
    const struct topic *topic;
    struct bytes name;
};

static void write_consumer(struct writer *out, const void *who)
{
    const struct consumer_who *w = who;
    write_stream(out, w->topic);
    writer_text(out, ",consumer_name=");
    metrics_label(out, w->name);
}

/* A consumer has no id but its name and the time at which it was made. */
static uint64_t consumer_part(struct bytes name, int64_t created_ms)
{
    return bytes_hash(name) * 31 + (uint64_t)created_ms;
}

static bool consumer_is_alive(void *store, const struct meter_key *key)
{
    struct topic *t = store_topic_by_id(store, &key->id);
    bool alive = false;
    for (int32_t i = 0; t != NULL && i < t->consumer_count && !alive; i++) {
        const struct stream_consumer *c = &t->consumers[i];
        alive = consumer_part(bytes_str(c->name), c->created_ms) == key->part;
    }
    topic_unref(t);
    return alive;
}

static const struct meter_plan consumer_plan = {
    .series = consumer_series,
    .series_count = METER_CONSUMER_COUNT,
    .keys_max = METER_CONSUMERS_MAX,
    .labels_beyond = "stream_name=\"\",consumer_name=\"\"",
    .write_labels = write_consumer,
    .is_alive = consumer_is_alive,
};

void meter_consumer(const struct bridge_meters *m, const struct topic *t, struct bytes name,
                    int64_t created_ms, const struct meter_delta *delta)
{
    struct meter_key key = {.id = t->id, .part = consumer_part(name, created_ms)};
    meter_add(m->consumers, &key, &(struct consumer_who){t, name}, delta);
}

/* ---- All of them */

void bridge_meters_init(struct bridge_meters *m, struct store *s)
{
    *m = (struct bridge_meters){
        .streams = meters_new(&stream_plan, s),
        .shards = meters_new(&shard_plan, s),
        .consumers = meters_new(&consumer_plan, s),
    };
}

void bridge_meters_done(struct bridge_meters *m)
{
    meters_free(m->streams);
    meters_free(m->shards);
    meters_free(m->consumers);
}

void bridge_meters_write(const struct bridge_meters *m, struct writer *out)
{
    struct meters *tables[] = {m->streams, m->shards, m->consumers};
    meters_write(tables, sizeof tables / sizeof *tables, out);
}

void bridge_collect(struct writer *out, void *bridge)
{
    struct bridge *b = bridge;
    bridge_meters_write(&b->meters, out);
}
