/* Tables of series by key, for /metrics: what each stream, shard or topic did.
 *
 * For numbers whose keys come and go and that belong together: a request adds all of its numbers
 * under one short leaf lock, so a page never shows half of it. (A number whose key is known at the
 * start is a metric, see metrics.h.) A key has series from its first use until it is gone. At most
 * keys_max keys have series of their own; what others do is counted under labels_beyond. */
#ifndef BASE_METER_H
#define BASE_METER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/uuid.h"
#include "base/writer.h"

enum {
    METER_SERIES_MAX = 32,          /* of one table */
    METER_LABELS_BYTES_MAX = 4096,  /* of a key; what has longer ones is counted as beyond */
};

enum meter_kind {
    METER_SUM,                      /* since the start; a counter */
    METER_RATE,                     /* a second, over this minute and the one before; a gauge */
    METER_MAXIMUM,                  /* of this minute and the one before; nothing when nothing was
                                       seen; a gauge */
};

struct meter_series {
    enum meter_kind kind;
    const char *name;               /* may be in several tables: then with one kind and help */
    const char *help;               /* one sentence */
};

struct meter_key {
    struct uuid id;
    uint64_t part;                  /* what of it: a shard's index; 0 for the whole */
};

/* Kept by pointer, with all that it points to. */
struct meter_plan {
    const struct meter_series *series;
    uint32_t series_count;          /* <= METER_SERIES_MAX */
    uint32_t keys_max;
    const char *labels_beyond;      /* ready label text without braces */
    /* Writes a new key's label text without braces; who is the caller's of meter_add(). Called
     * under the table's lock: it computes, and takes no lock. */
    void (*write_labels)(struct writer *out, const void *who);
    /* Is there such a key still? Asked by meters_write(), with no lock held. */
    bool (*is_alive)(void *context, const struct meter_key *key);
};

/* What one request or event adds, by place in the plan's series; a zeroed one adds nothing. A
 * maximum of 0 is a value like any other: `seen` has bit i set when by[i] is one. */
struct meter_delta {
    int64_t by[METER_SERIES_MAX];
    uint32_t seen;
};

struct meters;

/* Never NULL. context: is_alive()'s. */
struct meters *meters_new(const struct meter_plan *plan, void *context);
void meters_free(struct meters *m);         /* NULL is a no-op */

/* Thread: any; a short leaf lock. */
void meter_add(struct meters *m, const struct meter_key *key, const void *who,
               const struct meter_delta *delta);

/* Forgets the keys that are gone, then writes all series of these tables, name by name (the text
 * format wants all series of a name together), each table's ordered by labels. A name without
 * series is left out. Thread: any. */
void meters_write(struct meters *const *tables, uint32_t count, struct writer *out);

#endif
