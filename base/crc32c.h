/* CRC-32C (Castagnoli, RFC 3720 B.4) with the processor's instruction where it has one.
 *
 * The same code takes the place of RocksDB's own, because Debian's build computes it in software
 * and spends 40 % of the write path there: the executable defines the library's exported symbol
 * rocksdb::crc32c::Extend (crc32c_rocksdb.c) and is linked with -rdynamic. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

/* CRC of a followed by data, where crc is the CRC of a (0 for nothing). Thread: any. */
uint32_t crc32c_extend(uint32_t crc, const void *data, size_t len);
static inline uint32_t crc32c(const void *data, size_t len)
{
    return crc32c_extend(0, data, len);
}

/* The way without the instruction, for machines that lack it and for the test that compares the
 * two. Thread: any. */
uint32_t crc32c_extend_tables(uint32_t crc, const void *data, size_t len);

bool crc32c_is_hardware(void);
/* How often RocksDB called our function in this process: the proof that it does. Whoever opens
 * RocksDB calls this once, or the linker leaves the replacement out (crc32c_rocksdb.c). Thread:
 * any. */
uint64_t crc32c_rocksdb_calls(void);

#endif
