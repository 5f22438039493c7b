/* Broker configs under Apache Kafka's names, for --set: which there are, and those that are
 * defaults of topic configs. Those that are settings of our own stand in settings.def. */
#ifndef TOOLS_BROKER_SET_H
#define TOOLS_BROKER_SET_H

#include <stddef.h>
#include <stdio.h>
#include "base/bytes.h"
#include "base/err.h"
#include "storage/topic/topic.h"

enum broker_set {
    BROKER_SET_UNKNOWN,             /* no broker of Apache Kafka has such a config */
    BROKER_SET_IDLE,                /* it has no effect here */
    BROKER_SET_TOPIC_DEFAULT,
};
enum broker_set broker_set_of(struct bytes name);

/* Takes the value into the defaults, checked as the topic config is. text[cap]: what is wrong with
 * it, in Apache Kafka's words.
 * Errors: ERR_INVALID_CONFIG - the defaults are untouched. Thread: main. */
enum err broker_set_topic_default(struct topic_config *defaults, struct bytes name,
                                  struct bytes value, char *text, size_t cap);

/* docs/broker-configs.md. way_to: how a setting of our own sets it; NULL: none does. */
void broker_set_page(FILE *out, const char *(*way_to)(const char *name));

#endif
