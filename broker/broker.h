/* The Kafka door: what the composition root needs to open it. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "base/err.h"
#include "base/net/frame.h"
#include "base/net/loop.h"
#include "broker/group/config.h"
#include "storage/store.h"

struct broker;
struct broker_door;

struct broker_options {
    int32_t node_id;
    bool auto_create_topics;
    bool accept_replication_factor;     /* take any factor, keep one replica */
    struct groups_config groups;        /* bytes_all and on_members: the broker's */
    int32_t fetch_sessions_max;         /* over all loops */
    size_t fetch_session_bytes_max;     /* of them, over all loops */
    size_t fetch_memory_bytes_max;     /* memory of fetches under way */
    int64_t connections_idle_ms;        /* shown alone: the door keeps to them */
    int64_t connections_max;
    int64_t connections_max_per_ip;
    uint32_t request_bytes_max;         /* socket.request.max.bytes */
    uint32_t request_elements_max;      /* what one request may name at least: topics, partitions,
                                           members ... together (refuse.h); it bounds how long a
                                           loop is held */
    uint32_t fetch_bytes_max;           /* fetch.max.bytes */
};
void broker_options_default(struct broker_options *ret);

/* The loops' indices (loop_index) are 0 .. loop_count - 1. Never NULL.
 * Thread: main, before the loops run; broker_free() after they were stopped. */
struct broker *broker_new(const struct broker_options *options, struct store *store,
                          struct loop *const *loops, uint32_t loop_count);
void broker_free(struct broker *b);                 /* NULL is a no-op */

/* A door for one listener. advertised: what clients are told to connect to; NULL or an empty host:
 * the address that the client reached. Lives until broker_free(). Thread: main. */
const struct frame_door *broker_door_new(struct broker *b, const struct net_address *advertised);
/* Tells where a door listens, for whoever asks for `listeners`. Thread: main, before the loops
 * run. */
void broker_listens(struct broker *b, const struct net_address *at);

#endif
