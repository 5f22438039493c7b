/* Where a log starts and ends as it is stored, open or not. */
#ifndef STORAGE_STORED_H
#define STORAGE_STORED_H

#include "storage/engine/kv.h"

/* Its first readable offset, 0 for one that was never cut. ret_arrival_last_ms: when the newest
 * batch arrived that there was when it was cut; NULL is legal.
 * Errors: ERR_DISK; ERR_FORMAT. Thread: any but a network loop; blocks. */
enum err stored_start(struct kv *kv, uint64_t log_id, int64_t *ret, int64_t *ret_arrival_last_ms);

/* Behind its last batch; where there is none, its start.
 * Errors: ERR_DISK; ERR_FORMAT. Thread: any but a network loop; blocks. */
enum err stored_end(struct kv *kv, uint64_t log_id, int64_t *ret);

#endif
