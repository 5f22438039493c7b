/* The order is Kafka's, because the first error found is the one the client sees. Where Kafka fails
 * by an exception that it did not mean (data that does not unpack, codec 5..7:
 * UNKNOWN_SERVER_ERROR, which producers retry or give up on at random) the error here is the one
 * that says what is wrong; where it stores record offsets that contradict their batch or drops
 * trailing bytes, the batch is refused. */
#include "protocol/batch/validate.h"

#include "protocol/batch/record.h"
#include "base/check.h"

enum { AT_MAGIC = 16, MESSAGE_BYTES_MIN = 14 };

/* The first batch of the field, whatever it is. */
static enum err one_batch(struct bytes records, struct batch_info *ret)
{
    if (records.len < BATCH_LENGTH_END) return ERR_INVALID_RECORD;
    uint32_t bytes = batch_bytes(records.data);
    if (bytes < BATCH_LENGTH_END + MESSAGE_BYTES_MIN) return ERR_CORRUPT_MESSAGE;
    if (bytes == UINT32_MAX) return ERR_CORRUPT_MESSAGE;
    if (records.len <= AT_MAGIC) return ERR_INVALID_RECORD;
    uint8_t magic = records.data[AT_MAGIC];
    if (magic > BATCH_MAGIC) return ERR_CORRUPT_MESSAGE;
    if (magic < BATCH_MAGIC || bytes > records.len) return ERR_INVALID_RECORD;
    if (bytes < BATCH_HEADER_BYTES) return ERR_CORRUPT_MESSAGE;
    batch_read_header(records.data, ret);
    return ERR_OK;
}

/* What the request alone tells: one batch, which this version may carry. What follows it may also
 * be its own rest behind a length that got too short: then the CRC tells, and the client tries
 * again. */
static enum err check_request(struct bytes records, const struct batch_rules *rules,
                              struct batch_info *ret)
{
    TRY(one_batch(records, ret));
    if (ret->codec == CODEC_ZSTD && rules->produce_version < 7)
        return ERR_UNSUPPORTED_COMPRESSION_TYPE;
    struct batch_info next;
    enum err err = one_batch(bytes_slice(records, ret->bytes, records.len - ret->bytes), &next);
    return err == ERR_INVALID_RECORD ? ERR_OK : err == ERR_OK ? ERR_INVALID_RECORD : err;
}

static enum err check_header(struct bytes records, const struct batch_rules *rules,
                             const struct batch_info *info)
{
    if (info->base_offset != 0) return ERR_INVALID_RECORD;
    if (info->bytes > rules->batch_bytes_max) return ERR_MESSAGE_TOO_LARGE;
    if (!batch_crc_is_right(bytes_slice(records, 0, info->bytes))) return ERR_CORRUPT_MESSAGE;
    if (info->bytes != records.len) return ERR_INVALID_RECORD;
    if (info->codec >= CODEC_COUNT) return ERR_UNSUPPORTED_COMPRESSION_TYPE;
    if (info->last_offset_delta < 0 || info->count <= 0) return ERR_INVALID_RECORD;
    if (info->count - 1 != info->last_offset_delta || info->is_control) return ERR_INVALID_RECORD;
    if (info->producer_id >= 0 && info->base_sequence < 0) return ERR_INVALID_RECORD;
    return ERR_OK;
}

static void fault_add(struct batch_faults *faults, enum batch_fault_kind kind,
                      const struct record *r)
{
    faults->count++;
    if (kind != BATCH_FAULT_NO_KEY) faults->has_time = true;
    if (faults->listed == BATCH_FAULTS_MAX) return;
    faults->list[faults->listed++] = (struct batch_fault){
        .kind = kind, .index = (int32_t)r->offset, .timestamp = r->timestamp};
}

static bool is_out_of_range(int64_t timestamp, const struct batch_rules *rules)
{
    int64_t age_ms;
    if (__builtin_sub_overflow(rules->now_ms, timestamp, &age_ms))
        age_ms = timestamp < 0 ? INT64_MAX : -INT64_MAX;
    return age_ms > rules->timestamp_before_max_ms || -age_ms > rules->timestamp_after_max_ms;
}

static void check_record(const struct record *r, const struct batch_rules *rules,
                         bool claims_log_append_time, struct batch_faults *faults)
{
    enum { NO_TIMESTAMP = -1 };
    if (rules->is_compacted && bytes_is_null(r->key)) {
        fault_add(faults, BATCH_FAULT_NO_KEY, r);
    } else if (!rules->is_log_append_time && r->timestamp != NO_TIMESTAMP) {
        if (is_out_of_range(r->timestamp, rules)) fault_add(faults, BATCH_FAULT_TIMESTAMP, r);
    } else if (claims_log_append_time) {
        fault_add(faults, BATCH_FAULT_TIMESTAMP_TYPE, r);
    }
}

static enum err check_records(struct bytes batch, const struct batch_rules *rules,
                              struct inflater *inflater, struct batch_faults *faults,
                              struct batch_verdict *verdict)
{
    struct record_iter it;
    TRY(record_iter_init(&it, batch, inflater));
    struct record r;
    verdict->records = bytes_of(it.at, (size_t)(it.end - it.at));
    verdict->max_timestamp = -1;
    verdict->max_timestamp_delta = 0;
    for (int32_t i = 0; record_iter_next(&it, &r); i++) {
        if (r.offset != i) it.err = ERR_INVALID_RECORD;    /* the base offset is 0 */
        if (it.err != ERR_OK) break;
        check_record(&r, rules, it.info.is_log_append_time, faults);
        if (r.timestamp <= verdict->max_timestamp) continue;
        verdict->max_timestamp = r.timestamp;
        verdict->max_timestamp_delta = i;
    }
    if (it.err != ERR_OK) faults->count = faults->listed = 0;   /* broken as a whole */
    TRY(it.err);
    if (faults->count == 0) return ERR_OK;
    return faults->has_time ? ERR_INVALID_TIMESTAMP : ERR_INVALID_RECORD;
}

enum err batch_validate(struct bytes records, const struct batch_rules *rules,
                        struct inflater *inflater, struct batch_faults *faults,
                        struct batch_verdict *ret)
{
    struct batch_verdict verdict;
    faults->count = faults->listed = 0;
    faults->has_time = faults->in_log = false;
    TRY(check_request(records, rules, &verdict.info));
    faults->in_log = true;
    TRY(check_header(records, rules, &verdict.info));
    enum err err = check_records(records, rules, inflater, faults, &verdict);
    if (err != ERR_OK) {
        inflater_trim(inflater);
        return err;
    }
    *ret = verdict;
    return ERR_OK;
}
