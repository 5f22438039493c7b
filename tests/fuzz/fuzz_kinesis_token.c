/* Target: iterator_parse and page_parse, with text as it comes and with a payload that carries the
 * right code, so that what stands behind the check is reached too. */
#include <assert.h>
#include "protocol/kinesis/token.h"
#include "base/check.h"

static const struct token_key key = {{7}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct iterator_token token, again;
    struct page_token page;
    char text[ITERATOR_TEXT_BYTES];
    arena_init(&arena, 16384);
    (void)!iterator_parse(&key, bytes_of(data, size), 0, &arena, &token);
    (void)!page_parse(&key, PAGE_LIST_SHARDS, bytes_of(data, size), 0, &arena, &page);
    if (size > 0) {
        size_t name = size < TOKEN_STREAM_NAME_MAX ? size : TOKEN_STREAM_NAME_MAX;
        token = (struct iterator_token){.stream_name = bytes_of(data, name), .shard_index = data[0],
                                        .kind = data[0] % 3,
                                        .position = -(int64_t)size};
        struct bytes b = iterator_format(&key, &token, text);
        enum err err = iterator_parse(&key, b, 0, &arena, &again);
        assert(err == ERR_OK && bytes_equal(again.stream_name, token.stream_name));
        assert(again.position == token.position && again.kind == token.kind);
    }
    arena_done(&arena);
    return 0;
}
