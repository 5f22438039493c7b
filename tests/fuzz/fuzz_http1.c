/* Target functions: http1_bytes, http1_reply, http1_write, sniff_bytes, intake_*, conn_*.
 * Input: the first byte is the size of the pieces, the rest is what a client sends. */
#include "http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    http_door_init("fuzz_http1");
    if (size > 0) fuzz_feed(BYTES_LIT(""), data + 1, size - 1, data[0] + 1u, answer_one);
    return 0;
}
