#include "tools/directory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "storage/store.h"
#include "base/check.h"

/* NULL: wrong usage, which was told. */
static const char *dir_of(int arg_count, char **args)
{
    const char *dir = getenv("DIGLOT_DATA_DIR");
    for (int i = 0; i < arg_count; i++) {
        if (strncmp(args[i], "--data-dir=", 11) == 0) dir = args[i] + 11;
        else if (strcmp(args[i], "--data-dir") == 0 && i + 1 < arg_count) dir = args[++i];
        else {
            bool known = strcmp(args[i], "--data-dir") == 0;
            fprintf(stderr, "diglot: %s %s\n\n", args[i],
                    known ? "needs a value: a folder" : "is not a flag of this command");
            return NULL;
        }
    }
    return dir != NULL ? dir : "./data";
}

void directory_complain(const char *dir, enum err err, const char *text)
{
    if (err == ERR_BUSY)
        fprintf(stderr,
                "diglot: data directory \"%s\" is in use by another process: stop that one first, "
                "or name another directory with --data-dir\n",
                dir);
    else if (err == ERR_NOT_FOUND)
        fprintf(
            stderr,
            "diglot: data directory \"%s\" holds no data of diglot; --data-dir names another one\n",
            dir);
    else
        fprintf(stderr, "diglot: data directory \"%s\" cannot be used: %s%s\n", dir,
                text != NULL ? text : err_text(err),
                err == ERR_DISK     ? " (docs/recovery.md says what to do about a damaged one)"
                : err == ERR_CONFIG ? "; --data-dir names another one"
                                    : "");
}

bool directory_make(const char *dir)
{
    struct stat found;
    bool made = kv_make_dir(dir) == ERR_OK && stat(dir, &found) == 0;
    if (made && S_ISDIR(found.st_mode)) return true;
    directory_complain(dir, ERR_CONFIG, strerror(made ? ENOTDIR : errno));
    return false;
}

/* An empty folder, or one that holds data of ours: not one that others use too, as /tmp. */
static bool is_ours(const char *dir)
{
    char current[4096];
    snprintf(current, sizeof current, "%s/CURRENT", dir);
    if (access(current, F_OK) == 0) return true;
    DIR *all = opendir(dir);
    int entries = 0;
    while (all != NULL && readdir(all) != NULL) entries++;
    if (all != NULL) closedir(all);
    return entries == 2; /* . and .. */
}

void directory_keep_to_owner(const char *dir)
{
    struct stat found;
    umask(S_IRWXG | S_IRWXO);
    if (stat(dir, &found) != 0 || !S_ISDIR(found.st_mode)) return;
    if ((found.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
    if (is_ours(dir) && chmod(dir, S_IRWXU) == 0) return;
    log_warn("other users may look into the data directory: chmod 700 keeps them out",
             {"dir", LOG_S(dir)});
}

/* Errors: ERR_NOT_FOUND - it holds nothing of ours; ERR_CONFIG - it cannot be looked into;
 * ERR_FORMAT; ERR_BUSY; ERR_DISK. Thread: main. */
static enum err open_checked(const char *dir, struct kv **ret, char **ret_text)
{
    char current[4096];
    snprintf(current, sizeof current, "%s/CURRENT", dir);
    if (access(current, R_OK) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return ERR_NOT_FOUND;
        const char *why = strerror(errno);
        *ret_text = mem_string(why, strlen(why));
        return ERR_CONFIG;
    }
    struct kv_options options = {.read_only = true};
    struct kv *kv = NULL;
    TRY(kv_open(dir, &options, &kv, ret_text));
    enum err err = store_format_check(kv, ret_text);
    const char *damage = kv_damage(kv)->text;
    if (err == ERR_NOT_FOUND && damage[0] != '\0') {       /* it held some */
        *ret_text = mem_string(damage, strlen(damage));
        err = ERR_DISK;
    }
    if (err == ERR_OK) *ret = kv;
    else kv_close(kv);
    return err;
}

const char *directory_named(int arg_count, char **args, const char *usage, int *ret_exit_code)
{
    bool help = arg_count > 0 && (strcmp(args[0], "--help") == 0 || strcmp(args[0], "-h") == 0);
    const char *dir = help ? NULL : dir_of(arg_count, args);
    if (dir != NULL) return dir;
    fputs(usage, help ? stdout : stderr);
    *ret_exit_code = help ? 0 : 2;
    return NULL;
}

struct kv *directory_open(int arg_count, char **args, const char *usage, int *ret_exit_code)
{
    const char *dir = directory_named(arg_count, args, usage, ret_exit_code);
    if (dir == NULL) return NULL;
    struct kv *kv = NULL;
    CLEANUP(mem_freep) char *text = NULL;
    enum err err = open_checked(dir, &kv, &text);
    if (err != ERR_OK) directory_complain(dir, err, text);
    *ret_exit_code = err == ERR_OK ? 0 : 1;
    return kv;
}
