/* The arithmetic of shard windows: split, merge, even out. Pure: works on a draft, with the end
 * offsets of the frozen logs given.
 *
 *   split of a shard on partition p    close it at p's end X; lower child = p from X, upper child =
 *                                      a retired partition from its end, or a new one from 0
 *   merge of shards on p and q         close both; child = p from its end, q is retired
 *
 * The shape of the outcome does not depend on the ends, so the controller runs a change once with
 * ends == NULL to learn which logs to freeze, and again with what it found there. */
#ifndef STORAGE_RESHARD_H
#define STORAGE_RESHARD_H

#include "storage/topic/draft.h"

struct reshard {
    struct topic *draft;        /* finished, or a copy of a finished one */
    int64_t now_ms;
    int32_t index_first;        /* shards from this index on are made by this change */
    const int64_t *ends;        /* end offset of each partition there was before, or NULL */
    int32_t end_count;
    bool only_new;              /* the upper child of a split never reuses a retired partition */
    uint64_t log_id_next;       /* counted up for each new partition */
    int32_t free_from;          /* reshard.c's: no partition below it is retired */
};

/* The shard at `position` is open, hash inside (hash_first, hash_last]. */
void reshard_split(struct reshard *r, int32_t position, u128 hash);
/* Both open, b's range begins where a's ends. Returns the child's position. */
int32_t reshard_merge(struct reshard *r, int32_t a, int32_t b);
/* `splits` times: halve the widest open shard, the oldest of equals. */
void reshard_widest(struct reshard *r, int32_t splits);
/* To `count` open shards of the widths that a new topic of that count has. Partitions are added
 * only where more shards are open than ever before. */
void reshard_even(struct reshard *r, int32_t count);

/* The partitions of `old` that take part in the change, ascending; ret_...[] have room for all.
 * routes: retired ones whose home changes (topic_forward()): what is addressed to them passes
 * through their logs, which take nothing themselves. logs: all others on which the draft opens or
 * closes a window, or that are a home which something addressed leaves or comes to. */
struct reshard_parts {
    int32_t *routes;
    int32_t route_count;
    int32_t *logs;
    int32_t log_count;
};
void reshard_parts(const struct topic *old, const struct topic *draft, struct reshard_parts *ret);

#endif
