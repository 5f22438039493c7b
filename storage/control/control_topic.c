/* Topics come, change their configs, and go. Refusals are worded as Apache Kafka 4.4 words them. */
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "storage/topic/config.h"
#include "storage/control/controller.h"
#include "base/check.h"

enum { STREAM_BACKDATED_MS = 2000 }; /* Kinesis dates the shards of a new stream so */

static enum err check_name(struct controller *k, struct control *c)
{
    struct bytes name = c->name;
    const char *shown = name.data ? (const char *)name.data : "";
    int len = name.len > TOPIC_NAME_BYTES_MAX + 1 ? TOPIC_NAME_BYTES_MAX + 1 : (int)name.len;
    if (name.len == 0)
        return control_fail(c, ERR_INVALID_TOPIC_EXCEPTION,
                            "Topic name is invalid: the empty string is not allowed");
    if (bytes_equal_str(name, ".") || bytes_equal_str(name, ".."))
        return control_fail(c, ERR_INVALID_TOPIC_EXCEPTION,
                            "Topic name is invalid: '%.*s' is not allowed", len, shown);
    if (name.len > TOPIC_NAME_BYTES_MAX)
        return control_fail(c, ERR_INVALID_TOPIC_EXCEPTION,
                            "Topic name is invalid: the length of '%.*s' is longer than the max "
                            "allowed length %d",
                            len, shown, TOPIC_NAME_BYTES_MAX);
    if (!topic_name_is_legal(name))
        return control_fail(c, ERR_INVALID_TOPIC_EXCEPTION,
                            "Topic name is invalid: '%.*s' contains one or more characters other "
                            "than ASCII alphanumerics, '.', '_' and '-'",
                            len, shown);
    CLEANUP(topic_unrefp) struct topic *same = store_topic(k->store, name);
    if (same != NULL)
        return control_fail(c, ERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.", len,
                            shown);
    /* Kinesis has no metric names in which the two would be one. */
    CLEANUP(topic_unrefp)
    struct topic *like = c->account_limits ? NULL : catalog_collision(k->catalog, name);
    if (like != NULL)
        return control_fail(c, ERR_INVALID_TOPIC_EXCEPTION,
                            "Topic '%.*s' collides with existing topic: %s", len, shown,
                            like->name);
    return ERR_OK;
}

static enum err check_count(struct controller *k, struct control *c, int32_t count)
{
    struct catalog_totals have;
    if (count <= 0)
        return control_fail(c, ERR_INVALID_PARTITIONS,
                            "Number of partitions was set to an invalid non-positive value.");
    catalog_totals(k->catalog, &have);
    if (c->account_limits && have.open_shards + count > store_options(k->store)->shard_limit)
        return ERR_LIMIT_EXCEEDED;
    if (c->account_limits && c->on_demand && have.on_demand_streams >= STREAMS_ON_DEMAND_MAX)
        return control_fail(c, ERR_LIMIT_EXCEEDED,
                            "An account has at most %d streams in mode ON_DEMAND.",
                            STREAMS_ON_DEMAND_MAX);
    if (count > TOPIC_PARTITIONS_MAX && c->account_limits)
        return control_fail(c, ERR_LIMIT_EXCEEDED, "A stream has at most %d shards.",
                            TOPIC_PARTITIONS_MAX);
    if (count > TOPIC_PARTITIONS_MAX)
        return control_fail(c, ERR_POLICY_VIOLATION,
                            "Excessively large number of partitions per request.");
    int64_t partitions_max = store_options(k->store)->partitions_max;
    if (have.topics >= CATALOG_TOPICS_MAX || have.partitions + count > partitions_max)
        return control_fail(c, c->account_limits ? ERR_LIMIT_EXCEEDED : ERR_POLICY_VIOLATION,
                            "This server keeps at most %d topics with %" PRId64
                            " partitions in all.",
                            CATALOG_TOPICS_MAX, partitions_max);
    return ERR_OK;
}

enum err control_create_topic(struct controller *k, struct control *c)
{
    const struct store_options *o = store_options(k->store);
    int32_t count = c->partitions == -1 ? o->num_partitions : c->partitions;
    TRY(check_name(k, c));
    TRY(check_count(k, c, count));
    TRY(control_spare(NULL, count, count));
    if (c->tag_count > TOPIC_TAGS_MAX) return ERR_INVALID_ARGUMENT;
    struct uuid id = uuid_random();
    CLEANUP(topic_unrefp) struct topic *draft = draft_new(&id, c->name);
    draft->created_ms = clock_wall_ms();
    draft->on_demand = c->on_demand;
    TRY(config_apply(draft, c->configs, c->config_count, &o->topic_defaults, c->text,
                     sizeof c->text));
    for (int32_t i = 0; i < c->tag_count; i++)
        draft_set_tag(draft, bytes_str(c->tags[i].key), bytes_str(c->tags[i].value));
    TRY(control_check_tags(k, c, NULL, draft));
    uint64_t first_log_id = c->validate_only ? 0 : catalog_take_log_ids(k->catalog, count);
    int64_t backdated_ms = draft->created_ms - STREAM_BACKDATED_MS;     /* not before 1970 */
    draft_even_shards(draft, count, first_log_id, backdated_ms > 0 ? backdated_ms : 0);
    return control_make(k, c, NULL, &draft, NULL);
}

enum err control_delete_topic(struct controller *k, struct control *c)
{
    CLEANUP(topic_unrefp) struct topic *old = NULL;
    TRY(control_topic(k, c, &old));
    if (c->validate_only) return ERR_OK;
    store_logs_hold(k->store, old);
    CLEANUP(topic_unrefp) struct topic *draft = draft_copy(old);
    CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(store_kv(k->store));
    draft->deleted = true;
    store_logs_erase(k->store, b, draft);
#define PART_OF_TOPICS(name, ...) name##_erase_topic(store_##name(k->store), b, &draft->id);
#include "storage/parts.def"
    return control_make(k, c, old, &draft, b);
}

static enum err edit_config(struct controller *k, struct control *c, struct topic *draft)
{
    return config_apply(draft, c->configs, c->config_count,
                        &store_options(k->store)->topic_defaults, c->text, sizeof c->text);
}

enum err control_alter_config(struct controller *k, struct control *c)
{
    return control_edit(k, c, edit_config);
}
