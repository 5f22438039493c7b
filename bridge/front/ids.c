/* The two ids that AWS puts into each answer. */
#include "bridge/front/ids.h"

#include <stdlib.h>
#include <sys/random.h>
#include "protocol/aws/base64.h"
#include "base/check.h"

enum { ID2_BYTES = 72 };

/* xorshift128+: ids only have to differ. */
static uint64_t random_next(struct ids *ids)
{
    uint64_t a = ids->random[0], b = ids->random[1];
    ids->random[0] = b;
    a ^= a << 23;
    ids->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return ids->random[1] + b;
}

void ids_init(struct ids *ids)
{
    if (getrandom(ids->random, sizeof ids->random, 0) != (ssize_t)sizeof ids->random)
        abort();                    /* short only above 256 bytes */
    ids->random[0] |= 1;            /* the generator must not stand at zero */
}

struct bytes ids_request(struct ids *ids, struct arena *arena)
{
    uint64_t a = random_next(ids), b = random_next(ids);
    char *text = arena_printf(arena, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                              (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
                              (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                              (unsigned long long)(b & 0xffffffffffff));
    return bytes_str(text);
}

struct bytes ids_second(struct ids *ids, struct arena *arena)
{
    uint64_t noise[ID2_BYTES / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) noise[i] = random_next(ids);
    uint8_t *text = arena_alloc(arena, base64_encoded(sizeof noise));
    if (text == NULL) return BYTES_NULL;
    base64_encode(bytes_of(noise, sizeof noise), text);
    return bytes_of(text, base64_encoded(sizeof noise));
}
