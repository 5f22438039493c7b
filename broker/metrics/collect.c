/* The rows of a page (collection.h), written name by name. */
#include "broker/metrics/collect.h"

#include <inttypes.h>
#include "base/metrics.h"
#include "broker/group/groups.h"
#include "broker/metrics/collection.h"
#include "broker/metrics/msk.h"
#include "broker/state.h"
#include "storage/topic/topic.h"
#include "base/check.h"

/* ---- Writing */

static void write_topics(struct writer *out, const struct collection *c)
{
    metrics_head(out, "kafka_topic_partitions", "gauge", "Number of partitions of a topic.");
    for (int32_t t = 0; t < c->topic_count && t < COLLECT_PARTITIONS_MAX; t++) {
        writer_text(out, "kafka_topic_partitions{topic=");
        metrics_label(out, topic_name(c->topics[t]));
        writer_printf(out, "} %" PRId32 "\n", c->topics[t]->partition_count);
    }
}

enum partition_series {
    CURRENT_OFFSET, OLDEST_OFFSET, LEADER, PREFERRED, REPLICAS, IN_SYNC, UNDER_REPLICATED,
    SERIES_COUNT
};
static const struct {
    const char *name, *help;
} partition_series[SERIES_COUNT] = {
    [CURRENT_OFFSET] = {"kafka_topic_partition_current_offset", "Next offset of a partition."},
    [OLDEST_OFFSET] = {"kafka_topic_partition_oldest_offset",
                       "First readable offset of a partition."},
    [LEADER] = {"kafka_topic_partition_leader", "Node id of the leader of a partition."},
    [PREFERRED] = {"kafka_topic_partition_leader_is_preferred",
                   "1: the leader is the preferred one."},
    [REPLICAS] = {"kafka_topic_partition_replicas", "Number of replicas of a partition."},
    [IN_SYNC] = {"kafka_topic_partition_in_sync_replica", "Number of replicas in sync."},
    [UNDER_REPLICATED] = {"kafka_topic_partition_under_replicated_partition",
                          "1: a replica is missing."},
};

static int64_t partition_value(const struct collection *c, const struct partition_row *row,
                               int series)
{
    switch (series) {
    case CURRENT_OFFSET: return row->bounds.high_watermark;
    case OLDEST_OFFSET: return row->bounds.log_start;
    case LEADER: return c->broker->options.node_id;
    case UNDER_REPLICATED: return 0;
    default: return 1;
    }
}

static void write_partitions(struct writer *out, const struct collection *c)
{
    for (int series = 0; series < SERIES_COUNT; series++) {
        const char *name = partition_series[series].name;
        metrics_head(out, name, "gauge", partition_series[series].help);
        for (int32_t i = 0; i < c->partition_count; i++) {
            const struct partition_row *row = &c->partitions[i];
            if (!row->known && (series == CURRENT_OFFSET || series == OLDEST_OFFSET)) continue;
            writer_printf(out, "%s{topic=", name);
            metrics_label(out, topic_name(row->topic));
            writer_printf(out, ",partition=\"%" PRId32 "\"} %" PRId64 "\n", row->partition,
                          partition_value(c, row, series));
        }
    }
}

static void write_offset_name(struct writer *out, const char *name, const struct offset_row *row)
{
    writer_printf(out, "%s{consumergroup=", name);
    metrics_label(out, row->group);
    writer_text(out, ",topic=");
    metrics_label(out, topic_name(row->topic));
}

static void write_offsets(struct writer *out, const struct collection *c, const char *name,
                          const char *help, bool lag)
{
    metrics_head(out, name, "gauge", help);
    for (int32_t i = 0; i < c->offset_count; i++) {
        const struct offset_row *row = &c->offsets[i];
        if (lag && row->lag < 0) continue;
        write_offset_name(out, name, row);
        writer_printf(out, ",partition=\"%" PRId32 "\"} %" PRId64 "\n", row->partition,
                      lag ? row->lag : row->offset);
    }
}

/* A client may commit any offset, so the sum stops where the numbers do. */
static int64_t add(int64_t sum, int64_t offset)
{
    return __builtin_add_overflow(sum, offset, &sum) ? INT64_MAX : sum;
}

/* Rows of a group are ordered by topic; a topic without one known lag has no sum of it. */
static void write_sums(struct writer *out, const struct collection *c, const char *name,
                       const char *help, bool lag)
{
    metrics_head(out, name, "gauge", help);
    for (int32_t at = 0; at < c->offset_count;) {
        const struct offset_row *first = &c->offsets[at];
        int64_t sum = 0;
        bool known = false;
        for (int32_t end = collection_topic_end(c, at); at < end; at++) {
            const struct offset_row *row = &c->offsets[at];
            if (lag && row->lag < 0) continue;
            sum = add(sum, lag ? row->lag : row->offset);
            known = true;
        }
        if (!known) continue;
        write_offset_name(out, name, first);
        writer_printf(out, "} %" PRId64 "\n", sum);
    }
}

static void write_hidden(struct writer *out, const struct collection *c)
{
    metrics_head(out, "diglot_collect_hidden", "gauge",
                 "Partitions and committed offsets beyond what is shown.");
    writer_printf(out, "diglot_collect_hidden{what=\"partitions\"} %" PRId64 "\n",
                  c->partitions_hidden);
    writer_printf(out, "diglot_collect_hidden{what=\"offsets\"} %" PRId64 "\n", c->offsets_hidden);
}

static void write_lag_seconds(struct writer *out, const struct collection *c)
{
    static const char name[] = "kafka_consumergroup_lag_seconds";
    metrics_head(out, name, "gauge",
                 "How long ago the first record arrived that a group has not committed yet; 0 "
                 "without a lag.");
    for (int32_t i = 0; i < c->offset_count; i++) {
        const struct offset_row *row = &c->offsets[i];
        if (row->lag_ms < 0) continue;
        write_offset_name(out, name, row);
        writer_printf(out, ",partition=\"%" PRId32 "\"} %" PRId64 ".%03d\n", row->partition,
                      row->lag_ms / 1000, (int)(row->lag_ms % 1000));
    }
}

void broker_collect(struct writer *out, void *broker)
{
    struct collection c;
    collection_init(&c, broker);
    metrics_head(out, "kafka_brokers", "gauge", "Number of brokers in the cluster.");
    writer_text(out, "kafka_brokers 1\n");
    write_topics(out, &c);
    write_partitions(out, &c);
    write_offsets(out, &c, "kafka_consumergroup_current_offset", "Committed offset of a group.",
                  false);
    write_sums(out, &c, "kafka_consumergroup_current_offset_sum",
               "Committed offsets of a group and topic.", false);
    write_offsets(out, &c, "kafka_consumergroup_lag", "Records a group has not committed yet.",
                  true);
    write_sums(out, &c, "kafka_consumergroup_lag_sum", "The same over all partitions of a topic.",
               true);
    write_lag_seconds(out, &c);
    write_hidden(out, &c);
    msk_write(out, &c);
    collection_done(&c);
}

void collect_members(struct bytes group_id, int64_t count)
{
    struct writer labels;
    writer_init(&labels, 4096);        /* metrics_label() shortens */
    writer_text(&labels, "consumergroup=");
    metrics_label(&labels, group_id);
    writer_i8(&labels, 0);
    const char *name = "kafka_consumergroup_members", *text = (const char *)labels.data;
    if (count == GROUP_GONE) metric_hide(name, text);
    else metric_show(name, "Members of a consumer group.", text, count);
    writer_done(&labels);
}
