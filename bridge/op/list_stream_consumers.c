#include "base/clock.h"
#include "base/mem.h"
#include "bridge/consumer.h"
#include "bridge/page.h"
#include "bridge/stream.h"
#include "protocol/kinesis/token.h"
#include "base/check.h"

enum { CONSUMERS_MAX = 100 };

static bool start_after(struct front_request *rq, const struct list_stream_consumers_input *in,
                        const struct topic *t, struct bytes *ret_after)
{
    struct page_token token;
    *ret_after = BYTES_NULL;
    if (bytes_is_null(in->next_token))
        return stream_is_of(rq, t, in->has_stream_creation_timestamp,
                            in->stream_creation_timestamp_ms);
    if (in->has_stream_creation_timestamp) {
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "NextToken and StreamCreationTimestamp cannot be provided together.");
        return false;
    }
    if (!page_read(rq, PAGE_LIST_STREAM_CONSUMERS, in->next_token, &token)) return false;
    if (memcmp(token.topic_id, t->id.bytes, sizeof token.topic_id) != 0) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "NextToken is invalid.");
        return false;
    }
    *ret_after = token.after;
    return true;
}

/* The consumer with the smallest name after this one. */
static const struct stream_consumer *next_after(const struct topic *t, struct bytes after)
{
    const struct stream_consumer *best = NULL;
    for (int32_t i = 0; i < t->consumer_count; i++) {
        struct bytes name = bytes_str(t->consumers[i].name);
        bool later = bytes_is_null(after) || bytes_compare(name, after) > 0;
        if (later && (best == NULL || bytes_compare(name, bytes_str(best->name)) < 0))
            best = &t->consumers[i];
    }
    return best;
}

void kinesis_list_stream_consumers(struct front_request *rq)
{
    const struct list_stream_consumers_input *in = &rq_input(rq)->list_stream_consumers;
    struct bytes after;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, in->stream_arn);
    if (t == NULL || !start_after(rq, in, t, &after)) return;
    uint32_t limit = in->has_max_results && in->max_results < CONSUMERS_MAX
                         ? (uint32_t)in->max_results
                         : CONSUMERS_MAX;
    struct list_stream_consumers_output out = {
        .consumers = ARENA_ARRAY(rq->arena, struct kinesis_consumer, limit)};
    const struct stream_consumer *c = next_after(t, after);
    for (; c != NULL && out.consumers != NULL && out.consumers_count < limit;
         c = next_after(t, after)) {
        out.consumers[out.consumers_count++] = consumer_show(rq, t, c,
                                                             consumer_status(rq_bridge(rq), c));
        after = bytes_str(c->name);
    }
    char text[PAGE_TEXT_BYTES];
    if (c != NULL) {
        struct page_token token = {.kind = PAGE_LIST_STREAM_CONSUMERS,
                                   .created_ms = clock_steady_ms(),
                                   .stream_name = topic_name(t), .after = after};
        mem_copy(token.topic_id, t->id.bytes, sizeof token.topic_id);
        out.next_token = page_format(&rq_bridge(rq)->token_key, &token, text);
    }
    front_reply(rq, &out);
}
