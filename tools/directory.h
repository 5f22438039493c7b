/* A data directory opened for looking at it: `dump` and `check`. */
#ifndef TOOLS_DIRECTORY_H
#define TOOLS_DIRECTORY_H

#include "storage/kv.h"

/* The one argument `--data-dir D` (default ./data). Prints why not on stderr; a directory that holds
 * nothing is not made. Returns NULL then, or after --help (whose text is usage). */
struct kv *directory_open(int arg_count, char **args, const char *usage, int *ret_exit_code);

#endif
