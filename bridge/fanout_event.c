#include "bridge/fanout_event.h"

#include "base/check.h"

/* What a reader continues after: the last record that was passed, or the shard's start. */
static struct bytes continuation(const struct shard *shard, const struct log_bounds *bounds,
                                 const struct get_page *page, struct arena *arena)
{
    char *to = arena_alloc(arena, SEQUENCE_TEXT_BYTES);
    if (to == NULL) return BYTES_NULL;
    if (page->count > 0) return page->records[page->count - 1].sequence_number;
    if (page->offset_next <= shard->first_offset)
        return sequence_format_start(shard->created_ms, (uint32_t)shard->index, to);
    int64_t time_ms = bounds->arrival_last_ms > shard->created_ms ? bounds->arrival_last_ms
                                                                  : shard->created_ms;
    return sequence_format(shard->created_ms, (uint32_t)shard->index, page->offset_next - 1,
                           time_ms, to);
}

struct kinesis_subscribe_to_shard_event fanout_event(const struct topic *t,
                                                     const struct shard *shard,
                                                     const struct log_bounds *bounds,
                                                     const struct get_page *page,
                                                     struct arena *arena)
{
    struct kinesis_subscribe_to_shard_event event = {
        .records = page->records,
        .records_count = page->count,
        .millis_behind_latest = get_millis_behind(shard, bounds, page),
    };
    if (shard_ends_by(shard, page->offset_next))
        event.child_shards = shard_children(arena, t, shard, &event.child_shards_count);
    else
        event.continuation_sequence_number = continuation(shard, bounds, page, arena);
    return event;
}
