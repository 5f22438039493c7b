/* The tables of a data directory (kv_rocksdb.c): an engine whose commits last only once they were
 * written out, behind the write-ahead log of kv_wal.c. Only inside storage/engine. */
#ifndef STORAGE_TABLES_H
#define STORAGE_TABLES_H

#include "storage/engine/kv_engine.h"

/* look_only: nothing is rewritten in the background. ret_text (may be NULL) gets RocksDB's own
 * words, to be freed with mem_free().
 * Errors: ERR_BUSY; ERR_FORMAT - made by a newer version; ERR_DISK. Thread: one; blocks. */
enum err tables_open(const char *dir, bool look_only, struct kv **ret, char **ret_text);

#endif
