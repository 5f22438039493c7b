/* Topic configs: the table of all of them, the check of a value, and what a topic's values add up
 * to. */
#ifndef STORAGE_CONFIG_H
#define STORAGE_CONFIG_H

#include "base/err.h"
#include "storage/topic/topic.h"

/* A value may have this many bytes, as in Apache Kafka. */
enum { CONFIG_VALUE_BYTES_MAX = 32767 };

enum config_op { CONFIG_SET, CONFIG_DELETE, CONFIG_APPEND, CONFIG_SUBTRACT };
struct config_change {
    enum config_op op;
    struct bytes name;
    struct bytes value;         /* null with CONFIG_DELETE */
};

/* Carries the changes out on a draft's settings, in order, and works out its config anew. On an
 * error the draft is of no further use. text[cap]: what is wrong, in Apache Kafka's words where it
 * has some.
 * Errors: ERR_INVALID_CONFIG. Thread: any. */
enum err config_apply(struct topic *draft, const struct config_change *changes, int32_t count,
                      const struct topic_config *defaults, char *text, size_t cap);

/* Fills draft->config: its settings, and the defaults for the rest. Settings of a name or value
 * that this version does not know are left out. */
void config_resolve(struct topic *draft, const struct topic_config *defaults);

/* Apache Kafka's own defaults. */
void config_defaults(struct topic_config *ret);

/* ---- The table of topic configs: names, types, defaults, documentation (DescribeConfigs). */
struct config_spec {
    const char *name;           /* Kafka's: "retention.ms" */
    int8_t type;                /* Kafka's ConfigType code (DescribeConfigs v3+): BOOLEAN 1, STRING
                                   2, INT 3, LONG 5, LIST 7 */
    const char *default_value;  /* Kafka's default, as text */
    const char *broker_name;    /* the broker config that overrides the default
                                   ("log.retention.ms") */
    const char *documentation;
    bool broker_unset;          /* it has no default of its own: Kafka derives it */
};
int32_t topic_config_spec_count(void);
const struct config_spec *topic_config_spec(int32_t index);
/* False: it is kept and shown, no more. */
bool topic_config_has_effect(int32_t index);
/* The effective value as text into to[cap]; ret_set: whether this topic has it set. */
void topic_config_text(const struct topic *t, const struct config_spec *spec, char *to, size_t cap,
                       bool *ret_set);

#endif
