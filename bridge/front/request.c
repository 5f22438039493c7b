/* How a request ends: its answer with AWS's headers, in the request's own encoding, and what is
 * counted of it. */
#include "bridge/front/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/log.h"
#include "base/metrics.h"
#include "bridge/front/cors.h"
#include "bridge/front/ids.h"
#include "base/check.h"

enum { TEXT_BYTES_MAX = 4096 };

uint32_t front_headers(struct front_request *rq, const char *content_type,
                       struct http_header *to)
{
    struct ids *ids = front_ids(rq);
    uint32_t count = 0;
    to[count++] = (struct http_header){BYTES_LIT("x-amzn-requestid"), ids_request(ids, rq->arena)};
    to[count++] = (struct http_header){BYTES_LIT("x-amz-id-2"), ids_second(ids, rq->arena)};
    if (content_type != NULL)
        to[count++] = (struct http_header){BYTES_LIT("content-type"), bytes_str(content_type)};
    return count + cors_headers(rq, to + count);
}

static const char *type_of(enum aws_codec codec)
{
    return codec == AWS_CBOR ? FRONT_TYPE_CBOR : FRONT_TYPE_JSON;
}

void front_send(struct front_request *rq, uint16_t status, const char *content_type)
{
    struct http_header headers[FRONT_HEADERS_MAX];
    uint32_t count = front_headers(rq, content_type, headers);
    http_reply(rq->http, status, headers, count);
}

/* The answer stands in rq->http->reply. */
static void send_when_released(struct front_request *rq, uint16_t status)
{
    assert(rq->status == 0);            /* one answer */
    rq->status = status;
    rq->content_type = type_of(rq->codec);
    if (rq->held == 0) front_send(rq, rq->status, rq->content_type);
}

void front_hold(struct front_request *rq)
{
    loop_assert(rq->http->loop);
    rq->held++;
}

void front_release(struct front_request *rq)
{
    loop_assert(rq->http->loop);
    assert(rq->held > 0);
    if (--rq->held == 0 && rq->status != 0) front_send(rq, rq->status, rq->content_type);
}

void front_reply(struct front_request *rq, const void *output)
{
    aws_encode(front_operation(rq)->output, rq->codec, output, &rq->http->reply);
    front_reply_encoded(rq);
}

void front_reply_encoded(struct front_request *rq)
{
    loop_assert(rq->http->loop);
    metric_observe_us(rq->service->latency[rq->op], clock_mono_us() - rq->started_us);
    send_when_released(rq, 200);
}

static bool is_internal(const struct front_request *rq, enum err err)
{
    return bytes_equal_str(bytes_str(rq->service->exception(err)), "InternalFailure");
}

void front_fail_text(struct front_request *rq, enum err err, struct bytes text, bool capital)
{
    loop_assert(rq->http->loop);
    bool counts = rq->http->conn != NULL;
    if (counts) metric_add(rq->service->errors[err], 1);
    if (counts && front_operation_is_known(rq))
        metric_observe_us(rq->service->latency[rq->op], clock_mono_us() - rq->started_us);
    writer_reset(&rq->http->reply);
    aws_encode_error(rq->codec, rq->service->exception(err), text, capital, &rq->http->reply);
    bool ours = err_class(err) == ERR_CLASS_FATAL || is_internal(rq, err);
    send_when_released(rq, ours ? 500 : 400);
}

void front_fail(struct front_request *rq, enum err err, const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    front_fail_text(rq, err, bytes_str(text), false);
}

void front_fail_plain(struct front_request *rq, enum err err)
{
    /* An InternalFailure has no message; the log of the server tells the operator. */
    bool ours = is_internal(rq, err);
    if (ours && rq->http->conn != NULL)
        log_warn("internal failure", {"err", LOG_S(err_name(err))},
                 {"operation",
                  LOG_S(front_operation_is_known(rq) ? front_operation(rq)->name : "unknown")});
    front_fail_text(rq, err, ours ? BYTES_NULL : bytes_str(err_text(err)), false);
}

bool front_is_dry_run(struct front_request *rq, bool asked)
{
    if (asked)
        front_fail(rq, ERR_DRY_RUN,
                   "The request was rejected because the `DryRun` parameter was specified.");
    return asked;
}
