/* Data directories as the commands name them, open them for looking (`dump` and `check`), and tell
 * what is wrong with one. */
#ifndef TOOLS_DIRECTORY_H
#define TOOLS_DIRECTORY_H

#include <stdbool.h>
#include "base/err.h"
#include "storage/engine/kv.h"

/* The one argument `--data-dir D`; without it DIGLOT_DATA_DIR, then ./data. NULL: --help was asked
 * (whose text is usage), or something is wrong with the flags, which was told. */
const char *directory_named(int arg_count, char **args, const char *usage, int *ret_exit_code);
/* The same one opened for looking. Prints why not on stderr; a directory that holds nothing is not
 * made. Returns NULL then, or after --help. */
struct kv *directory_open(int arg_count, char **args, const char *usage, int *ret_exit_code);

/* Makes the folder, and those above it, unless it is there. False: it cannot be, which was told.
 * Thread: main. */
bool directory_make(const char *dir);

/* What this process makes from now on is its owner's alone, and so is the data directory, if there
 * is one already; where that must not be changed a warning says so. Thread: main, before others
 * start. */
void directory_keep_to_owner(const char *dir);

/* Tells on stderr why a data directory cannot be used, and what to do. err: ERR_CONFIG is what is
 * no fault of data, as where none can be. text: what its opening said, may be NULL. */
void directory_complain(const char *dir, enum err err, const char *text);

#endif
