/* Base64 (RFC 4648, with padding), strict and fast: blobs travel in it in every JSON body. Sixteen
 * characters at a time where the processor has SSSE3. Thread: any.
 * Fuzz: fuzz_kinesis_json */
#ifndef PROTOCOL_AWS_BASE64_H
#define PROTOCOL_AWS_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

enum base64_fault {
    BASE64_OK,
    BASE64_LENGTH,         /* not a multiple of four */
    BASE64_CHARACTER,      /* outside of the alphabet, or '=' before the end */
    BASE64_LAST,           /* the last character has bits that no byte needs, or too much padding */
};

/* Room that decoding len characters may need. */
static inline size_t base64_decoded_max(size_t len)
{
    return len / 4 * 3 + 3;
}

/* Characters that len bytes become. */
static inline size_t base64_encoded(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* to: room for base64_decoded_max(text.len); written also on failure. ret_len: bytes written.
 * ret_at: on BASE64_CHARACTER the position of the character; both untouched otherwise. */
enum base64_fault base64_decode(struct bytes text, uint8_t *to, size_t *ret_len, size_t *ret_at);

/* to: room for base64_encoded(data.len) characters; no NUL. */
void base64_encode(struct bytes data, uint8_t *to);

#endif
