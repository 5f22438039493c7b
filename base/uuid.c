#include "base/uuid.h"

#include <assert.h>
#include <sys/random.h>
#include "base/check.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Kafka keeps 0..100 for ids with a meaning (org.apache.kafka.common.Uuid). */
enum { RESERVED_MAX = 100 };

struct uuid uuid_random(void)
{
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    do {
        ssize_t got = getrandom(id.bytes, sizeof id.bytes, 0);
        /* Up to 256 bytes come whole once the kernel is seeded. */
        assert(got == (ssize_t)sizeof id.bytes);
        id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
        id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
        uuid_to_text(&id, text);
    } while ((load_be64(id.bytes) == 0 && load_be64(id.bytes + 8) <= RESERVED_MAX) ||
             text[0] == '-');
    return id;
}

char *uuid_to_text(const struct uuid *id, char to[UUID_TEXT_LEN + 1])
{
    uint32_t bits = 0;
    unsigned held = 0, out = 0;
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        bits = bits << 8 | id->bytes[i];
        for (held += 8; held >= 6; held -= 6) to[out++] = alphabet[bits >> (held - 6) & 63];
    }
    to[out++] = alphabet[bits << (6 - held) & 63];
    assert(out == UUID_TEXT_LEN);
    to[out] = '\0';
    return to;
}

bool uuid_from_text(struct bytes b, struct uuid *ret)
{
    struct uuid id;
    uint32_t bits = 0;
    unsigned held = 0, out = 0;
    if (b.len != UUID_TEXT_LEN) return false;
    for (size_t i = 0; i < b.len; i++) {
        const char *at = b.data[i] ? strchr(alphabet, b.data[i]) : NULL;
        if (at == NULL) return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        held += 6;
        if (held >= 8) {
            held -= 8;
            id.bytes[out++] = (uint8_t)(bits >> held);
        }
    }
    if ((bits & ((1u << held) - 1)) != 0) return false;
    *ret = id;
    return true;
}
