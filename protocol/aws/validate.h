/* The constraints of a request, after all of it was read. Private to this folder. */
#ifndef PROTOCOL_AWS_VALIDATE_H
#define PROTOCOL_AWS_VALIDATE_H

#include "protocol/aws/codec.h"

/* value: the struct of shape. ret_fault: filled on failure: all broken constraints, at most ten, in
 * AWS's order and words.
 * Errors: ERR_VALIDATION.
 * Thread: any. */
enum err aws_validate(const struct aws_shape *shape, const void *value, struct arena *arena,
                      struct aws_fault *ret_fault);

/* Elements of a list or map that are kept: those beyond its constraint only so that an error can
 * show them. */
uint32_t aws_kept_max(const struct aws_shape *shape);

#endif
