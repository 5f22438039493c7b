/* From an HTTP request to its handler.
 *
 * What is wrong with a request is told in AWS's order: transport, body, target, signature, types,
 * constraints, and only then what the operation itself finds. The path is never looked at. Before
 * the operation is known, an answer may be XML; after that it has the request's own encoding. */
#include "bridge/front/dispatch.h"

#include <string.h>
#include "base/clock.h"
#include "bridge/front/cors.h"
#include "bridge/front/request.h"
#include "protocol/aws/sigv4_shape.h"
#include "base/check.h"

#define TYPE_PLAIN_JSON "application/json"

#define KINESIS(target, id, plane, handler) [KINESIS_OP_##id] = handler,
static void (*const handlers[KINESIS_OP_COUNT])(struct kinesis_request *rq) = {
#include "protocol/schema/kinesis_api.def"
};
#undef KINESIS

void bridge_dispatch_init(void)
{
    kinesis_request_init();
}

static void fail_xml(struct kinesis_request *rq, uint16_t status, const char *body)
{
    writer_text(&rq->http->reply, body);
    kinesis_send(rq, status, NULL);
}

static void fail_denied(struct kinesis_request *rq, const char *message)
{
    writer_printf(&rq->http->reply,
                  "<AccessDeniedException>\n  <Message>%s</Message>\n</AccessDeniedException>\n",
                  message);
    kinesis_send(rq, 403, NULL);
}

static void fail_unauthorised(struct kinesis_request *rq)
{
    fail_denied(rq, "Unable to determine service/operation name to be authorized");
}

/* application/json is recognised, but no operation speaks it. */
static void fail_coral(struct kinesis_request *rq, uint16_t status, const char *type)
{
    writer_printf(&rq->http->reply,
                  "{\"Output\":{\"__type\":\"com.amazon.coral.service#%s\"},\"Version\":\"1.0\"}",
                  type);
    kinesis_send(rq, status, TYPE_PLAIN_JSON);
}

/* KINESIS_OP_COUNT for what names no operation of ours. */
static enum kinesis_op op_of(struct bytes target)
{
    static const struct bytes prefix = BYTES_LIT("Kinesis_20131202.");
    if (target.len < prefix.len || !bytes_equal(bytes_slice(target, 0, prefix.len), prefix))
        return KINESIS_OP_COUNT;
    return kinesis_op_find(bytes_slice(target, prefix.len, target.len - prefix.len));
}

/* What a request of an operation that is not ours is told: as at AWS nothing, unless AWS has it. */
static struct bytes unserved_text(struct arena *arena, struct bytes target)
{
#define KINESIS_UNSERVED(name)                                                                     \
    if (bytes_equal_str(target, "Kinesis_20131202." name))                                         \
        return bytes_str(arena_printf(arena, "%s is not served here.", name));
#include "protocol/schema/kinesis_unserved.def"
#undef KINESIS_UNSERVED
    return BYTES_NULL;
}

/* Without parameters such as charset. */
static struct bytes content_type_of(const struct http_request *http)
{
    struct bytes type = http_header(http, "content-type");
    size_t len = 0;
    while (len < type.len && type.data[len] != ';' && type.data[len] != ' ') len++;
    return len ? bytes_of(type.data, len) : BYTES_NULL;
}

/* True when the request was answered: its transport or its body names no operation of ours. */
static bool refuse_early(struct kinesis_request *rq, struct bytes type, struct bytes target)
{
    struct http_request *http = rq->http;
    bool cbor = bytes_equal_str(type, KINESIS_TYPE_CBOR);
    bool json = bytes_equal_str(type, KINESIS_TYPE_JSON);
    bool plain = bytes_equal_str(type, TYPE_PLAIN_JSON);
    const char *stranger = http_access_refuses(rq->bridge->options.access, http);
    if (http->refused != 0) {
        kinesis_send(rq, http->refused, NULL);
    } else if (stranger != NULL) {
        fail_denied(rq, stranger);
    } else if (bytes_equal_str(http->method, "OPTIONS") && http_header(http, "origin").len > 0) {
        cors_preflight(rq);
    } else if (!bytes_equal_str(http->method, "POST")) {
        fail_unauthorised(rq);
    } else if (http_body(http).len == 0) {
        rq->codec = json ? AWS_JSON : AWS_CBOR;
        bool known = rq->op != KINESIS_OP_COUNT;
        kinesis_fail_text(rq, known ? ERR_SERIALIZATION : ERR_UNKNOWN_OPERATION, BYTES_NULL, false);
    } else if (!cbor && !json && !plain) {
        const uint8_t *dot = memchr(target.data ? target.data : (const uint8_t *)"", '.',
                                    target.len);
        bool named = dot != NULL && dot > target.data && dot + 1 < target.data + target.len;
        if (named) fail_xml(rq, 404, "<UnknownOperationException/>\n");
        else fail_unauthorised(rq);
    } else {
        rq->codec = cbor ? AWS_CBOR : AWS_JSON;
        if (!plain && rq->op != KINESIS_OP_COUNT) return false;
        bool parses = aws_check(rq->codec, http_body(http), rq->arena) == ERR_OK;
        if (plain)
            fail_coral(rq, parses ? 404 : 400,
                       parses ? "UnknownOperationException" : "SerializationException");
        else if (parses)
            kinesis_fail_text(rq, ERR_UNKNOWN_OPERATION, unserved_text(rq->arena, target), false);
        else kinesis_fail_text(rq, ERR_SERIALIZATION, BYTES_NULL, false);
    }
    return true;
}

static enum err check_signature(struct kinesis_request *rq, struct bytes *ret_text)
{
    struct bytes date = http_header(rq->http, "x-amz-date");
    struct sigv4_request signature = {
        .authorization = http_header(rq->http, "authorization"),
        .query = rq->http->query,
        .date = date.len > 0 ? date : http_header(rq->http, "date"),
    };
    struct sigv4_shape shape;
    return sigv4_shape_check(&signature, rq->arena, &shape, ret_text);
}

static void on_closed(struct http_request *http)
{
    struct kinesis_request *rq = http->context;
    if (rq != NULL && rq->on_closed != NULL) rq->on_closed(rq);
}

static void on_stop(struct http_request *http)
{
    struct kinesis_request *rq = http->context;
    if (rq->on_stop != NULL) rq->on_stop(rq);
}

/* Lists of what there is; the other answers are small, or keep to the room themselves. */
size_t bridge_dispatch_answer_bytes(const struct http_request *http)
{
    enum { LIST_BYTES = 1 << 20 };
    switch (op_of(http_header(http, "x-amz-target"))) {
    case KINESIS_OP_DESCRIBE_STREAM:
    case KINESIS_OP_LIST_SHARDS:
    case KINESIS_OP_LIST_STREAMS:
    case KINESIS_OP_LIST_STREAM_CONSUMERS:
        return LIST_BYTES;
    default:
        return 0;
    }
}

void bridge_dispatch_request(struct http_request *http)
{
    struct bridge *b = http->door->context;
    struct kinesis_request *rq = ARENA_NEW(&http->arena, struct kinesis_request);
    if (rq == NULL) {
        http_abort(http);
        return;
    }
    struct bytes target = http_header(http, "x-amz-target");
    *rq = (struct kinesis_request){
        .http = http,
        .bridge = b,
        .home = &b->loops[loop_index(http->loop)],
        .op = op_of(target),
        .arena = &http->arena,
        .started_us = clock_mono_us(),
    };
    http->context = rq;
    http->on_closed = on_closed;
    http->on_stop = on_stop;
    if (refuse_early(rq, content_type_of(http), target)) return;
    rq->input = ARENA_NEW(rq->arena, union kinesis_input);
    if (rq->input == NULL) {
        http_abort(http);
        return;
    }
    kinesis_hold(rq);
    struct aws_fault fault = {0};
    enum err err = aws_decode(kinesis_operations[rq->op].input, rq->codec, http_body(http),
                              rq->arena, rq->input, &fault);
    struct bytes text = BYTES_NULL;
    enum err unsigned_err = fault.unparsable ? ERR_OK : check_signature(rq, &text);
    if (unsigned_err != ERR_OK) kinesis_fail_text(rq, unsigned_err, text, false);
    else if (err != ERR_OK) kinesis_fail_text(rq, err, fault.message, fault.capital);
    else handlers[rq->op](rq);
    kinesis_release(rq);
}
