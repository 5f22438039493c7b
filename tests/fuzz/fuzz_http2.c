/* Target functions: http2_bytes, http2_reply, http2_write, on_frame, take_chunk, conn_*.
 * Input: the first byte is the size of the pieces, the rest are frames; the client's preface and
 * its empty SETTINGS go before them. */
#include "http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char lead[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    http_door_init("fuzz_http2");
    if (size > 0) fuzz_feed(BYTES_LIT(lead), data + 1, size - 1, data[0] + 1u, answer_one);
    return 0;
}
