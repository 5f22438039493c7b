/* Bodies <-> values: AWS JSON 1.1 and AWS CBOR 1.1, by the tables of shape.h.
 *
 * Reading is bounded and in one pass. Strings without escapes and CBOR strings are views into the
 * body; everything else lies in the arena. Unknown members are skipped, a member given twice counts
 * as given last, null is absence. Depth is limited to AWS_DEPTH_MAX, values and keys to
 * AWS_PARTS_MAX (a body beyond either counts as not well-formed), lists to what their
 * constraint allows (elements far beyond it are counted but not kept, since the request fails
 * anyway).
 *
 * What can be wrong with a body, in the order in which AWS tells (reference: Kinesis API, "common
 * errors", and what production answers): not JSON or CBOR at all -> unparsable, answered before the
 * signature is looked at; a value of the wrong type -> SerializationException; a broken constraint
 * -> ValidationException, up to ten at once. aws_decode tells the three apart, so that a caller
 * can put its authentication between the first and the others.
 * Fuzz: fuzz_kinesis_json, Fuzz: fuzz_kinesis_cbor */
#ifndef PROTOCOL_AWS_CODEC_H
#define PROTOCOL_AWS_CODEC_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/writer.h"
#include "protocol/aws/shape.h"

enum aws_codec { AWS_JSON, AWS_CBOR };

enum {
    AWS_DEPTH_MAX = 32,
    AWS_PARTS_MAX = 1 << 18,                /* values and keys of a body; a full PutRecords has
                                               5,000, a full answer of GetRecords 110,000 */
    AWS_FAULT_TEXT_MAX = 128 * 1024,        /* bytes of one error message */
    AWS_DECODE_ARENA_FIXED = 1024 * 1024,
};

/* An arena cap that is enough for any legal body of this many bytes. */
static inline size_t aws_decode_arena(size_t body_bytes)
{
    return 2 * body_bytes + AWS_DECODE_ARENA_FIXED;
}

struct aws_fault {
    enum err err;            /* ERR_SERIALIZATION or ERR_VALIDATION */
    bool unparsable;         /* not JSON or CBOR: comes before authentication, has no message */
    bool capital;            /* the member is called "Message", not "message" */
    struct bytes message;    /* in the arena; null = the answer has none */
};

/* Read a body and check its constraints.
 * body: borrowed; ret_value points into it and into the arena, so both must outlive it.
 * ret_value: the C value of shape (a struct, e.g. struct put_records_input); undefined on failure.
 * ret_fault: filled on failure, untouched on success.
 * Errors: ERR_SERIALIZATION; ERR_VALIDATION; the same as ret_fault->err.
 * Thread: any; arena and value belong to the caller. */
enum err aws_decode(const struct aws_shape *shape, enum aws_codec codec,
                    struct bytes body, struct arena *arena, void *ret_value,
                    struct aws_fault *ret_fault);

/* Is the body well-formed? For requests whose operation is unknown.
 * Errors: ERR_SERIALIZATION - it is not.
 * Thread: any. */
enum err aws_check(enum aws_codec codec, struct bytes body, struct arena *arena);

/* Write a value. shape NULL (an operation without output) writes nothing. Absent members are left
 * out. w->err tells whether it fitted. Thread: the writer's owner. */
void aws_encode(const struct aws_shape *shape, enum aws_codec codec, const void *value,
                struct writer *w);

/* Write a map of strings: {"key":"value",...}. */
void aws_encode_pairs(enum aws_codec codec, const struct aws_pair *pairs,
                      uint32_t count, struct writer *w);

/* Write {"__type":type,"message":message}; message null leaves it out; capital: "Message". */
void aws_encode_error(enum aws_codec codec, const char *type, struct bytes message,
                      bool capital, struct writer *w);

#endif
