/* Idempotent producers of one log: which batch of each may come next (Kafka's
 * ProducerStateManager).
 *
 * A producer is told apart by its id and the partition it addressed. It is known in the one log
 * that takes what is addressed so, and moves with that (handover.h): the sequences of a retired
 * partition go on in the log that took over its range, and come back with it. Of each the last
 * PRODUCER_BATCHES_MAX batches are kept: one of them that comes again is answered with its first
 * result.
 *
 * Memory: at most PRODUCERS_MAX a log, and no log grows beyond what is left of the limit of all
 * (producers_limit()): who has many leaves at least as much to the others. There the one of its log
 * that was silent longest makes room: Kafka's own rule, that only time forgets
 * (producer.id.expiration.ms), has no limit at all. A log knows at least one. */
#ifndef STORAGE_PRODUCERS_H
#define STORAGE_PRODUCERS_H

#include <stdbool.h>
#include "base/err.h"
#include "protocol/batch/batch.h"
#include "storage/engine/log_keys.h"

enum {
    PRODUCERS_MAX = 16384,
    PRODUCERS_ALL_MAX = 262144,             /* unless producers_limit() says otherwise */
    PRODUCER_MEMORY_BYTES = 256,            /* what one costs */
};

struct producers {
    struct producer_entry **slots;  /* open addressing, a power of two, at most half full */
    uint32_t slot_count;
    uint32_t count;
};

/* So many of all logs of this process. Thread: main, before logs are opened. */
void producers_limit(int64_t count);
int64_t producers_count(void);                  /* of all logs. Thread: any */

void producers_init(struct producers *p);
void producers_done(struct producers *p);       /* p may be used again */
void producers_free(struct producers *p);       /* with what it stands in; NULL is a no-op */

/* May this batch be appended? ret_duplicate: it was already, as this one; else NULL. The pointer
 * lives until the next change of p. Only for batches with a producer id.
 * Errors: ERR_INVALID_PRODUCER_EPOCH - older than the one known; ERR_OUT_OF_ORDER_SEQUENCE_NUMBER -
 * a gap, a duplicate too old to be known, or a new epoch that does not begin at 0.
 * Thread: the log's worker. */
enum err producers_check(const struct producers *p, int32_t partition_addressed,
                         const struct batch_info *info,
                         const struct producer_batch **ret_duplicate);

/* It was appended to this log with info->base_offset. */
void producers_add(struct producers *p, int32_t partition_addressed, uint64_t log_id,
                   const struct batch_info *info, int64_t arrival_ms);

/* Takes over a copy of what another log knew of a producer; p knows nothing of it. Many may follow
 * one another; producers_trim() then brings p back to PRODUCERS_MAX, the youngest ones. */
void producers_adopt(struct producers *p, const struct producer_entry *e);
void producers_trim(struct producers *p);

/* Forgets who was silent since before_ms; returns how many. */
uint32_t producers_expire(struct producers *p, int64_t before_ms);

/* The snapshot: keys.h, KV_PRODUCERS. producers_write() fills exactly producers_bytes() bytes. */
size_t producers_bytes(const struct producers *p);
void producers_write(const struct producers *p, int64_t offset_next, uint8_t *to);
/* Into an empty p, as many as there is room for, the youngest ones.
 * Errors: ERR_FORMAT. Thread: the log's worker. */
enum err producers_read(struct producers *p, struct bytes snapshot, int64_t *ret_offset_next);

#endif
