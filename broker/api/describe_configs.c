/* DescribeConfigs: every config of a topic or of the broker, with its value, where that comes from,
 * and what it would be otherwise (synonyms). Tools fail without a complaint when one is missing. */
#include "broker/broker_config.h"
#include "broker/mentions.h"
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/describe_configs.h"
#include "base/check.h"

enum {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_BROKER_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32,
};

struct answer {
    struct kafka_request *rq;
    const struct describe_configs_request *in;
    const struct describe_configs_request_resource *resource;
    struct describe_configs_response_result *out;
    bool repeated;              /* the broker is named before; its answer is a thousand times as
                                   long as the question */
    bool refused;               /* another resource is of no type at all: Kafka refuses them all */
};

/* Which of these names are asked for: null and no keys at all ask for everything. NULL: the arena
 * is full. */
static bool *find_asked(const struct answer *a, const struct bytes *names, int32_t count)
{
    const struct describe_configs_request_resource *in = a->resource;
    int32_t keys_count = in->configuration_keys_count > 0 ? in->configuration_keys_count : 0;
    struct arena *arena = a->rq->arena;
    bool *asked = ARENA_ARRAY(arena, bool, (size_t)count);
    struct bytes *all = ARENA_ARRAY(arena, struct bytes, (size_t)count + (size_t)keys_count);
    struct mention *mentions;
    if (asked == NULL || all == NULL) return NULL;
    for (int32_t i = 0; i < count; i++) all[i] = names[i];
    for (int32_t i = 0; i < keys_count; i++) all[count + i] = in->configuration_keys[i];
    if (mentions_find(arena, all, count + keys_count, &mentions) != ERR_OK) return NULL;
    for (int32_t i = 0; i < count; i++) asked[i] = keys_count == 0 || mentions[i].repeated;
    return asked;
}

static struct bytes documentation(const struct answer *a, struct bytes text)
{
    return a->in->include_documentation ? text : BYTES_NULL;
}

static void add_synonym(struct describe_configs_response_config *c, struct bytes name,
                        struct bytes value, enum config_source source)
{
    struct describe_configs_response_synonym *s = &c->synonyms[c->synonyms_count++];
    *s = DESCRIBE_CONFIGS_RESPONSE_SYNONYM_INIT;
    s->name = name;
    s->value = value;
    s->source = (int8_t)source;
}

/* A broker's config has no other name. */
static void add_broker_synonyms(const struct answer *a, struct describe_configs_response_config *c,
                                const struct broker_config *config)
{
    c->synonyms = ARENA_ARRAY(a->rq->arena, struct describe_configs_response_synonym, 2);
    if (c->synonyms == NULL) return;
    const char *usual = config->spec->usual;
    if (config->source == CONFIG_OF_STATIC_BROKER)
        add_synonym(c, c->name, c->value, CONFIG_OF_STATIC_BROKER);
    if (usual != NULL) add_synonym(c, c->name, bytes_str(usual), CONFIG_OF_DEFAULT);
}

/* From the strongest source to the weakest. */
static void add_synonyms(const struct answer *a, struct describe_configs_response_config *c,
                         const struct config_spec *spec)
{
    struct arena *arena = a->rq->arena;
    c->synonyms = ARENA_ARRAY(arena, struct describe_configs_response_synonym, 3);
    if (c->synonyms == NULL) return;
    struct topic unset = {.config = store_options(rq_store(a->rq))->topic_defaults};
    struct config_text broker = config_text_of_topic(arena, &unset, spec);
    struct bytes broker_name = bytes_str(spec->broker_name ? spec->broker_name : spec->name);
    if (c->config_source == CONFIG_OF_TOPIC) add_synonym(c, c->name, c->value, CONFIG_OF_TOPIC);
    if (broker.source == CONFIG_OF_STATIC_BROKER)
        add_synonym(c, broker_name, broker.value, CONFIG_OF_STATIC_BROKER);
    if (spec->broker_name != NULL && !spec->broker_unset)
        add_synonym(c, broker_name, bytes_str(spec->default_value), CONFIG_OF_DEFAULT);
}

static enum err describe_topic(const struct answer *a)
{
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    if (!topic_name_is_legal(a->resource->resource_name)) return ERR_INVALID_TOPIC_EXCEPTION;
    TRY(topic_find(rq_store(a->rq), a->resource->resource_name, NULL, &t));
    int32_t count = topic_config_spec_count();
    struct describe_configs_response_config *list =
        ARENA_ARRAY(a->rq->arena, struct describe_configs_response_config, (size_t)count);
    struct bytes *names = ARENA_ARRAY(a->rq->arena, struct bytes, (size_t)count);
    if (list == NULL || names == NULL) return ERR_INVALID_REQUEST;
    for (int32_t i = 0; i < count; i++) names[i] = bytes_str(topic_config_spec(i)->name);
    const bool *asked = find_asked(a, names, count);
    if (asked == NULL) return ERR_INVALID_REQUEST;
    a->out->configs = list;
    for (int32_t i = 0; i < count; i++) {
        const struct config_spec *spec = topic_config_spec(i);
        if (!asked[i]) continue;
        struct config_text text = config_text_of_topic(a->rq->arena, t, spec);
        struct describe_configs_response_config *c = &list[a->out->configs_count++];
        *c = DESCRIBE_CONFIGS_RESPONSE_CONFIG_INIT;
        c->name = bytes_str(spec->name);
        c->value = text.value;
        c->config_source = (int8_t)text.source;
        c->config_type = spec->type;
        c->documentation = documentation(a, bytes_str(spec->documentation));
        if (a->in->include_synonyms) add_synonyms(a, c, spec);
    }
    return ERR_OK;
}

static enum err describe_broker(const struct answer *a)
{
    int64_t id;
    bool ours = bytes_to_i64(a->resource->resource_name, &id) &&
                id == a->rq->broker->options.node_id;
    if (a->resource->resource_name.len == 0) return ERR_OK;     /* cluster-wide overrides: none */
    if (!ours) return ERR_INVALID_REQUEST;
    struct net_address *advertised = ARENA_NEW(a->rq->arena, struct net_address);
    if (advertised == NULL) return ERR_INVALID_REQUEST;
    kafka_advertised(a->rq, advertised);
    int32_t count = kafka_config_count();
    struct broker_config *all = broker_configs(a->rq->arena, a->rq->broker, advertised);
    struct describe_configs_response_config *list =
        all ? ARENA_ARRAY(a->rq->arena, struct describe_configs_response_config, (size_t)count)
            : NULL;
    struct bytes *names = ARENA_ARRAY(a->rq->arena, struct bytes, (size_t)count);
    if (list == NULL || names == NULL) return ERR_INVALID_REQUEST;
    for (int32_t i = 0; i < count; i++) names[i] = bytes_str(all[i].spec->name);
    const bool *asked = find_asked(a, names, count);
    if (asked == NULL) return ERR_INVALID_REQUEST;
    a->out->configs = list;
    for (int32_t i = 0; i < count; i++) {
        if (!asked[i]) continue;
        struct describe_configs_response_config *c = &list[a->out->configs_count++];
        *c = DESCRIBE_CONFIGS_RESPONSE_CONFIG_INIT;
        c->name = names[i];
        c->value = all[i].value;
        c->read_only = true;
        c->config_source = (int8_t)all[i].source;
        c->config_type = all[i].spec->type;
        c->is_sensitive = all[i].spec->type == KAFKA_CONFIG_PASSWORD;
        c->documentation = documentation(a, bytes_str(all[i].spec->documentation));
        if (a->in->include_synonyms) add_broker_synonyms(a, c, &all[i]);
    }
    return ERR_OK;
}

static void describe(const struct answer *a)
{
    enum err err = ERR_INVALID_REQUEST;
    const char *text = NULL;
    *a->out = DESCRIBE_CONFIGS_RESPONSE_RESULT_INIT;
    a->out->resource_type = a->resource->resource_type;
    a->out->resource_name = a->resource->resource_name;
    if (a->refused) text = "The request names a resource of a type that does not exist";
    else if (a->repeated) text = "The request names the broker more than once";
    else if (a->resource->resource_type == RESOURCE_TOPIC) err = describe_topic(a);
    else if (a->resource->resource_type == RESOURCE_BROKER) err = describe_broker(a);
    else text = "Only topics and the broker have configs here";
    a->out->error_code = err_kafka(err);
    if (err == ERR_INVALID_REQUEST && text == NULL)
        text = arena_printf(a->rq->arena,
                            "Unexpected broker id, expected %d or empty string, but received %.*s",
                            a->rq->broker->options.node_id, BYTES_ARGS(a->resource->resource_name));
    if (err != ERR_OK) a->out->error_message = bytes_str(text ? text : err_text(err));
}

static bool is_known(int8_t type)
{
    return type == RESOURCE_TOPIC || type == RESOURCE_BROKER || type == RESOURCE_BROKER_LOGGER ||
           type == RESOURCE_CLIENT_METRICS || type == RESOURCE_GROUP;
}

enum err kafka_describe_configs(struct kafka_request *rq)
{
    struct describe_configs_request in;
    TRY(describe_configs_request_decode(&rq->body, rq->version, &in));
    struct describe_configs_response out = DESCRIBE_CONFIGS_RESPONSE_INIT;
    out.results = ARENA_ARRAY(rq->arena, struct describe_configs_response_result,
                              (size_t)in.resources_count);
    if (out.results == NULL) return ERR_TOO_LARGE;
    out.results_count = in.resources_count;
    bool refused = false;
    for (int32_t i = 0; i < in.resources_count; i++)
        refused |= !is_known(in.resources[i].resource_type);
    bool repeated = false;
    for (int32_t i = 0; i < in.resources_count; i++) {
        bool broker = in.resources[i].resource_type == RESOURCE_BROKER &&
                      in.resources[i].resource_name.len > 0;
        describe(&(struct answer){.rq = rq, .in = &in, .resource = &in.resources[i],
                                  .out = &out.results[i], .repeated = broker && repeated,
                                  .refused = refused});
        repeated |= broker;
    }
    KAFKA_ENCODE(rq, describe_configs, &out);
    kafka_reply(rq);
    return ERR_OK;
}
