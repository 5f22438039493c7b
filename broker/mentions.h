/* What a request names more than once: Kafka answers such a name once, with an error, and does
 * nothing about it. Linear time, memory from the request's arena. */
#ifndef BROKER_MENTIONS_H
#define BROKER_MENTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

struct mention {
    struct bytes key;
    uint64_t hash;
    int32_t first;      /* where this key stands first: its own place, unless it is a repeat */
    bool repeated;      /* it comes again later; told at the first place */
};

/* keys: one an entry; a null key is like no other. ret: one an entry, in the arena.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
enum err mentions_find(struct arena *arena, const struct bytes *keys, int32_t count,
                       struct mention **ret);

/* Of an open hash table: most names that are not the one asked for are told by the tag, without a
 * look at them. */
struct name_slot {
    uint32_t tag;               /* of the hash, a part that finds no slot */
    int32_t entry;              /* its number and 1; 0: free */
};
/* Names to look others up among; the names stay the caller's. */
struct name_set {
    struct mention *all;        /* one an entry, as mentions_find() gives it */
    struct name_slot *slots;
    uint64_t mask;
};
/* All of it lies in the arena. Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
enum err name_set_init(struct name_set *s, struct arena *arena, const struct bytes *names,
                       int32_t count);
/* Where the name stands first; -1: nowhere. Thread: the set's owner. */
int32_t name_set_find(const struct name_set *s, struct bytes name);

/* A partition that a request names below one of its topics. */
struct partition_mention {
    struct mention *mention;    /* of the pair of names; set by mentions_of_partitions() */
    int32_t topic;              /* which entry of the request; becomes the first one that names the
                                   same topic */
    int32_t partition;
};
/* The same of partitions, in whatever entries of the request they stand. topics: the names, one an
 * entry; all: one a partition.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
enum err mentions_of_partitions(struct arena *arena, const struct bytes *topics,
                                int32_t topic_count, struct partition_mention *all,
                                int32_t count);

/* An answer that names each topic once: the place of its entry in the answer and the most
 * partitions it has there, by the request's first entry that names it. topics: how many there
 * are. */
struct answer_room {
    int32_t *places, *partitions;
    int32_t topics;
};
/* all: as mentions_of_partitions() left them; an entry without partitions has no answer.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
enum err answer_room_find(struct arena *arena, const struct partition_mention *all, int32_t count,
                          int32_t topic_count, struct answer_room *ret);

#endif
