/* IncrementalAlterConfigs for topics. The broker's own configs are settings of the process, fixed
 * at its start, and refused with the name of where they are set. */
#include "base/mem.h"
#include "broker/changes.h"
#include "broker/mentions.h"
#include "protocol/kafka/msg/incremental_alter_configs.h"
#include "base/check.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };

struct alter_configs {
    struct changes changes;
    struct incremental_alter_configs_request in;
    struct incremental_alter_configs_response out;
    struct mention *mentions;       /* one a resource */
};

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    struct alter_configs *m = CONTAINER_OF(ch, struct alter_configs, changes);
    m->out.responses[at].error_code = err_kafka(c->err);
    m->out.responses[at].error_message = changes_text(ch, c);
}

static void finished(struct changes *ch)
{
    struct alter_configs *m = CONTAINER_OF(ch, struct alter_configs, changes);
    KAFKA_ENCODE(ch->rq, incremental_alter_configs, &m->out);
    kafka_reply(ch->rq);
}

/* Of a resource: its type and name.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err find_repeats(struct alter_configs *m)
{
    struct arena *arena = m->changes.rq->arena;
    struct bytes *keys = ARENA_ARRAY(arena, struct bytes, (size_t)m->in.resources_count);
    if (keys == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < m->in.resources_count; i++) {
        const struct incremental_alter_configs_request_resource *in = &m->in.resources[i];
        uint8_t *key = arena_alloc(arena, 1 + in->resource_name.len);
        if (key == NULL) return ERR_TOO_LARGE;
        key[0] = (uint8_t)in->resource_type;
        mem_copy(key + 1, in->resource_name.data, in->resource_name.len);
        keys[i] = bytes_of(key, 1 + in->resource_name.len);
    }
    return mentions_find(arena, keys, m->in.resources_count, &m->mentions);
}

static bool is_repeated(const struct alter_configs *m, int32_t at)
{
    return m->mentions[at].repeated || m->mentions[at].first != at;
}

/* NULL: legal. Looks at the configs up to the first one that is wrong, as Kafka does. */
static const char *what_is_wrong_with_configs(
    const struct alter_configs *m, const struct incremental_alter_configs_request_resource *in)
{
    struct arena *arena = m->changes.rq->arena;
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, (size_t)in->configs_count);
    struct mention *mentions;
    if (names == NULL) return err_text(ERR_TOO_LARGE);
    for (int32_t i = 0; i < in->configs_count; i++) names[i] = in->configs[i].name;
    if (mentions_find(arena, names, in->configs_count, &mentions) != ERR_OK)
        return err_text(ERR_TOO_LARGE);
    for (int32_t i = 0; i < in->configs_count; i++) {
        if (in->configs[i].config_operation < CONFIG_SET ||
            in->configs[i].config_operation > CONFIG_SUBTRACT)
            return "Unknown config operation.";
        if (bytes_is_null(in->configs[i].value) && in->configs[i].config_operation != CONFIG_DELETE)
            return "Null value not supported for this operation.";
        if (mentions[i].first != i) return "Error due to duplicate config keys";
    }
    return NULL;
}

/* NULL: legal. */
static const char *what_is_wrong(const struct alter_configs *m, int32_t at)
{
    const struct incremental_alter_configs_request_resource *in = &m->in.resources[at];
    if (is_repeated(m, at)) return "Each resource must appear at most once.";
    if (in->resource_type == RESOURCE_BROKER)
        return "Broker configs are settings of the server process; `diglot serve --help` lists "
               "them.";
    if (in->resource_type != RESOURCE_TOPIC) return "Only topics have configs that can be changed.";
    if (in->resource_name.len == 0) return "Default topic resources are not allowed.";
    return what_is_wrong_with_configs(m, in);
}

/* Errors: ERR_INVALID_TOPIC_EXCEPTION; ERR_TOO_LARGE - the arena is full. Thread: the request's
 * loop. */
static enum err ask(struct alter_configs *m, int32_t at)
{
    const struct incremental_alter_configs_request_resource *in = &m->in.resources[at];
    if (!topic_name_is_legal(in->resource_name)) return ERR_INVALID_TOPIC_EXCEPTION;
    struct config_change *configs =
        ARENA_ARRAY(m->changes.rq->arena, struct config_change, (size_t)in->configs_count);
    if (configs == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < in->configs_count; i++)
        configs[i] = (struct config_change){(enum config_op)in->configs[i].config_operation,
                                            in->configs[i].name, in->configs[i].value};
    struct control change = {.kind = CONTROL_ALTER_CONFIG, .name = in->resource_name,
                             .configs = configs,
                             .config_count = in->configs_count,
                             .validate_only = m->in.validate_only};
    return changes_ask(&m->changes, at, &change);
}

static void one_resource(struct changes *ch, int32_t at)
{
    struct alter_configs *m = CONTAINER_OF(ch, struct alter_configs, changes);
    struct incremental_alter_configs_response_topic *out = &m->out.responses[at];
    *out = INCREMENTAL_ALTER_CONFIGS_RESPONSE_TOPIC_INIT;
    out->resource_type = m->in.resources[at].resource_type;
    out->resource_name = m->in.resources[at].resource_name;
    const char *wrong = what_is_wrong(m, at);
    enum err err = wrong ? ERR_INVALID_REQUEST : ask(m, at);
    if (err == ERR_OK) return;
    out->error_code = err_kafka(err == ERR_TOO_LARGE ? ERR_INVALID_REQUEST : err);
    out->error_message = bytes_str(wrong ? wrong : err_text(err));
}

enum err kafka_incremental_alter_configs(struct kafka_request *rq)
{
    struct alter_configs *m = ARENA_NEW(rq->arena, struct alter_configs);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(incremental_alter_configs_request_decode(&rq->body, rq->version, &m->in));
    m->out = INCREMENTAL_ALTER_CONFIGS_RESPONSE_INIT;
    m->out.responses = ARENA_ARRAY(rq->arena, struct incremental_alter_configs_response_topic,
                                   (size_t)m->in.resources_count);
    if (m->out.responses == NULL) return ERR_TOO_LARGE;
    m->out.responses_count = m->in.resources_count;
    changes_begin(&m->changes, rq, answered, finished);
    TRY(find_repeats(m));
    changes_each(&m->changes, m->in.resources_count, one_resource);
    return ERR_OK;
}
