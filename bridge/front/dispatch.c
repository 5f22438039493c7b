/* From an HTTP request to its service, operation and handler.
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

/* A body beyond that takes milliseconds to read, up to some tens: codec lanes do that. */
enum { LONG_BODY_BYTES = 512 << 10 };

/* What X-Amz-Target names. */
struct target {
    struct front_service *service;
    struct bytes name;                  /* what follows the prefix; null: it names none */
    uint32_t op;                        /* operation_count: none of the service's */
};

static struct target target_of(const struct front *f, const struct http_request *http)
{
    struct bytes target = http_header(http, "x-amz-target");
    for (uint32_t i = 0; i < f->service_count; i++) {
        struct front_service *s = f->services[i];
        size_t len = s->target_prefix.len;
        if (target.len < len || !bytes_equal(bytes_slice(target, 0, len), s->target_prefix))
            continue;
        struct bytes name = bytes_slice(target, len, target.len - len);
        return (struct target){s, name, s->find(name)};
    }
    return (struct target){f->services[0], BYTES_NULL, f->services[0]->operation_count};
}

static void fail_xml(struct front_request *rq, uint16_t status, const char *body)
{
    writer_text(&rq->http->reply, body);
    front_send(rq, status, NULL);
}

static void fail_denied(struct front_request *rq, const char *message)
{
    writer_printf(&rq->http->reply,
                  "<AccessDeniedException>\n  <Message>%s</Message>\n</AccessDeniedException>\n",
                  message);
    front_send(rq, 403, NULL);
}

static void fail_unauthorised(struct front_request *rq)
{
    fail_denied(rq, "Unable to determine service/operation name to be authorized");
}

/* application/json is recognised, but no operation speaks it. */
static void fail_coral(struct front_request *rq, uint16_t status, const char *type)
{
    writer_printf(&rq->http->reply,
                  "{\"Output\":{\"__type\":\"com.amazon.coral.service#%s\"},\"Version\":\"1.0\"}",
                  type);
    front_send(rq, status, TYPE_PLAIN_JSON);
}

/* What a request of an operation that is not ours is told: as at AWS nothing, unless AWS has it. */
static struct bytes unserved_text(struct arena *arena, const struct target *to)
{
    for (const char *const *name = to->service->unserved; *name != NULL; name++)
        if (bytes_equal_str(to->name, *name))
            return bytes_str(arena_printf(arena, "%s is not served here.", *name));
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
static bool refuse_early(struct front_request *rq, struct bytes type,
                         const struct target *to)
{
    struct http_request *http = rq->http;
    bool cbor = bytes_equal_str(type, FRONT_TYPE_CBOR);
    bool json = bytes_equal_str(type, FRONT_TYPE_JSON);
    bool plain = bytes_equal_str(type, TYPE_PLAIN_JSON);
    const char *stranger = http_access_refuses(rq->front->options.access, http);
    if (http->refused != 0) {
        front_send(rq, http->refused, NULL);
    } else if (stranger != NULL) {
        fail_denied(rq, stranger);
    } else if (bytes_equal_str(http->method, "OPTIONS") && http_header(http, "origin").len > 0) {
        cors_preflight(rq);
    } else if (!bytes_equal_str(http->method, "POST")) {
        fail_unauthorised(rq);
    } else if (http_body(http).len == 0) {
        rq->codec = json ? AWS_JSON : AWS_CBOR;
        bool known = front_operation_is_known(rq);
        front_fail_text(rq, known ? ERR_SERIALIZATION : ERR_UNKNOWN_OPERATION, BYTES_NULL, false);
    } else if (!cbor && !json && !plain) {
        struct bytes target = http_header(http, "x-amz-target");
        const uint8_t *dot = memchr(target.data ? target.data : (const uint8_t *)"", '.',
                                    target.len);
        bool named = dot != NULL && dot > target.data && dot + 1 < target.data + target.len;
        if (named) fail_xml(rq, 404, "<UnknownOperationException/>\n");
        else fail_unauthorised(rq);
    } else {
        rq->codec = cbor ? AWS_CBOR : AWS_JSON;
        if (!plain && front_operation_is_known(rq)) return false;
        bool parses = aws_check(rq->codec, http_body(http), rq->arena) == ERR_OK;
        if (plain)
            fail_coral(rq, parses ? 404 : 400,
                       parses ? "UnknownOperationException" : "SerializationException");
        else if (parses)
            front_fail_text(rq, ERR_UNKNOWN_OPERATION, unserved_text(rq->arena, to), false);
        else front_fail_text(rq, ERR_SERIALIZATION, BYTES_NULL, false);
    }
    return true;
}

static enum err check_signature(struct front_request *rq, struct bytes *ret_text)
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
    struct front_request *rq = http->context;
    if (rq != NULL && rq->on_closed != NULL) rq->on_closed(rq);
}

static void on_stop(struct http_request *http)
{
    struct front_request *rq = http->context;
    rq->stopping = true;
    if (rq->on_stop != NULL) rq->on_stop(rq);
}

size_t front_dispatch_answer_bytes(const struct http_request *http)
{
    struct target to = target_of(http->door->context, http);
    return to.op < to.service->operation_count ? to.service->answer_bytes(to.op) : 0;
}

static bool is_large(const struct http_request *http)
{
    return http_body(http).len > LONG_BODY_BYTES;
}

/* Thread: any, with the request to itself. */
static void read_body(struct front_request *rq)
{
    rq->read_err = aws_decode(front_operation(rq)->input, rq->codec, http_body(rq->http),
                              rq->arena, rq->input, &rq->fault);
}

static void handle(struct front_request *rq)
{
    const struct aws_fault *fault = &rq->fault;
    struct bytes text = BYTES_NULL;
    front_hold(rq);
    enum err unsigned_err = fault->unparsable ? ERR_OK : check_signature(rq, &text);
    if (unsigned_err != ERR_OK) front_fail_text(rq, unsigned_err, text, false);
    else if (rq->read_err != ERR_OK)
        front_fail_text(rq, rq->read_err, fault->message, fault->capital);
    else rq->service->handlers[rq->op](rq);
    front_release(rq);
}

static enum codec_outcome read_step(struct codec_work *w, struct codec_tools *tools)
{
    (void)tools;
    read_body(CONTAINER_OF(w, struct front_request, reading));
    return CODEC_OVER;
}

static void read_done(struct codec_work *w)
{
    handle(CONTAINER_OF(w, struct front_request, reading));
}

static void begin(struct front_request *rq, const struct target *to)
{
    struct http_request *http = rq->http;
    if (refuse_early(rq, content_type_of(http), to)) return;
    rq->input = arena_alloc(rq->arena, to->service->input_bytes);
    if (rq->input == NULL) {
        http_abort(http);
        return;
    }
    if (is_large(http)) {
        rq->reading = (struct codec_work){
            .client = front_client(rq), .lane = CODEC_QUICK, .step = read_step,
            .home = http->loop, .done = read_done};
        store_codec(rq->front->options.store, &rq->reading);
        return;
    }
    read_body(rq);
    handle(rq);
}

static void begin_waiting(struct front_request *rq)
{
    if (rq->http->promised > 0) http_promise_end(rq->http);
    if (rq->http->conn == NULL) {
        http_abort(rq->http);
    } else {
        struct target to = target_of(rq->front, rq->http);
        begin(rq, &to);
    }
}

static void begin_in_turn(struct job *job)
{
    begin_waiting(CONTAINER_OF(job, struct front_request, turn));
}

static void begin_task(struct loop_task *task)
{
    begin_waiting(CONTAINER_OF(task, struct front_request, task));
}

/* While it waits its answer is promised: what it found room for is not found by another one, and a
 * connection has few that wait. */
static void promise_answer(struct http_request *http)
{
    size_t bytes = front_dispatch_answer_bytes(http);
    http_promise(http, bytes > 0 ? bytes : 1);
}

void front_dispatch(struct http_request *http)
{
    struct front *f = http->door->context;
    struct front_request *rq = ARENA_NEW(&http->arena, struct front_request);
    if (rq == NULL) {
        http_abort(http);
        return;
    }
    struct target to = target_of(f, http);
    *rq = (struct front_request){
        .turn.run = begin_in_turn,
        .http = http,
        .front = f,
        .service = to.service,
        .op = to.op,
        .arena = &http->arena,
        .started_us = clock_mono_us(),
    };
    http->context = rq;
    http->on_closed = on_closed;
    http->on_stop = on_stop;
    /* Of an operation that nobody knows the body is looked at on the loop. */
    rq->task = (struct loop_task){.client = front_client(rq), .begin = begin_task};
    if (is_large(http) && !front_operation_is_known(rq)) loop_defer_long(http->loop, &rq->turn);
    else if (!loop_task_begin(http->loop, &rq->task)) promise_answer(http);
}
