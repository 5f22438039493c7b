/* ARNs of streams and their consumers:
 *   arn:aws:kinesis:REGION:ACCOUNT:stream/NAME
 *   arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:CREATION-EPOCH-SECONDS
 * Partition, region and account of an ARN that comes in are returned, not judged: whether they are
 * the server's is the caller's rule. Pure; thread: any.
 * Fuzz: fuzz_kinesis_sequence */
#ifndef PROTOCOL_KINESIS_ARN_H
#define PROTOCOL_KINESIS_ARN_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

struct arn {
    struct bytes partition;          /* "aws", "aws-cn", ... */
    struct bytes region;
    struct bytes account;            /* 12 digits */
    struct bytes stream;             /* name */
    struct bytes consumer;           /* name; null in the ARN of a stream */
    int64_t consumer_created_s;      /* epoch seconds; 0 in the ARN of a stream */
};

/* Build into the arena; BYTES_NULL when it is full. */
struct bytes arn_stream(struct arena *arena, struct bytes region, struct bytes account,
                        struct bytes stream);
struct bytes arn_consumer(struct arena *arena, struct bytes stream_arn, struct bytes consumer,
                          int64_t created_s);

/* Take apart; views into text. ret: untouched on failure.
 * Errors: ERR_INVALID_ARGUMENT - neither form.
 * Thread: any. */
enum err arn_parse(struct bytes text, struct arn *ret);

/* "shardId-000000000007"; to: room for SHARD_ID_TEXT_BYTES. shard_index: magnitude below 10^11;
 * negative ones are printed as AWS does where a client's sequence number encodes one. */
enum { SHARD_ID_TEXT_BYTES = 21 };
struct bytes shard_id_format(int64_t shard_index, char *to);

/* AWS takes "shardId-7", "anything-0007" and "7": what stands between the first and second '-', or
 * the whole text where that is empty or missing, in 0..2^31 - 1.
 * Errors: ERR_NOT_FOUND - names no shard.
 * Thread: any. */
enum err shard_id_parse(struct bytes text, uint32_t *ret_index);

#endif
