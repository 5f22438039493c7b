/* What lives in an extent, and what holes can be made of: for who gives space back. Only inside
 * storage/engine. */
#ifndef STORAGE_SURVEY_H
#define STORAGE_SURVEY_H

#include <stdatomic.h>
#include "storage/engine/kv_engine.h"
#include "storage/wal/wal.h"

struct survey_run {
    struct wal_pointer at;
    uint8_t key[RUN_KEY_BYTES];
    bool alive;                 /* the tables' pointer leads here */
};

struct survey_hole {
    uint32_t at;
    uint32_t bytes;
};

/* One survey has so many runs and batches, and those of one frame more: what an extent has beyond
 * them is for the next one. */
enum { SURVEY_ENTRIES_MAX = (1 << 17) - 8192 };

struct survey {
    struct survey_run *runs;    /* in the order of their places; survey_take() leaves living ones */
    uint32_t run_count;
    uint32_t run_cap;
    struct survey_hole *holes;  /* likewise; neighbours are one */
    uint32_t hole_count;
    uint32_t hole_cap;
    uint32_t next;              /* where the next part of the extent begins; 0: this was the last */
};

/* By the extent's own frames from this place on (0: the first), which name their runs; each log's
 * are then looked for in the tables in one walk. ret must be done with, also after an error.
 * Errors: ERR_FORMAT - a frame of it cannot be read; ERR_NOT_FOUND; ERR_DISK. Thread: the sweeper;
 * blocks. Ends early, with what was found then, when stop is set. */
enum err survey_take(struct wal *w, struct kv *tables, uint64_t extent, uint32_t from,
                     const atomic_bool *stop, struct survey *ret);
void survey_done(struct survey *v);

#endif
