#include "broker/metrics/collection.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "broker/metrics/arrivals.h"
#include "broker/state.h"
#include "storage/state/offsets.h"
#include "storage/store.h"
#include "base/check.h"

/* Groups are asked for by the page of as many as can be shown: each page costs a look at all. */
enum { STEP = 256, GROUPS_STEP = COLLECT_OFFSETS_MAX, ARENA_BYTES_MAX = 32 << 20 };

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
        got = store_topics(c->broker->store, after, STEP, c->topics + c->topic_count);
        c->topic_count += got;
        if (got > 0) after = topic_name(c->topics[c->topic_count - 1]);
    } while (got == STEP);
}

static void gather_partitions(struct collection *c)
{
    for (int32_t t = 0; t < c->topic_count; t++) {
        struct topic *topic = c->topics[t];
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

/* How long ago the record arrived that the group waits for: out of memory, or as it was looked up
 * before. */
static int64_t age_of(struct collection *c, const struct partition *part, int64_t offset)
{
    struct read_result read;
    read_result_init(&read);
    int64_t arrival_ms = 0;
    bool known = plog_read_tail(part->log, offset, 0, true, &read) == ERR_OK && read.count > 0;
    if (known) arrival_ms = read.batches[0].arrival_ms;
    read_result_done(&read);
    if (!known &&
        !arrivals_find(c->broker->arrivals, part->log_id, offset, &arrival_ms))
        return -1;
    int64_t age_ms = clock_wall_ms() - arrival_ms;
    return age_ms > 0 ? age_ms : 0;
}

static void gather_lag(struct collection *c, struct offset_row *row)
{
    const struct partition *part = &row->topic->partitions[row->partition];
    struct log_bounds bounds;
    row->lag = row->lag_ms = -1;
    if (plog_bounds(part->log, &bounds) != ERR_OK) return;
    row->lag = bounds.high_watermark > row->offset ? bounds.high_watermark - row->offset : 0;
    row->waiting = row->offset > bounds.log_start ? row->offset : bounds.log_start;
    row->lag_ms = row->waiting < bounds.high_watermark ? age_of(c, part, row->waiting) : 0;
}

/* A long group is shown short (metrics_label()), and any byte may need an escape. */
static size_t name_bytes(struct bytes group, const struct topic *topic)
{
    enum { SHOWN_MAX = 256 };
    return 2 * (group.len < SHOWN_MAX ? group.len : SHOWN_MAX) + topic_name(topic).len;
}

static void gather_offset(struct collection *c, struct bytes group,
                          const struct offset_entry *entry)
{
    if (c->offset_count == COLLECT_OFFSETS_MAX) return;
    struct topic *topic = store_topic_by_id(c->broker->store, &entry->topic_id);
    if (topic == NULL || entry->partition >= topic->partition_count) {
        topic_unref(topic);
        return;
    }
    if (c->names_bytes + name_bytes(group, topic) > COLLECT_NAMES_BYTES_MAX) {
        topic_unref(topic);
        return;
    }
    c->names_bytes += name_bytes(group, topic);
    struct offset_row *row = &c->offsets[c->offset_count++];
    *row = (struct offset_row){.group = group, .topic = topic, .partition = entry->partition,
                               .offset = entry->offset};
    gather_lag(c, row);
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
    int32_t count = store_offsets_of_group(c->broker->store, group, false, &c->arena, &entries);
    for (int32_t i = 0; i < count; i++) gather_offset(c, group, &entries[i]);
    if (count > 0)
        qsort(c->offsets + first, (size_t)(c->offset_count - first), sizeof *c->offsets, by_topic);
}

static void gather_offsets(struct collection *c)
{
    CLEANUP(mem_freep) struct bytes *groups = NEW_ARRAY(struct bytes, GROUPS_STEP);
    struct bytes after = BYTES_NULL;
    int32_t got;
    do {
        got = store_offset_groups(c->broker->store, after, GROUPS_STEP, &c->arena, groups);
        for (int32_t i = 0; i < got; i++) gather_group(c, groups[i]);
        if (got > 0) after = groups[got - 1];
    } while (got == GROUPS_STEP && c->offset_count < COLLECT_OFFSETS_MAX);
    int64_t all = store_offsets_count(c->broker->store);
    c->offsets_hidden = all > c->offset_count ? all - c->offset_count : 0;
}

void collection_init(struct collection *c, struct broker *b)
{
    *c = (struct collection){
        .broker = b,
        .partitions = NEW_ARRAY(struct partition_row, COLLECT_PARTITIONS_MAX),
        .offsets = NEW_ARRAY(struct offset_row, COLLECT_OFFSETS_MAX),
    };
    arena_init(&c->arena, ARENA_BYTES_MAX);
    gather_topics(c);
    gather_partitions(c);
    gather_offsets(c);
}

void collection_done(struct collection *c)
{
    for (int32_t t = 0; t < c->topic_count; t++) topic_unref(c->topics[t]);
    for (int32_t i = 0; i < c->offset_count; i++) topic_unref(c->offsets[i].topic);
    mem_free(c->topics);
    mem_free(c->partitions);
    mem_free(c->offsets);
    arena_done(&c->arena);
}

int32_t collection_topic_end(const struct collection *c, int32_t at)
{
    const struct offset_row *first = &c->offsets[at];
    while (++at < c->offset_count) {
        const struct offset_row *row = &c->offsets[at];
        if (!uuid_equal(&row->topic->id, &first->topic->id) ||
            !bytes_equal(row->group, first->group))
            break;
    }
    return at;
}
