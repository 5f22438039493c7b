#include "bridge/shard.h"

#include <inttypes.h>
#include "base/clock.h"
#include "bridge/stream.h"
#include "protocol/kinesis/arn.h"
#include "storage/log/plog.h"
#include "base/check.h"

static void fail_unknown(struct front_request *rq, struct bytes stream, struct bytes id)
{
    front_fail(rq, ERR_RESOURCE_NOT_FOUND,
               "Could not find shard %.*s in stream %.*s under account %.*s.", BYTES_ARGS(id),
               BYTES_ARGS(stream), BYTES_ARGS(rq_bridge(rq)->account));
}

bool shard_name(struct front_request *rq, struct bytes stream_name, struct bytes stream_arn,
                struct bytes id, int32_t *ret_index)
{
    uint32_t index;
    if (shard_id_parse(id, &index) == ERR_OK) {
        *ret_index = (int32_t)index;
        return true;
    }
    struct arn arn = {.stream = stream_name};
    if (bytes_is_null(stream_name) && arn_parse(stream_arn, &arn) != ERR_OK)
        arn.stream = stream_arn;
    fail_unknown(rq, arn.stream, id);
    return false;
}

const struct shard *shard_to_change(struct front_request *rq, const struct topic *t,
                                    int32_t index)
{
    const struct shard *shard = topic_shard(t, index);
    if (shard == NULL) fail_unknown(rq, topic_name(t), shard_id_text(rq->arena, index));
    return shard;
}

const struct shard *shard_to_read(struct front_request *rq, const struct topic *t, int32_t index)
{
    const struct shard *shard = topic_shard(t, index);
    if (shard == NULL)
        front_fail(rq, ERR_RESOURCE_NOT_FOUND,
                   "Shard %.*s in stream %s under account %.*s does not exist",
                   BYTES_ARGS(shard_id_text(rq->arena, index)), t->name,
                   BYTES_ARGS(rq_bridge(rq)->account));
    return shard;
}

bool shard_is_open(struct front_request *rq, const struct topic *t, const struct shard *shard)
{
    if (shard->end_offset < 0) return true;
    front_fail(rq, ERR_INVALID_ARGUMENT,
               "Shard %.*s in stream %s under account %.*s has already been merged or split, and "
               "thus is not eligible for merging or splitting.",
               BYTES_ARGS(shard_id_text(rq->arena, shard->index)), t->name,
               BYTES_ARGS(rq_bridge(rq)->account));
    return false;
}

void shard_fail_limit(struct front_request *rq, int32_t more)
{
    struct catalog_totals totals;
    store_totals(rq_store(rq), &totals);
    front_fail(
        rq, ERR_LIMIT_EXCEEDED,
        "This request would exceed the shard limit for the account %.*s in %.*s. Current shard "
        "count for the account: %" PRId64 ". Limit: %" PRId32
        ". Number of additional shards that would have resulted from this request: %" PRId32
        ". Refer to the AWS Service Limits page "
        "(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits "
        "and how to request higher limits.",
        BYTES_ARGS(rq_bridge(rq)->account), BYTES_ARGS(rq_bridge(rq)->region), totals.open_shards,
        rq_bridge(rq)->options.shard_limit, more);
}

const char *shard_rate_text(struct front_request *rq, const struct topic *t, int32_t index)
{
    const char *text = arena_printf(rq->arena,
                                    "Rate exceeded for shard %.*s in stream %s under account %.*s.",
                                    BYTES_ARGS(shard_id_text(rq->arena, index)), t->name,
                                    BYTES_ARGS(rq_bridge(rq)->account));
    return text ? text : err_text(ERR_PROVISIONED_THROUGHPUT_EXCEEDED);
}

int64_t shard_horizon(const struct shard *shard, int64_t log_start)
{
    return shard_cut(shard, shard->first_offset > log_start ? shard->first_offset : log_start);
}

int64_t shard_cut(const struct shard *shard, int64_t offset)
{
    return shard_ends_by(shard, offset) ? shard->end_offset : offset;
}

bool shard_ends_by(const struct shard *shard, int64_t offset)
{
    return shard->end_offset >= 0 && offset >= shard->end_offset;
}

/* All of its data passed retention: it leaves the listings. */
static bool is_expired(const struct topic *t, const struct shard *shard, int64_t now_ms)
{
    struct log_bounds bounds;
    if (shard->end_offset < 0) return false;
    int64_t retention_ms = t->config.retention_ms;
    if (retention_ms < 0 || now_ms - shard->closed_ms < retention_ms) return false;
    return plog_bounds(t->partitions[shard->partition].log, &bounds) == ERR_OK &&
           bounds.log_start >= shard->end_offset;
}

static struct bytes sequence_text(struct arena *arena,
                                  struct bytes (*format)(int64_t, uint32_t, char *),
                                  const struct shard *shard)
{
    char *to = arena_alloc(arena, SEQUENCE_TEXT_BYTES);
    return to ? format(shard->created_ms, (uint32_t)shard->index, to) : BYTES_NULL;
}

void shard_describe(struct arena *arena, const struct shard *shard, struct kinesis_shard *ret)
{
    *ret = (struct kinesis_shard){
        .shard_id = shard_id_text(arena, shard->index),
        .hash_key_range = {hash_key_text(arena, shard->hash_first),
                           hash_key_text(arena, shard->hash_last)},
        .sequence_number_range = {sequence_text(arena, sequence_format_start, shard), BYTES_NULL},
    };
    if (shard->parent >= 0) ret->parent_shard_id = shard_id_text(arena, shard->parent);
    if (shard->adjacent_parent >= 0)
        ret->adjacent_parent_shard_id = shard_id_text(arena, shard->adjacent_parent);
    char *end = shard->end_offset >= 0 ? arena_alloc(arena, SEQUENCE_TEXT_BYTES) : NULL;
    if (end != NULL)
        ret->sequence_number_range.ending_sequence_number =
            sequence_format_end(shard->created_ms, (uint32_t)shard->index, shard->closed_ms, end);
}

struct kinesis_child_shard *shard_children(struct arena *arena, const struct topic *t,
                                           const struct shard *shard, uint32_t *ret_count)
{
    enum { CHILDREN_MAX = 2 };
    *ret_count = 0;
    if (shard->end_offset < 0) return NULL;
    struct kinesis_child_shard *list = ARENA_ARRAY(arena, struct kinesis_child_shard, CHILDREN_MAX);
    int32_t first = shard->child < 0 ? t->shard_count : topic_shard_at(t, shard->child);
    for (int32_t i = first; list != NULL && i < t->shard_count; i++) {
        const struct shard *child = topic_nth(t, i);
        bool is_child = child->parent == shard->index || child->adjacent_parent == shard->index;
        if (!is_child || *ret_count == CHILDREN_MAX) break;
        struct kinesis_child_shard *out = &list[(*ret_count)++];
        out->shard_id = shard_id_text(arena, child->index);
        out->hash_key_range =
            (struct kinesis_hash_key_range){hash_key_text(arena, child->hash_first),
                                            hash_key_text(arena, child->hash_last)};
        out->parent_shards = ARENA_ARRAY(arena, struct bytes, 2);
        if (out->parent_shards == NULL) return NULL;
        out->parent_shards[out->parent_shards_count++] = shard_id_text(arena, child->parent);
        if (child->adjacent_parent >= 0)
            out->parent_shards[out->parent_shards_count++] = shard_id_text(arena,
                                                                           child->adjacent_parent);
    }
    return list;
}

/* ---- Listings */

/* When the shard began. Sequence numbers date a child up to a second ahead, but there is no moment
 * without a shard: it began when its parents ended. */
static int64_t began_ms(const struct topic *t, const struct shard *shard)
{
    const struct shard *parent = topic_shard(t, shard->parent);
    return parent != NULL && parent->closed_ms < shard->created_ms ? parent->closed_ms
                                                                   : shard->created_ms;
}

/* The oldest moment that a filter may name: AWS moves what lies before it to the trim horizon. */
static int64_t horizon_ms(const struct topic *t, int64_t now_ms)
{
    int64_t oldest = INT64_MAX, retention = t->config.retention_ms;
    for (int32_t i = 0; i < t->shard_count; i++) {
        int64_t began = began_ms(t, topic_nth(t, i));
        if (began < oldest) oldest = began;
    }
    int64_t trimmed = retention < 0 ? INT64_MIN : now_ms - retention;
    return trimmed > oldest ? trimmed : oldest;
}

/* While a stream is shown as UPDATING its shards are shown as they were: the closing is not told
 * yet. */
static bool is_shown_open(const struct shard *shard, const struct shard_page *page)
{
    return shard->end_offset < 0 || stream_is_recent(page->bridge, shard->closed_ms, page->now_ms);
}

/* No shard of this index is left, or none of its data. */
static bool is_gone(const struct topic *t, int32_t index, int64_t now_ms)
{
    const struct shard *shard = topic_shard(t, index);
    return shard == NULL || is_expired(t, shard, now_ms);
}

/* Looks at the shard and its parents alone: there may be tens of thousands. */
static bool is_listed(const struct topic *t, const struct shard *shard,
                      const struct shard_page *page)
{
    bool open = is_shown_open(shard, page);
    if (!open && page->filter == KINESIS_SHARD_FILTER_TYPE_AT_LATEST) return false;
    const struct shard *parent = topic_shard(t, shard->parent);
    if (parent != NULL && is_shown_open(parent, page)) return false;
    switch (page->filter) {
    case KINESIS_SHARD_FILTER_TYPE_AT_LATEST: return open;
    case KINESIS_SHARD_FILTER_TYPE_AT_TIMESTAMP:
        return began_ms(t, shard) <= page->filter_ms &&
               (open || shard->closed_ms >= page->filter_ms);
    case KINESIS_SHARD_FILTER_TYPE_FROM_TIMESTAMP:
        return open || shard->closed_ms >= page->filter_ms;
    case KINESIS_SHARD_FILTER_TYPE_AT_TRIM_HORIZON:
        /* Those that were open at the horizon: their parents, if any, are expired. */
        return is_gone(t, shard->parent, page->now_ms) &&
               is_gone(t, shard->adjacent_parent, page->now_ms) &&
               !is_expired(t, shard, page->now_ms);
    default: return !is_expired(t, shard, page->now_ms);
    }
}

void shard_list(struct front_request *rq, const struct topic *t, struct shard_page *page)
{
    struct arena *arena = rq->arena;
    page->bridge = rq_bridge(rq);
    page->now_ms = clock_wall_ms();
    bool at = page->filter == KINESIS_SHARD_FILTER_TYPE_AT_TIMESTAMP,
         from = page->filter == KINESIS_SHARD_FILTER_TYPE_FROM_TIMESTAMP;
    if ((at || from) && page->filter_ms < horizon_ms(t, page->now_ms))
        page->filter = at ? KINESIS_SHARD_FILTER_TYPE_AT_TRIM_HORIZON
                          : KINESIS_SHARD_FILTER_TYPE_FROM_TRIM_HORIZON;
    page->shards = ARENA_ARRAY(arena, struct kinesis_shard, (size_t)page->count_max);
    for (int32_t i = topic_shard_at(t, page->after); page->shards != NULL && i < t->shard_count;
         i++) {
        const struct shard *shard = topic_nth(t, i);
        if (shard->index <= page->after || !is_listed(t, shard, page)) continue;
        if (page->count == (uint32_t)page->count_max) {
            page->more = true;
            return;
        }
        struct shard shown = *shard;
        if (is_shown_open(shard, page)) shown.end_offset = -1;
        shard_describe(arena, &shown, &page->shards[page->count++]);
        page->last = shard->index;
    }
}

bool shard_page_after(struct front_request *rq, const struct topic *t, struct bytes id,
                      struct shard_page *page)
{
    int32_t index;
    if (!shard_name(rq, topic_name(t), BYTES_NULL, id, &index)) return false;
    if (index > page->after) page->after = index;       /* AFTER_SHARD_ID may stand beside it */
    return true;
}

/* ---- Starting points */

static enum err position_of_sequence(struct front_request *rq, const struct topic *t,
                                     const struct shard *shard, bool after, struct bytes text,
                                     struct shard_position *ret)
{
    struct sequence s;
    struct bytes id = shard_id_text(rq->arena, shard->index);
    struct bytes account = rq_bridge(rq)->account;
    enum err parsed = sequence_parse(text, &s);
    const char *why = NULL;
    if (parsed != ERR_OK) why = "is invalid.";
    else if (s.shard_index != shard->index) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "Invalid StartingSequenceNumber. It encodes %.*s, while it was used in a call "
                   "to a shard with %.*s",
                   BYTES_ARGS(shard_id_text(rq->arena, s.shard_index)), BYTES_ARGS(id));
        return ERR_INVALID_ARGUMENT;
    } else if (s.kind == SEQUENCE_OLD && s.version == 0) {
        /* As AWS does for "0": the client's fault, of which the log says nothing. */
        front_fail_text(rq, ERR_UNKNOWN_SERVER_ERROR, BYTES_NULL, false);
        return ERR_UNKNOWN_SERVER_ERROR;
    } else if (s.kind == SEQUENCE_OLD ||
               s.shard_created_s != sequence_created_s(shard->created_ms))
        why = "is invalid because it did not come from this stream.";
    if (why != NULL) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "StartingSequenceNumber %.*s used in %s on shard %.*s in stream %s under "
                   "account %.*s %s",
                   BYTES_ARGS(text), front_operation(rq)->name, BYTES_ARGS(id), t->name,
                   BYTES_ARGS(account), why);
        return ERR_INVALID_ARGUMENT;
    }
    ret->kind = SHARD_AT_OFFSET;
    if (s.kind == SEQUENCE_SHARD_START) ret->value = shard->first_offset;
    else if (s.kind == SEQUENCE_SHARD_END)
        ret->value = shard->end_offset < 0 ? INT64_MAX : shard->end_offset;
    else ret->value = s.offset + (after && s.kind == SEQUENCE_RECORD ? 1 : 0);
    return ERR_OK;
}

static enum err position_latest(const struct topic *t, const struct shard *shard,
                                struct shard_position *ret)
{
    struct log_bounds bounds;
    ret->kind = SHARD_AT_OFFSET;
    if (shard->end_offset >= 0) {
        ret->value = shard->end_offset;
        return ERR_OK;
    }
    TRY(plog_bounds(t->partitions[shard->partition].log, &bounds));
    ret->value = bounds.last_stable;
    return ERR_OK;
}

static enum err position_of_time(struct front_request *rq, bool has_timestamp,
                                 int64_t timestamp_ms, struct shard_position *ret)
{
    int64_t now = clock_wall_ms();
    if (!has_timestamp) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. "
                   "Current request has no timestamp parameter.");
        return ERR_INVALID_ARGUMENT;
    }
    if (timestamp_ms > now) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "The timestampInMillis parameter cannot be greater than the "
                   "currentTimestampInMillis. timestampInMillis: %" PRId64
                   ", currentTimestampInMillis: %" PRId64,
                   timestamp_ms, now);
        return ERR_INVALID_ARGUMENT;
    }
    *ret = (struct shard_position){SHARD_AT_ARRIVAL, timestamp_ms};
    return ERR_OK;
}

enum err shard_position(struct front_request *rq, const struct topic *t,
                        const struct shard *shard, struct bytes type, struct bytes sequence,
                        bool has_timestamp, int64_t timestamp_ms, struct shard_position *ret)
{
    int kind = kinesis_shard_iterator_type_index(type);
    bool at = kind == KINESIS_SHARD_ITERATOR_TYPE_AT_SEQUENCE_NUMBER;
    bool after = kind == KINESIS_SHARD_ITERATOR_TYPE_AFTER_SEQUENCE_NUMBER;
    bool timed = kind == KINESIS_SHARD_ITERATOR_TYPE_AT_TIMESTAMP;
    if (!timed && (at || after) == bytes_is_null(sequence)) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "
                   "StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no "
                   "StartingSequenceNumber. Request specified %.*s and %s",
                   BYTES_ARGS(type),
                   bytes_is_null(sequence) ? "no StartingSequenceNumber."
                                             : "also a StartingSequenceNumber.");
        return ERR_INVALID_ARGUMENT;
    }
    if (at || after) return position_of_sequence(rq, t, shard, after, sequence, ret);
    if (timed) return position_of_time(rq, has_timestamp, timestamp_ms, ret);
    if (kind == KINESIS_SHARD_ITERATOR_TYPE_LATEST) return position_latest(t, shard, ret);
    *ret = (struct shard_position){SHARD_AT_HORIZON, 0};
    return ERR_OK;
}
