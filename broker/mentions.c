#include "broker/mentions.h"

#include <assert.h>
#include <stddef.h>
#include "base/mailbox.h"
#include "base/check.h"

static struct mention *find(const struct map *known, struct bytes key)
{
    for (struct map_node *n = map_first(known, bytes_hash(key)); n != NULL; n = map_next(n)) {
        struct mention *m = CONTAINER_OF(n, struct mention, node);
        if (bytes_equal(m->key, key)) return m;
    }
    return NULL;
}

enum err name_set_init(struct name_set *s, struct arena *arena, const struct bytes *names,
                       int32_t count)
{
    struct mention *all = ARENA_ARRAY(arena, struct mention, (size_t)count);
    if (all == NULL) return ERR_TOO_LARGE;
    *s = (struct name_set){.all = all};
    for (int32_t i = 0; i < count; i++) {
        all[i] = (struct mention){.key = names[i], .first = i};
        if (bytes_is_null(names[i])) continue;
        struct mention *before = find(&s->map, names[i]);
        if (before != NULL) {
            all[i].first = before->first;
            before->repeated = true;
        } else {
            map_put(&s->map, &all[i].node, bytes_hash(names[i]));
        }
    }
    return ERR_OK;
}

void name_set_done(struct name_set *s)
{
    map_done(&s->map);
}

int32_t name_set_find(const struct name_set *s, struct bytes name)
{
    const struct mention *m = find(&s->map, name);
    return m == NULL ? -1 : m->first;
}

enum err mentions_find(struct arena *arena, const struct bytes *keys, int32_t count,
                       struct mention **ret)
{
    struct name_set set;
    TRY(name_set_init(&set, arena, keys, count));
    name_set_done(&set);
    *ret = set.all;
    return ERR_OK;
}

enum err mentions_of_partitions(struct arena *arena, const struct bytes *topics,
                                int32_t topic_count, struct partition_mention *all, int32_t count)
{
    struct mention *names, *pairs;
    struct bytes *keys = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    if (keys == NULL) return ERR_TOO_LARGE;
    TRY(mentions_find(arena, topics, topic_count, &names));
    static_assert(offsetof(struct partition_mention, partition) ==
                      offsetof(struct partition_mention, topic) + sizeof(int32_t),
                  "topic and partition are one key");
    for (int32_t i = 0; i < count; i++) {
        all[i].topic = names[all[i].topic].first;
        keys[i] = bytes_of(&all[i].topic, 2 * sizeof(int32_t));
    }
    TRY(mentions_find(arena, keys, count, &pairs));
    for (int32_t i = 0; i < count; i++) all[i].mention = &pairs[i];
    return ERR_OK;
}

enum err answer_room_find(struct arena *arena, const struct partition_mention *all, int32_t count,
                          int32_t topic_count, struct answer_room *ret)
{
    *ret = (struct answer_room){
        .places = ARENA_ARRAY(arena, int32_t, (size_t)topic_count),
        .partitions = ARENA_ARRAY(arena, int32_t, (size_t)topic_count),
    };
    if (ret->places == NULL || ret->partitions == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++)
        if (ret->partitions[all[i].topic]++ == 0) ret->places[all[i].topic] = ret->topics++;
    return ERR_OK;
}
