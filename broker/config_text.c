#include "broker/config_text.h"

#include <string.h>
#include "base/check.h"

enum { VALUE_BYTES_MAX = 4096 };

struct config_text config_text_of_topic(struct arena *arena, const struct topic *t,
                                        const struct config_spec *spec)
{
    char text[VALUE_BYTES_MAX];
    bool set;
    topic_config_text(t, spec, text, sizeof text, &set);
    enum config_source unset = strcmp(text, spec->default_value) == 0 ? CONFIG_OF_DEFAULT
                                                                      : CONFIG_OF_STATIC_BROKER;
    return (struct config_text){
        .value = arena_copy(arena, bytes_str(text)),
        .source = set ? CONFIG_OF_TOPIC : unset,
    };
}
