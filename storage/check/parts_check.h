/* What `diglot check` proves of what storage keeps beside the logs. */
#ifndef STORAGE_PARTS_CHECK_H
#define STORAGE_PARTS_CHECK_H

#include "base/writer.h"
#include "storage/engine/kv.h"

/* Proves all parts of parts.def, in their order, and tells in words what is wrong, a line each.
 * ret_wrong: how many lines, on failure too. Errors: ERR_DISK. Thread: any; blocks. */
enum err parts_check(struct kv *kv, struct writer *out, int64_t *ret_wrong);

#endif
