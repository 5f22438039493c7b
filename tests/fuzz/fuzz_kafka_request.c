/* Target functions: kafka_header_decode and the request decoder and encoder of every served API.
 * Input: one frame without its size. A frame that decodes is encoded anew; that must decode again
 * and then come out the same, byte for byte. (The first encoding may be shorter than the input:
 * trailing bytes, unknown tags and tags with default values are dropped.) */
#include <assert.h>
#include "protocol/kafka/header.h"
#include "protocol/kafka/msg/reverse.h"

enum { ARENA_BYTES = 1 << 20, OUT_BYTES = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum err pass(const struct kafka_header *h, struct cursor *c, struct writer *w)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    c->arena = &arena;
    enum err err = kafka_pass(h->api->key, h->version, false, c, w);
    arena_done(&arena);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cursor c;
    struct kafka_header h;
    cursor_init(&c, bytes_of(data, len), NULL);
    if (kafka_header_decode(&c, &h) != ERR_OK || h.version_unsupported) return 0;
    struct writer first, second;
    writer_init(&first, OUT_BYTES);
    writer_init(&second, OUT_BYTES);
    size_t body = c.left;
    if (pass(&h, &c, &first) == ERR_OK) {
        assert(first.len <= body - c.left);
        cursor_init(&c, bytes_of(first.data, first.len), NULL);
        enum err err = pass(&h, &c, &second);
        assert(err == ERR_OK && c.left == 0);
        assert(first.len == second.len &&
               (first.len == 0 || memcmp(first.data, second.data, first.len) == 0));
    }
    writer_done(&first);
    writer_done(&second);
    return 0;
}
