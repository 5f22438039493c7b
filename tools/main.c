/* diglot: one binary, sub-commands. Each cmd_<name>.c is one of them. */
#include <stdio.h>
#include <string.h>
#include "tools/commands.h"
#include "base/check.h"

/* Read by jemalloc at its start. Two arenas in place of four for each core: what requests and write
 * buffers gave back is then used again first, which under load is a fifth less memory for the same
 * CPU. */
const char *malloc_conf = "narenas:2";

static const struct command {
    const char *name;
    int (*run)(int arg_count, char **args);
    const char *help;
} commands[] = {
    {"serve", cmd_serve, "open both doors on a data directory"},
    {"dump", cmd_dump, "print what lies in a data directory"},
    {"check", cmd_check, "walk a data directory and prove its invariants"},
    {"backup", cmd_backup, "copy a data directory, also under a running server"},
    {"settings", cmd_settings, "print the settings of `serve` as a page"},
    {"memory", cmd_memory, "print what holds memory, and how much at most, as a page"},
    {"version", cmd_version, "print the version"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void usage(FILE *out)
{
    fprintf(out, "Usage: diglot COMMAND [FLAGS]\n\nOne log, two languages: Apache Kafka and Amazon "
                 "Kinesis Data Streams over the same data.\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(out, "\n`diglot COMMAND --help` tells more.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return 0;
    }
    static const char *const version_flags[] = {"--version", "-V", "-v"};
    for (size_t i = 0; i < sizeof version_flags / sizeof version_flags[0]; i++)
        if (strcmp(name, version_flags[i]) == 0) name = "version";
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 2, argv + 2);
    if (name[0] != '\0') fprintf(stderr, "diglot: %s is not a command\n\n", name);
    usage(stderr);
    return 2;
}
