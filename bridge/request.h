/* What operations of Kinesis ask of their request (bridge/front/request.h). */
#ifndef BRIDGE_REQUEST_H
#define BRIDGE_REQUEST_H

#include "bridge/front/request.h"
#include "bridge/state.h"
#include "protocol/kinesis/api.gen.h"
#include "storage/store.h"

static inline struct bridge *rq_bridge(const struct front_request *rq)
{
    return rq->service->context;
}

/* Of the connection's loop. */
static inline struct bridge_loop *rq_home(const struct front_request *rq)
{
    return &rq_bridge(rq)->loops[loop_index(rq->http->loop)];
}

static inline struct store *rq_store(const struct front_request *rq)
{
    return rq_bridge(rq)->store;
}

/* The operation's member is set. */
static inline union kinesis_input *rq_input(const struct front_request *rq)
{
    return rq->input;
}

/* One handler for each row of kinesis_api.def, each in bridge/op/<operation>.c.
 * Thread: the connection's loop. */
#define KINESIS(target, id, handler) void handler(struct front_request *rq);
#include "protocol/schema/kinesis_api.def"
#undef KINESIS

#endif
