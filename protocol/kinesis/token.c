#include "protocol/kinesis/token.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "base/mem.h"
#include "protocol/aws/base64.h"
#include "base/check.h"

enum {
    CODE_BYTES = 16,
    ITERATOR_HEAD = 8, ITERATOR_FIXED = 62, ITERATOR_BYTES_MIN = 152, ITERATOR_STEP = 16,
    ITERATOR_BYTES_MAX = 200,                        /* 62 + 128, up to the next step */
    PAGE_HEAD = 1, PAGE_FIXED = 56, PAGE_FORM = 2,
    PAGE_BYTES_MAX = PAGE_FIXED + TOKEN_STREAM_NAME_MAX + 2 + PAGE_AFTER_MAX,
};
static_assert(ITERATOR_BYTES_MAX == ITERATOR_BYTES_MIN + 3 * ITERATOR_STEP, "152 + 16 k");
static_assert(ITERATOR_FIXED + TOKEN_STREAM_NAME_MAX <= ITERATOR_BYTES_MAX, "any stream name fits");
static_assert((ITERATOR_BYTES_MAX + 2) / 3 * 4 < ITERATOR_TEXT_BYTES, "512 characters hold it");
static_assert((PAGE_BYTES_MAX + 2) / 3 * 4 < PAGE_TEXT_BYTES, "the longest NextToken");

/* The code of a token whose own place for it, at head, is left out. */
static void code_of(const struct token_key *key, const uint8_t *token, size_t len, size_t head,
                    uint8_t code[CODE_BYTES])
{
    uint8_t message[PAGE_BYTES_MAX], digest[EVP_MAX_MD_SIZE];
    unsigned digest_len;
    assert(len <= sizeof message);
    mem_copy(message, token, len);
    memset(message + head, 0, CODE_BYTES);
    const uint8_t *done = HMAC(EVP_sha256(), key->bytes, TOKEN_KEY_BYTES, message, len, digest,
                               &digest_len);
    assert(done != NULL && digest_len >= CODE_BYTES);
    mem_copy(code, digest, CODE_BYTES);
}

static struct bytes seal(const struct token_key *key, uint8_t *token, size_t len, size_t head,
                         char *to)
{
    code_of(key, token, len, head, token + head);
    base64_encode(bytes_of(token, len), (uint8_t *)to);
    to[base64_encoded(len)] = '\0';
    return bytes_of(to, base64_encoded(len));
}

/* Decodes text into token[PAGE_BYTES_MAX + 3] and checks its code. */
static bool unseal(const struct token_key *key, struct bytes text, size_t head, uint8_t *token,
                   size_t *ret_len)
{
    uint8_t code[CODE_BYTES];
    size_t len, at;
    if (base64_decoded_max(text.len) > PAGE_BYTES_MAX + 3) return false;
    if (base64_decode(text, token, &len, &at) != BASE64_OK || len < head + CODE_BYTES) return false;
    code_of(key, token, len, head, code);
    *ret_len = len;
    return CRYPTO_memcmp(code, token + head, CODE_BYTES) == 0;
}

static bool is_expired(int64_t created_ms, int64_t now_ms)
{
    return created_ms < now_ms - TOKEN_LIFE_MS || created_ms > now_ms + TOKEN_LIFE_MS;
}

/* Clients quote iterators that they took out of JSON by hand; AWS takes them. */
static struct bytes unquoted(struct bytes text)
{
    bool quoted = text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"';
    return quoted ? bytes_slice(text, 1, text.len - 2) : text;
}

struct bytes iterator_format(const struct token_key *key, const struct iterator_token *token,
                             char *to)
{
    assert(token->stream_name.len > 0 && token->stream_name.len <= TOKEN_STREAM_NAME_MAX);
    uint8_t raw[ITERATOR_BYTES_MAX] = {[ITERATOR_HEAD - 1] = 1};
    store_be64(raw + 24, (uint64_t)token->created_ms);
    mem_copy(raw + 32, token->topic_id, TOKEN_TOPIC_ID_BYTES);
    store_be32(raw + 48, token->shard_index);
    raw[52] = (uint8_t)token->kind;
    store_be64(raw + 53, (uint64_t)token->position);
    raw[61] = (uint8_t)token->stream_name.len;
    mem_copy(raw + ITERATOR_FIXED, token->stream_name.data, token->stream_name.len);
    size_t len = ITERATOR_BYTES_MIN;
    while (len < ITERATOR_FIXED + token->stream_name.len) len += ITERATOR_STEP;
    return seal(key, raw, len, ITERATOR_HEAD, to);
}

enum err iterator_parse(const struct token_key *key, struct bytes text, int64_t now_ms,
                        struct arena *arena, struct iterator_token *ret)
{
    static const uint8_t head[ITERATOR_HEAD] = {[ITERATOR_HEAD - 1] = 1};
    uint8_t raw[PAGE_BYTES_MAX + 3];
    size_t len;
    text = unquoted(text);
    if (!unseal(key, text, ITERATOR_HEAD, raw, &len)) return ERR_INVALID_ARGUMENT;
    /* What carries our code was written by iterator_format, or is a NextToken: that has another
     * head. */
    if (len < ITERATOR_BYTES_MIN || memcmp(raw, head, sizeof head) != 0)
        return ERR_INVALID_ARGUMENT;
    assert(ITERATOR_FIXED + (size_t)raw[61] <= len);
    struct iterator_token token = {
        .created_ms = (int64_t)load_be64(raw + 24),
        .shard_index = load_be32(raw + 48),
        .kind = raw[52],
        .position = (int64_t)load_be64(raw + 53),
        .stream_name = arena_copy(arena, bytes_of(raw + ITERATOR_FIXED, raw[61])),
    };
    mem_copy(token.topic_id, raw + 32, TOKEN_TOPIC_ID_BYTES);
    if (bytes_is_null(token.stream_name)) return ERR_TOO_LARGE;
    *ret = token;
    return is_expired(token.created_ms, now_ms) ? ERR_EXPIRED_ITERATOR : ERR_OK;
}

struct bytes page_format(const struct token_key *key, const struct page_token *token, char *to)
{
    size_t name_len = token->stream_name.len, after_len = token->after.len;
    assert(name_len <= TOKEN_STREAM_NAME_MAX && after_len <= PAGE_AFTER_MAX);
    uint8_t raw[PAGE_BYTES_MAX] = {PAGE_FORM};
    store_be64(raw + 17, (uint64_t)token->created_ms);
    raw[25] = (uint8_t)token->kind;
    raw[26] = token->filter;
    mem_copy(raw + 27, token->topic_id, TOKEN_TOPIC_ID_BYTES);
    store_be32(raw + 43, token->shard_index);
    store_be64(raw + 47, (uint64_t)token->filter_ms);
    raw[55] = (uint8_t)name_len;
    mem_copy(raw + PAGE_FIXED, token->stream_name.data, name_len);
    store_be16(raw + PAGE_FIXED + name_len, (uint16_t)after_len);
    mem_copy(raw + PAGE_FIXED + name_len + 2, token->after.data, after_len);
    return seal(key, raw, PAGE_FIXED + name_len + 2 + after_len, PAGE_HEAD, to);
}

enum err page_parse(const struct token_key *key, enum page_kind kind, struct bytes text,
                    int64_t now_ms, struct arena *arena, struct page_token *ret)
{
    uint8_t raw[PAGE_BYTES_MAX + 3];
    size_t len;
    if (!unseal(key, text, PAGE_HEAD, raw, &len)) return ERR_INVALID_ARGUMENT;
    if (len < PAGE_FIXED + 2 || raw[0] != PAGE_FORM || raw[25] != kind) return ERR_INVALID_ARGUMENT;
    size_t name_len = raw[55];
    assert(PAGE_FIXED + name_len + 2 <= len);
    size_t after_len = load_be16(raw + PAGE_FIXED + name_len);
    assert(PAGE_FIXED + name_len + 2 + after_len == len);
    struct page_token token = {
        .kind = kind,
        .filter = raw[26],
        .created_ms = (int64_t)load_be64(raw + 17),
        .shard_index = load_be32(raw + 43),
        .filter_ms = (int64_t)load_be64(raw + 47),
        .stream_name = arena_copy(arena, bytes_of(raw + PAGE_FIXED, name_len)),
        .after = arena_copy(arena, bytes_of(raw + PAGE_FIXED + name_len + 2, after_len)),
    };
    mem_copy(token.topic_id, raw + 27, TOKEN_TOPIC_ID_BYTES);
    if (bytes_is_null(token.stream_name) || bytes_is_null(token.after)) return ERR_TOO_LARGE;
    *ret = token;
    return is_expired(token.created_ms, now_ms) ? ERR_EXPIRED_NEXT_TOKEN : ERR_OK;
}
