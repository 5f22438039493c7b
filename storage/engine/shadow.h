/* A place to look at tables without changing their directory: what a start applies again goes here.
 *
 * RocksDB opened read-only takes no write, and a start has some to apply. So the small files are
 * copied to a folder under TMPDIR, and the tables linked there by name: what is written stays in
 * that folder, and the directory may be on a volume that takes no write at all. Only inside
 * storage/engine. */
#ifndef STORAGE_SHADOW_H
#define STORAGE_SHADOW_H

#include "base/err.h"

enum { SHADOW_PATH_BYTES = 4096 };

/* to gets its path. Errors: ERR_DISK. Thread: one; blocks. */
enum err shadow_make(const char *dir, char to[SHADOW_PATH_BYTES]);
void shadow_remove(const char *path);

#endif
