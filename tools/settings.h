/* The settings of `diglot serve`. A flag beats the environment, which beats the configuration file
 * (--config FILE or DIGLOT_CONFIG, a JSON object), which beats the default. Broker configs go under
 * Apache Kafka's names as well: --set NAME=VALUE, DIGLOT_SET, "set" in the file. */
#ifndef TOOLS_SETTINGS_H
#define TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"
#include "storage/topic/topic.h"

struct settings {
#define KAFKA(name, ...)
#define OTHERWISE(config, flag)
#define GROUP(title)
#define TEXT(name, ...) char *name;
#define MATCH(name, ...) char *name;
#define ADDRESS(name, ...) char *name;
#define ADDRESSES(name, ...) char *name;
#define NUMBER(name, ...) int64_t name;
#define SWITCH(name, ...) bool name;
#define CHOICE(name, ...) char *name;
#include "tools/settings.def"
    /* What --set says of defaults of topic configs, in order. */
    struct settings_pair {
        char *name, *value;
    } *topic_defaults;
    int topic_default_count;
};

/* Reads all sources. args: what follows the sub-command. A wrong setting is named on `complaints`
 * together with where it came from and what is legal. A variable of the environment that is named
 * like a setting and is none is told and ignored: whoever starts processes sets some of their own.
 * Errors: ERR_CONFIG. Thread: main. */
enum err settings_read(int arg_count, char **args, FILE *complaints, struct settings *ret);
void settings_done(struct settings *s);
/* Takes what --set says of them into the defaults. Thread: main. */
void settings_topic_defaults(const struct settings *s, struct topic_config *defaults);
/* How a broker config of Apache Kafka is set, in Markdown, until the next call; NULL: by no setting
 * of our own. Thread: main. */
const char *settings_way_to(const char *broker_config);

/* The lines of --help, and the same as a docs page. */
void settings_help(FILE *out);
void settings_page(FILE *out);

#endif
