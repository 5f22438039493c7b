/* Where the partitions of a damaged directory cannot be read: what `diglot check` adds once a walk
 * over everything came to an end too early. */
#ifndef STORAGE_UNREADABLE_H
#define STORAGE_UNREADABLE_H

#include "base/writer.h"
#include "storage/engine/kv.h"

/* Writes a line for each partition that cannot be read whole: its topic, its number and the first
 * offset that cannot be had, or that its start, its index or its producers cannot.
 * Errors: ERR_DISK, ERR_FORMAT - so is the catalog itself, in the middle. Thread: any; blocks. */
enum err unreadable_say(struct kv *kv, struct writer *out);

#endif
