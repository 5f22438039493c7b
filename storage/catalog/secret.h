/* A secret of the data directory: random bytes made at first start and kept, under which tokens
 * given to clients are signed, so that they stay valid over a restart. */
#ifndef STORAGE_SECRET_H
#define STORAGE_SECRET_H

#include "base/err.h"
#include "storage/store.h"

enum { STORE_SECRET_BYTES = 32 };

/* Errors: ERR_DISK; ERR_FORMAT - what is stored is no secret. Thread: main, at start; blocks. */
enum err store_secret(struct store *s, uint8_t ret[STORE_SECRET_BYTES]);

#endif
