#include <stdio.h>
#include "tools/commands.h"
#include "tools/settings.h"
#include "base/check.h"

int cmd_version(int arg_count, char **args)
{
    (void)arg_count, (void)args;
    printf("diglot %s\n", DIGLOT_VERSION);
    return 0;
}

int cmd_settings(int arg_count, char **args)
{
    (void)arg_count, (void)args;
    settings_page(stdout);
    return 0;
}
