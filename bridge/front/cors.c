/* Which web pages may read an answer: Fetch standard, CORS protocol, in AWS's own words. */
#include "bridge/front/cors.h"

#include <string.h>
#include "bridge/front/ids.h"
#include "base/check.h"

/* Whether pages of this origin may read what they are answered. */
static bool allows(const struct front *f, struct bytes origin)
{
    return f->options.access == NULL || http_origin_is_allowed(f->options.access, origin);
}

/* Who may read the answer: a page that was named, or, where all are allowed, any: AWS's own words.
 * Returns how many headers it added, at most two. */
static uint32_t allow_origin(const struct front_request *rq, struct http_header *to)
{
    const struct http_access *access = rq->front->options.access;
    if (access == NULL || strcmp(access->origins, "*") == 0) {
        to[0] = (struct http_header){BYTES_LIT("access-control-allow-origin"), BYTES_LIT("*")};
        return 1;
    }
    to[0] = (struct http_header){BYTES_LIT("access-control-allow-origin"),
                                 http_header(rq->http, "origin")};
    to[1] = (struct http_header){BYTES_LIT("vary"), BYTES_LIT("origin")};
    return 2;
}

uint32_t cors_headers(struct front_request *rq, struct http_header *to)
{
    struct bytes origin = http_header(rq->http, "origin");
    if (origin.len == 0 || !allows(rq->front, origin)) return 0;
    uint32_t count = allow_origin(rq, to);
    to[count++] = (struct http_header){
        BYTES_LIT("access-control-expose-headers"),
        BYTES_LIT("x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,"
                  "x-amzn-ErrorMessage,Date")};
    return count;
}

void cors_preflight(struct front_request *rq)
{
    struct http_header headers[7];
    uint32_t count = 0;
    struct bytes asked = http_header(rq->http, "access-control-request-headers");
    struct bytes method = http_header(rq->http, "access-control-request-method");
    headers[count++] = (struct http_header){BYTES_LIT("x-amzn-requestid"),
                                            ids_request(front_ids(rq), rq->arena)};
    count += allow_origin(rq, headers + count);
    if (asked.len > 0)
        headers[count++] = (struct http_header){BYTES_LIT("access-control-allow-headers"), asked};
    if (method.len > 0)
        headers[count++] = (struct http_header){BYTES_LIT("access-control-allow-methods"), method};
    headers[count++] = (struct http_header){BYTES_LIT("access-control-max-age"),
                                            BYTES_LIT("172800")};
    http_reply(rq->http, 200, headers, count);
}
