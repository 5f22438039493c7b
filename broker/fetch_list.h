/* The partitions that a fetch asks for: each once, in an order that can be changed, a topic's name
 * stored once. A fetch without a session has one for as long as it runs, a session keeps one.
 *
 * A partition that a request names more than once keeps its first place, and what was said last
 * counts. Every operation is O(1) or linear in what the request says; a request that forgets is
 * linear in the list. Pure: no I/O, no clock. Thread: the loop that owns it.
 * Rejected: base/map.h, whose nodes and buckets cost as much as what they index. */
#ifndef BROKER_FETCH_LIST_H
#define BROKER_FETCH_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/uuid.h"
#include "protocol/kafka/msg/fetch.h"

enum { FETCH_BY_ID_SINCE = 13 };    /* versions that name topics by id */

struct fetch_topic {
    struct bytes name;              /* the list's memory; null: no topic had this id so far */
    struct uuid id;                 /* zero: asked by name */
};

struct fetch_item {
    int64_t offset;
    int64_t told_high_watermark;    /* by the last answer; -1: nothing, or an error */
    int64_t told_log_start;
    int32_t topic;                  /* place in topics */
    int32_t partition;
    int32_t leader_epoch;
    int32_t last_fetched_epoch;
    int32_t bytes_max;              /* not negative */
    int32_t next, prev;             /* the order; -1 at its ends */
    enum err refused;               /* by the request under way: not there to be read */
};

struct fetch_slots {
    int32_t *at;                    /* place + 1; 0: empty */
    int32_t bits;                   /* 1 << bits of them; 0: none */
};

struct fetch_list {
    uint64_t seed;
    bool by_id;
    struct fetch_topic *topics;
    int32_t topic_count, topic_cap;
    struct fetch_item *items;
    int32_t item_count, item_cap;
    int32_t first, last;            /* items; -1: none */
    struct fetch_slots topic_slots;
    struct fetch_slots item_slots;
    size_t name_bytes;
    size_t name_len_max;
};

/* seed: odd, and not known to clients, so that they cannot choose what collides. */
void fetch_list_init(struct fetch_list *l, uint64_t seed, bool by_id);
void fetch_list_done(struct fetch_list *l);
/* Memory that it takes up. */
size_t fetch_list_bytes(const struct fetch_list *l);

/* Adds or changes what the request asks for, as far as the list has no more than item_max. False:
 * memory is out, and the list is good for fetch_list_done() alone. */
bool fetch_list_want(struct fetch_list *l, const struct fetch_request *request, int32_t item_max);
/* Removes what the request forgets; places of items and topics change. False: as above. */
bool fetch_list_forget(struct fetch_list *l, const struct fetch_request *request);
/* A topic that was asked by id has this name. False: memory is out, and it has none as before. */
bool fetch_list_name(struct fetch_list *l, int32_t topic, struct bytes name);
/* Makes the item the last one in the order; its place in items stays. */
void fetch_list_turn(struct fetch_list *l, int32_t item);

#endif
