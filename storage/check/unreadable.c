#include "storage/check/unreadable.h"

#include <inttypes.h>
#include "storage/topic/draft.h"
#include "storage/log/stored.h"
#include "storage/topic/record.h"
#include "storage/check/walk.h"
#include "base/check.h"

static bool note_end(void *context, const struct batch_info *info, const struct log_entry *entry)
{
    (void)entry;
    *(int64_t *)context = batch_last_offset(info) + 1;
    return true;
}

static bool go_on_chunk(void *context, const struct chunk *c)
{
    (void)context, (void)c;
    return true;
}

static bool go_on_producer(void *context, const struct producer_entry *p)
{
    (void)context, (void)p;
    return true;
}

static void say_log(struct kv *kv, const struct topic *t, int32_t partition, struct writer *out)
{
    uint64_t id = t->partitions[partition].log_id;
    int64_t end = 0;
    const char *what = NULL;
    if (stored_start(kv, id, &end, NULL) != ERR_OK)
        what = "its start cannot be read";
    else if (walk_batches(kv, id, end, INT64_MAX, note_end, &end) != ERR_OK)
        what = "the records from there on cannot be read";
    else if (walk_chunks(kv, id, go_on_chunk, NULL) != ERR_OK) what = "its index cannot be read";
    else if (walk_producers(kv, id, go_on_producer, NULL) != ERR_OK)
        what = "its producers cannot be read";
    if (what != NULL)
        writer_printf(out, "topic %s, partition %d, offset %" PRId64 ": %s\n", t->name, partition,
                      end, what);
}

enum err unreadable_say(struct kv *kv, struct writer *out)
{
    CLEANUP(kv_iter_freep)
    struct kv_iter *it = kv_iter_new(kv, KV_CATALOG, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) {
        struct topic *t = NULL;
        TRY(topic_record_read(kv_iter_value(it), it, &t));
        draft_finish(t);
        for (int32_t i = 0; i < t->partition_count; i++) say_log(kv, t, i, out);
        topic_unref(t);
    }
    return kv_iter_error(it);
}
