/* A batch anew, its records packed with another codec: what a topic whose compression.type names a
 * codec wants of a batch that came with a different one. */
#ifndef PROTOCOL_BATCH_RECODE_H
#define PROTOCOL_BATCH_RECODE_H

#include "protocol/batch/batch.h"
#include "protocol/batch/deflate.h"

struct budget;

struct batch_packing {
    enum batch_codec codec;         /* CODEC_NONE: not compressed */
    int32_t level;                  /* of that codec, in deflate.h's ranges; CODEC_NONE and snappy
                                       have none */
    uint32_t bytes_max;             /* of the new batch */
};

/* info: of the batch as it is: its offsets, times, producer id, epoch, sequence, count and flags
 *     are the new one's, except the time stamp type, which becomes CreateTime (the log sets the
 *     other).
 * records: its records, not compressed; kept byte for byte. Borrowed for this call.
 * budget: where the new batch's bytes are taken from; may be NULL.
 * ret_batch: one reference; len is the batch's size, nothing else lies in the slab.
 * Errors: ERR_MESSAGE_TOO_LARGE - it takes more than to->bytes_max; ERR_BUSY - no memory;
 *     ERR_CLOSED - the deflater's stop.
 * Thread: the deflater's owner. Never blocks; costs the codec's time. */
enum err batch_recode(const struct batch_info *info, struct bytes records,
                      const struct batch_packing *to, struct deflater *deflater,
                      struct budget *budget, struct slab **ret_batch);

#endif
