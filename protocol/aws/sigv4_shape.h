/* Is a request signed at all? The shape of Signature Version 4, in the header or in the query.
 *
 * The signature itself is not judged here. Checks and texts come in AWS's order: both forms at
 * once; neither; parts that are missing, all named in one message.
 * Fuzz: fuzz_sigv4 */
#ifndef PROTOCOL_AWS_SIGV4_SHAPE_H
#define PROTOCOL_AWS_SIGV4_SHAPE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

struct sigv4_request {
    struct bytes authorization;      /* header Authorization; null or empty = none */
    struct bytes query;              /* behind the '?' of the target; null = none */
    struct bytes date;               /* header X-Amz-Date, else Date; null or empty = none */
};

struct sigv4_shape {
    bool in_query;                   /* presigned */
    struct bytes credential;         /* "AKID/20261122/us-east-1/kinesis/aws4_request" */
    struct bytes access_key;         /* what stands before its first '/' */
    struct bytes signature;
    struct bytes signed_headers;     /* "content-type;host;x-amz-date" */
};

/* ret_shape: views into the request and the arena; untouched on failure.
 * ret_message: on failure, AWS's text in the arena.
 * Errors: ERR_INVALID_SIGNATURE - both forms; ERR_MISSING_AUTHENTICATION_TOKEN - neither;
 * ERR_INCOMPLETE_SIGNATURE - parts are missing.
 * Thread: any. */
enum err sigv4_shape_check(const struct sigv4_request *request, struct arena *arena,
                           struct sigv4_shape *ret_shape, struct bytes *ret_message);

#endif
