#include "storage/engine/shadow.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "storage/engine/damage.h"
#include "base/path.h"
#include "base/check.h"

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len >= n && strcmp(text + len - n, end) == 0;
}

static bool is_small(const char *name)
{
    return strcmp(name, "CURRENT") == 0 || strcmp(name, "IDENTITY") == 0 ||
           strncmp(name, "MANIFEST-", 9) == 0 || strncmp(name, "OPTIONS-", 8) == 0;
}

/* Errors: ERR_DISK. Thread: one; blocks. */
static enum err take(const char *dir, const char *name, const char *to_dir)
{
    char from[2 * SHADOW_PATH_BYTES], to[2 * SHADOW_PATH_BYTES];
    snprintf(from, sizeof from, "%s/%s", dir, name);
    snprintf(to, sizeof to, "%s/%s", to_dir, name);
    if (is_small(name)) return copy_file(from, to);
    if (ends_with(name, ".sst") && symlink(from, to) != 0) return ERR_DISK;
    return ERR_OK;
}

enum err shadow_make(const char *dir, char to[SHADOW_PATH_BYTES])
{
    char full[PATH_MAX];
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0') folder = "/tmp";
    snprintf(to, SHADOW_PATH_BYTES, "%s/diglot-look-XXXXXX", folder);
    if (realpath(dir, full) == NULL) return ERR_DISK;
    if (mkdtemp(to) == NULL) {
        to[0] = '\0';
        return ERR_DISK;
    }
    CLEANUP(close_dirp) DIR *all = opendir(full);
    for (const struct dirent *e; all != NULL && (e = readdir(all)) != NULL;)
        TRY(take(full, e->d_name, to));
    return all != NULL ? ERR_OK : ERR_DISK;
}

void shadow_remove(const char *path)
{
    remove_folder(path);
}
