/* What a data directory is: its format, and its secret. */
#ifndef STORAGE_META_KEYS_H
#define STORAGE_META_KEYS_H

#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"

/* ---- KV_META
 *   "format"    4  FORMAT_VERSION of the directory; any other than ours is refused
 *   "secret"   32  random, made at first start (secret.h) */
enum { FORMAT_VERSION = 4, FORMAT_BYTES = 4 };
#define KEY_FORMAT BYTES_LIT("format")
#define KEY_SECRET BYTES_LIT("secret")
void format_write(uint32_t version, uint8_t to[FORMAT_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err format_read(struct bytes value, uint32_t *ret_version);

#endif
