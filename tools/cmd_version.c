/* The commands that print and end: `diglot version`, `diglot settings`, `diglot memory`. */
#include <stdio.h>
#include <string.h>
#include "tools/broker_set.h"
#include "tools/commands.h"
#include "tools/memory.h"
#include "tools/settings.h"
#include "base/check.h"

/* True when there is nothing to do but end with this exit code: --help, or an argument that is
 * none. */
static bool has_arguments(int arg_count, char **args, const char *usage, int *ret_exit_code)
{
    if (arg_count == 0) return false;
    bool help = strcmp(args[0], "--help") == 0 || strcmp(args[0], "-h") == 0;
    if (!help) fprintf(stderr, "diglot: %s is not a flag of this command\n\n", args[0]);
    fputs(usage, help ? stdout : stderr);
    *ret_exit_code = help ? 0 : 2;
    return true;
}

int cmd_version(int arg_count, char **args)
{
    int code = 0;
    if (has_arguments(arg_count, args, "Usage: diglot version\n\nPrints the version.\n", &code))
        return code;
    printf("diglot %s\n", DIGLOT_VERSION);
    return 0;
}

int cmd_settings(int arg_count, char **args)
{
    static const char usage[] =
        "Usage: diglot settings [--broker-configs]\n\nPrints every setting of `diglot serve` as a "
        "page (docs/settings.md), or every\nbroker config of Apache Kafka and what it does here "
        "(docs/broker-configs.md).\n";
    int code = 0;
    if (arg_count == 1 && strcmp(args[0], "--broker-configs") == 0) {
        broker_set_page(stdout, settings_way_to);
        return 0;
    }
    if (has_arguments(arg_count, args, usage, &code)) return code;
    settings_page(stdout);
    return 0;
}

int cmd_memory(int arg_count, char **args)
{
    static const char usage[] =
        "Usage: diglot memory [SETTINGS]\n\nPrints what holds memory in `diglot serve` with these "
        "settings, and how much\nat most, as a page (docs/memory.md).\n";
    enum { DEFAULT_LOOPS = 4 };
    int code = 0;
    bool help = arg_count == 1 && (strcmp(args[0], "--help") == 0 || strcmp(args[0], "-h") == 0);
    if (help && has_arguments(arg_count, args, usage, &code)) return code;
    struct settings set = {0};
    if (settings_read(arg_count, args, stderr, &set) != ERR_OK) return 2;
    memory_page(stdout, &set, set.loops > 0 ? set.loops : DEFAULT_LOOPS, 2 * set.connections_max);
    settings_done(&set);
    return 0;
}
