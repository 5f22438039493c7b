/* Decompression of a batch's records with a hard limit on what comes out.
 *
 * One inflater a thread: it keeps the codecs' contexts and its last output buffer for the next run.
 * gzip (members may be concatenated), snappy (raw as librdkafka sends it, or in the xerial framing
 * of Java), lz4 frames (independent blocks only, as Kafka demands), zstd frames.
 * Fuzz: fuzz_batch */
#ifndef PROTOCOL_BATCH_INFLATE_H
#define PROTOCOL_BATCH_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/slab.h"
#include "protocol/batch/batch.h"

/* Memory: one inflater holds its output, at most bytes_max and, while that grows, a quarter of it
 * more; between runs 1 MiB after inflater_trim().
 * A batch that unpacks to more is refused. Kafka's clients fill batches by their compressed size,
 * estimated, so what is legal there stays well below. */
enum { INFLATE_BYTES_MAX = 128 * 1024 * 1024 };

struct inflater {
    struct slab *out;          /* output of the last run; NULL when none is kept */
    struct budget *budget;     /* where output bytes are taken from; may be NULL; not owned */
    size_t bytes_max;          /* of one output; the owner may change it between runs */
    size_t spent;              /* bytes unpacked by all runs; a failed one counts what it may have
                                  unpacked. The owner sets it back */
    bool overran;              /* the last run met bytes_max */
    void *zstd;                /* contexts, made on first use */
    void *lz4;
};

/* bytes_max: limit of one output. */
void inflater_init(struct inflater *i, struct budget *budget, size_t bytes_max);
void inflater_done(struct inflater *i);

/* Unpack in. ret_out stays valid until the next run, or longer when the slab is taken.
 * Errors: ERR_INVALID_RECORD - not data of that codec, or cut short;
 *     ERR_UNSUPPORTED_COMPRESSION_TYPE; ERR_MESSAGE_TOO_LARGE - beyond bytes_max; ERR_BUSY - no
 *     memory.
 * Thread: the inflater's owner. */
enum err inflater_run(struct inflater *i, enum batch_codec codec, struct bytes in,
                      struct bytes *ret_out);

/* The slab that the last output lies in: the caller owns the reference, the next run makes a new
 * one. NULL when there is none. */
struct slab *inflater_take(struct inflater *i);
/* Gives back a large output that is not needed any more; a small one stays for the next run. */
void inflater_trim(struct inflater *i);

#endif
