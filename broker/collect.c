/* The text format wants all series of a name together, so what is shown is gathered first - topics
 * and bounds, groups and their offsets - and written name by name. Each look takes one short lock;
 * numbers of different partitions may be some microseconds apart, as a scrape's always are. */
#include "broker/collect.h"

#include <inttypes.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/metrics.h"
#include "broker/group/groups.h"
#include "broker/state.h"
#include "storage/offsets.h"
#include "storage/store.h"
#include "base/check.h"

enum { STEP = 256, ARENA_BYTES_MAX = 32 << 20 };

struct partition_row {
    const struct topic *topic;
    int32_t partition;
    bool known;                     /* bounds are */
    struct log_bounds bounds;
};

struct offset_row {
    struct bytes group;
    struct topic *topic;            /* reference */
    int32_t partition;
    int64_t offset;
    int64_t lag;                    /* -1: the log was not used since the start */
};

struct collection {
    struct store *store;
    struct arena arena;             /* names of groups, entries */
    struct topic **topics;          /* references, ordered by name */
    int32_t topic_count, topic_cap;
    struct partition_row *partitions;
    int32_t partition_count;
    struct offset_row *offsets;
    int32_t offset_count;
    int64_t partitions_hidden, offsets_hidden;
};

/* ---- Gathering */

static void gather_topics(struct collection *c)
{
    struct bytes after = BYTES_NULL;
    int32_t got;
    do {
        if (c->topic_count + STEP > c->topic_cap) {
            c->topic_cap = c->topic_cap ? 2 * c->topic_cap : STEP;
            c->topics = mem_grow(c->topics, (size_t)c->topic_cap * sizeof(struct topic *));
        }
        got = store_topics(c->store, after, STEP, c->topics + c->topic_count);
        c->topic_count += got;
        if (got > 0) after = topic_name(c->topics[c->topic_count - 1]);
    } while (got == STEP);
}

static void gather_partitions(struct collection *c)
{
    for (int32_t t = 0; t < c->topic_count; t++) {
        const struct topic *topic = c->topics[t];
        for (int32_t p = 0; p < topic->partition_count; p++) {
            if (c->partition_count == COLLECT_PARTITIONS_MAX) {
                c->partitions_hidden += topic->partition_count - p;
                break;
            }
            struct partition_row *row = &c->partitions[c->partition_count++];
            *row = (struct partition_row){.topic = topic, .partition = p};
            row->known = plog_bounds(topic->partitions[p].log, &row->bounds) == ERR_OK;
        }
    }
}

static void gather_offset(struct collection *c, struct bytes group,
                          const struct offset_entry *entry)
{
    if (c->offset_count == COLLECT_OFFSETS_MAX) {
        c->offsets_hidden++;
        return;
    }
    CLEANUP(topic_unrefp) struct topic *topic = store_topic_by_id(c->store, &entry->topic_id);
    if (topic == NULL || entry->partition >= topic->partition_count) return;
    struct plog *log = topic->partitions[entry->partition].log;
    struct offset_row *row = &c->offsets[c->offset_count++];
    struct log_bounds bounds;
    *row = (struct offset_row){
        .group = group, .topic = TAKE(topic), .partition = entry->partition,
        .offset = entry->offset, .lag = -1};
    if (plog_bounds(log, &bounds) != ERR_OK) return;
    row->lag = bounds.high_watermark > entry->offset ? bounds.high_watermark - entry->offset : 0;
}

static int by_topic(const void *a, const void *b)
{
    const struct offset_row *x = a, *y = b;
    int by_name = bytes_compare(topic_name(x->topic), topic_name(y->topic));
    return by_name != 0 ? by_name : (x->partition > y->partition) - (x->partition < y->partition);
}

static void gather_group(struct collection *c, struct bytes group)
{
    struct offset_entry *entries;
    int32_t first = c->offset_count;
    int32_t count = store_offsets_of_group(c->store, group, &c->arena, &entries);
    for (int32_t i = 0; i < count; i++) gather_offset(c, group, &entries[i]);
    if (count > 0)
        qsort(c->offsets + first, (size_t)(c->offset_count - first), sizeof *c->offsets, by_topic);
}

static void gather_offsets(struct collection *c)
{
    struct bytes groups[STEP], after = BYTES_NULL;
    int32_t got;
    do {
        got = store_offset_groups(c->store, after, STEP, &c->arena, groups);
        for (int32_t i = 0; i < got; i++) gather_group(c, groups[i]);
        if (got > 0) after = groups[got - 1];
    } while (got == STEP && c->offsets_hidden == 0);
}

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

static int64_t partition_value(const struct broker *b, const struct partition_row *row, int series)
{
    switch (series) {
    case CURRENT_OFFSET: return row->bounds.high_watermark;
    case OLDEST_OFFSET: return row->bounds.log_start;
    case LEADER: return b->options.node_id;
    case UNDER_REPLICATED: return 0;
    default: return 1;
    }
}

static void write_partitions(struct writer *out, const struct broker *b, const struct collection *c)
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
                          partition_value(b, row, series));
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

/* Rows of a group are ordered by topic; a topic without one known lag has no sum of it. */
static void write_sums(struct writer *out, const struct collection *c, const char *name,
                       const char *help, bool lag)
{
    metrics_head(out, name, "gauge", help);
    int64_t sum = 0;
    bool known = false;
    for (int32_t i = 0; i < c->offset_count; i++) {
        const struct offset_row *row = &c->offsets[i],
                                *next = i + 1 < c->offset_count ? row + 1 : NULL;
        if (!lag || row->lag >= 0) {
            sum += lag ? row->lag : row->offset;
            known = true;
        }
        if (next != NULL && uuid_equal(&next->topic->id, &row->topic->id) &&
            bytes_equal(next->group, row->group))
            continue;
        if (known) {
            write_offset_name(out, name, row);
            writer_printf(out, "} %" PRId64 "\n", sum);
        }
        sum = 0;
        known = false;
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

void broker_collect(struct writer *out, void *broker)
{
    struct broker *b = broker;
    struct collection c = {
        .store = b->store,
        .partitions = NEW_ARRAY(struct partition_row, COLLECT_PARTITIONS_MAX),
        .offsets = NEW_ARRAY(struct offset_row, COLLECT_OFFSETS_MAX),
    };
    arena_init(&c.arena, ARENA_BYTES_MAX);
    gather_topics(&c);
    gather_partitions(&c);
    gather_offsets(&c);

    metrics_head(out, "kafka_brokers", "gauge", "Number of brokers in the cluster.");
    writer_text(out, "kafka_brokers 1\n");
    write_topics(out, &c);
    write_partitions(out, b, &c);
    write_offsets(out, &c, "kafka_consumergroup_current_offset", "Committed offset of a group.",
                  false);
    write_sums(out, &c, "kafka_consumergroup_current_offset_sum",
               "Committed offsets of a group and topic.", false);
    write_offsets(out, &c, "kafka_consumergroup_lag", "Records a group has not committed yet.",
                  true);
    write_sums(out, &c, "kafka_consumergroup_lag_sum", "The same over all partitions of a topic.",
               true);
    write_hidden(out, &c);

    for (int32_t t = 0; t < c.topic_count; t++) topic_unref(c.topics[t]);
    for (int32_t i = 0; i < c.offset_count; i++) topic_unref(c.offsets[i].topic);
    mem_free(c.topics);
    mem_free(c.partitions);
    mem_free(c.offsets);
    arena_done(&c.arena);
}

void collect_members(struct bytes group_id, int64_t count)
{
    struct writer labels;
    writer_init(&labels, 1 << 20);     /* a group id is at most 32,767 bytes, each escaped to two */
    writer_text(&labels, "consumergroup=");
    metrics_label(&labels, group_id);
    writer_i8(&labels, 0);
    struct metric *m = metric_get(METRIC_GAUGE, "kafka_consumergroup_members",
                                  "Members of a consumer group.", (const char *)labels.data);
    if (count == GROUP_GONE) metric_drop(m);
    else metric_set(m, count);
    writer_done(&labels);
}
