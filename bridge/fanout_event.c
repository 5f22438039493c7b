#include "bridge/fanout_event.h"

#include "base/check.h"

/* Where a reader continues, at it or after it: as at AWS no record has this number. */
static struct bytes continuation(const struct shard *shard, const struct get_page *page,
                                 struct arena *arena)
{
    char *to = arena_alloc(arena, SEQUENCE_TEXT_BYTES);
    if (to == NULL) return BYTES_NULL;
    return sequence_format_between(shard->created_ms, (uint32_t)shard->index, page->offset_next,
                                   to);
}

bool fanout_event(const struct topic *t, const struct shard *shard, const struct log_bounds *bounds,
                  const struct get_page *page, struct arena *arena,
                  struct kinesis_subscribe_to_shard_event *ret)
{
    *ret = (struct kinesis_subscribe_to_shard_event){
        .records = page->records,
        .records_count = page->count,
        .millis_behind_latest = get_millis_behind(shard, bounds, page),
    };
    if (!shard_ends_by(shard, page->offset_next)) {
        ret->continuation_sequence_number = continuation(shard, page, arena);
        return ret->continuation_sequence_number.data != NULL;
    }
    ret->child_shards = shard_children(arena, t, shard, &ret->child_shards_count);
    return ret->child_shards != NULL;
}
