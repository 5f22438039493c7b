/* Shards as windows of partition logs.
 *
 * A shard reads the offsets [first_offset, end_offset) of its partition, and the sequence number of
 * a record is a function of (creation time of the shard, its index, offset) alone, so both convert
 * by arithmetic. Parent and child meet exactly: when a shard on partition p closes at offset X, a
 * child on p begins at X, and a child on another partition begins at that one's end; nothing was
 * appended there under an older window, because the shard that had it is closed too, or there was
 * none. */
#ifndef BRIDGE_SHARD_H
#define BRIDGE_SHARD_H

#include "bridge/request.h"
#include "protocol/kinesis/sequence.h"
#include "storage/topic/topic.h"

/* The index in a shard's name, looked at before the stream is. False: answered with
 * ResourceNotFoundException. */
bool shard_name(struct front_request *rq, struct bytes stream_name, struct bytes stream_arn,
                struct bytes id, int32_t *ret_index);
/* The shard of that index for a change. NULL: answered with ResourceNotFoundException. */
const struct shard *shard_to_change(struct front_request *rq, const struct topic *t,
                                    int32_t index);
/* The same for a reader; the words differ. */
const struct shard *shard_to_read(struct front_request *rq, const struct topic *t, int32_t index);
/* False and answered (InvalidArgumentException) when it was split or merged already. */
bool shard_is_open(struct front_request *rq, const struct topic *t, const struct shard *shard);
/* Answers LimitExceededException: more shards were asked than the account may have. */
void shard_fail_limit(struct front_request *rq, int32_t more);

/* AWS's text for a shard whose limit is used up; in the arena, never NULL. */
const char *shard_rate_text(struct front_request *rq, const struct topic *t, int32_t index);

/* First offset that can still be read: TRIM_HORIZON. */
int64_t shard_horizon(const struct shard *shard, int64_t log_start);
/* The offset, or the shard's end where that comes before it. */
int64_t shard_cut(const struct shard *shard, int64_t offset);
/* True when the shard is closed and has nothing at or behind the offset: its reader is through. */
bool shard_ends_by(const struct shard *shard, int64_t offset);

/* As AWS shows it; texts in the request's arena. */
void shard_describe(struct arena *arena, const struct shard *shard, struct kinesis_shard *ret);
/* The children of a closed shard, as the last answer of its readers names them; NULL and 0 while it
 * is open, and NULL without memory. Each names all its parents. */
struct kinesis_child_shard *shard_children(struct arena *arena, const struct topic *t,
                                           const struct shard *shard, uint32_t *ret_count);

/* A page of a listing, ordered by index. */
struct shard_page {
    int32_t after;                   /* indices above this one; -1: from the first */
    int32_t count_max;
    int filter;                      /* enum kinesis_shard_filter_type; negative: all not expired */
    int64_t filter_ms;
    const struct bridge *bridge;     /* shard_list()'s, as what follows */
    int64_t now_ms;                  /* the moment of which the whole page tells */
    struct kinesis_shard *shards;    /* in the arena */
    uint32_t count;
    int32_t last;                    /* index of the last one listed */
    bool more;
};
void shard_list(struct front_request *rq, const struct topic *t, struct shard_page *page);
/* ExclusiveStartShardId into page->after. False: answered (it names no shard). */
bool shard_page_after(struct front_request *rq, const struct topic *t, struct bytes id,
                      struct shard_page *page);

/* Where reading begins. */
struct shard_position {
    enum { SHARD_AT_OFFSET, SHARD_AT_HORIZON, SHARD_AT_ARRIVAL } kind;
    int64_t value;              /* offset, or epoch ms */
};
/* The starting point of GetShardIterator and SubscribeToShard: type and what goes with it.
 * Errors: ERR_INVALID_ARGUMENT, ERR_UNKNOWN_SERVER_ERROR - answered already; ERR_COLD - LATEST of a
 * log that is not open yet: open it and ask again. Thread: the request's loop. */
enum err shard_position(struct front_request *rq, const struct topic *t,
                        const struct shard *shard, struct bytes type, struct bytes sequence,
                        bool has_timestamp, int64_t timestamp_ms, struct shard_position *ret);

#endif
