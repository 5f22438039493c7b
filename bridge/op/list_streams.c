/* ListStreams: by name order, with both of AWS's ways to page: ExclusiveStartStreamName and
 * NextToken. */
#include "base/clock.h"
#include "bridge/page.h"
#include "bridge/stream.h"
#include "protocol/kinesis/token.h"
#include "storage/store.h"
#include "base/check.h"

enum { STREAMS_MAX = 100, STEP = 128 };

static bool start_after(struct front_request *rq, const struct list_streams_input *in,
                        struct bytes *ret_after)
{
    struct page_token token;
    *ret_after = in->exclusive_start_stream_name;
    if (bytes_is_null(in->next_token)) return true;
    if (!page_read(rq, PAGE_LIST_STREAMS, in->next_token, &token)) return false;
    *ret_after = token.after;
    return true;
}

static void add(struct front_request *rq, const struct topic *t, struct list_streams_output *out)
{
    struct kinesis_stream_summary *s = &out->stream_summaries[out->stream_summaries_count++];
    struct kinesis_stream_mode_details *mode = ARENA_NEW(rq->arena,
                                                         struct kinesis_stream_mode_details);
    *s = (struct kinesis_stream_summary){
        .stream_name = arena_copy(rq->arena, topic_name(t)),
        .stream_arn = stream_arn(rq, t),
        .stream_status = kinesis_stream_status_text(stream_status(rq_bridge(rq), t)),
        .stream_mode_details = mode ? stream_mode(t, mode) : NULL,
        .stream_creation_timestamp_ms = t->created_ms,
        .has_stream_creation_timestamp = true,
    };
    out->stream_names[out->stream_names_count++] = s->stream_name;
}

/* Fills up to limit streams; internal topics and names that are too long do not count. */
static void collect(struct front_request *rq, struct bytes after, uint32_t limit,
                    struct list_streams_output *out)
{
    struct topic *step[STEP];
    int32_t count;
    do {
        count = store_topics(rq_store(rq), after, STEP, step);
        for (int32_t i = 0; i < count; i++) {
            bool stream = topic_is_stream(step[i]);
            if (stream && out->stream_names_count == limit) out->has_more_streams = true;
            else if (stream) add(rq, step[i], out);
            if (i + 1 == count) after = arena_copy(rq->arena, topic_name(step[i]));
            topic_unref(step[i]);
        }
    } while (count == STEP && !out->has_more_streams);
}

void kinesis_list_streams(struct front_request *rq)
{
    const struct list_streams_input *in = &rq_input(rq)->list_streams;
    uint32_t limit = in->has_limit && in->limit < STREAMS_MAX ? (uint32_t)in->limit : STREAMS_MAX;
    struct bytes after;
    if (!start_after(rq, in, &after)) return;
    struct list_streams_output out = {
        .stream_names = ARENA_ARRAY(rq->arena, struct bytes, limit),
        .stream_summaries = ARENA_ARRAY(rq->arena, struct kinesis_stream_summary, limit),
    };
    if (out.stream_names == NULL || out.stream_summaries == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    collect(rq, after, limit, &out);
    char text[PAGE_TEXT_BYTES];
    if (out.has_more_streams && out.stream_names_count > 0) {
        struct page_token token = {.kind = PAGE_LIST_STREAMS, .created_ms = clock_steady_ms(),
                                   .after = out.stream_names[out.stream_names_count - 1]};
        out.next_token = page_format(&rq_bridge(rq)->token_key, &token, text);
    }
    front_reply(rq, &out);
}
