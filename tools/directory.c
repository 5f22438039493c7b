#include "tools/directory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/check.h"

static const char *dir_of(int arg_count, char **args)
{
    if (arg_count == 0) return "./data";
    if (arg_count == 2 && strcmp(args[0], "--data-dir") == 0) return args[1];
    if (arg_count == 1 && strncmp(args[0], "--data-dir=", 11) == 0) return args[0] + 11;
    return NULL;
}

struct kv *directory_open(int arg_count, char **args, const char *usage, int *ret_exit_code)
{
    const char *dir = dir_of(arg_count, args);
    bool help = arg_count > 0 && (strcmp(args[0], "--help") == 0 || strcmp(args[0], "-h") == 0);
    if (dir == NULL) {
        fputs(usage, help ? stdout : stderr);
        *ret_exit_code = help ? 0 : 2;
        return NULL;
    }
    char current[4096];
    snprintf(current, sizeof current, "%s/CURRENT", dir);
    *ret_exit_code = 1;
    if (access(current, F_OK) != 0) {
        fprintf(stderr, "diglot: %s holds no data of diglot\n", dir);
        return NULL;
    }
    struct kv_options options = {.background_jobs = 1};
    struct kv *kv = NULL;
    char *text = NULL;
    enum err err = kv_rocksdb_open(dir, &options, &kv, &text);
    if (err != ERR_OK)
        fprintf(stderr, "diglot: %s cannot be opened: %s%s%s%s\n", dir, err_text(err), text ? ": " : "", text ? text : "",
                err == ERR_BUSY ? " (stop the server that uses it first)" : "");
    mem_free(text);
    if (kv != NULL) *ret_exit_code = 0;
    return kv;
}
