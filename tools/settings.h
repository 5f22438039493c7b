/* The settings of `diglot serve`. A flag beats the environment, which beats the configuration file
 * (--config FILE or DIGLOT_CONFIG, a JSON object), which beats the default. Broker configs go under
 * Apache Kafka's names as well: --set NAME=VALUE, DIGLOT_SET, "set" in the file. */
#ifndef TOOLS_SETTINGS_H
#define TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"
#include "base/net/limits.h"
#include "broker/broker.h"
#include "storage/store.h"

struct settings {
#define TEXT(name, ...) char *name;
#define MATCH(name, ...) char *name;
#define ADDRESS(name, ...) char *name;
#define ADDRESSES(name, ...) char *name;
#define NUMBER(name, ...) int64_t name;
#define SWITCH(name, ...) bool name;
#define OPTION(part, name, ...) int64_t name;
#define OPTION_SWITCH(part, name, ...) bool name;
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
/* What these settings say of the options of each part, and defaults for the rest. Thread: main. */
void settings_store(const struct settings *s, struct store_options *ret);
void settings_broker(const struct settings *s, struct broker_options *ret);
void settings_limits(const struct settings *s, struct net_limits *ret);
/* How a broker config of Apache Kafka is set, in Markdown, until the next call; NULL: by no setting
 * of our own. Thread: main. */
const char *settings_way_to(const char *broker_config);

/* The lines of --help, and the same as a docs page. */
void settings_help(FILE *out);
void settings_page(FILE *out);

#endif
