/* DescribeConfigs: every config of a topic or of the broker, with its value, where that comes from,
 * and what it would be otherwise (synonyms). Tools fail without a complaint when one is missing.
 *
 * The answer is a hundred or a thousand times as long as the question: it is made some resources a
 * turn of the loop, and lists CONFIGS_MAX of them. The broker's list is made once, however often
 * the request names it. */
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

/* In one turn, some 3 ms; of one answer, as many as 3,700 topics have. */
enum { RESOURCES_A_TURN = 64, CONFIGS_MAX = 1 << 17 };

struct describing {
    struct kafka_request *rq;
    struct describe_configs_request in;
    struct describe_configs_response out;
    int32_t at;                 /* the next resource */
    int32_t configs_left;       /* of CONFIGS_MAX */
    bool refused;               /* a resource is of no type at all: Kafka refuses them all */
    struct describe_configs_response_config *broker;    /* all that it has, once asked for */
    bool *broker_asked;         /* one of them each, for one resource after the other */
    struct job turn;
};

static bool asks_for_all(const struct describe_configs_request_resource *in)
{
    return in->configuration_keys_count <= 0;   /* null, and no keys at all */
}

/* Which of these names are asked for. NULL: the arena is full. */
static bool *find_asked(struct arena *arena, const struct describe_configs_request_resource *in,
                        const struct bytes *names, int32_t count)
{
    int32_t keys_count = asks_for_all(in) ? 0 : in->configuration_keys_count;
    bool *asked = ARENA_ARRAY(arena, bool, (size_t)count);
    struct bytes *all = ARENA_ARRAY(arena, struct bytes, (size_t)count + (size_t)keys_count);
    struct mention *mentions;
    if (asked == NULL || all == NULL) return NULL;
    for (int32_t i = 0; i < count; i++) all[i] = names[i];
    for (int32_t i = 0; i < keys_count; i++) all[count + i] = in->configuration_keys[i];
    if (mentions_find(arena, all, count + keys_count, &mentions) != ERR_OK) return NULL;
    for (int32_t i = 0; i < count; i++) asked[i] = asks_for_all(in) || mentions[i].repeated;
    return asked;
}

/* Room for as many configs as are asked for.
 * Errors: ERR_TOO_LARGE - the answer has no room for them. Thread: the request's loop. */
static enum err make_room(struct describing *m, const bool *asked, int32_t count,
                          struct describe_configs_response_result *out)
{
    int32_t wanted = 0;
    for (int32_t i = 0; i < count; i++) wanted += asked[i];
    if (wanted > m->configs_left) return ERR_TOO_LARGE;
    out->configs = ARENA_ARRAY(m->rq->arena, struct describe_configs_response_config,
                               (size_t)wanted);
    if (out->configs == NULL) return ERR_TOO_LARGE;
    m->configs_left -= wanted;
    return ERR_OK;
}

static struct bytes documentation(const struct describing *m, const char *text)
{
    return m->in.include_documentation ? bytes_str(text) : BYTES_NULL;
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
static void add_broker_synonyms(struct arena *arena, struct describe_configs_response_config *c,
                                const struct broker_config *config)
{
    c->synonyms = ARENA_ARRAY(arena, struct describe_configs_response_synonym, 2);
    if (c->synonyms == NULL) return;
    const char *usual = config->spec->usual;
    if (config->source == CONFIG_OF_STATIC_BROKER)
        add_synonym(c, c->name, c->value, CONFIG_OF_STATIC_BROKER);
    if (usual != NULL) add_synonym(c, c->name, bytes_str(usual), CONFIG_OF_DEFAULT);
}

/* From the strongest source to the weakest. */
static void add_synonyms(const struct describing *m, struct describe_configs_response_config *c,
                         const struct config_spec *spec)
{
    struct arena *arena = m->rq->arena;
    c->synonyms = ARENA_ARRAY(arena, struct describe_configs_response_synonym, 3);
    if (c->synonyms == NULL) return;
    struct topic unset = {.config = store_options(rq_store(m->rq))->topic_defaults};
    struct config_text broker = config_text_of_topic(arena, &unset, spec);
    struct bytes broker_name = bytes_str(spec->broker_name ? spec->broker_name : spec->name);
    if (c->config_source == CONFIG_OF_TOPIC) add_synonym(c, c->name, c->value, CONFIG_OF_TOPIC);
    if (broker.source == CONFIG_OF_STATIC_BROKER)
        add_synonym(c, broker_name, broker.value, CONFIG_OF_STATIC_BROKER);
    if (spec->broker_name != NULL && !spec->broker_unset)
        add_synonym(c, broker_name, bytes_str(spec->default_value), CONFIG_OF_DEFAULT);
}

/* Errors: ERR_INVALID_TOPIC_EXCEPTION; ERR_UNKNOWN_TOPIC_OR_PARTITION; ERR_TOO_LARGE - no room.
 * Thread: the request's loop. */
static enum err describe_topic(struct describing *m,
                               const struct describe_configs_request_resource *in,
                               struct describe_configs_response_result *out)
{
    struct arena *arena = m->rq->arena;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    if (!topic_name_is_legal(in->resource_name)) return ERR_INVALID_TOPIC_EXCEPTION;
    TRY(topic_find(rq_store(m->rq), in->resource_name, NULL, &t));
    int32_t count = topic_config_spec_count();
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    if (names == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) names[i] = bytes_str(topic_config_spec(i)->name);
    const bool *asked = find_asked(arena, in, names, count);
    if (asked == NULL) return ERR_TOO_LARGE;
    TRY(make_room(m, asked, count, out));
    for (int32_t i = 0; i < count; i++) {
        const struct config_spec *spec = topic_config_spec(i);
        if (!asked[i]) continue;
        struct config_text text = config_text_of_topic(arena, t, spec);
        struct describe_configs_response_config *c = &out->configs[out->configs_count++];
        *c = DESCRIBE_CONFIGS_RESPONSE_CONFIG_INIT;
        c->name = names[i];
        c->value = text.value;
        c->config_source = (int8_t)text.source;
        c->config_type = spec->type;
        c->documentation = documentation(m, spec->documentation);
        if (m->in.include_synonyms) add_synonyms(m, c, spec);
    }
    return ERR_OK;
}

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err list_broker(struct describing *m)
{
    struct arena *arena = m->rq->arena;
    size_t count = (size_t)kafka_config_count();
    struct net_address *advertised = ARENA_NEW(arena, struct net_address);
    if (advertised == NULL) return ERR_TOO_LARGE;
    kafka_advertised(m->rq, advertised);
    struct broker_config *all = broker_configs(arena, m->rq->broker, advertised);
    struct describe_configs_response_config *list =
        ARENA_ARRAY(arena, struct describe_configs_response_config, count);
    m->broker_asked = ARENA_ARRAY(arena, bool, count);
    if (all == NULL || list == NULL || m->broker_asked == NULL) return ERR_TOO_LARGE;
    for (size_t i = 0; i < count; i++) {
        struct describe_configs_response_config *c = &list[i];
        *c = DESCRIBE_CONFIGS_RESPONSE_CONFIG_INIT;
        c->name = bytes_str(all[i].spec->name);
        c->value = all[i].value;
        c->read_only = true;
        c->config_source = (int8_t)all[i].source;
        c->config_type = all[i].spec->type;
        c->is_sensitive = all[i].spec->type == KAFKA_CONFIG_PASSWORD;
        c->documentation = documentation(m, all[i].spec->documentation);
        if (m->in.include_synonyms) add_broker_synonyms(arena, c, &all[i]);
    }
    m->broker = list;
    return ERR_OK;
}

/* Errors: ERR_INVALID_REQUEST - another broker; ERR_TOO_LARGE - no room. Thread: the request's
 * loop. */
static enum err describe_broker(struct describing *m,
                                const struct describe_configs_request_resource *in,
                                struct describe_configs_response_result *out)
{
    int64_t id;
    if (in->resource_name.len == 0) return ERR_OK;      /* cluster-wide overrides: none */
    if (!bytes_to_i64(in->resource_name, &id) || id != m->rq->broker->options.node_id)
        return ERR_INVALID_REQUEST;
    if (m->broker == NULL) TRY(list_broker(m));
    int32_t count = kafka_config_count();
    if (asks_for_all(in)) {
        if (count > m->configs_left) return ERR_TOO_LARGE;
        m->configs_left -= count;
        out->configs = m->broker;
        out->configs_count = count;
        return ERR_OK;
    }
    for (int32_t i = 0; i < count; i++) m->broker_asked[i] = false;
    for (int32_t i = 0; i < in->configuration_keys_count; i++) {
        int32_t at = kafka_config_find(in->configuration_keys[i]);
        if (at >= 0) m->broker_asked[at] = true;
    }
    TRY(make_room(m, m->broker_asked, count, out));
    for (int32_t i = 0; i < count; i++)
        if (m->broker_asked[i]) out->configs[out->configs_count++] = m->broker[i];
    return ERR_OK;
}

static void describe(struct describing *m, const struct describe_configs_request_resource *in,
                     struct describe_configs_response_result *out)
{
    enum err err = ERR_INVALID_REQUEST;
    const char *text = NULL;
    *out = DESCRIBE_CONFIGS_RESPONSE_RESULT_INIT;
    out->resource_type = in->resource_type;
    out->resource_name = in->resource_name;
    if (m->refused) text = "The request names a resource of a type that does not exist";
    else if (in->resource_type == RESOURCE_TOPIC) err = describe_topic(m, in, out);
    else if (in->resource_type == RESOURCE_BROKER) err = describe_broker(m, in, out);
    else text = "Only topics and the broker have configs here";
    if (err == ERR_TOO_LARGE) {
        err = ERR_INVALID_REQUEST;
        text = "The request asks for more configs than one answer may have";
    }
    out->error_code = err_kafka(err);
    if (err == ERR_INVALID_REQUEST && text == NULL)
        text = arena_printf(m->rq->arena,
                            "Unexpected broker id, expected %d or empty string, but received %.*s",
                            m->rq->broker->options.node_id, BYTES_ARGS(in->resource_name));
    if (err != ERR_OK) out->error_message = bytes_str(text ? text : err_text(err));
}

static bool is_known(int8_t type)
{
    return type == RESOURCE_TOPIC || type == RESOURCE_BROKER || type == RESOURCE_BROKER_LOGGER ||
           type == RESOURCE_CLIENT_METRICS || type == RESOURCE_GROUP;
}

static void encode(struct kafka_request *rq)
{
    const struct describing *m = rq->context;
    KAFKA_ENCODE(rq, describe_configs, &m->out);
}

static void walk(struct job *job)
{
    struct describing *m = CONTAINER_OF(job, struct describing, turn);
    struct frame_request *frame = m->rq->frame;
    for (int32_t left = RESOURCES_A_TURN; m->at < m->in.resources_count; left--, m->at++) {
        if (frame->conn == NULL) break;                 /* nobody waits for it any more */
        if (left == 0) {
            loop_defer_long(frame->loop, &m->turn);
            return;
        }
        describe(m, &m->in.resources[m->at], &m->out.results[m->at]);
    }
    m->out.results_count = m->at;
    m->rq->context = m;
    bool is_long = CONFIGS_MAX - m->configs_left > KAFKA_ENTRIES_HERE_MAX || kafka_is_long(m->rq);
    kafka_reply_many(m->rq, is_long, encode);
}

enum err kafka_describe_configs(struct kafka_request *rq)
{
    struct describing *m = ARENA_NEW(rq->arena, struct describing);
    if (m == NULL) return ERR_TOO_LARGE;
    *m = (struct describing){.rq = rq, .out = DESCRIBE_CONFIGS_RESPONSE_INIT,
                             .configs_left = CONFIGS_MAX, .turn.run = walk};
    TRY(describe_configs_request_decode(&rq->body, rq->version, &m->in));
    int32_t count = m->in.resources_count;
    m->out.results =
        ARENA_ARRAY(rq->arena, struct describe_configs_response_result, (size_t)count);
    if (m->out.results == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) m->refused |= !is_known(m->in.resources[i].resource_type);
    walk(&m->turn);
    return ERR_OK;
}
