/* A topic value in the making: what the controller and the start-up reader change before anyone
 * else sees it. A draft becomes a topic by draft_finish(), which checks the invariant; from then on
 * the value is immutable. */
#ifndef STORAGE_DRAFT_H
#define STORAGE_DRAFT_H

#include "storage/topic/topic.h"

/* An empty draft, one reference. name is copied. */
struct topic *draft_new(const struct uuid *id, struct bytes name);
/* A draft that equals the value; it has references of its own on the logs. */
struct topic *draft_copy(const struct topic *t);

/* Appends a partition without a shard and without a log; returns its number. */
int32_t draft_add_partition(struct topic *t, uint64_t log_id);
/* The shard at a position, to be changed; valid until one is added. Makes its block the draft's. */
struct shard *draft_nth(struct topic *t, int32_t position);
/* Appends a shard with the next index; returns it, valid until the next one is added. */
struct shard *draft_add_shard(struct topic *t);
/* Gives an empty draft this many partitions, log ids counting up from first_log_id, and one shard
 * for each: equal widths from 0 on, the last one takes the rest. */
void draft_even_shards(struct topic *t, int32_t count, uint64_t first_log_id, int64_t created_ms);
/* The first hash of shard i of `count` even ones, i < count. */
u128 draft_even_first(int32_t i, int32_t count);
/* Takes the shards out of the list that were closed by then and whose data is all gone; returns how
 * many. log_starts: of each partition, 0 where it is not known. */
int32_t draft_expire_shards(struct topic *t, const int64_t *log_starts, int64_t closed_by_ms);

/* Sets, replaces or (value null) removes. */
void draft_set_setting(struct topic *t, struct bytes name, struct bytes value);
void draft_set_tag(struct topic *t, struct bytes key, struct bytes value);
/* Returns it, up to the next change of the list. */
struct stream_consumer *draft_add_consumer(struct topic *t, struct bytes name, int64_t created_ms);
void draft_set_consumer_tag(struct stream_consumer *c, struct bytes key, struct bytes value);
bool draft_remove_consumer(struct topic *t, struct bytes name);    /* false: there is none */
/* Works out what the look-ups need, of the shards that were open or are new since the last call. To
 * be called again after later changes of the draft. */
void draft_finish(struct topic *t);

#endif
