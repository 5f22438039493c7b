/* Two services behind one front: each gets the requests that its target names, and answers them in
 * its own words; what names neither is the first one's. */
#include "unit/bridge/bridge_fixture.h"
#include "bridge/front/front.h"
#include "bridge/front/request.h"
#include "protocol/kinesis/api.gen.h"

static struct bx f;

static void tell(struct front_request *rq)
{
    const char *who = rq->service->context;
    front_fail(rq, ERR_LIMIT_EXCEEDED, "%s: %s", who, front_operation(rq)->name);
}

static uint32_t find(struct bytes name)
{
    return kinesis_op_find(name);
}

static const char *exception(enum err err)
{
    return err == ERR_LIMIT_EXCEEDED ? "OtherLimit" : "Other";
}

static size_t answer_bytes(uint32_t op)
{
    (void)op;
    return 0;
}

static void (*const handlers[KINESIS_OP_COUNT])(struct front_request *rq) = {
    [KINESIS_OP_LIST_STREAMS] = tell, [KINESIS_OP_DESCRIBE_LIMITS] = tell};
static const char *const unserved[] = {"Elsewhere", NULL};
static char context[] = "the other one";
static struct front_service other = {
    .target_prefix = BYTES_LIT("Other_1."),
    .operations = kinesis_operations,
    .operation_count = KINESIS_OP_COUNT,
    .input_bytes = sizeof(union kinesis_input),
    .find = find,
    .unserved = unserved,
    .exception = exception,
    .handlers = handlers,
    .answer_bytes = answer_bytes,
    .latency_name = "diglot_other_request_seconds",
    .errors_name = "diglot_other_errors_total",
    .context = context,
};

#define HEAD "POST / HTTP/1.1\r\ncontent-type: application/x-amz-json-1.1\r\n" BX_SIGNED

static void ask(struct bx_client *c, const char *target, int status, const char *says)
{
    char head[512];
    snprintf(head, sizeof head, "%sx-amz-target: %s\r\n", HEAD, target);
    bx_send_raw(&f, c, head, "{}");
    EXPECT_EQ(bx_receive(&f, c), status);
    EXPECT_HAS(c->bytes, says);
}

TEST(each_service_gets_what_its_target_names)
{
    bx_init(&f);
    front_add(f.bridge->front, &other);
    struct bx_client *c = bx_connect(&f);
    ask(c, "Kinesis_20131202.ListStreams", 200, "\"StreamNames\":[]");
    ask(c, "Other_1.ListStreams", 400,
        "{\"__type\":\"OtherLimit\",\"message\":\"the other one: ListStreams\"}");
    ask(c, "Other_1.DescribeLimits", 400, "the other one: DescribeLimits");
    ask(c, "Kinesis_20131202.DescribeLimits", 200, "\"ShardLimit\":100");
    bx_done(&f);
}

TEST(what_a_service_lacks_is_told_in_its_own_words)
{
    bx_init(&f);
    front_add(f.bridge->front, &other);
    struct bx_client *c = bx_connect(&f);
    ask(c, "Other_1.Elsewhere", 400,
        "{\"__type\":\"Other\",\"message\":\"Elsewhere is not served here.\"}");
    ask(c, "Other_1.Nowhere", 400, "{\"__type\":\"Other\"}");
    ask(c, "Kinesis_20131202.Elsewhere", 400, "{\"__type\":\"UnknownOperationException\"}");
    ask(c, "Nobody_1.ListStreams", 400, "{\"__type\":\"UnknownOperationException\"}");
    bx_done(&f);
}

TESTS(RUN(each_service_gets_what_its_target_names),
      RUN(what_a_service_lacks_is_told_in_its_own_words))
