/* Shard windows move: split, merge, even out, grow, expire.
 *
 * A change is planned on a draft without knowing any end offset; that tells which logs take part.
 * They are frozen, the plan is carried out again with their ends, and one write makes it true, with
 * the producers that get another log (handover.h). So any number of splits and merges is one step
 * for whoever looks, and after a crash all or nothing. */
#include <assert.h>
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "storage/control/controller.h"
#include "storage/engine/keys.h"
#include "storage/log/handover.h"
#include "storage/log/stored.h"
#include "storage/threads.h"
#include "storage/topic/reshard.h"
#include "base/check.h"

/* Checks c against the draft and carries it out there. */
typedef enum err plan_fn(struct control *c, struct reshard *r);

static enum err check_limits(struct controller *k, struct control *c, const struct topic *old,
                             const struct topic *draft)
{
    struct catalog_totals have;
    catalog_totals(k->catalog, &have);
    int32_t more_shards = draft->open_count - old->open_count;
    int32_t more_partitions = draft->partition_count - old->partition_count;
    int64_t shards = have.shards + draft->shard_count - old->shard_count;
    if (c->account_limits && more_shards > 0 &&
        have.open_shards + more_shards > store_options(k->store)->shard_limit)
        return ERR_LIMIT_EXCEEDED;
    if (draft->shard_count > TOPIC_SHARDS_MAX || draft->partition_count > TOPIC_PARTITIONS_MAX ||
        have.partitions + more_partitions > store_options(k->store)->partitions_max)
        return control_fail(
            c, ERR_LIMIT_EXCEEDED,
            "A topic has at most %d partitions and %d shards, the server at most %" PRId64
            " partitions.",
            TOPIC_PARTITIONS_MAX, TOPIC_SHARDS_MAX, store_options(k->store)->partitions_max);
    if (draft->shard_count > old->shard_count && shards > CATALOG_SHARDS_MAX)
        return control_fail(c, ERR_LIMIT_EXCEEDED,
                            "This server keeps at most %d shards in all, closed ones too until "
                            "their records expire.",
                            CATALOG_SHARDS_MAX);
    return ERR_OK;
}

/* Freezes what takes part, routes first: when a home freezes, nothing is on its way to it any more,
 * so nothing that was addressed to one partition can overtake on the way to the next home.
 * ret_all: the partitions of both. ret_ends: their end offsets, by partition.
 * Errors: ERR_KAFKA_STORAGE_ERROR - none is frozen. Thread: the controller; blocks. */
static enum err freeze_parts(struct controller *k, struct topic *old, const struct topic *planned,
                             int32_t *ret_all, int32_t *ret_count, int64_t *ret_ends)
{
    size_t room = (size_t)old->partition_count;
    CLEANUP(mem_freep) int32_t *routes = NEW_ARRAY(int32_t, room);
    CLEANUP(mem_freep) int32_t *logs = NEW_ARRAY(int32_t, room);
    CLEANUP(mem_freep) int64_t *ends = NEW_ARRAY(int64_t, room);
    struct reshard_parts parts = {.routes = routes, .logs = logs};
    reshard_parts(old, planned, &parts);
    int32_t count = 0;
    TRY(control_freeze(k, old, routes, parts.route_count, ends));
    for (int32_t i = 0; i < parts.route_count; i++) {
        ret_ends[routes[i]] = ends[i];
        ret_all[count++] = routes[i];
    }
    if (parts.route_count > 0) store_logs_settle(k->store);
    enum err err = control_freeze(k, old, logs, parts.log_count, ends);
    if (err != ERR_OK) {
        store_logs_publish(k->store, old);
        return err;
    }
    for (int32_t i = 0; i < parts.log_count; i++) {
        ret_ends[logs[i]] = ends[i];
        ret_all[count++] = logs[i];
    }
    *ret_count = count;
    return ERR_OK;
}

/* The second run of the plan: with the logs frozen. */
static enum err carry_out(struct controller *k, struct control *c, plan_fn *plan, struct topic *old,
                          const struct topic *planned, int64_t now_ms)
{
    CLEANUP(mem_freep) int32_t *frozen = NEW_ARRAY(int32_t, (size_t)old->partition_count);
    CLEANUP(mem_freep) int64_t *ends = NEW_ARRAY(int64_t, (size_t)old->partition_count);
    int32_t count = 0;
    TRY(freeze_parts(k, old, planned, frozen, &count, ends));
    int32_t more = planned->partition_count - old->partition_count;
    CLEANUP(topic_unrefp) struct topic *draft = draft_copy(old);
    struct reshard r = {.draft = draft,
                        .now_ms = now_ms,
                        .index_first = old->shard_index_next,
                        .ends = ends,
                        .end_count = old->partition_count,
                        .log_id_next = catalog_take_log_ids(k->catalog, more)};
    enum err err = plan(c, &r);
    assert(err == ERR_OK); /* it was when nothing was frozen */
    draft_finish(draft);
    catalog_attach_logs(k->catalog, draft);
    CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(store_kv(k->store));
    err = handover_stage(k->store, old, draft, frozen, count, b);
    if (err != ERR_OK) {
        store_logs_publish(k->store, old);
        return err;
    }
    TRY(control_commit(k, old, draft, b));
    c->topic = TAKE(draft);
    return ERR_OK;
}

static enum err change_shards(struct controller *k, struct control *c, plan_fn *plan)
{
    CLEANUP(topic_unrefp) struct topic *old = NULL;
    TRY(control_topic(k, c, &old));
    int32_t more = c->partitions > 0 && c->partitions <= TOPIC_PARTITIONS_MAX ? c->partitions : 1;
    TRY(control_spare(old, more, 2 * more + old->open_count));
    CLEANUP(topic_unrefp) struct topic *draft = draft_copy(old);
    struct reshard r = {
        .draft = draft, .now_ms = clock_wall_ms(), .index_first = old->shard_index_next};
    TRY(plan(c, &r));
    draft_finish(draft);
    TRY(check_limits(k, c, old, draft));
    if (c->validate_only) {
        c->topic = TAKE(draft);
        return ERR_OK;
    }
    return carry_out(k, c, plan, old, draft, r.now_ms);
}

/* ---- Plans */

/* The position of an open shard. Errors: ERR_RESOURCE_NOT_FOUND; ERR_INVALID_ARGUMENT - closed.
 * Thread: the controller. */
static enum err open_position(struct control *c, const struct topic *t, int32_t index, int32_t *ret)
{
    const struct shard *s = topic_shard(t, index);
    if (s == NULL) return control_fail(c, ERR_RESOURCE_NOT_FOUND, "There is no such shard.");
    if (s->end_offset != -1)
        return control_fail(c, ERR_INVALID_ARGUMENT, "The shard was merged or split already.");
    *ret = topic_shard_at(t, index);
    return ERR_OK;
}

static enum err plan_split(struct control *c, struct reshard *r)
{
    int32_t at = 0;
    TRY(open_position(c, r->draft, c->shard, &at));
    const struct shard *s = topic_nth(r->draft, at);
    if (c->hash_first <= s->hash_first || c->hash_first - s->hash_first < 2 ||
        c->hash_first >= s->hash_last)
        return control_fail(c, ERR_INVALID_ARGUMENT,
                            "The new starting hash key is not inside the "
                            "shard's range.");
    reshard_split(r, at, c->hash_first);
    return ERR_OK;
}

enum err control_split(struct controller *k, struct control *c)
{
    return change_shards(k, c, plan_split);
}

static enum err plan_merge(struct control *c, struct reshard *r)
{
    int32_t low = 0, high = 0;
    TRY(open_position(c, r->draft, c->shard, &low));
    TRY(open_position(c, r->draft, c->adjacent_shard, &high));
    const struct shard *a = topic_nth(r->draft, low), *b = topic_nth(r->draft, high);
    if (a->hash_last == U128_MAX || a->hash_last + 1 != b->hash_first)
        return control_fail(c, ERR_INVALID_ARGUMENT, "The shards are not adjacent.");
    reshard_merge(r, low, high);
    return ERR_OK;
}

enum err control_merge(struct controller *k, struct control *c)
{
    return change_shards(k, c, plan_merge);
}

static enum err plan_reshard(struct control *c, struct reshard *r)
{
    if (c->partitions < 1)
        return control_fail(c, ERR_INVALID_ARGUMENT, "The shard count must be at least 1.");
    if (c->partitions > TOPIC_PARTITIONS_MAX)
        return control_fail(c, ERR_LIMIT_EXCEEDED, "The shard count must be at most %d.",
                            TOPIC_PARTITIONS_MAX);
    reshard_even(r, c->partitions);
    return ERR_OK;
}

enum err control_reshard(struct controller *k, struct control *c)
{
    return change_shards(k, c, plan_reshard);
}

static enum err plan_partitions(struct control *c, struct reshard *r)
{
    int32_t have = r->draft->partition_count;
    if (c->partitions == have)
        return control_fail(c, ERR_INVALID_PARTITIONS, "Topic already has %d partition(s).", have);
    if (c->partitions < have)
        return control_fail(
            c, ERR_INVALID_PARTITIONS,
            "The topic %s currently has %d partition(s); %d would not be an increase.",
            r->draft->name, have, c->partitions);
    if (c->partitions > TOPIC_PARTITIONS_MAX)
        return control_fail(c, ERR_POLICY_VIOLATION,
                            "Excessively large number of partitions per request.");
    r->only_new = true; /* the count that was asked for is of partitions */
    reshard_widest(r, c->partitions - have);
    return ERR_OK;
}

enum err control_create_partitions(struct controller *k, struct control *c)
{
    return change_shards(k, c, plan_partitions);
}

/* ---- Expiry */

/* The first readable offset, without opening the log: what is stored is as good.
 * Errors: ERR_DISK; ERR_FORMAT; ERR_KAFKA_STORAGE_ERROR; ERR_CLOSED. Thread: the controller;
 * blocks. */
static enum err log_start_of(struct controller *k, const struct partition *p, int64_t *ret)
{
    struct log_bounds bounds;
    enum err err = plog_bounds(p->log, &bounds);
    if (err == ERR_OK) *ret = bounds.log_start;
    if (err != ERR_COLD) return err;
    return stored_start(store_kv(k->store), p->log_id, ret, NULL);
}

enum err control_expire_shards(struct controller *k, struct topic *topic, int64_t now_ms)
{
    if (topic->shard_count == topic->open_count || topic->config.retention_ms < 0) return ERR_OK;
    if (control_spare(topic, 0, 0) != ERR_OK) return ERR_OK;        /* when there is memory */
    int64_t closed_before_ms = now_ms - topic->config.retention_ms;
    CLEANUP(mem_freep) int64_t *starts = NEW_ARRAY(int64_t, (size_t)topic->partition_count);
    CLEANUP(mem_freep) bool *due = NEW_ARRAY(bool, (size_t)topic->partition_count);
    bool any = false;
    for (int32_t i = 0; i < topic->shard_count; i++) {
        const struct shard *s = topic_nth(topic, i);
        bool closed = s->end_offset != -1 && s->closed_ms <= closed_before_ms;
        if (!closed || due[s->partition]) continue;
        due[s->partition] = any = true;
        if (log_start_of(k, &topic->partitions[s->partition], &starts[s->partition]) != ERR_OK)
            return ERR_KAFKA_STORAGE_ERROR;
    }
    if (!any) return ERR_OK;
    CLEANUP(topic_unrefp) struct topic *draft = draft_copy(topic);
    if (draft_expire_shards(draft, starts, closed_before_ms) == 0) return ERR_OK;
    draft_finish(draft);
    return control_commit(k, topic, draft, NULL);
}
