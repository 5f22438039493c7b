/* What /metrics shows of the Kafka door, gathered: partitions and their bounds, committed offsets
 * and how far behind they are.
 *
 * The text format wants all series of a name together, so rows are gathered first and written name
 * by name. Each look takes one short lock; numbers of different partitions may be some microseconds
 * apart, as a scrape's always are. Bounded: COLLECT_PARTITIONS_MAX partitions, and
 * COLLECT_OFFSETS_MAX committed offsets or COLLECT_NAMES_BYTES_MAX of their names; how many more
 * there are is counted. */
#ifndef BROKER_METRICS_COLLECTION_H
#define BROKER_METRICS_COLLECTION_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "storage/log/plog.h"

enum {
    COLLECT_PARTITIONS_MAX = 8192,
    COLLECT_OFFSETS_MAX = 16384,
    /* Names in the rows of offsets, escapes included: each stands on the page eight times. */
    COLLECT_NAMES_BYTES_MAX = 2 << 20
};

struct broker;
struct topic;

struct partition_row {
    struct topic *topic;            /* the collection's reference */
    int32_t partition;
    bool known;                     /* bounds are: the log is open */
    struct log_bounds bounds;
};

struct offset_row {
    struct bytes group;
    struct topic *topic;            /* reference */
    int32_t partition;
    int64_t offset;
    int64_t lag;                    /* -1: the log is not open */
    int64_t waiting;                /* with a lag: first offset that can be read and is not
                                       committed */
    int64_t lag_ms;                 /* how long ago that record arrived; 0 without a lag; -1: not
                                       known without the disk */
};

struct collection {
    struct broker *broker;
    struct arena arena;             /* names of groups, entries */
    struct topic **topics;          /* references, ordered by name */
    int32_t topic_count, topic_cap;
    struct partition_row *partitions;       /* ordered by topic */
    int32_t partition_count;
    struct offset_row *offsets;     /* ordered by group, topic, partition */
    int32_t offset_count;
    size_t names_bytes;
    int64_t partitions_hidden, offsets_hidden;
};

/* From memory alone. Thread: any, while the broker lives. */
void collection_init(struct collection *c, struct broker *b);
void collection_done(struct collection *c);

/* Where the rows end that are of the same group and topic as c->offsets[at]. Thread: any. */
int32_t collection_topic_end(const struct collection *c, int32_t at);

#endif
