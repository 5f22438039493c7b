#include "broker/answer_bytes.h"

#include "base/net/room.h"
#include "broker/topics.h"
#include "protocol/kafka/header.h"
#include "protocol/kafka/msg/describe_configs.h"
#include "protocol/kafka/msg/metadata.h"
#include "protocol/kafka/msg/offset_fetch.h"
#include "storage/control/control.h"
#include "storage/topic/topic.h"
#include "base/check.h"

enum {
    METADATA_KEY = 3, OFFSET_FETCH_KEY = 9, DESCRIBE_GROUPS_KEY = 15, LIST_GROUPS_KEY = 16,
    DESCRIBE_CONFIGS_KEY = 32, DESCRIBE_LOG_DIRS_KEY = 35, CONSUMER_GROUP_DESCRIBE_KEY = 69,
    DESCRIBE_TOPIC_PARTITIONS_KEY = 75
};
enum {
    TOPIC_BYTES = 64, PARTITION_BYTES = 48, CONFIGS_PER_BYTE = 256,
    BROKER = 4, BROKER_CONFIGS_BYTES = 32 << 10, BROKER_DOCUMENTED_BYTES = 60 << 10,
    LOOKED_AT_BYTES = 2 << 10,      /* a longer body counts as if it named all */
    ARENA_BYTES = 64 << 10, ELEMENTS_MAX = 1000,
};

static size_t all_of(struct store *s)
{
    struct catalog_totals totals;
    store_totals(s, &totals);
    return (size_t)totals.topics * TOPIC_BYTES + (size_t)totals.partitions * PARTITION_BYTES;
}

static size_t of_metadata(struct store *s, struct cursor *c, int16_t version, size_t all)
{
    struct metadata_request in;
    if (metadata_request_decode(c, version, &in) != ERR_OK) return 0;
    if (in.topics_count < 0 || (version == 0 && in.topics_count == 0)) return all;
    size_t bytes = 0;
    for (int32_t i = 0; i < in.topics_count && bytes < all; i++) {
        CLEANUP(topic_unrefp) struct topic *t = NULL;
        const struct metadata_request_topic *asked = &in.topics[i];
        bytes += TOPIC_BYTES + asked->name.len;
        if (topic_find(s, asked->name, &asked->topic_id, &t) == ERR_OK)
            bytes += (size_t)t->partition_count * PARTITION_BYTES;
    }
    return bytes;
}

/* Notes of commits are not looked at: they are empty, or short. */
static size_t of_offset_fetch(struct cursor *c, int16_t version, size_t all)
{
    struct offset_fetch_request in;
    if (offset_fetch_request_decode(c, version, &in) != ERR_OK) return 0;
    if (version < 8 && in.topics_count < 0) return all;
    size_t bytes = 0;
    for (int32_t t = 0; version < 8 && t < in.topics_count; t++)
        bytes += TOPIC_BYTES + (size_t)in.topics[t].partition_indexes_count * PARTITION_BYTES;
    for (int32_t g = 0; g < in.groups_count; g++) {
        const struct offset_fetch_request_group *group = &in.groups[g];
        if (group->topics_count < 0) return all;
        for (int32_t t = 0; t < group->topics_count; t++)
            bytes += TOPIC_BYTES + (size_t)group->topics[t].partition_indexes_count *
                                       PARTITION_BYTES;
    }
    return bytes;
}

/* Of one broker, however often it is named, and of topics by their names' lengths. */
static size_t of_configs(struct cursor *c, int16_t version)
{
    struct describe_configs_request in;
    if (describe_configs_request_decode(c, version, &in) != ERR_OK) return 0;
    size_t bytes = 0;
    for (int32_t i = 0; i < in.resources_count && bytes == 0; i++)
        if (in.resources[i].resource_type == BROKER)
            bytes = in.include_documentation ? BROKER_DOCUMENTED_BYTES : BROKER_CONFIGS_BYTES;
    return bytes;
}

static size_t of_named(struct store *s, int16_t key, struct bytes body, size_t all)
{
    if (body.len > LOOKED_AT_BYTES) return all;
    CLEANUP(arena_done) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct kafka_header header = {0};
    struct cursor c;
    cursor_init(&c, body, &arena);
    c.elements_left = ELEMENTS_MAX;
    if (kafka_header_decode(&c, &header) != ERR_OK) return 0;
    if (key == DESCRIBE_CONFIGS_KEY)
        return body.len * CONFIGS_PER_BYTE + of_configs(&c, header.version);
    return key == METADATA_KEY ? of_metadata(s, &c, header.version, all)
                               : of_offset_fetch(&c, header.version, all);
}

size_t broker_answer_bytes(struct store *s, struct bytes body)
{
    if (body.len < 2) return 0;
    int16_t key = (int16_t)load_be16(body.data);
    switch (key) {
    case METADATA_KEY: return of_named(s, key, body, all_of(s));
    case OFFSET_FETCH_KEY: return of_named(s, key, body, all_of(s) + 2 * ROOM_ANSWER_BYTES_MIN);
    case DESCRIBE_LOG_DIRS_KEY:
    case DESCRIBE_TOPIC_PARTITIONS_KEY: return all_of(s);
    case DESCRIBE_GROUPS_KEY:
    case LIST_GROUPS_KEY:
    case CONSUMER_GROUP_DESCRIBE_KEY: return all_of(s) + 2 * ROOM_ANSWER_BYTES_MIN;
    case DESCRIBE_CONFIGS_KEY:
        return of_named(s, key, body, body.len * CONFIGS_PER_BYTE + BROKER_DOCUMENTED_BYTES);
    default: return body.len;
    }
}
