/* Committed offsets, as the controller sees them when a topic goes. Only inside storage. */
#ifndef STORAGE_OFFSETS_TABLE_H
#define STORAGE_OFFSETS_TABLE_H

#include "storage/engine/kv.h"
#include "storage/state/offsets.h"
#include "storage/parts.h"

struct groups_page;

/* Adds to b what removes the stored offsets of this topic. Thread: the controller; a short lock. */
void offsets_erase_topic(struct offsets *o, struct kv_batch *b, const struct uuid *topic_id);
/* Drops them from memory, after that batch was committed. Thread: the controller; a short lock. */
void offsets_forget_topic(struct offsets *o, const struct uuid *topic_id);

/* A page of groups as store_offset_groups() makes it: a look at some of the table at a time, which
 * may change between two; false: that was all. groups_page_end() frees it. after lives as long.
 * Thread: any, one at a time. */
struct groups_page *groups_page_new(struct bytes after, int32_t max, size_t bytes_max);
bool groups_page_look(struct groups_page *page, struct offsets *o);
int32_t groups_page_end(struct groups_page *page, struct arena *arena, struct bytes *ret_groups);

/* Bytes that the table counts, and another limit of them, for tests. Thread: any. */
int64_t offsets_bytes(struct offsets *o);
void offsets_set_limit(struct offsets *o, int64_t bytes_max);

/* `diglot check`: reads all entries and tells in words what is wrong, a line each.
 * Errors: ERR_DISK. Thread: any; blocks. */
struct writer;
enum err offsets_check(struct kv *kv, struct writer *out, int64_t *ret_wrong);

#endif
