#include "protocol/kinesis/arn.h"

#include <assert.h>
#include "base/check.h"

struct bytes arn_stream(struct arena *arena, struct bytes region, struct bytes account,
                        struct bytes stream)
{
    return bytes_str(arena_printf(arena, "arn:aws:kinesis:%.*s:%.*s:stream/%.*s",
                                  BYTES_ARGS(region), BYTES_ARGS(account), BYTES_ARGS(stream)));
}

struct bytes arn_consumer(struct arena *arena, struct bytes stream_arn, struct bytes consumer,
                          int64_t created_s)
{
    return bytes_str(arena_printf(arena, "%.*s/consumer/%.*s:%lld", BYTES_ARGS(stream_arn),
                                  BYTES_ARGS(consumer), (long long)created_s));
}

/* What stands before the first mark, which is taken too. False when there is no mark. */
static bool take_until(struct bytes *text, char mark, struct bytes *ret)
{
    const uint8_t *at = text->len ? memchr(text->data, mark, text->len) : NULL;
    if (at == NULL) return false;
    size_t len = (size_t)(at - text->data);
    *ret = bytes_slice(*text, 0, len);
    *text = bytes_slice(*text, len + 1, text->len - len - 1);
    return true;
}

static bool is_name(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.data[i], letter = c | 0x20;
        bool legal = (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '.' || c == '-';
        if (!legal) return false;
    }
    return b.len > 0;
}

static bool is_account(struct bytes b)
{
    uint64_t unused;
    return b.len == 12 && bytes_to_u64(b, &unused);
}

/* "stream/NAME" or "stream/NAME/consumer/CONSUMER:SECONDS" */
static bool parse_resource(struct bytes text, struct arn *arn)
{
    struct bytes word;
    if (!take_until(&text, '/', &word) || !bytes_equal_str(word, "stream")) return false;
    if (!take_until(&text, '/', &arn->stream)) {
        arn->stream = text;
        return is_name(arn->stream);
    }
    return is_name(arn->stream) && take_until(&text, '/', &word) &&
           bytes_equal_str(word, "consumer") && take_until(&text, ':', &arn->consumer) &&
           is_name(arn->consumer) && bytes_to_i64(text, &arn->consumer_created_s) &&
           arn->consumer_created_s >= 0;
}

enum err arn_parse(struct bytes text, struct arn *ret)
{
    struct arn arn = {0};
    struct bytes word, service;
    bool legal = take_until(&text, ':', &word) && bytes_equal_str(word, "arn") &&
                 take_until(&text, ':', &arn.partition) && take_until(&text, ':', &service) &&
                 bytes_equal_str(service, "kinesis") && take_until(&text, ':', &arn.region) &&
                 take_until(&text, ':', &arn.account) && is_account(arn.account) &&
                 parse_resource(text, &arn);
    if (!legal) return ERR_INVALID_ARGUMENT;
    *ret = arn;
    return ERR_OK;
}

struct bytes shard_id_format(int64_t shard_index, char *to)
{
    static const char prefix[] = "shardId-";
    enum { PREFIX = sizeof prefix - 1, WIDTH = SHARD_ID_TEXT_BYTES - 1 };
    uint64_t left = shard_index < 0 ? 0 - (uint64_t)shard_index : (uint64_t)shard_index;
    __builtin_memcpy(to, prefix, PREFIX);
    for (size_t i = WIDTH; i > PREFIX; left /= 10) to[--i] = (char)('0' + left % 10);
    assert(left == 0);
    /* The sign takes the place of a digit, as AWS prints it. */
    if (shard_index < 0) to[PREFIX] = '-';
    to[WIDTH] = '\0';
    return bytes_of(to, WIDTH);
}

enum err shard_id_parse(struct bytes text, uint32_t *ret_index)
{
    struct bytes before, number = text, rest = text;
    if (take_until(&rest, '-', &before)) {
        struct bytes second = rest;
        if (!take_until(&rest, '-', &second)) second = rest;
        if (second.len > 0) number = second;
    }
    uint64_t index;
    if (!bytes_to_u64(number, &index) || index > INT32_MAX) return ERR_NOT_FOUND;
    *ret_index = (uint32_t)index;
    return ERR_OK;
}
