/* A reference to a partition's log, as a topic holds one of each of its logs without knowing what a
 * log is: the log's first member, which counts, and what ends it. Thread: any. */
#ifndef STORAGE_LOG_REF_H
#define STORAGE_LOG_REF_H

#include <stdatomic.h>
#include <stddef.h>

struct log_ref {
    atomic_uint count;
    void (*end)(struct log_ref *r);     /* by whoever drops the last one */
};

/* One reference, the caller's. */
static inline void log_ref_init(struct log_ref *r, void (*end)(struct log_ref *r))
{
    atomic_init(&r->count, 1);
    r->end = end;
}

static inline void log_ref_take(struct log_ref *r)     /* NULL is a no-op, here and below */
{
    if (r != NULL) atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
}

static inline void log_ref_drop(struct log_ref *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel) > 1) return;
    r->end(r);
}

#endif
