/* An operation as its service's schema describes it: a row of the generated table (api.gen.h), by
 * which a request is read and its answer written. Tables are constant: any thread. */
#ifndef PROTOCOL_AWS_OPERATION_H
#define PROTOCOL_AWS_OPERATION_H

#include "protocol/aws/shape.h"

struct aws_operation {
    const char *name;                   /* "PutRecords" */
    const struct aws_shape *input;
    const struct aws_shape *output;     /* NULL: the answer has no body */
    const char *const *errors;          /* exceptions of its own that it may answer, which
                                           tests hold its answers to; NULL-ended */
};

#endif
