/* Committed offsets, as the controller sees them when a topic goes. Only inside storage. */
#ifndef STORAGE_OFFSETS_TABLE_H
#define STORAGE_OFFSETS_TABLE_H

#include "storage/engine/kv.h"
#include "storage/state/offsets.h"
#include "storage/parts.h"

/* Adds to b what removes the stored offsets of this topic. Thread: the controller; a short lock. */
void offsets_erase_topic(struct offsets *o, struct kv_batch *b, const struct uuid *topic_id);
/* Drops them from memory, after that batch was committed. Thread: the controller; a short lock. */
void offsets_forget_topic(struct offsets *o, const struct uuid *topic_id);

/* Bytes that the table counts, and another limit of them, for tests. Thread: any. */
int64_t offsets_bytes(struct offsets *o);
void offsets_set_limit(struct offsets *o, int64_t bytes_max);

/* `diglot check`: reads all entries and tells in words what is wrong, a line each.
 * Errors: ERR_DISK. Thread: any; blocks. */
struct writer;
enum err offsets_check(struct kv *kv, struct writer *out, int64_t *ret_wrong);

#endif
