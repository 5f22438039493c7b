/* `diglot backup`: copies a data directory as it is at one moment, also under a running server. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "storage/engine/backup.h"
#include "tools/commands.h"
#include "tools/directory.h"
#include "base/check.h"

static const char usage[] =
    "Usage: diglot backup [--data-dir D] TO     default: DIGLOT_DATA_DIR, then ./data\n\n"
    "Copies a data directory as it is at one moment, also while a server writes to it. TO is\n"
    "a folder that is not there yet. On the same volume most of it takes no room: files that do\n"
    "not change any more get a second name there. It is whole or not there: what is unfinished\n"
    "is named TO.partial.\n\n"
    "The copy is a data directory: `diglot serve --data-dir TO` runs on it, `diglot check`\n"
    "proves it, and `cp -a TO D` puts it in the place of a lost one.\n";

enum { MIB = 1 << 20, SHOW_MS = 500 };

static void show(const struct backup *b)
{
    static int64_t shown_ms;
    int64_t now_ms = clock_mono_ms();
    if (!isatty(STDERR_FILENO) || now_ms - shown_ms < SHOW_MS) return;
    shown_ms = now_ms;
    fprintf(stderr, "\r%" PRIu64 " MiB linked, %" PRIu64 " MiB copied ", b->linked_bytes / MIB,
            b->copied_bytes / MIB);
}

/* What is left is the one that names no flag, which is taken out. NULL: wrong usage. */
static const char *take_target(int *arg_count, char **args)
{
    const char *to = NULL;
    int kept = 0;
    for (int i = 0; i < *arg_count; i++) {
        bool value = i > 0 && strcmp(args[i - 1], "--data-dir") == 0;
        if (args[i][0] != '-' && !value && to == NULL) to = args[i];
        else args[kept++] = args[i];
    }
    *arg_count = kept;
    return to;
}

int cmd_backup(int arg_count, char **args)
{
    int code;
    const char *to = take_target(&arg_count, args);
    const char *dir = directory_named(arg_count, args, usage, &code);
    if (dir == NULL) return code;
    if (to == NULL) {
        fprintf(stderr, "diglot: a folder for the copy is missing\n\n%s", usage);
        return 2;
    }
    struct backup told;
    CLEANUP(mem_freep) char *text = NULL;
    enum err err = backup_make(dir, to, "tls", show, &told, &text);
    if (isatty(STDERR_FILENO)) fputc('\n', stderr);
    if (err == ERR_NOT_FOUND) {
        directory_complain(dir, err, NULL);
        return 1;
    }
    if (err != ERR_OK) {
        fprintf(stderr, "diglot: no backup was made: %s\n", text != NULL ? text : err_text(err));
        return 1;
    }
    printf("%s has all that was acknowledged before this began: %" PRIu64
           " files of the log, %" PRIu64 " MiB linked, %" PRIu64 " MiB copied\n",
           to, told.log_files, told.linked_bytes / MIB, told.copied_bytes / MIB);
    return 0;
}
