#include "tools/broker_set.h"

#include <assert.h>
#include "base/uuid.h"
#include "broker/broker_config.h"
#include "broker/kafka_config.h"
#include "storage/topic/config.h"
#include "storage/topic/draft.h"
#include "base/check.h"

/* The topic config that it is the default of, where that does something here. */
static const struct config_spec *topic_default(struct bytes name)
{
    for (int32_t i = 0; i < topic_config_spec_count(); i++) {
        const char *broker_name = topic_config_spec(i)->broker_name;
        if (broker_name != NULL && topic_config_has_effect(i) && bytes_equal_str(name, broker_name))
            return topic_config_spec(i);
    }
    return NULL;
}

enum broker_set broker_set_of(struct bytes name)
{
    if (topic_default(name) != NULL) return BROKER_SET_TOPIC_DEFAULT;
    return kafka_config_find(name) >= 0 ? BROKER_SET_IDLE : BROKER_SET_UNKNOWN;
}

enum err broker_set_topic_default(struct topic_config *defaults, struct bytes name,
                                  struct bytes value, char *text, size_t cap)
{
    const struct config_spec *spec = topic_default(name);
    assert(spec != NULL);
    struct uuid none = {0};
    CLEANUP(topic_unrefp) struct topic *draft = draft_new(&none, BYTES_LIT("defaults"));
    struct config_change change = {CONFIG_SET, bytes_str(spec->name), value};
    TRY(config_apply(draft, &change, 1, defaults, text, cap));
    *defaults = draft->config;
    return ERR_OK;
}

void broker_set_page(FILE *out, const char *(*way_to)(const char *name))
{
    static const char *const types[] = {"",     "boolean", "string", "int",   "short",
                                        "long", "double",  "list",   "class", "password"};
    fprintf(out,
            "# Broker configs\n\n"
            "Made by `diglot settings --broker-configs`; do not edit. DescribeConfigs of the\n"
            "broker lists what a broker of Apache Kafka 4.4.0 lists, with its types, defaults and\n"
            "documentation. None can be changed while the server runs: all are read-only, and\n"
            "IncrementalAlterConfigs refuses them. `--set NAME=VALUE` sets those that have an\n"
            "effect here ([settings.md](settings.md)); of the others it says that they have none,\n"
            "and goes on.\n\n"
            "| config | type | default in Apache Kafka | here |\n|---|---|---|---|\n");
    for (int32_t i = 0; i < kafka_config_count(); i++) {
        const struct kafka_config *config = kafka_config(i);
        const char *way = way_to(config->name);
        const char *tick = config->usual && config->usual[0] ? "`" : "";
        fprintf(out, "| `%s` | %s | %s%s%s | ", config->name, types[config->type], tick,
                config->usual ? config->usual : "none", tick);
        if (way != NULL) fprintf(out, "%s |\n", way);
        else if (topic_default(bytes_str(config->name))) fprintf(out, "`--set` |\n");
        else if (broker_config_is_own(config->name))
            fprintf(out, "as the server is; not settable |\n");
        else fprintf(out, "no effect |\n");
    }
}
