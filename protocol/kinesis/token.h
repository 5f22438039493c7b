/* Shard iterators and NextTokens: what a client gets now and brings back later.
 *
 * Both are text that a client must not be able to forge or change, since they name a position and
 * skip checks that were made when they were given out. So each carries HMAC-SHA-256 under the
 * server's key, cut to 16 bytes. Layout before base64 (numbers big-endian):
 *   shard iterator                        NextToken
 *     0   8  00 00 00 00 00 00 00 01        0   1  form, 2
 *     8  16  authentication code            1  16  authentication code
 *    24   8  creation, epoch ms            17   8  creation, epoch ms
 *    32  16  topic id                      25   1  kind
 *    48   4  shard index                   26   1  filter
 *    52   1  position kind                 27  16  topic id
 *    53   8  offset, or epoch ms           43   4  shard index
 *    61   1  length of stream name         47   8  filter, epoch ms
 *    62   n  stream name, then zeros       55   1  length of stream name, the name,
 *                                              2  length of after, the text
 * The iterator is padded to 152 + 16 k bytes, as AWS's are; 512 characters hold any stream name.
 * Both live for TOKEN_LIFE_MS. The code covers every other byte.
 * Fuzz: fuzz_kinesis_token */
#ifndef PROTOCOL_KINESIS_TOKEN_H
#define PROTOCOL_KINESIS_TOKEN_H

#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

enum {
    TOKEN_KEY_BYTES = 32,
    TOKEN_TOPIC_ID_BYTES = 16,
    TOKEN_LIFE_MS = 300 * 1000,
    TOKEN_STREAM_NAME_MAX = 128,
    ITERATOR_TEXT_BYTES = 513,          /* the longest iterator and NUL */
    PAGE_TEXT_BYTES = 641,              /* the longest NextToken and NUL */
    PAGE_AFTER_MAX = 249,
};

/* Random, made once a data directory and kept there: a new key makes all tokens invalid. */
struct token_key {
    uint8_t bytes[TOKEN_KEY_BYTES];
};

enum iterator_position {
    ITERATOR_AT_OFFSET,        /* position = next offset to read; below the horizon = the horizon */
    ITERATOR_TRIM_HORIZON,     /* follows the retention edge until the first record is read */
    ITERATOR_AT_TIMESTAMP,     /* position = epoch ms of arrival */
};

struct iterator_token {
    struct bytes stream_name;    /* 1..TOKEN_STREAM_NAME_MAX bytes */
    uint8_t topic_id[TOKEN_TOPIC_ID_BYTES];
    uint32_t shard_index;
    enum iterator_position kind;
    int64_t position;
    int64_t created_ms;
};

/* Write the text of an iterator to to[ITERATOR_TEXT_BYTES]; returns it (borrowed from to).
 * Thread: any. */
struct bytes iterator_format(const struct token_key *key, const struct iterator_token *token,
                             char *to);

/* Read an iterator. text: as the client sent it, also wrapped in double quotes; borrowed.
 * ret->stream_name is allocated in arena. ret: filled on success and on ERR_EXPIRED_ITERATOR (its
 * text needs created_ms), else untouched.
 * Errors: ERR_INVALID_ARGUMENT - not one of ours; ERR_EXPIRED_ITERATOR - older than TOKEN_LIFE_MS,
 * or made after now_ms by more than that; ERR_TOO_LARGE - arena full.
 * Thread: any. */
enum err iterator_parse(const struct token_key *key, struct bytes text, int64_t now_ms,
                        struct arena *arena, struct iterator_token *ret);

enum page_kind { PAGE_LIST_SHARDS = 1, PAGE_LIST_STREAMS, PAGE_LIST_STREAM_CONSUMERS };

/* Where a listing goes on. Members that a kind does not need are zero. */
struct page_token {
    enum page_kind kind;
    uint8_t filter;              /* ListShards: 1 + ShardFilterType, 0 = none */
    uint32_t shard_index;        /* ListShards: the last shard of the page before */
    int64_t filter_ms;           /* ListShards: Timestamp of the filter */
    int64_t created_ms;
    uint8_t topic_id[TOKEN_TOPIC_ID_BYTES];
    struct bytes stream_name;    /* empty in ListStreams */
    struct bytes after;          /* last stream or consumer name of the page before; <=
                                    PAGE_AFTER_MAX */
};

/* Write the text of a NextToken to to[PAGE_TEXT_BYTES]; returns it (borrowed from to). Thread:
 * any. */
struct bytes page_format(const struct token_key *key, const struct page_token *token, char *to);

/* Read a NextToken of this kind; as iterator_parse.
 * Errors: ERR_INVALID_ARGUMENT - not one of ours, or of another kind; ERR_EXPIRED_NEXT_TOKEN;
 * ERR_TOO_LARGE - arena full.
 * Thread: any. */
enum err page_parse(const struct token_key *key, enum page_kind kind, struct bytes text,
                    int64_t now_ms, struct arena *arena, struct page_token *ret);

#endif
