/* A copy of a data directory as it was at one moment, made while a server may write to it.
 *
 * The log makes it easy: all that a directory holds is what its tables have and what the frames
 * behind their mark bring. So the tables' list and files are taken first, then the extents, all
 * but the last one by hard link, and the last one as far as it was written; opened, the copy goes
 * on to the last whole frame. That one is the moment.
 *
 * Meanwhile nothing may leave the disk: whoever gives space back takes the lock of the sync mark
 * before, and leaves it for later while a backup holds it. A file that has two names gets no holes
 * (files.h), so the copy stays whole as long as it is kept. */
#ifndef STORAGE_BACKUP_H
#define STORAGE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct backup {
    uint64_t linked_bytes;      /* of files that share their bytes with the directory's */
    uint64_t copied_bytes;
    uint64_t log_files;
};

/* to must not be there yet; it is made when all in it is written, synced, and was opened once, so
 * that it is whole or not there. Parts that are on another volume are copied.
 * also (may be NULL): a folder of the directory whose files are copied too, if it is there.
 * progress (may be NULL): called now and then. ret_text gets words, to be freed with mem_free().
 * Errors: ERR_CONFIG - to is there, or cannot be made; ERR_NOT_FOUND - dir holds nothing;
 * ERR_FORMAT; ERR_DISK.
 * Thread: any; blocks. */
enum err backup_make(const char *dir, const char *to, const char *also,
                     void (*progress)(const struct backup *), struct backup *ret, char **ret_text);

#endif
