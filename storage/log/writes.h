/* Writes of other modules (struct store_write) that share a worker's commits, and the large ones
 * among them.
 *
 * A large write waits while it would make the engine stop everybody's, and whatever comes of its
 * affinity meanwhile stands behind it, so that equal ones keep their order. It waits a second at
 * most, since an engine whose disk fails stays behind and says why only when written to. Thread:
 * the worker. */
#ifndef STORAGE_WRITES_H
#define STORAGE_WRITES_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/map.h"
#include "storage/engine/kv.h"

struct store_write;

struct writes {
    struct store_write *turn;           /* staged, and answered after the commit */
    struct store_write **turn_last;
    struct store_write *large;          /* wait, the first one since then */
    struct store_write **large_last;
    int64_t large_since_ms;
    struct map held;                    /* they, by affinity */
};

void writes_init(struct writes *ws);
void writes_done(struct writes *ws);                        /* nothing is staged, nothing waits */
/* False: it is to be staged now. True: it waits, behind another one or because it is large. */
bool writes_hold(struct writes *ws, struct store_write *write);
bool writes_wait(const struct writes *ws);                  /* does any? */
bool writes_may_go(const struct writes *ws, struct kv *kv); /* one of them, now? */
/* The first one that waits, which waits no more; at its ->behind is what stands behind it. */
struct store_write *writes_take(struct writes *ws);
void writes_stage(struct writes *ws, struct store_write *write, struct kv_batch *b);
/* After the commit, or its failure: those that were staged are answered. */
void writes_answer(struct writes *ws, enum err err);

#endif
