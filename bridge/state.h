/* The inside of struct bridge, for the operations. Everything per loop is touched by that loop alone. */
#ifndef BRIDGE_STATE_H
#define BRIDGE_STATE_H

#include "base/bytes.h"
#include "bridge/bridge.h"
#include "protocol/batch/inflate.h"
#include "protocol/kinesis/token.h"

struct subscriptions;

struct bridge_loop {
    struct loop *loop;
    struct bridge *bridge;
    struct inflater inflater;           /* unpacks what Kafka producers compressed */
    uint64_t random[2];                 /* state of the request ids' generator; not for secrets */
};

struct bridge {
    struct bridge_options options;
    struct bytes account;
    struct bytes region;
    struct store *store;
    struct limits *limits;
    struct token_key token_key;         /* of iterators and NextTokens */
    struct subscriptions *subscriptions;    /* which consumer holds which shard, over all loops */
    uint32_t loop_count;
    struct bridge_loop *loops;          /* by loop_index() */
    struct http_door door;
};

#endif
