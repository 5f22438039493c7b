#include "protocol/kinesis/kpl.h"

#include "base/check.h"

enum { MAGIC_BYTES = 4, DIGEST_BYTES = 16 };

bool kpl_is_aggregate(struct bytes data)
{
    return data.len >= MAGIC_BYTES + DIGEST_BYTES && load_be32(data.data) == 0xf3899ac2u;
}
