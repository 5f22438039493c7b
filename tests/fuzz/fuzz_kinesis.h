/* The body of one request of any operation: the first byte names it. What is taken is written in
 * both formats and must be taken again. */
#ifndef TESTS_FUZZ_KINESIS_H
#define TESTS_FUZZ_KINESIS_H

#include <assert.h>
#include "protocol/kinesis/api.gen.h"

static inline void fuzz_again(const struct aws_shape *shape, enum aws_codec codec,
                              const void *value)
{
    struct writer w;
    struct arena arena;
    union kinesis_input again;
    struct aws_fault fault;
    writer_init(&w, 64 << 20);
    aws_encode(shape, codec, value, &w);
    assert(w.err == ERR_OK);
    arena_init(&arena, aws_decode_arena(w.len));
    enum err err = aws_decode(shape, codec, bytes_of(w.data, w.len), &arena, &again, &fault);
    assert(err == ERR_OK);
    arena_done(&arena);
    writer_done(&w);
}

static inline int fuzz_kinesis(enum aws_codec codec, const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const struct aws_shape *shape = kinesis_operations[data[0] % KINESIS_OP_COUNT].input;
    struct bytes body = bytes_of(data + 1, size - 1);
    struct arena arena;
    union kinesis_input in;
    struct aws_fault fault = {.err = ERR_OK};
    arena_init(&arena, aws_decode_arena(body.len));
    enum err err = aws_decode(shape, codec, body, &arena, &in, &fault);
    if (err == ERR_OK) {
        fuzz_again(shape, AWS_JSON, &in);
        fuzz_again(shape, AWS_CBOR, &in);
    } else {
        assert(fault.err == err);
        assert(fault.message.len <= AWS_FAULT_TEXT_MAX);
        assert(fault.unparsable == (bytes_is_null(fault.message)));
    }
    arena_done(&arena);
    return 0;
}

#endif
