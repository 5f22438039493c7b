/* Target: aws_decode and aws_encode, CBOR. */
#include "fuzz_kinesis.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_kinesis(AWS_CBOR, data, size);
}
