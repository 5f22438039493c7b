#include "base/clock.h"
#include "base/mem.h"
#include "bridge/page.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "protocol/kinesis/token.h"
#include "base/check.h"

enum { RESULTS_MAX = 1000 };        /* AWS's default and cap of a page */

/* What to list: from the request, or from the token that stands for an earlier one. */
struct list_shards_ask {
    struct topic *topic;            /* reference */
    struct page_token token;        /* filter; shard_index and stream name for the next page */
    struct shard_page page;
};

static const char *what_is_wrong(const struct list_shards_input *in)
{
    bool named = !bytes_is_null(in->stream_name) || !bytes_is_null(in->stream_arn);
    bool token = !bytes_is_null(in->next_token);
    if (!named && !token) return "Either NextToken or StreamName should be provided.";
    if (!token) return NULL;
    if (!bytes_is_null(in->stream_name))
        return "NextToken and StreamName cannot be provided together.";
    if (!bytes_is_null(in->stream_arn))
        return "NextToken and StreamARN cannot be provided together.";
    if (!bytes_is_null(in->exclusive_start_shard_id))
        return "NextToken and ExclusiveStartShardId cannot be provided together.";
    if (in->has_stream_creation_timestamp)
        return "NextToken and StreamCreationTimestamp cannot be provided together.";
    if (in->shard_filter) return "NextToken and ShardFilter cannot be provided together.";
    return NULL;
}

static bool check_filter(struct front_request *rq, const struct kinesis_shard_filter *filter,
                         struct list_shards_ask *ask)
{
    if (filter == NULL) return true;
    int type = kinesis_shard_filter_type_index(filter->type);
    bool timed = type == KINESIS_SHARD_FILTER_TYPE_AT_TIMESTAMP ||
                 type == KINESIS_SHARD_FILTER_TYPE_FROM_TIMESTAMP;
    bool after = type == KINESIS_SHARD_FILTER_TYPE_AFTER_SHARD_ID;
    if (timed && !filter->has_timestamp) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "ShardFilter of type %.*s needs a Timestamp.",
                   BYTES_ARGS(filter->type));
        return false;
    }
    if (after && bytes_is_null(filter->shard_id)) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "ShardFilter of type AFTER_SHARD_ID needs a ShardId.");
        return false;
    }
    if (after && !shard_page_after(rq, ask->topic, filter->shard_id, &ask->page)) return false;
    ask->token.filter = (uint8_t)(type + 1);
    ask->token.filter_ms = filter->timestamp_ms;
    return true;
}

static bool from_request(struct front_request *rq, const struct list_shards_input *in,
                         struct list_shards_ask *ask)
{
    ask->topic = stream_find(rq, in->stream_name, in->stream_arn);
    if (ask->topic == NULL) return false;
    if (!stream_is_of(rq, ask->topic, in->has_stream_creation_timestamp,
                      in->stream_creation_timestamp_ms))
        return false;
    if (!check_filter(rq, in->shard_filter, ask)) return false;
    return bytes_is_null(in->exclusive_start_shard_id) ||
           shard_page_after(rq, ask->topic, in->exclusive_start_shard_id, &ask->page);
}

static bool from_token(struct front_request *rq, struct bytes text, struct list_shards_ask *ask)
{
    if (!page_read(rq, PAGE_LIST_SHARDS, text, &ask->token)) return false;
    struct uuid id;
    mem_copy(id.bytes, ask->token.topic_id, sizeof id.bytes);
    ask->topic = store_topic_by_id(rq_store(rq), &id);
    ask->page.after = (int32_t)ask->token.shard_index;
    if (ask->topic == NULL)
        front_fail(rq, ERR_RESOURCE_NOT_FOUND, "Stream %.*s under account %.*s not found.",
                   BYTES_ARGS(ask->token.stream_name), BYTES_ARGS(rq_bridge(rq)->account));
    return ask->topic != NULL;
}

static struct bytes next_token(struct front_request *rq, const struct list_shards_ask *ask)
{
    if (!ask->page.more) return BYTES_NULL;
    struct page_token token = ask->token;
    token.kind = PAGE_LIST_SHARDS;
    token.shard_index = (uint32_t)ask->page.last;
    token.created_ms = clock_steady_ms();
    token.stream_name = topic_name(ask->topic);
    mem_copy(token.topic_id, ask->topic->id.bytes, sizeof token.topic_id);
    char text[PAGE_TEXT_BYTES];
    return arena_copy(rq->arena, page_format(&rq_bridge(rq)->token_key, &token, text));
}

void kinesis_list_shards(struct front_request *rq)
{
    const struct list_shards_input *in = &rq_input(rq)->list_shards;
    const char *wrong = what_is_wrong(in);
    if (wrong != NULL) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "%s", wrong);
        return;
    }
    struct list_shards_ask ask = {.page = {.after = -1, .count_max = RESULTS_MAX}};
    bool ok = bytes_is_null(in->next_token) ? from_request(rq, in, &ask)
                                            : from_token(rq, in->next_token, &ask);
    if (ok) {
        if (in->has_max_results && in->max_results < RESULTS_MAX)
            ask.page.count_max = in->max_results;
        ask.page.filter = ask.token.filter - 1;
        ask.page.filter_ms = ask.token.filter_ms;
        if (stream_status(rq_bridge(rq), ask.topic) != KINESIS_STREAM_STATUS_CREATING)
            shard_list(rq, ask.topic, &ask.page);
        struct list_shards_output out = {
            .shards = ask.page.shards, .shards_count = ask.page.count,
            .next_token = next_token(rq, &ask)};
        front_reply(rq, &out);
    }
    topic_unref(ask.topic);
}
