/* The Kinesis door: what the composition root needs to open it. */
#ifndef BRIDGE_BRIDGE_H
#define BRIDGE_BRIDGE_H

#include "base/err.h"
#include "base/net/access.h"
#include "base/net/http.h"
#include "base/net/loop.h"
#include "storage/store.h"

struct bridge;
struct limits;

struct bridge_options {
    const char *account_id;         /* 12 digits */
    const char *region;
    int32_t shard_limit;            /* open shards of all streams together */
    const struct http_access *access;   /* NULL: any page and any Host; not owned */
    int64_t stream_create_ms;       /* how long CREATING and UPDATING are shown */
};

/* limits: policy's, not owned; outlives the bridge. The loops' indices are 0 .. loop_count - 1.
 * Never NULL. Thread: main, before the loops run; bridge_free() after they were stopped. */
struct bridge *bridge_new(const struct bridge_options *options, struct store *store,
                          struct limits *limits, struct loop *const *loops, uint32_t loop_count);
void bridge_free(struct bridge *b);                 /* NULL is a no-op */

/* The door for any number of listeners. */
const struct http_door *bridge_door(struct bridge *b);

#endif
