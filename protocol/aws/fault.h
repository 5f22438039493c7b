/* The texts of a SerializationException: AWS's words, its Java class names and its spelling.
 * Private to this folder. Thread: one owner. */
#ifndef PROTOCOL_AWS_FAULT_H
#define PROTOCOL_AWS_FAULT_H

#include "protocol/aws/base64.h"
#include "protocol/aws/codec.h"
#include "protocol/aws/reader.h"

/* Both keep the first fault and leave a later one out. */

/* A value was found where the shape wants another kind. */
void fault_of_type(struct aws_fault *fault, struct arena *arena,
                   const struct aws_shape *wanted, const struct value *found);

/* Text that is not base64; at: where, for BASE64_CHARACTER. */
void fault_of_base64(struct aws_fault *fault, struct arena *arena, struct bytes text,
                     enum base64_fault why, size_t at);

#endif
