/* Walks over everything that the logs of a data directory hold and proves that it fits together:
 * what `diglot check` and the crash tests call, and `diglot dump` reads along.
 *
 * Proved for each log: keys name the last offset of their run, batches begin where the one before
 * ended, CRCs are right, arrival never goes back, the first batch holds or follows the log's start;
 * chunks lie one behind the other on batch borders, count their bytes, batches and timestamps
 * right; the producer snapshot is not ahead of the log, and the batches it tells of are in it, or
 * in the log that took before a reshard what was addressed so. */
#ifndef STORAGE_WALK_H
#define STORAGE_WALK_H

#include <stdint.h>
#include "base/err.h"
#include "protocol/batch/batch.h"
#include "storage/engine/kv.h"
#include "storage/engine/log_keys.h"

struct walk_counts {
    uint64_t logs;
    uint64_t batches;
    uint64_t bytes;
    uint64_t chunks;
    uint64_t producers;
    uint64_t faults;
};

/* Calls fault() for each contradiction; the walk goes on behind it.
 * Errors: ERR_DISK - could not be read to the end. Thread: any; blocks. */
enum err walk_logs(struct kv *kv,
                   void (*fault)(void *context, uint64_t log_id, int64_t offset, const char *text),
                   void *context, struct walk_counts *ret);

struct walk_log {
    uint64_t log_id;
    int64_t log_start;
    int64_t end_offset;
    uint64_t bytes;
    uint64_t batches;
    int64_t arrival_first_ms;
    int64_t arrival_last_ms;
    uint64_t chunks;
    uint32_t producers;
};
/* One log, as it is stored, without proving anything; a log that stored nothing is empty.
 * Errors: ERR_DISK; ERR_FORMAT. Thread: any; blocks. */
enum err walk_log(struct kv *kv, uint64_t log_id, struct walk_log *ret);

/* Calls each() for every batch of the log in [from, to) until it returns false. The views live for
 * the call. Errors: ERR_DISK; ERR_FORMAT. Thread: any; blocks. */
enum err walk_batches(struct kv *kv, uint64_t log_id, int64_t from, int64_t to,
                      bool (*each)(void *context, const struct batch_info *info,
                                   const struct log_entry *entry),
                      void *context);

/* The same for its chunks and producers. Errors: ERR_DISK; ERR_FORMAT. Thread: any; blocks. */
enum err walk_chunks(struct kv *kv, uint64_t log_id,
                     bool (*each)(void *context, const struct chunk *c), void *context);
/* Errors: ERR_DISK; ERR_FORMAT. Thread: any; blocks. */
enum err walk_producers(struct kv *kv, uint64_t log_id,
                        bool (*each)(void *context, const struct producer_entry *p),
                        void *context);

#endif
