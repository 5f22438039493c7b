#include "bridge/stream.h"

#include <inttypes.h>
#include "base/clock.h"
#include "protocol/kinesis/arn.h"
#include "base/check.h"

void stream_show_deleting(struct bridge *b, const struct topic *t)
{
    if (b->options.stream_create_ms <= 0) return;
    pthread_mutex_lock(&b->deleting.lock);
    uint32_t at = b->deleting.next++ % DELETING_SHOWN_MAX;
    struct topic *old = b->deleting.streams[at].topic;
    b->deleting.streams[at].topic = topic_ref((struct topic *)t);
    b->deleting.streams[at].until_ms = clock_mono_ms() + b->options.stream_create_ms;
    pthread_mutex_unlock(&b->deleting.lock);
    topic_unref(old);
}

/* A reference to the deleted stream of this name or id that is still shown; NULL: none. */
static struct topic *find_deleting(struct bridge *b, struct bytes name, const struct uuid *id)
{
    struct topic *found = NULL;
    if (b->options.stream_create_ms <= 0) return NULL;
    int64_t now_ms = clock_mono_ms();
    pthread_mutex_lock(&b->deleting.lock);
    for (uint32_t i = 0; i < DELETING_SHOWN_MAX && found == NULL; i++) {
        struct topic *t = b->deleting.streams[i].topic;
        if (t == NULL || b->deleting.streams[i].until_ms <= now_ms) continue;
        if (id ? uuid_equal(id, &t->id) : bytes_equal(name, topic_name(t))) found = topic_ref(t);
    }
    pthread_mutex_unlock(&b->deleting.lock);
    return found;
}

bool stream_is_deleting(struct bridge *b, struct bytes name)
{
    CLEANUP(topic_unrefp) struct topic *t = find_deleting(b, name, NULL);
    return t != NULL;
}

bool stream_is_recent(const struct bridge *b, int64_t at_ms, int64_t now_ms)
{
    int64_t age_ms = now_ms - at_ms;
    return age_ms >= 0 && age_ms < b->options.stream_create_ms;
}

/* The latest change of its shards closed the parents of the newest one. */
static bool is_updating(const struct bridge *b, const struct topic *t, int64_t now_ms)
{
    const struct shard *newest = t->shard_count > 0 ? topic_nth(t, t->shard_count - 1) : NULL;
    const struct shard *parent = newest != NULL ? topic_shard(t, newest->parent) : NULL;
    return parent != NULL && stream_is_recent(b, parent->closed_ms, now_ms);
}

enum kinesis_stream_status stream_status(struct bridge *b, const struct topic *t)
{
    CLEANUP(topic_unrefp) struct topic *deleted = find_deleting(b, BYTES_NULL, &t->id);
    if (deleted != NULL) return KINESIS_STREAM_STATUS_DELETING;
    int64_t now_ms = clock_wall_ms();
    if (stream_is_recent(b, t->created_ms, now_ms)) return KINESIS_STREAM_STATUS_CREATING;
    if (is_updating(b, t, now_ms)) return KINESIS_STREAM_STATUS_UPDATING;
    return KINESIS_STREAM_STATUS_ACTIVE;
}

static void fail_not_found(struct front_request *rq, struct bytes name, struct bytes account)
{
    if (rq->op == KINESIS_OP_GET_SHARD_ITERATOR) {      /* speaks of the shard alone */
        int64_t index = 0;
        uint32_t parsed;
        if (shard_id_parse(rq_input(rq)->get_shard_iterator.shard_id, &parsed) == ERR_OK)
            index = parsed;
        front_fail(rq, ERR_RESOURCE_NOT_FOUND,
                   "Shard %.*s in stream %.*s under account %.*s does not exist",
                   BYTES_ARGS(shard_id_text(rq->arena, (int32_t)index)), BYTES_ARGS(name),
                   BYTES_ARGS(account));
        return;
    }
    front_fail(rq, ERR_RESOURCE_NOT_FOUND, "Stream %.*s under account %.*s not found.",
               BYTES_ARGS(name), BYTES_ARGS(account));
}

void stream_fail(struct front_request *rq, struct topic *t, enum err err)
{
    CLEANUP(topic_unrefp) struct topic *now = store_topic_by_id(rq_store(rq), &t->id);
    if (err == ERR_CLOSED && now == NULL) fail_not_found(rq, topic_name(t), rq_bridge(rq)->account);
    else front_fail_plain(rq, err);
    topic_unref(t);
}

struct topic *stream_find(struct front_request *rq, struct bytes name, struct bytes arn)
{
    const struct bridge *b = rq_bridge(rq);
    struct arn parsed = {.region = b->region, .account = b->account, .stream = name};
    if (bytes_is_null(name) && bytes_is_null(arn)) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "Either StreamName or StreamARN must be provided.");
        return NULL;
    }
    bool legal = bytes_is_null(arn) ||
                 (arn_parse(arn, &parsed) == ERR_OK && bytes_is_null(parsed.consumer));
    if (!legal) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "Invalid ARN: %.*s", BYTES_ARGS(arn));
        return NULL;
    }
    if (!bytes_is_null(name) && !bytes_equal(name, parsed.stream)) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "StreamName %.*s and StreamARN %.*s do not name the same stream.",
                   BYTES_ARGS(name), BYTES_ARGS(arn));
        return NULL;
    }
    bool ours = bytes_equal(parsed.account, b->account) && bytes_equal(parsed.region, b->region);
    bool describes = rq->op == KINESIS_OP_DESCRIBE_STREAM ||
                     rq->op == KINESIS_OP_DESCRIBE_STREAM_SUMMARY;
    struct topic *t = ours ? store_topic(b->store, parsed.stream) : NULL;
    if (t == NULL && ours && describes) t = find_deleting(rq_bridge(rq), parsed.stream, NULL);
    if (t != NULL && topic_is_stream(t)) return t;
    topic_unref(t);
    fail_not_found(rq, parsed.stream, parsed.account);
    return NULL;
}

struct topic *stream_find_readable(struct front_request *rq, struct bytes name, struct bytes arn)
{
    struct topic *t = stream_find(rq, name, arn);
    if (t == NULL || stream_status(rq_bridge(rq), t) != KINESIS_STREAM_STATUS_CREATING) return t;
    fail_not_found(rq, topic_name(t), rq_bridge(rq)->account);
    topic_unref(t);
    return NULL;
}

bool stream_is_of(struct front_request *rq, const struct topic *t, bool has_created_ms,
                  int64_t created_ms)
{
    if (!has_created_ms || created_ms / 1000 == t->created_ms / 1000) return true;
    front_fail(rq, ERR_RESOURCE_NOT_FOUND,
               "Stream %s under account %.*s with creation timestamp %" PRId64 " not found.",
               t->name, BYTES_ARGS(rq_bridge(rq)->account), created_ms / 1000);
    return false;
}

bool stream_is_active(struct front_request *rq, const struct topic *t)
{
    enum kinesis_stream_status status = stream_status(rq_bridge(rq), t);
    if (status == KINESIS_STREAM_STATUS_ACTIVE) return true;
    front_fail(rq, ERR_RESOURCE_IN_USE,
               "Stream %s under account %.*s not ACTIVE, instead in state %.*s", t->name,
               BYTES_ARGS(rq_bridge(rq)->account), BYTES_ARGS(kinesis_stream_status_text(status)));
    return false;
}

bool stream_is_provisioned(struct front_request *rq, const struct topic *t)
{
    if (t->on_demand)
        front_fail(rq, ERR_VALIDATION,
                   "Request is invalid. Stream %s under AccountId %.*s is in On-Demand mode.",
                   t->name, BYTES_ARGS(rq_bridge(rq)->account));
    return !t->on_demand;
}

struct kinesis_stream_mode_details *stream_mode(const struct topic *t,
                                                struct kinesis_stream_mode_details *to)
{
    to->stream_mode = kinesis_stream_mode_text(t->on_demand ? KINESIS_STREAM_MODE_ON_DEMAND
                                                            : KINESIS_STREAM_MODE_PROVISIONED);
    return to;
}

int32_t stream_retention_hours(const struct topic *t)
{
    enum { HOURS_MAX = 8760, HOUR_MS = 3600 * 1000 };
    int64_t ms = t->config.retention_ms;
    if (ms < 0 || ms > (int64_t)HOURS_MAX * HOUR_MS) return HOURS_MAX;
    return (int32_t)((ms + HOUR_MS - 1) / HOUR_MS);
}

struct config_change stream_max_record(struct front_request *rq, int32_t kib)
{
    char *value = arena_printf(rq->arena, "%" PRId32, kib);
    return (struct config_change){CONFIG_SET, BYTES_LIT("diglot.max.record.kib"), bytes_str(value)};
}

struct bytes stream_arn(struct front_request *rq, const struct topic *t)
{
    return arn_stream(rq->arena, rq_bridge(rq)->region, rq_bridge(rq)->account, topic_name(t));
}

struct bytes shard_id_text(struct arena *arena, int32_t index)
{
    char text[SHARD_ID_TEXT_BYTES];
    return arena_copy(arena, shard_id_format(index, text));
}

struct bytes hash_key_text(struct arena *arena, u128 hash)
{
    char text[U128_TEXT_BYTES];
    return arena_copy(arena, bytes_str(u128_to_text(hash, text)));
}
