/* Takes the place of rocksdb::crc32c::Extend. The dynamic linker looks the symbol up in the
 * executable first, so the library's own calls land here as well; CMake checks that the installed
 * library still has it. An object of a static library is only linked when something in it is
 * referenced, which is why the counter lives in this file: whoever opens RocksDB asks for it. */
#include "base/crc32c.h"

#include <stdatomic.h>
#include "base/check.h"

static atomic_uint_fast64_t calls;

uint32_t crc32c_rocksdb_extend(uint32_t crc, const char *data, size_t len)
    __asm__("_ZN7rocksdb6crc32c6ExtendEjPKcm");

uint32_t crc32c_rocksdb_extend(uint32_t crc, const char *data, size_t len)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return crc32c_extend(crc, data, len);
}

uint64_t crc32c_rocksdb_calls(void)
{
    return atomic_load_explicit(&calls, memory_order_relaxed);
}
