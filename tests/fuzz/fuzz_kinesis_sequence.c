/* Targets: sequence_parse, arn_parse, shard_id_parse, hash_key_parse. A record's number that is
 * taken is written back the same. */
#include <assert.h>
#include "protocol/kinesis/arn.h"
#include "protocol/kinesis/hash_key.h"
#include "protocol/kinesis/sequence.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sequence s;
    struct arn arn;
    uint32_t shard;
    u128 hash;
    struct bytes text = bytes_of(data, size);
    (void)!arn_parse(text, &arn);
    (void)!shard_id_parse(text, &shard);
    (void)hash_key_parse(text, &hash);
    if (sequence_parse(text, &s) != ERR_OK) return 0;
    if (s.kind == SEQUENCE_RECORD && s.shard_index >= 0) {
        char again[SEQUENCE_TEXT_BYTES];
        struct sequence second;
        struct bytes b = sequence_format(s.shard_created_s * 1000, (uint32_t)s.shard_index,
                                         s.offset, s.time_s * 1000, again);
        enum err err = sequence_parse(b, &second);
        assert(err == ERR_OK && second.offset == s.offset && second.shard_index == s.shard_index);
        assert(second.time_s == s.time_s && second.shard_created_s == s.shard_created_s);
    }
    return 0;
}
