/* The two ids that AWS puts into each answer. */
#include "bridge/front/ids.h"

#include "protocol/aws/base64.h"
#include "base/check.h"

enum { ID2_BYTES = 72 };

/* xorshift128+: ids only have to differ. */
static uint64_t random_next(struct bridge_loop *l)
{
    uint64_t a = l->random[0], b = l->random[1];
    l->random[0] = b;
    a ^= a << 23;
    l->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return l->random[1] + b;
}

struct bytes ids_request(struct bridge_loop *l, struct arena *arena)
{
    uint64_t a = random_next(l), b = random_next(l);
    char *text = arena_printf(arena, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                              (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
                              (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                              (unsigned long long)(b & 0xffffffffffff));
    return bytes_str(text);
}

struct bytes ids_second(struct bridge_loop *l, struct arena *arena)
{
    uint64_t noise[ID2_BYTES / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) noise[i] = random_next(l);
    uint8_t *text = arena_alloc(arena, base64_encoded(sizeof noise));
    if (text == NULL) return BYTES_NULL;
    base64_encode(bytes_of(noise, sizeof noise), text);
    return bytes_of(text, base64_encoded(sizeof noise));
}
