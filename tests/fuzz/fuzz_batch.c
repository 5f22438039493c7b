/* Target functions: batch_validate, batch_next, record_iter_*, batch_find_*, batch_set_time,
 * inflater_run, deflater_run, batch_recode. Input: the records field of a Produce request. Its CRC
 * is made right first, or the fuzzer would never get behind it. What batch_validate() accepts must
 * iterate to its end, and so must what batch_recode() makes of it in any other codec. */
#include <stdlib.h>
#include <string.h>
#include "base/crc32c.h"
#include "protocol/batch/recode.h"
#include "protocol/batch/record.h"
#include "protocol/batch/validate.h"

enum { OUT_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct bytes range, struct inflater *inflater, int32_t accepted_count)
{
    struct bytes batch;
    struct batch_info info;
    while (batch_next(&range, &batch, &info) == ERR_OK) {
        struct record_iter it;
        if (record_iter_init(&it, batch, inflater) != ERR_OK) break;
        struct record r;
        int32_t count = 0;
        uint8_t sum = 0;
        for (; record_iter_next(&it, &r); count++) {
            struct record_header h;
            while (record_header_next(&r, &h))
                for (size_t i = 0; i < h.key.len; i++) sum ^= h.key.data[i];
            if (r.header_count != 0) abort();
            for (size_t i = 0; i < r.key.len; i++) sum ^= r.key.data[i];
            for (size_t i = 0; i < r.value.len; i++) sum ^= r.value.data[i];
        }
        if (accepted_count >= 0 && (it.err != ERR_OK || count != accepted_count)) abort();
        int64_t offset, time;
        if (batch_find_max_time(batch, 0, inflater, &offset, &time) == ERR_OK)
            if (batch_find_time(batch, 0, time, inflater, &offset, &time) != ERR_OK) abort();
        (void)sum;
    }
}

/* The time stamps of a batch that claims LogAppendTime are not its records': those become
 * visible. */
static void recode(const struct batch_verdict *v, const struct batch_rules *rules,
                   struct inflater *inflater)
{
    static struct deflater deflater;
    struct batch_info info = v->info;
    info.max_timestamp = v->max_timestamp;
    struct batch_packing to = {.codec = (enum batch_codec)(v->info.bytes % CODEC_COUNT), .level = 1,
                               .bytes_max = OUT_BYTES_MAX};
    struct slab *made;
    enum err err = batch_recode(&info, v->records, &to, &deflater, NULL, &made);
    if (err == ERR_MESSAGE_TOO_LARGE) return;
    if (err != ERR_OK) abort();
    struct batch_faults faults;
    struct batch_verdict again;
    if (batch_validate(slab_bytes(made), rules, inflater, &faults, &again) != ERR_OK) abort();
    if (again.info.codec != to.codec || again.info.count != info.count) abort();
    if (!v->info.is_log_append_time && again.max_timestamp != v->max_timestamp) abort();
    slab_unref(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct inflater inflater;
    if (inflater.bytes_max == 0) inflater_init(&inflater, NULL, OUT_BYTES_MAX);
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, data, size);
    struct bytes b = bytes_of(copy, size);
    if (size >= BATCH_HEADER_BYTES) {
        uint32_t crc = crc32c(copy + BATCH_CRC_START, size - BATCH_CRC_START);
        store_be32(copy + 17, crc);
    }
    struct batch_rules rules = {.produce_version = 12,
                                .is_compacted = size % 2,
                                .batch_bytes_max = OUT_BYTES_MAX,
                                .now_ms = INT64_C(1700000000000),
                                .timestamp_before_max_ms = INT64_MAX,
                                .timestamp_after_max_ms = INT64_MAX};
    struct batch_faults faults;
    struct batch_verdict verdict;
    bool accepted = batch_validate(b, &rules, &inflater, &faults, &verdict) == ERR_OK;
    if (accepted) recode(&verdict, &rules, &inflater);
    walk(b, &inflater, accepted ? verdict.info.count : -1);
    if (accepted) {
        batch_set_time(copy, true, 1);
        if (!batch_crc_is_right(b)) abort();
    }
    free(copy);
    return 0;
}
