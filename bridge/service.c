#include "bridge/service.h"

#include "bridge/request.h"
#include "base/check.h"

#define KINESIS(target, id, handler) [KINESIS_OP_##id] = handler,
static void (*const handlers[KINESIS_OP_COUNT])(struct front_request *rq) = {
#include "protocol/schema/kinesis_api.def"
};
#undef KINESIS

#define KINESIS_UNSERVED(name) name,
static const char *const unserved[] = {
#include "protocol/schema/kinesis_unserved.def"
    NULL,
};
#undef KINESIS_UNSERVED

static uint32_t find(struct bytes name)
{
    return kinesis_op_find(name);
}

/* Lists of what there is; the other answers are small, or keep to the room themselves. */
static size_t answer_bytes(uint32_t op)
{
    enum { LIST_BYTES = 1 << 20 };
    switch (op) {
    case KINESIS_OP_DESCRIBE_STREAM:
    case KINESIS_OP_LIST_SHARDS:
    case KINESIS_OP_LIST_STREAMS:
    case KINESIS_OP_LIST_STREAM_CONSUMERS:
        return LIST_BYTES;
    default:
        return 0;
    }
}

void bridge_service_init(struct front_service *ret, struct bridge *b)
{
    *ret = (struct front_service){
        .target_prefix = BYTES_LIT("Kinesis_20131202."),
        .operations = kinesis_operations,
        .operation_count = KINESIS_OP_COUNT,
        .input_bytes = sizeof(union kinesis_input),
        .find = find,
        .unserved = unserved,
        .exception = err_kinesis,
        .handlers = handlers,
        .answer_bytes = answer_bytes,
        .latency_name = "diglot_kinesis_request_seconds",
        .errors_name = "diglot_kinesis_errors_total",
        .context = b,
    };
}
