/* The catalog's own entries as bytes: topics, and the numbers that count up. Layouts: keys.h.
 * Fuzz: fuzz_catalog */
#ifndef STORAGE_RECORD_H
#define STORAGE_RECORD_H

#include "storage/engine/kv.h"
#include "storage/topic/topic.h"
#include "base/writer.h"

/* Writes the topic's record (deleted: takes it away), and of its full blocks of shards those that
 * `before` does not share. before: the value that is stored, NULL for none. */
void topic_stage(const struct topic *t, const struct topic *before, struct kv_batch *b);
/* Appends the record of a topic, without its full blocks. Its config is not part of it: settings
 * are. */
void topic_record_write(const struct topic *t, struct writer *w);
/* value: may be that of the entry at which `blocks` stands.
 * blocks: stands before the first of the topic's full blocks, and behind the last one afterwards;
 * NULL: a record that has any is refused.
 * ret: a draft, not finished, without logs and with a zeroed config.
 * Errors: ERR_FORMAT - not a record, one of a newer version, or a block is missing; ERR_DISK.
 * Thread: any; blocks. */
enum err topic_record_read(struct bytes value, struct kv_iter *blocks, struct topic **ret);

#endif
