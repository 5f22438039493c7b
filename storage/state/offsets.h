/* Committed offsets of consumer groups, durable before they are acknowledged.
 *
 * All of them are in memory as well (read at start), keyed by group, topic id and partition, so a
 * fetch never waits for the disk. A deleted topic takes its offsets along. At most
 * store_options.offsets_bytes_max of memory: a commit that would need more is refused, one that
 * moves what is there is not. What a directory holds is read whatever the limit. */
#ifndef STORAGE_OFFSETS_H
#define STORAGE_OFFSETS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/mailbox.h"
#include "storage/store.h"
#include "storage/log/worker.h"

struct entering;

struct offset_entry {
    struct uuid topic_id;
    int32_t partition;
    int64_t offset;             /* -1 in a commit: delete the entry (OffsetDelete, expiry) */
    int32_t leader_epoch;       /* -1: unknown */
    struct bytes metadata;      /* borrowed in a commit until done(); never null after a read */
    int64_t commit_ms;
    int64_t expire_ms;          /* absolute, -1: by the group's retention */
};

struct offsets_commit {
    struct job job;           /* storage's */
    struct bytes group;       /* borrowed until done() */
    const struct offset_entry *entries;
    int32_t entry_count;
    bool delete_group;        /* drop everything of the group; entries are ignored */
    struct loop *home;        /* NULL: done() runs on the worker (tests) */
    void (*done)(struct offsets_commit *c);
    enum err err;             /* ERR_OK; ERR_KAFKA_STORAGE_ERROR; ERR_TOO_LARGE: nothing was kept */

    struct store *store;      /* offsets.c's, as the rest */
    struct store_write write;
    struct entering *in;
    int64_t reserved;
};
void store_offsets_commit(struct store *s, struct offsets_commit *c);     /* Thread: any */

/* False when there is none. ret->metadata is copied into the arena; null when that is full, and the
 * rest says nothing then. Thread: any; a short lock. */
bool store_offset(struct store *s, struct bytes group, const struct uuid *topic_id,
                  int32_t partition, struct arena *arena, struct offset_entry *ret);
/* All entries of a group, into the arena, ordered by topic id and partition; without
 * with_metadata that is empty. Each is as it was at some moment of the call. -1 when the arena is
 * too small. Thread: any; a short lock, again and again. */
int32_t store_offsets_of_group(struct store *s, struct bytes group, bool with_metadata,
                               struct arena *arena, struct offset_entry **ret);
int32_t store_group_offsets_count(struct store *s, struct bytes group);     /* Thread: any */
bool store_has_offsets(struct store *s, struct bytes group);                /* Thread: any */
int64_t store_offsets_count(struct store *s);           /* of all groups. Thread: any */
/* Calls fn for each group that has committed offsets, in no order. fn runs under the table's lock:
 * it is quick, takes no lock and asks nothing of storage. group lives for the call. Thread: any. */
void store_offset_groups_each(struct store *s, void *context,
                              void (*fn)(void *context, struct bytes group));
/* Groups that have committed offsets, ordered, from the first one > after; copied into the arena.
 * Each call looks at all of them and sorts those that it returns; none is left out that is there
 * all the time, who comes or goes meanwhile may be among them. Thread: any, and no loop's; a short
 * lock, again and again. */
int32_t store_offset_groups(struct store *s, struct bytes after, int32_t max, struct arena *arena,
                            struct bytes *ret_groups);

#endif
