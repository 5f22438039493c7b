/* The settings of `diglot serve`. A flag beats the environment, which beats the configuration file
 * (--config FILE or DIGLOT_CONFIG, a JSON object), which beats the default. */
#ifndef TOOLS_SETTINGS_H
#define TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

struct settings {
#define GROUP(title)
#define TEXT(name, ...) char *name;
#define MATCH(name, ...) char *name;
#define ADDRESS(name, ...) char *name;
#define ADDRESSES(name, ...) char *name;
#define NUMBER(name, ...) int64_t name;
#define SWITCH(name, ...) bool name;
#define CHOICE(name, ...) char *name;
#include "tools/settings.def"
#undef GROUP
#undef TEXT
#undef MATCH
#undef ADDRESS
#undef ADDRESSES
#undef NUMBER
#undef SWITCH
#undef CHOICE
};

/* Reads all sources. args: what follows the sub-command. A wrong setting is named on `complaints`
 * together with where it came from and what is legal. A variable of the environment that is named
 * like a setting and is none is told and ignored: whoever starts processes sets some of their own.
 * Errors: ERR_CONFIG. Thread: main. */
enum err settings_read(int arg_count, char **args, FILE *complaints, struct settings *ret);
void settings_done(struct settings *s);

/* The lines of --help, and the same as a docs page. */
void settings_help(FILE *out);
void settings_page(FILE *out);

#endif
