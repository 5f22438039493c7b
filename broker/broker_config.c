#include "broker/broker_config.h"

#include <inttypes.h>
#include <string.h>
#include "base/check.h"

enum { BOOLEAN = 1, STRING = 2, INT = 3, SHORT = 4, LONG = 5, LIST = 7 };

static struct broker_config row(struct arena *arena, const char *name, int8_t type,
                                const char *usual, const char *value)
{
    return (struct broker_config){
        .name = bytes_str(name),
        .value = arena_copy(arena, bytes_str(value)),
        .usual = usual[0] != '\0' ? bytes_str(usual) : BYTES_NULL,
        .type = type,
        .source = strcmp(usual, value) == 0 ? CONFIG_OF_DEFAULT : CONFIG_OF_STATIC_BROKER,
    };
}

/* The topic defaults, seen as the configs of a topic that sets none. */
static int32_t add_topic_defaults(struct arena *arena, const struct broker *b,
                                  struct broker_config *to)
{
    struct topic unset = {.config = store_options(b->store)->topic_defaults};
    int32_t count = 0;
    for (int32_t i = 0; i < topic_config_spec_count(); i++) {
        const struct config_spec *spec = topic_config_spec(i);
        if (spec->broker_name == NULL) continue;
        struct config_text text = config_text_of_topic(arena, &unset, spec);
        to[count++] = (struct broker_config){
            .name = bytes_str(spec->broker_name),
            .value = text.value,
            .usual = spec->broker_unset ? BYTES_NULL : bytes_str(spec->default_value),
            .type = spec->type,
            .source = text.source,
            .documentation = bytes_str(spec->documentation),
        };
    }
    return count;
}

struct broker_config *broker_configs(struct arena *arena, const struct broker *b,
                                     int32_t *ret_count)
{
    const struct broker_options *o = &b->options;
    const struct store_options *s = store_options(b->store);
    enum {
#define NUMBER(...) +1
#define TEXT(...) +1
        OWN_COUNT = 0
#include "broker/broker_config.def"
#undef NUMBER
#undef TEXT
    };
    struct broker_config *list =
        ARENA_ARRAY(arena, struct broker_config, (size_t)(OWN_COUNT + topic_config_spec_count()));
    if (list == NULL) return NULL;
    int32_t count = 0;
#define NUMBER(name, type, usual, expression)                                                      \
    list[count++] = row(arena, name, type, usual,                                                  \
                        arena_printf(arena, "%" PRId64, (int64_t)(expression)));
#define TEXT(name, type, usual, expression)                                                        \
    list[count++] = row(arena, name, type, usual, expression);
#include "broker/broker_config.def"
#undef NUMBER
#undef TEXT
    *ret_count = count + add_topic_defaults(arena, b, list + count);
    return list;
}
