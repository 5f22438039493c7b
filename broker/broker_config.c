#include "broker/broker_config.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include "base/check.h"

static void put(struct broker_config *list, const char *name, const char *value)
{
    if (value == NULL) return;
    int32_t at = kafka_config_find(bytes_str(name));
    assert(at >= 0);
    const char *usual = list[at].spec->usual;
    list[at].value = bytes_str(value);
    list[at].source = usual != NULL && strcmp(usual, value) == 0 ? CONFIG_OF_DEFAULT
                                                                 : CONFIG_OF_STATIC_BROKER;
}

/* The topic defaults, seen as the configs of a topic that sets none. One that Kafka works out from
 * others is shown when it is set, as there. */
static void put_topic_defaults(struct arena *arena, const struct broker *b,
                               struct broker_config *list)
{
    struct topic unset = {.config = store_options(b->store)->topic_defaults};
    for (int32_t i = 0; i < topic_config_spec_count(); i++) {
        const struct config_spec *spec = topic_config_spec(i);
        if (spec->broker_name == NULL) continue;
        struct config_text text = config_text_of_topic(arena, &unset, spec);
        if (spec->broker_unset && text.source == CONFIG_OF_DEFAULT) continue;
        int32_t at = kafka_config_find(bytes_str(spec->broker_name));
        assert(at >= 0);
        list[at].value = text.value;
        list[at].source = text.source;
    }
}

static const char *listener_text(struct arena *arena, const struct net_address *at)
{
    if (at == NULL || at->host[0] == '\0') return NULL;
    return arena_printf(arena, strchr(at->host, ':') ? "PLAINTEXT://[%s]:%u" : "PLAINTEXT://%s:%u",
                        at->host, at->port);
}

struct broker_config *broker_configs(struct arena *arena, const struct broker *b,
                                     const struct net_address *advertised)
{
    const struct broker_options *o = &b->options;
    const struct store_options *s = store_options(b->store);
    struct broker_config *list =
        ARENA_ARRAY(arena, struct broker_config, (size_t)kafka_config_count());
    if (list == NULL) return NULL;
    for (int32_t i = 0; i < kafka_config_count(); i++) {
        const char *usual = kafka_config(i)->usual;
        list[i] = (struct broker_config){.spec = kafka_config(i),
                                         .value = usual ? bytes_str(usual) : BYTES_NULL,
                                         .source = CONFIG_OF_DEFAULT};
    }
    put_topic_defaults(arena, b, list);
#define NUMBER(name, expression)                                                                   \
    put(list, name, arena_printf(arena, "%" PRId64, (int64_t)(expression)));
#define TEXT(name, expression) put(list, name, expression);
#include "broker/broker_config.def"
#undef NUMBER
#undef TEXT
    return list;
}

bool broker_config_is_own(const char *name)
{
    static const char *const own[] = {
#define NUMBER(config, expression) config,
#define TEXT(config, expression) config,
#include "broker/broker_config.def"
#undef NUMBER
#undef TEXT
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(own[i], name) == 0) return true;
    return false;
}
