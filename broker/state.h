/* The inside of struct broker, for the handlers. Everything per loop is touched by that loop
 * alone. */
#ifndef BROKER_STATE_H
#define BROKER_STATE_H

#include <stdatomic.h>
#include "broker/broker.h"
#include "base/budget.h"
#include "base/net/frame.h"
#include "protocol/batch/deflate.h"
#include "protocol/batch/inflate.h"

struct arrivals;
struct coordinator;
struct meters;
struct fetch_sessions;

/* What a key names that falls to one loop (coordinator/). */
enum coordinator_kind { COORDINATOR_GROUP, COORDINATOR_KINDS };

struct broker_loop {
    struct loop *loop;
    struct broker *broker;
    struct inflater inflater;            /* unpacks what producers compressed, to look at it */
    struct deflater deflater;            /* packs for topics whose compression.type names a codec */
    struct fetch_sessions *sessions;
    struct coordinator *coordinators[COORDINATOR_KINDS];    /* what falls to this loop */
    size_t turn_bytes;                   /* of requests about one thing or another that began in
                                            that turn; records and fetches apart */
    uint64_t turn;                       /* loop_turns() */
};

struct broker {
    struct broker_options options;
    struct store *store;
    struct arrivals *arrivals;              /* for /metrics: what was looked up on disk */
    struct meters *traffic;                 /* for /metrics: msk.h */
    struct budget fetches;                  /* memory of fetches under way, most of which wait */
    atomic_size_t group_bytes;              /* held by the groups of all loops */
    uint32_t loop_count;
    struct broker_loop *loops;              /* by loop_index() */
    uint32_t door_count;
    struct broker_door **doors;
    char *listeners;                        /* PLAINTEXT://HOST:PORT of each, with commas */
};

/* One listener's. */
struct broker_door {
    struct frame_door frames;
    struct broker *broker;
    struct net_address advertised;          /* host empty: the address the client reached */
};

#endif
