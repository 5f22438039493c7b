/* Where a partition key lies on the ring: MD5 of its bytes as a 128-bit number, big-endian.
 *
 * MD5 is AWS's choice and no protection here. Written out instead of OpenSSL's: its EVP interface
 * costs more than the digest for keys this short, and several keys at once go through the vector
 * unit (one PutRecords has up to 500). Thread: any.
 * Fuzz: fuzz_kinesis_sequence */
#ifndef PROTOCOL_KINESIS_HASH_KEY_H
#define PROTOCOL_KINESIS_HASH_KEY_H

#include "base/bytes.h"
#include "base/u128.h"

enum { MD5_BYTES = 16 };

/* Of any bytes, of any length. */
void md5(struct bytes data, uint8_t digest[MD5_BYTES]);

u128 hash_key_of(struct bytes partition_key);
/* The same of count keys; ret: room for count numbers. */
void hash_key_of_many(const struct bytes *partition_keys, size_t count, u128 *ret);

/* ExplicitHashKey: decimal digits. False when not digits or beyond 2^128 - 1. */
bool hash_key_parse(struct bytes text, u128 *ret);

#endif
