/* One table under one leaf lock, which a request takes once, when it ends: all its numbers go in
 * together, so no atomics are needed and a scrape never sees half of a request. A scrape copies the
 * table under the lock and writes from the copy. */
#include "bridge/meter.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/map.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "bridge/state.h"
#include "storage/store.h"
#include "base/check.h"

enum { MINUTE_MS = 60 * 1000 };

struct maximum {
    int64_t minute;                 /* `now` belongs to it */
    int64_t now, before;            /* -1: nothing was seen */
};

struct meter {
    struct map_node by_id;
    struct uuid id;
    char name[STREAM_NAME_BYTES_MAX + 1];
    int64_t sums[METER_SUM_COUNT];
    struct maximum maxima[METER_MAXIMUM_COUNT];
};

struct meters {
    pthread_mutex_t lock;
    struct map by_id;
    struct meter others;            /* of the streams beyond METERS_MAX */
    bool others_used;
};

#define NAME(metric) "aws_kinesis_" metric
static const char *const sum_names[METER_SUM_COUNT] = {
    [METER_INCOMING_BYTES] = NAME("incoming_bytes_sum"),
    [METER_INCOMING_RECORDS] = NAME("incoming_records_sum"),
    [METER_PUT_RECORD_BYTES] = NAME("put_record_bytes_sum"),
    [METER_PUT_RECORD_LATENCY_MS] = NAME("put_record_latency_sum"),
    [METER_PUT_RECORD_SUCCESS] = NAME("put_record_success_sum"),
    [METER_PUT_RECORD_CALLS] = NAME("put_record_success_sample_count"),
    [METER_PUT_RECORDS_BYTES] = NAME("put_records_bytes_sum"),
    [METER_PUT_RECORDS_LATENCY_MS] = NAME("put_records_latency_sum"),
    [METER_PUT_RECORDS_SUCCESS] = NAME("put_records_success_sum"),
    [METER_PUT_RECORDS_CALLS] = NAME("put_records_success_sample_count"),
    [METER_PUT_RECORDS_TOTAL] = NAME("put_records_total_records_sum"),
    [METER_PUT_RECORDS_SUCCESSFUL] = NAME("put_records_successful_records_sum"),
    [METER_PUT_RECORDS_FAILED] = NAME("put_records_failed_records_sum"),
    [METER_PUT_RECORDS_THROTTLED] = NAME("put_records_throttled_records_sum"),
    [METER_GET_RECORDS_BYTES] = NAME("get_records_bytes_sum"),
    [METER_GET_RECORDS_RECORDS] = NAME("get_records_records_sum"),
    [METER_GET_RECORDS_LATENCY_MS] = NAME("get_records_latency_sum"),
    [METER_GET_RECORDS_SUCCESS] = NAME("get_records_success_sum"),
    [METER_GET_RECORDS_CALLS] = NAME("get_records_success_sample_count"),
    [METER_READ_EXCEEDED] = NAME("read_provisioned_throughput_exceeded_sum"),
    [METER_WRITE_EXCEEDED] = NAME("write_provisioned_throughput_exceeded_sum"),
    [METER_SUBSCRIBE_SUCCESS] = NAME("subscribe_to_shard_success_sum"),
    [METER_SUBSCRIBE_RATE_EXCEEDED] = NAME("subscribe_to_shard_rate_exceeded_sum"),
    [METER_EVENT_BYTES] = NAME("subscribe_to_shard_event_bytes_sum"),
    [METER_EVENT_RECORDS] = NAME("subscribe_to_shard_event_records_sum"),
    [METER_EVENT_SUCCESS] = NAME("subscribe_to_shard_event_success_sum"),
};
static const char *const maximum_names[METER_MAXIMUM_COUNT] = {
    [METER_ITERATOR_AGE] = NAME("get_records_iterator_age_milliseconds_maximum"),
    [METER_EVENT_BEHIND] = NAME("subscribe_to_shard_event_millis_behind_latest_maximum"),
};

struct meters *stream_meters_new(void)
{
    struct meters *m = NEW(struct meters);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void remove_meter(struct meters *m, struct meter *meter)
{
    map_remove(&m->by_id, &meter->by_id);
    mem_free(meter);
}

void stream_meters_free(struct meters *m)
{
    if (m == NULL) return;
    for (uint32_t i = 0; i < m->by_id.bucket_count; i++)
        while (m->by_id.buckets[i] != NULL)
            remove_meter(m, CONTAINER_OF(m->by_id.buckets[i], struct meter, by_id));
    map_done(&m->by_id);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static uint64_t hash_of(const struct uuid *id)
{
    return bytes_hash(bytes_of(id->bytes, sizeof id->bytes));
}

/* NULL: none. The lock is held. */
static struct meter *find(const struct meters *m, const struct uuid *id)
{
    for (struct map_node *n = map_first(&m->by_id, hash_of(id)); n != NULL; n = map_next(n)) {
        struct meter *meter = CONTAINER_OF(n, struct meter, by_id);
        if (uuid_equal(&meter->id, id)) return meter;
    }
    return NULL;
}

/* The lock is held. */
static struct meter *meter_of(struct meters *m, const struct topic *t)
{
    struct meter *meter = find(m, &t->id);
    if (meter != NULL) return meter;
    if (m->by_id.count == METERS_MAX) {
        m->others_used = true;
        return &m->others;
    }
    meter = NEW(struct meter);
    meter->id = t->id;
    bytes_to_text(topic_name(t), meter->name, sizeof meter->name);
    map_put(&m->by_id, &meter->by_id, hash_of(&meter->id));
    return meter;
}

static void turn_minute(struct maximum *max, int64_t minute)
{
    if (max->minute == minute) return;
    max->before = max->minute == minute - 1 ? max->now : -1;
    max->now = -1;
    max->minute = minute;
}

void stream_meter_add(struct meters *m, const struct topic *t, const struct meter_delta *delta)
{
    int64_t minute = clock_mono_ms() / MINUTE_MS + 1;     /* never 0, which a new meter has */
    pthread_mutex_lock(&m->lock);
    struct meter *meter = meter_of(m, t);
    for (int i = 0; i < METER_SUM_COUNT; i++) meter->sums[i] += delta->sums[i];
    for (int i = 0; i < METER_MAXIMUM_COUNT; i++) {
        struct maximum *max = &meter->maxima[i];
        if (!delta->seen[i]) continue;
        turn_minute(max, minute);
        if (delta->maxima[i] > max->now) max->now = delta->maxima[i];
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- Showing */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct meter *)a)->name, ((const struct meter *)b)->name);
}

/* All meters, ordered by name; the caller frees them. */
static struct meter *copy(struct meters *m, uint32_t *ret_count)
{
    uint32_t count = 0;
    pthread_mutex_lock(&m->lock);
    struct meter *list = NEW_ARRAY(struct meter, m->by_id.count + 1);
    for (uint32_t i = 0; i < m->by_id.bucket_count; i++)
        for (struct map_node *n = m->by_id.buckets[i]; n != NULL; n = n->next)
            list[count++] = *CONTAINER_OF(n, struct meter, by_id);
    if (m->others_used) list[count++] = m->others;
    pthread_mutex_unlock(&m->lock);
    qsort(list, count, sizeof *list, by_name);
    *ret_count = count;
    return list;
}

/* The list without the streams that are gone, which are forgotten. One lock at a time. */
static uint32_t prune(struct meters *m, struct store *s, struct meter *list, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct topic *t = list[i].name[0] != '\0' ? store_topic_by_id(s, &list[i].id) : NULL;
        bool gone = t == NULL && list[i].name[0] != '\0';
        topic_unref(t);
        if (!gone) {
            list[kept++] = list[i];
            continue;
        }
        pthread_mutex_lock(&m->lock);
        struct meter *meter = find(m, &list[i].id);
        if (meter != NULL) remove_meter(m, meter);
        pthread_mutex_unlock(&m->lock);
    }
    return kept;
}

static void write_line(struct writer *out, const char *name, const struct meter *meter,
                       int64_t value)
{
    writer_printf(out, "%s{stream_name=", name);
    metrics_label(out, bytes_str(meter->name));
    writer_printf(out, "} %" PRId64 "\n", value);
}

void stream_meters_write(struct meters *m, struct store *s, struct writer *out)
{
    uint32_t count;
    struct meter *list = copy(m, &count);
    count = prune(m, s, list, count);
    for (int i = 0; i < METER_SUM_COUNT && count > 0; i++) {
        metrics_head(out, sum_names[i], "counter",
                     "As CloudWatch's metric of this name; since the start.");
        for (uint32_t k = 0; k < count; k++)
            write_line(out, sum_names[i], &list[k], list[k].sums[i]);
    }
    int64_t minute = clock_mono_ms() / MINUTE_MS + 1;
    for (int i = 0; i < METER_MAXIMUM_COUNT && count > 0; i++) {
        metrics_head(out, maximum_names[i], "gauge",
                     "As CloudWatch's metric of this name; of this minute and the last.");
        for (uint32_t k = 0; k < count; k++) {
            struct maximum *max = &list[k].maxima[i];
            if (max->minute == 0) continue;
            turn_minute(max, minute);
            int64_t value = max->now > max->before ? max->now : max->before;
            if (value >= 0) write_line(out, maximum_names[i], &list[k], value);
        }
    }
    mem_free(list);
}

void bridge_collect(struct writer *out, void *bridge)
{
    struct bridge *b = bridge;
    stream_meters_write(b->meters, b->store, out);
}
