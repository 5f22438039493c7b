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

/* A UUID of version 4. */
struct bytes ids_request(struct ids *ids, struct arena *arena)
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    char *text = arena_alloc(arena, sizeof form);
    if (text == NULL) return BYTES_NULL;
    uint64_t noise = 0;
    for (size_t i = 0, digits = 0; i < sizeof form - 1; i++) {
        text[i] = form[i];
        if (form[i] < 'x') continue;
        if (digits++ % 16 == 0) noise = random_next(ids);
        text[i] = "0123456789abcdef"[form[i] == 'x' ? noise & 0xf : 8 | (noise & 3)];
        noise >>= 4;
    }
    return bytes_of(text, sizeof form - 1);
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
