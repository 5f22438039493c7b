/* What a data directory lost since it was written: found around the opening of the engine, and the
 * files that tell of it kept aside.
 *
 * Before: the files that the engine reads once and then removes get a second name in DIR/opening.
 * After: where the engine's log ends is compared with the sync mark, and the engine's own words are
 * read. When all is well the second names go; else the folder becomes DIR/damaged-TIME, and the
 * last DAMAGED_KEPT of those stay. A log that ends in the middle of a write behind the mark is what
 * a power cut or kill -9 leaves: that is no damage. */
#ifndef STORAGE_DAMAGE_H
#define STORAGE_DAMAGE_H

#include "storage/engine/kv.h"
#include "storage/engine/sync_mark.h"

enum { DAMAGED_KEPT = 4 };

/* Whether the engine may open the directory. may_make: nothing was ever stored there.
 * Errors: ERR_DISK - a file without which all would look new is not there or not as it was;
 * ret_text (may be NULL) says which. Thread: main; blocks. */
enum err damage_before(const struct sync_mark *m, const char *dir, bool has_engine,
                       bool *ret_may_make, char **ret_text);
/* Adds a sentence to d->text. */
void damage_say(struct kv_damage *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* position: up to which the engine has everything; words_dir: where it wrote in its own words how
 * the opening went, NULL when it did not. Adds to d. Thread: main; blocks. */
void damage_after(const struct sync_mark *m, uint64_t position, const char *words_dir,
                  struct kv_damage *d);

/* Gives what the engine might remove a second name. A file that cannot get one has none. Thread:
 * main; blocks. */
void aside_begin(const char *dir);
/* keep: they stay, and d->aside names their folder. Thread: main; blocks. */
void aside_end(const char *dir, bool keep, int64_t now_ms, struct kv_damage *d);

#endif
