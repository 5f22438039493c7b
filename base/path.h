/* Paths of files in a folder, and closing what was opened when its scope ends. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* "dir/name". False when it is too long. Thread: any. */
static inline bool path_in(char to[PATH_BYTES], const char *dir, const char *name)
{
    int len = snprintf(to, PATH_BYTES, "%s/%s", dir, name);
    return len > 0 && len < PATH_BYTES;
}

/* For CLEANUP(); what is not open is a no-op. Thread: any. */
static inline void close_fdp(const int *fd)
{
    if (*fd >= 0) close(*fd);
}
static inline void close_dirp(DIR **dir)
{
    if (*dir != NULL) closedir(*dir);
}
static inline void close_filep(FILE **f)
{
    if (*f != NULL) fclose(*f);
}

#endif
