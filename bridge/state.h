/* The inside of struct bridge, for the operations. Everything per loop is touched by that loop
 * alone. */
#ifndef BRIDGE_STATE_H
#define BRIDGE_STATE_H

#include <pthread.h>
#include "base/budget.h"
#include "base/bytes.h"
#include "base/mailbox.h"
#include "bridge/bridge.h"
#include "bridge/front/service.h"
#include "bridge/meter.h"
#include "protocol/batch/deflate.h"
#include "protocol/batch/inflate.h"
#include "protocol/kinesis/token.h"

struct front;
struct subscription;
struct subscriptions;
struct topic;

/* Streams that are gone and still shown as DELETING for stream_create_ms; the oldest makes room. */
enum { DELETING_SHOWN_MAX = 64 };
struct deleting {
    pthread_mutex_t lock;
    uint32_t next;
    struct {
        struct topic *topic;            /* last value; reference */
        int64_t until_ms;               /* clock_mono_ms */
    } streams[DELETING_SHOWN_MAX];
};

struct push_queue {
    struct subscription *first, *last;
};

/* Subscriptions of a loop take turns: so many bytes of events are made in one turn of the loop,
 * whoever wants more waits in line. fanout.c's. */
struct push_line {
    struct job next_turn;
    bool is_posted;                     /* next_turn is under way */
    struct push_queue queue;
    size_t bytes;                       /* made in this turn, and what an event costs whatever it
                                           holds */
    struct budget memory;               /* of the events that are being made */
    struct push_queue starved;          /* who waits for some of it; then somebody has some */
};

struct bridge_loop {
    struct loop *loop;
    struct bridge *bridge;
    struct push_line line;
    struct inflater inflater;           /* unpacks what is stored compressed */
    struct deflater deflater;           /* packs for topics whose compression.type names a codec */
};

struct bridge {
    struct bridge_options options;
    struct bytes account;
    struct bytes region;
    struct store *store;
    struct limits *limits;
    struct token_key token_key;         /* of iterators and NextTokens */
    struct deleting deleting;
    struct subscriptions *subscriptions;    /* which consumer holds which shard, over all loops */
    struct bridge_meters meters;        /* for /metrics */
    uint32_t loop_count;
    struct bridge_loop *loops;          /* by loop_index() */
    struct front_service kinesis;
    struct front *front;
};

#endif
