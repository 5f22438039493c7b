#include "broker/produce_faults.h"

#include <inttypes.h>
#include "base/check.h"

/* Java's addition: a bound of Long.MAX_VALUE turns over. */
static int64_t sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static char *record_text(struct arena *arena, const struct batch_fault *f, int64_t now_ms,
                         const struct topic *t, int32_t partition)
{
    switch (f->kind) {
    case BATCH_FAULT_NO_KEY:
        return arena_printf(arena,
                            "Compacted topic cannot accept message without key in topic partition "
                            "%s-%" PRId32,
                            t->name, partition);
    case BATCH_FAULT_TIMESTAMP:
        return arena_printf(arena,
                            "Timestamp %" PRId64 " of message with offset %" PRId32
                            " is out of range. The timestamp should be within [%" PRId64
                            ", %" PRId64 "]",
                            f->timestamp, f->index,
                            sum(now_ms, -t->config.timestamp_before_max_ms),
                            sum(now_ms, t->config.timestamp_after_max_ms));
    default:
        return arena_printf(arena,
                            "Invalid timestamp type in message with offset %" PRId32
                            ". Producer should not set timestamp type to LogAppendTime.",
                            f->index);
    }
}

/* RecordError.toString(), of the first three. */
static char *errors_text(struct arena *arena, const struct batch_faults *faults,
                         const struct produce_response_record_error *list)
{
    enum { SHOWN_MAX = 3 };
    char *text = arena_printf(arena,
                              "One or more records have been rejected due to %" PRIu32
                              " record errors in total, and only showing the first three errors at "
                              "most: [",
                              faults->count);
    uint32_t shown = faults->listed < SHOWN_MAX ? faults->listed : SHOWN_MAX;
    for (uint32_t i = 0; text != NULL && i < shown; i++)
        text = arena_printf(arena, "%s%sRecordError(batchIndex=%" PRId32 ", message='%.*s')", text,
                            i > 0 ? ", " : "", list[i].batch_index,
                            BYTES_ARGS(list[i].batch_index_error_message));
    return text != NULL ? arena_printf(arena, "%s]", text) : NULL;
}

void produce_faults_tell(struct arena *arena, const struct batch_faults *faults, int64_t now_ms,
                         const struct topic *t, struct produce_response_partition *out)
{
    struct produce_response_record_error *list =
        ARENA_ARRAY(arena, struct produce_response_record_error, faults->listed);
    if (faults->listed == 0 || list == NULL) return;
    for (uint32_t i = 0; i < faults->listed; i++) {
        char *text = record_text(arena, &faults->list[i], now_ms, t, out->index);
        if (text == NULL) return;
        list[i].batch_index = faults->list[i].index;
        list[i].batch_index_error_message = bytes_str(text);
    }
    char *text = faults->has_time ? arena_printf(arena, "One or more records have been rejected "
                                                        "due to invalid timestamp")
                                  : errors_text(arena, faults, list);
    if (text == NULL) return;
    out->record_errors = list;
    out->record_errors_count = (int32_t)faults->listed;
    out->error_message = bytes_str(text);
}
