/* From an HTTP request to its handler and back.
 *
 * What is wrong with a request is told in AWS's order: transport, body, target, signature, types,
 * constraints, and only then what the operation itself finds. The path is never looked at. Before
 * the operation is known, an answer may be XML; after that it has the request's own encoding. */
#include "bridge/dispatch.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bridge/request.h"
#include "protocol/aws/sigv4_shape.h"
#include "protocol/kinesis/base64.h"
#include "base/check.h"

#define TYPE_JSON "application/x-amz-json-1.1"
#define TYPE_CBOR "application/x-amz-cbor-1.1"
#define TYPE_PLAIN_JSON "application/json"
enum { ID2_BYTES = 72, TEXT_BYTES_MAX = 4096 };

#define KINESIS(target, id, plane, handler) [KINESIS_OP_##id] = handler,
static void (*const handlers[KINESIS_OP_COUNT])(struct kinesis_request *rq) = {
#include "protocol/schema/kinesis_api.def"
};
#undef KINESIS

static struct metric *latency[KINESIS_OP_COUNT];
static struct metric *errors[ERR_COUNT];

void bridge_dispatch_init(void)
{
    char labels[128];
    for (int i = 0; i < KINESIS_OP_COUNT; i++) {
        snprintf(labels, sizeof labels, "operation=\"%s\"", kinesis_operations[i].name);
        latency[i] = metric_get(METRIC_HISTOGRAM, "diglot_kinesis_request_seconds",
                                "From the last byte of a request to its answer", labels);
    }
    for (int i = 1; i < ERR_COUNT; i++) {
        snprintf(labels, sizeof labels, "exception=\"%s\"", err_kinesis((enum err)i));
        errors[i] = metric_get(METRIC_COUNTER, "diglot_kinesis_errors_total",
                               "Requests answered with an error", labels);
    }
}

/* xorshift128+: ids only have to differ. */
static uint64_t random_next(struct bridge_loop *l)
{
    uint64_t a = l->random[0], b = l->random[1];
    l->random[0] = b;
    a ^= a << 23;
    l->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return l->random[1] + b;
}

static struct bytes request_id(struct bridge_loop *l, struct arena *arena)
{
    uint64_t a = random_next(l), b = random_next(l);
    char *text = arena_printf(arena, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                              (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
                              (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                              (unsigned long long)(b & 0xffffffffffff));
    return bytes_str(text);
}

static struct bytes id_2(struct bridge_loop *l, struct arena *arena)
{
    uint64_t noise[ID2_BYTES / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) noise[i] = random_next(l);
    uint8_t *text = arena_alloc(arena, base64_encoded(sizeof noise));
    if (text == NULL) return BYTES_NULL;
    base64_encode(bytes_of(noise, sizeof noise), text);
    return bytes_of(text, base64_encoded(sizeof noise));
}

/* Whether pages of this origin may read what they are answered. */
static bool allows(const struct bridge *b, struct bytes origin)
{
    return b->options.access == NULL || http_origin_is_allowed(b->options.access, origin);
}

/* Who may read the answer: a page that was named, or, where all are allowed, any: AWS's own words.
 * Returns how many headers it added, at most two. */
static uint32_t allow_origin(const struct kinesis_request *rq, struct http_header *to)
{
    const struct http_access *access = rq->bridge->options.access;
    if (access == NULL || strcmp(access->origins, "*") == 0) {
        to[0] = (struct http_header){BYTES_LIT("access-control-allow-origin"), BYTES_LIT("*")};
        return 1;
    }
    to[0] = (struct http_header){BYTES_LIT("access-control-allow-origin"),
                                 http_header(rq->http, "origin")};
    to[1] = (struct http_header){BYTES_LIT("vary"), BYTES_LIT("origin")};
    return 2;
}

uint32_t kinesis_headers(struct kinesis_request *rq, const char *content_type,
                         struct http_header *to)
{
    uint32_t count = 0;
    struct bytes origin = http_header(rq->http, "origin");
    bool from_page = origin.len > 0 && allows(rq->bridge, origin);
    to[count++] = (struct http_header){BYTES_LIT("x-amzn-requestid"),
                                       request_id(rq->home, rq->arena)};
    to[count++] = (struct http_header){BYTES_LIT("x-amz-id-2"), id_2(rq->home, rq->arena)};
    if (content_type != NULL)
        to[count++] = (struct http_header){BYTES_LIT("content-type"), bytes_str(content_type)};
    if (from_page) {
        count += allow_origin(rq, to + count);
        to[count++] = (struct http_header){
            BYTES_LIT("access-control-expose-headers"),
            BYTES_LIT("x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,"
                      "x-amzn-ErrorMessage,Date")};
    }
    return count;
}

static const char *type_of(enum kinesis_codec codec)
{
    return codec == KINESIS_CBOR ? TYPE_CBOR : TYPE_JSON;
}

/* rq is gone afterwards. */
static void send(struct kinesis_request *rq, uint16_t status, const char *content_type)
{
    struct http_header headers[KINESIS_HEADERS_MAX];
    uint32_t count = kinesis_headers(rq, content_type, headers);
    http_reply(rq->http, status, headers, count);
}

/* The answer stands in rq->http->reply. */
static void send_when_released(struct kinesis_request *rq, uint16_t status)
{
    assert(rq->status == 0);            /* one answer */
    rq->status = status;
    rq->content_type = type_of(rq->codec);
    if (rq->held == 0) send(rq, rq->status, rq->content_type);
}

void kinesis_hold(struct kinesis_request *rq)
{
    loop_assert(rq->http->loop);
    rq->held++;
}

void kinesis_release(struct kinesis_request *rq)
{
    loop_assert(rq->http->loop);
    assert(rq->held > 0);
    if (--rq->held == 0 && rq->status != 0) send(rq, rq->status, rq->content_type);
}

void kinesis_reply(struct kinesis_request *rq, const void *output)
{
    kinesis_encode(kinesis_operations[rq->op].output, rq->codec, output, &rq->http->reply);
    kinesis_reply_encoded(rq);
}

void kinesis_reply_encoded(struct kinesis_request *rq)
{
    loop_assert(rq->http->loop);
    metric_observe_us(latency[rq->op], clock_mono_us() - rq->started_us);
    send_when_released(rq, 200);
}

static void fail_text(struct kinesis_request *rq, enum err err, struct bytes text, bool capital)
{
    loop_assert(rq->http->loop);
    metric_add(errors[err], 1);
    if (rq->op != KINESIS_OP_COUNT)
        metric_observe_us(latency[rq->op], clock_mono_us() - rq->started_us);
    writer_reset(&rq->http->reply);
    kinesis_encode_error(rq->codec, err_kinesis(err), text, capital, &rq->http->reply);
    bool ours = err_class(err) == ERR_CLASS_FATAL ||
                bytes_equal_str(bytes_str(err_kinesis(err)), "InternalFailure");
    send_when_released(rq, ours ? 500 : 400);
}

void kinesis_fail(struct kinesis_request *rq, enum err err, const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fail_text(rq, err, bytes_str(text), false);
}

void kinesis_fail_plain(struct kinesis_request *rq, enum err err)
{
    /* An InternalFailure has no message; the log of the server tells the operator. */
    bool ours = bytes_equal_str(bytes_str(err_kinesis(err)), "InternalFailure");
    if (ours)
        log_warn("internal failure", {"err", LOG_S(err_name(err))},
                 {"operation",
                  LOG_S(rq->op != KINESIS_OP_COUNT ? kinesis_operations[rq->op].name : "unknown")});
    fail_text(rq, err, ours ? BYTES_NULL : bytes_str(err_text(err)), false);
}

bool kinesis_is_dry_run(struct kinesis_request *rq, bool asked)
{
    if (asked)
        kinesis_fail(rq, ERR_DRY_RUN,
                     "The request was rejected because the `DryRun` parameter was specified.");
    return asked;
}

/* ---- Before the operation is known */

static void fail_xml(struct kinesis_request *rq, uint16_t status, const char *body)
{
    writer_text(&rq->http->reply, body);
    send(rq, status, NULL);
}

static void fail_denied(struct kinesis_request *rq, const char *message)
{
    writer_printf(&rq->http->reply,
                  "<AccessDeniedException>\n  <Message>%s</Message>\n</AccessDeniedException>\n",
                  message);
    send(rq, 403, NULL);
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
    send(rq, status, TYPE_PLAIN_JSON);
}

static void answer_preflight(struct kinesis_request *rq)
{
    struct http_header headers[7];
    uint32_t count = 0;
    struct bytes asked = http_header(rq->http, "access-control-request-headers");
    struct bytes method = http_header(rq->http, "access-control-request-method");
    headers[count++] = (struct http_header){BYTES_LIT("x-amzn-requestid"),
                                            request_id(rq->home, rq->arena)};
    count += allow_origin(rq, headers + count);
    if (asked.len > 0)
        headers[count++] = (struct http_header){BYTES_LIT("access-control-allow-headers"), asked};
    if (method.len > 0)
        headers[count++] = (struct http_header){BYTES_LIT("access-control-allow-methods"), method};
    headers[count++] = (struct http_header){BYTES_LIT("access-control-max-age"),
                                            BYTES_LIT("172800")};
    http_reply(rq->http, 200, headers, count);
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
    bool cbor = bytes_equal_str(type, TYPE_CBOR), json = bytes_equal_str(type, TYPE_JSON);
    bool plain = bytes_equal_str(type, TYPE_PLAIN_JSON);
    const char *stranger = http_access_refuses(rq->bridge->options.access, http);
    if (http->refused != 0) {
        send(rq, http->refused, NULL);
    } else if (stranger != NULL) {
        fail_denied(rq, stranger);
    } else if (bytes_equal_str(http->method, "OPTIONS") && http_header(http, "origin").len > 0) {
        answer_preflight(rq);
    } else if (!bytes_equal_str(http->method, "POST")) {
        fail_unauthorised(rq);
    } else if (http_body(http).len == 0) {
        rq->codec = json ? KINESIS_JSON : KINESIS_CBOR;
        fail_text(rq, rq->op != KINESIS_OP_COUNT ? ERR_SERIALIZATION : ERR_UNKNOWN_OPERATION,
                  BYTES_NULL, false);
    } else if (!cbor && !json && !plain) {
        const uint8_t *dot = memchr(target.data ? target.data : (const uint8_t *)"", '.',
                                    target.len);
        bool named = dot != NULL && dot > target.data && dot + 1 < target.data + target.len;
        if (named) fail_xml(rq, 404, "<UnknownOperationException/>\n");
        else fail_unauthorised(rq);
    } else {
        rq->codec = cbor ? KINESIS_CBOR : KINESIS_JSON;
        if (!plain && rq->op != KINESIS_OP_COUNT) return false;
        bool parses = kinesis_check(rq->codec, http_body(http), rq->arena) == ERR_OK;
        if (plain)
            fail_coral(rq, parses ? 404 : 400,
                       parses ? "UnknownOperationException" : "SerializationException");
        else if (parses)
            fail_text(rq, ERR_UNKNOWN_OPERATION, unserved_text(rq->arena, target), false);
        else fail_text(rq, ERR_SERIALIZATION, BYTES_NULL, false);
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
    struct kinesis_fault fault = {0};
    enum err err = kinesis_decode(kinesis_operations[rq->op].input, rq->codec, http_body(http),
                                  rq->arena, rq->input, &fault);
    struct bytes text = BYTES_NULL;
    enum err unsigned_err = fault.unparsable ? ERR_OK : check_signature(rq, &text);
    if (unsigned_err != ERR_OK) fail_text(rq, unsigned_err, text, false);
    else if (err != ERR_OK) fail_text(rq, err, fault.message, fault.capital);
    else handlers[rq->op](rq);
    kinesis_release(rq);
}
