/* Target functions: topic_record_read, offset_key_read, offset_value_read, config_apply.
 * Input: the first byte says which; then an entry of the catalog or of the offsets as it lies on
 * disk, or a config as a client sends it: the index of its row, the operation, the value. What
 * reads back must survive being written and read again; a config that was taken must be taken again
 * as it is kept. */
#include <stdlib.h>
#include "storage/engine/offset_keys.h"
#include "storage/topic/config.h"
#include "storage/topic/draft.h"
#include "storage/topic/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_topic(struct bytes in)
{
    struct topic *t = NULL, *again = NULL;
    struct writer w;
    if (topic_record_read(in, NULL, &t) != ERR_OK) return;
    draft_finish(t);
    if (topic_invariant(t) == NULL)
        for (int32_t i = 0; i < t->partition_count; i++)
            if (t->partitions[topic_forward(t, i)].open_shard < 0) abort();
    writer_init(&w, 1 << 24);
    topic_record_write(t, &w);
    if (topic_record_read(bytes_of(w.data, w.len), NULL, &again) != ERR_OK) abort();
    if (again->shard_count != t->shard_count || again->setting_count != t->setting_count) abort();
    writer_done(&w);
    topic_unref(again);
    topic_unref(t);
}

static void fuzz_offset(struct bytes in)
{
    struct bytes group, metadata;
    struct uuid id;
    int32_t partition;
    struct offset_value v;
    uint8_t key[OFFSET_KEY_BYTES_MAX];
    if (offset_key_read(in, &group, &id, &partition) == ERR_OK)
        if (offset_key_write(group, &id, partition, key) != in.len) abort();
    if (offset_value_read(in, &v, &metadata) == ERR_OK)
        if (metadata.len + OFFSET_VALUE_HEADER_BYTES != in.len) abort();
}

static void fuzz_config(struct bytes in)
{
    char text[128];
    struct topic_config defaults;
    config_defaults(&defaults);
    if (in.len < 2) return;
    const struct config_spec *spec = topic_config_spec(in.data[0] % topic_config_spec_count());
    struct config_change change = {.op = in.data[1] % 4, .name = bytes_str(spec->name),
                                   .value = bytes_slice(in, 2, in.len - 2)};
    struct topic *t = draft_new(&(struct uuid){{1}}, BYTES_LIT("t"));
    if (config_apply(t, &change, 1, &defaults, text, sizeof text) == ERR_OK &&
        t->setting_count == 1) {
        struct topic *again = draft_new(&t->id, BYTES_LIT("t"));
        change.op = CONFIG_SET;
        change.value = bytes_str(t->settings[0].value);
        if (config_apply(again, &change, 1, &defaults, text, sizeof text) != ERR_OK) abort();
        if (!bytes_equal_str(change.value, again->settings[0].value)) abort();
        topic_unref(again);
    }
    topic_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct bytes in = bytes_of(data + 1, size - 1);
    if (data[0] % 3 == 0) fuzz_topic(in);
    if (data[0] % 3 == 1) fuzz_offset(in);
    if (data[0] % 3 == 2) fuzz_config(in);
    return 0;
}
