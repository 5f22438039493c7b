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

static struct metric *latency[KINESIS_OP_COUNT];
static struct metric *errors[ERR_COUNT];

void kinesis_request_init(void)
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

uint32_t kinesis_headers(struct kinesis_request *rq, const char *content_type,
                         struct http_header *to)
{
    uint32_t count = 0;
    to[count++] = (struct http_header){BYTES_LIT("x-amzn-requestid"),
                                       ids_request(rq->home, rq->arena)};
    to[count++] = (struct http_header){BYTES_LIT("x-amz-id-2"), ids_second(rq->home, rq->arena)};
    if (content_type != NULL)
        to[count++] = (struct http_header){BYTES_LIT("content-type"), bytes_str(content_type)};
    return count + cors_headers(rq, to + count);
}

static const char *type_of(enum aws_codec codec)
{
    return codec == AWS_CBOR ? KINESIS_TYPE_CBOR : KINESIS_TYPE_JSON;
}

void kinesis_send(struct kinesis_request *rq, uint16_t status, const char *content_type)
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
    if (rq->held == 0) kinesis_send(rq, rq->status, rq->content_type);
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
    if (--rq->held == 0 && rq->status != 0) kinesis_send(rq, rq->status, rq->content_type);
}

void kinesis_reply(struct kinesis_request *rq, const void *output)
{
    aws_encode(kinesis_operations[rq->op].output, rq->codec, output, &rq->http->reply);
    kinesis_reply_encoded(rq);
}

void kinesis_reply_encoded(struct kinesis_request *rq)
{
    loop_assert(rq->http->loop);
    metric_observe_us(latency[rq->op], clock_mono_us() - rq->started_us);
    send_when_released(rq, 200);
}

void kinesis_fail_text(struct kinesis_request *rq, enum err err, struct bytes text, bool capital)
{
    loop_assert(rq->http->loop);
    bool counts = rq->http->conn != NULL;
    if (counts) metric_add(errors[err], 1);
    if (counts && rq->op != KINESIS_OP_COUNT)
        metric_observe_us(latency[rq->op], clock_mono_us() - rq->started_us);
    writer_reset(&rq->http->reply);
    aws_encode_error(rq->codec, err_kinesis(err), text, capital, &rq->http->reply);
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
    kinesis_fail_text(rq, err, bytes_str(text), false);
}

void kinesis_fail_plain(struct kinesis_request *rq, enum err err)
{
    /* An InternalFailure has no message; the log of the server tells the operator. */
    bool ours = bytes_equal_str(bytes_str(err_kinesis(err)), "InternalFailure");
    if (ours && rq->http->conn != NULL)
        log_warn("internal failure", {"err", LOG_S(err_name(err))},
                 {"operation",
                  LOG_S(rq->op != KINESIS_OP_COUNT ? kinesis_operations[rq->op].name : "unknown")});
    kinesis_fail_text(rq, err, ours ? BYTES_NULL : bytes_str(err_text(err)), false);
}

bool kinesis_is_dry_run(struct kinesis_request *rq, bool asked)
{
    if (asked)
        kinesis_fail(rq, ERR_DRY_RUN,
                     "The request was rejected because the `DryRun` parameter was specified.");
    return asked;
}
