/* Producer state follows the partition addressed to its new home at a reshard.
 *
 * Sequences are kept per partition addressed, in the log that takes what is addressed so (its home,
 * topic_forward()). A merge, or a split that uses a retired partition again, changes that home. A
 * producer whose answer was lost just then repeats its batch, and the new home must know it: else
 * it would be stored twice, and a gap would go unnoticed. So, while all logs concerned are frozen:
 *
 *   1. handover_stage()     each log whose producers change gets its new table: stored with the
 *                           catalog's own commit, as its snapshot, and kept beside the one in use
 *   2. the commit           from here on the new home knows them, also after a crash; before, the
 *                           old one
 *   3. plog_end_handover()  publishing the new topic value puts the new tables in use; publishing
 *                           the old value once more (the change failed) drops them
 *
 * A producer is known in one log at any time: `diglot check` proves it. */
#ifndef STORAGE_HANDOVER_H
#define STORAGE_HANDOVER_H

#include "base/err.h"
#include "storage/engine/kv.h"

struct plog;
struct store;
struct topic;

/* partitions: those of `old` whose logs are frozen, among them the old and, unless the draft made
 * it, the new home of each partition addressed that changes its home. All partitions of draft have
 * their logs. On an error nothing is in use yet; publishing `old` drops what was prepared.
 * Errors: ERR_KAFKA_STORAGE_ERROR. Thread: the controller; blocks. */
enum err handover_stage(struct store *s, const struct topic *old, const struct topic *draft,
                        const int32_t *partitions, int32_t count, struct kv_batch *b);

#endif
