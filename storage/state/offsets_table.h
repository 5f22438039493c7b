/* The table of committed offsets from inside: only inside storage. */
#ifndef STORAGE_OFFSETS_TABLE_H
#define STORAGE_OFFSETS_TABLE_H

#include "storage/engine/kv.h"
#include "storage/state/offsets.h"
#include "storage/parts.h"

struct groups_page;

/* A page of groups as store_offset_groups() makes it: a look at some of the table at a time, which
 * may change between two; false: that was all. groups_page_end() frees it. after lives as long.
 * Thread: any, one at a time. */
struct groups_page *groups_page_new(struct bytes after, int32_t max, size_t bytes_max);
bool groups_page_look(struct groups_page *page, struct offsets *o);
int32_t groups_page_end(struct groups_page *page, struct arena *arena, struct bytes *ret_groups);

/* Bytes that the table counts, and another limit of them, for tests. Thread: any. */
int64_t offsets_bytes(struct offsets *o);
void offsets_set_limit(struct offsets *o, int64_t bytes_max);

#endif
