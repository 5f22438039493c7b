/* Target: sigv4_shape_check. Lines: authorization, query, date. */
#include "protocol/aws/sigv4_shape.h"
#include "base/check.h"

static struct bytes take_line(struct bytes *rest)
{
    size_t len = 0;
    while (len < rest->len && rest->data[len] != '\n') len++;
    struct bytes line = bytes_of(rest->data, len);
    size_t taken = len < rest->len ? len + 1 : len;
    *rest = bytes_of(rest->data + taken, rest->len - taken);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct bytes rest = bytes_of(data, size), message = BYTES_NULL;
    struct sigv4_request request;
    struct sigv4_shape shape;
    struct arena arena;
    request.authorization = take_line(&rest);
    request.query = take_line(&rest);
    request.date = take_line(&rest);
    arena_init(&arena, 4 * size + 65536);
    enum err err = sigv4_shape_check(&request, &arena, &shape, &message);
    if (err != ERR_OK && message.len == 0) __builtin_trap();
    arena_done(&arena);
    return 0;
}
