/* The table of committed offsets from inside: only inside storage. */
#ifndef STORAGE_OFFSETS_TABLE_H
#define STORAGE_OFFSETS_TABLE_H

#include "storage/engine/kv.h"
#include "storage/state/offsets.h"
#include "storage/parts.h"

struct groups_page;

/* ---- For offsets.c: what is written enters the table, what goes leaves it */

struct offsets *offsets_new(int64_t bytes_max);     /* empty; offsets_close() frees it */
/* An entry that is stored, at start.
 * Errors: ERR_BUSY - memory is out. Thread: main. */
enum err offsets_load(struct offsets *o, struct bytes group, const struct offset_entry *from);

/* What a commit enters, made before it is written; NULL: memory is out. Thread: any. */
struct entering *entering_new(const struct offsets_commit *c);
void entering_free(struct entering *in);            /* NULL is a no-op. Thread: any */
/* Counts what c->in adds, and makes room for it, so that entering it needs no memory.
 * Errors: ERR_TOO_LARGE - the limit is reached or memory is out; all is as before. Thread: the
 * group's worker; a short lock. */
enum err offsets_promise(struct offsets *o, struct offsets_commit *c);
/* The commit was written, or not (c->err): it enters the table, and room that was promised is for
 * others again. Thread: the group's worker; a short lock. */
void offsets_enter(struct offsets *o, struct offsets_commit *c);

/* Calls fn under the lock for each entry of the topic. Thread: any. */
void offsets_each_of_topic(struct offsets *o, const struct uuid *topic_id, void *context,
                           void (*fn)(void *context, struct bytes group, int32_t partition));

/* ---- Pages of groups */

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
