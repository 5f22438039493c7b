#include "storage/log/handover.h"

#include <assert.h>
#include "base/mem.h"
#include "storage/log/plog_impl.h"
#include "storage/threads.h"
#include "storage/topic/topic.h"
#include "base/check.h"

struct handover {
    const struct topic *old;
    const struct topic *draft;
    const int32_t *partitions;      /* of the logs that a call goes to, in its order */
    bool *changes;                  /* by partition of draft: its log gets a new table */
    struct producers **tables;      /* by partition of draft: that table in the making */
    struct kv_batch *batch;
    enum err err;
};

/* Where a producer of this log belongs after the change; -1: nowhere, since it did not belong here.
 * Such ones come from an old batch that is read again at a start, after the table had forgotten
 * them. */
static int32_t home_of(const struct handover *h, int32_t partition, const struct producer_entry *e)
{
    int32_t addressed = e->partition_addressed;
    if (addressed < 0 || addressed >= h->old->partition_count) return -1;
    if (topic_forward(h->old, addressed) != partition) return -1;
    return topic_forward(h->draft, addressed);
}

static void find_changes(struct plog *log, int32_t at, void *context)
{
    struct handover *h = context;
    int32_t partition = h->partitions[at];
    const struct producers *p = &log->writer->producers;
    for (uint32_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i] == NULL) continue;
        int32_t home = home_of(h, partition, p->slots[i]);
        if (home == partition) continue;
        h->changes[partition] = true;
        if (home >= 0) h->changes[home] = true;
    }
}

static void copy_entries(struct plog *log, int32_t at, void *context)
{
    struct handover *h = context;
    int32_t partition = h->partitions[at];
    const struct producers *p = &log->writer->producers;
    for (uint32_t i = 0; h->changes[partition] && i < p->slot_count; i++) {
        int32_t home = p->slots[i] == NULL ? -1 : home_of(h, partition, p->slots[i]);
        if (home >= 0) producers_adopt(h->tables[home], p->slots[i]);
    }
}

static void stage_table(struct plog *log, int32_t at, void *context)
{
    struct handover *h = context;
    enum err err = worker_open_log(log);    /* of a new partition; the others are frozen, so open */
    if (err != ERR_OK) {
        h->err = ERR_KAFKA_STORAGE_ERROR;
        return;
    }
    assert(log->handed_over == NULL);
    log->handed_over = TAKE(h->tables[h->partitions[at]]);
    producers_trim(log->handed_over);
    plog_put_snapshot(log, log->handed_over, h->batch);
}

static void call(struct store *s, struct handover *h, const int32_t *partitions, int32_t count,
                 log_call_fn *fn)
{
    CLEANUP(mem_freep) struct plog **logs = NEW_ARRAY(struct plog *, (size_t)count + 1);
    for (int32_t i = 0; i < count; i++) logs[i] = h->draft->partitions[partitions[i]].log;
    h->partitions = partitions;
    store_logs_call(s, logs, count, fn, h);
}

enum err handover_stage(struct store *s, const struct topic *old, const struct topic *draft,
                        const int32_t *partitions, int32_t count, struct kv_batch *b)
{
    size_t all = (size_t)draft->partition_count;
    CLEANUP(mem_freep) bool *changes = NEW_ARRAY(bool, all);
    CLEANUP(mem_freep) struct producers **tables = NEW_ARRAY(struct producers *, all);
    CLEANUP(mem_freep) int32_t *changed = NEW_ARRAY(int32_t, all);
    struct handover h = {.old = old, .draft = draft, .changes = changes, .tables = tables,
                         .batch = b};
    call(s, &h, partitions, count, find_changes);
    int32_t changed_count = 0;
    for (int32_t i = 0; i < draft->partition_count; i++) {
        if (!changes[i]) continue;
        tables[i] = NEW(struct producers);
        changed[changed_count++] = i;
    }
    if (changed_count == 0) return ERR_OK;
    call(s, &h, partitions, count, copy_entries);
    call(s, &h, changed, changed_count, stage_table);
    for (int32_t i = 0; i < changed_count; i++) producers_free(tables[changed[i]]);
    return h.err;
}
