/* The codec writes into the deflater's own buffer first: only then is it known how large the batch
 * is, and a batch stays in memory for long, so its slab has the exact size. */
#include "protocol/batch/recode.h"

#include "base/mem.h"
#include "base/check.h"

static enum err wrap(const struct batch_info *info, struct bytes packed,
                     const struct batch_packing *to, struct budget *budget, struct slab **ret_batch)
{
    if (to->bytes_max < BATCH_HEADER_BYTES || packed.len > to->bytes_max - BATCH_HEADER_BYTES)
        return ERR_MESSAGE_TOO_LARGE;
    struct slab *batch = slab_new(budget, BATCH_HEADER_BYTES + packed.len);
    if (batch == NULL) return ERR_BUSY;
    batch->len = BATCH_HEADER_BYTES + packed.len;
    mem_copy(batch->data + BATCH_HEADER_BYTES, packed.data, packed.len);
    struct batch_info anew = *info;
    anew.bytes = (uint32_t)batch->len;
    anew.codec = to->codec;
    anew.is_log_append_time = false;
    batch_write_header(batch->data, &anew);
    *ret_batch = batch;
    return ERR_OK;
}

enum err batch_recode(const struct batch_info *info, struct bytes records,
                      const struct batch_packing *to, struct deflater *deflater,
                      struct budget *budget, struct slab **ret_batch)
{
    if (to->codec == CODEC_NONE) return wrap(info, records, to, budget, ret_batch);
    struct bytes packed;
    TRY(deflater_run(deflater, to->codec, to->level, records, &packed));
    enum err err = wrap(info, packed, to, budget, ret_batch);
    deflater_trim(deflater);
    return err;
}
