/* Compression of a batch's records, in the forms that Apache Kafka's own writer makes.
 *
 * gzip (one member), snappy in xerial framing (blocks of 32 KiB), an lz4 frame (independent blocks
 * of 64 KiB, no checksums), a zstd frame. One deflater a thread: it keeps the codecs' contexts and
 * its last output buffer for the next run. */
#ifndef PROTOCOL_BATCH_DEFLATE_H
#define PROTOCOL_BATCH_DEFLATE_H

#include <stdatomic.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/slab.h"
#include "protocol/batch/batch.h"

/* Ranges and defaults of the topic configs compression.<codec>.level. */
enum {
    GZIP_LEVEL_MIN = 1,
    GZIP_LEVEL_MAX = 9,
    GZIP_LEVEL_DEFAULT = -1,        /* zlib's own choice; the one legal value outside the range */
    LZ4_LEVEL_MIN = 1,
    LZ4_LEVEL_MAX = 17,
    LZ4_LEVEL_DEFAULT = 9,          /* the fast compressor; every other one is the thorough one */
    ZSTD_LEVEL_MIN = -131072,
    ZSTD_LEVEL_MAX = 22,
    ZSTD_LEVEL_DEFAULT = 3,
};

struct deflater {
    struct slab *out;               /* output of the last run; NULL when none is kept */
    void *gzip;                     /* contexts, made on first use */
    void *lz4;
    void *lz4_thorough;
    void *zstd;
    const atomic_bool *stop;        /* NULL: nothing ends a run early. Set by the owner */
};

void deflater_init(struct deflater *d);
void deflater_done(struct deflater *d);

/* Compress in, below 2 GiB. codec: any but CODEC_NONE. level: of that codec; snappy has none.
 * ret_out stays valid until the next run or trim. It may be larger than in.
 * Errors: ERR_BUSY - no memory; ERR_CLOSED - *stop became true.
 * Thread: the deflater's owner. Never blocks; costs the time of the codec and level. */
enum err deflater_run(struct deflater *d, enum batch_codec codec, int level, struct bytes in,
                      struct bytes *ret_out);

/* About how long that takes, on the slow side, in microseconds. Thread: any. */
uint64_t deflate_cost_us(enum batch_codec codec, int level, size_t bytes);

/* Gives back a large output and a large context; small ones stay for the next run. */
void deflater_trim(struct deflater *d);

#endif
