/* The sub-commands. Each gets what follows its name and returns the exit code of the process:
 * 0 done, 1 failed, 2 wrong usage. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

int cmd_serve(int arg_count, char **args);
int cmd_dump(int arg_count, char **args);
int cmd_check(int arg_count, char **args);
int cmd_backup(int arg_count, char **args);
int cmd_settings(int arg_count, char **args);
int cmd_memory(int arg_count, char **args);
int cmd_version(int arg_count, char **args);

#endif
