/* One of AWS's services, as a table that is handed to the front: how a request names its
 * operations, how they are read and written, and who answers them. Another service that speaks JSON
 * or CBOR with X-Amz-Target is another such table. */
#ifndef BRIDGE_FRONT_SERVICE_H
#define BRIDGE_FRONT_SERVICE_H

#include <stddef.h>
#include "base/bytes.h"
#include "base/err.h"
#include "protocol/aws/operation.h"

struct front_request;
struct metric;

struct front_service {
    struct bytes target_prefix;             /* of X-Amz-Target: "Kinesis_20131202." */
    const struct aws_operation *operations; /* by what find() returns */
    uint32_t operation_count;
    size_t input_bytes;                     /* of the largest input */
    uint32_t (*find)(struct bytes name);    /* operation_count: none of them */
    const char *const *unserved;            /* AWS has these operations too; NULL-ended */
    const char *(*exception)(enum err err); /* the service's name for it */
    /* By operation. Thread: the connection's loop. */
    void (*const *handlers)(struct front_request *rq);
    /* What the answer may take beyond a small one; 0: it keeps to the room itself. */
    size_t (*answer_bytes)(uint32_t op);
    const char *latency_name, *errors_name; /* of its metrics */
    void *context;                          /* the handlers' */
    struct metric **latency, **errors;      /* front's: by operation; by enum err */
};

#endif
