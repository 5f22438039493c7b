/* What a data directory lost since it was written: found around the opening of the engine, and the
 * files that tell of it kept aside.
 *
 * Where the write-ahead log ends is compared with the sync mark. When it ends before, what stands
 * behind that end, and will be written over, is kept in DIR/damaged-TIME; the last DAMAGED_KEPT of
 * those stay. A log that ends in the middle of a frame behind the mark is what a power cut or
 * kill -9 leaves: that is no damage, unless the system has run ever since and a later file of the
 * log shows that there was more. */
#ifndef STORAGE_DAMAGE_H
#define STORAGE_DAMAGE_H

#include "storage/engine/kv.h"
#include "storage/engine/sync_mark.h"

enum { DAMAGED_KEPT = 4 };

/* Whether the engine may open the directory. list: of its tables, as manifest_name() gives it, NULL
 * when there is none. may_make: nothing was ever stored there.
 * Errors: ERR_DISK - a file without which all would look new is not there or not as it was;
 * ret_text (may be NULL) says which. Thread: main; blocks. */
enum err damage_before(const struct sync_mark *m, const char *dir, const char *list,
                       bool *ret_may_make, char **ret_text);
/* Adds a sentence to d->text. */
void damage_say(struct kv_damage *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct wal_end;
/* Adds to d what the end of the log tells. Thread: main; blocks. */
void damage_after(const struct sync_mark *m, const struct wal_end *end, struct kv_damage *d);
/* Keeps the extents from this one on as they are; d->aside names the folder. What cannot be kept
 * is not. Thread: main; blocks. */
void aside_keep(const char *dir, uint64_t extent, int64_t now_ms, struct kv_damage *d);

/* to is not there yet. Errors: ERR_DISK. Thread: any; blocks. */
enum err copy_file(const char *from, const char *to);
/* With the files in it. Thread: any; blocks. */
void remove_folder(const char *folder);

/* The file that says which tables there are. False: there is none. Thread: any; blocks. */
bool manifest_name(const char *dir, char to[SYNC_NAME_BYTES]);
/* All up to the position is synced, and with it all that was written before now_ms. A mark that
 * could not be written is written with the next sync: an older one is right, too. Thread: the
 * mark's owner; blocks. */
void mark_renew(struct sync_mark *m, struct sync_file *manifest, uint64_t position,
                int64_t now_ms);

#endif
