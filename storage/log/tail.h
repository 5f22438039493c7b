/* The newest batches of one log, kept in memory by reference: a ring, oldest first, without holes.
 *
 * A batch that is only a small part of a large slab (one partition's share of a big request) is
 * copied out, so that the ring never pins much more than it counts. Guarded by the log's lock. */
#ifndef STORAGE_TAIL_H
#define STORAGE_TAIL_H

#include "storage/log/plog.h"

struct tail_entry {
    struct batch_view view;     /* one slab reference */
    size_t pinned_bytes;        /* what this entry is charged for */
};

struct tail {
    struct tail_entry *entries; /* a ring of cap, a power of two */
    uint32_t first;
    uint32_t count;
    uint32_t cap;
    size_t pinned_bytes;
};

void tail_init(struct tail *t);
void tail_done(struct tail *t);
/* Appends views, whose references move here; they follow on what is there. */
void tail_push(struct tail *t, const struct batch_view *views, uint32_t count);
/* Drops the oldest while more than keep_bytes are pinned and fewer than want_bytes were let go.
 * Returns the bytes let go. */
size_t tail_shrink(struct tail *t, size_t keep_bytes, size_t want_bytes);
/* Drops batches that end below log_start. Returns the bytes let go. */
size_t tail_trim(struct tail *t, int64_t log_start);
/* Index of the batch that holds offset, counted from the oldest; -1: it is not here. */
int64_t tail_find(const struct tail *t, int64_t offset);
const struct batch_view *tail_at(const struct tail *t, uint32_t index);

/* Replaces views that are a small part of their slab by copies in one slab of their own. */
void tail_pack(struct batch_view *views, uint32_t count);

#endif
