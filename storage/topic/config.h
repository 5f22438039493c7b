/* Topic configs: the table of all of them, the check of a value, and what a topic's values add up
 * to. DescribeConfigs reads the same table through control.h. */
#ifndef STORAGE_CONFIG_H
#define STORAGE_CONFIG_H

#include "base/err.h"
#include "storage/control/control.h"

/* A value may have this many bytes, as in Apache Kafka. */
enum { CONFIG_VALUE_BYTES_MAX = 32767 };

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

#endif
