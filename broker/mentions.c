#include "broker/mentions.h"

#include <assert.h>
#include <stddef.h>
#include "base/check.h"

/* The slot of the name, or the free one where it belongs. */
static struct name_slot *slot_of(const struct name_set *s, struct bytes name, uint64_t hash)
{
    uint64_t at = hash & s->mask;
    for (; s->slots[at].entry != 0; at = (at + 1) & s->mask) {
        if (s->slots[at].tag != hash >> 32) continue;
        const struct mention *m = &s->all[s->slots[at].entry - 1];
        if (m->hash == hash && bytes_equal(m->key, name)) break;
    }
    return &s->slots[at];
}

enum err name_set_init(struct name_set *s, struct arena *arena, const struct bytes *names,
                       int32_t count)
{
    size_t slots = 2;
    while (slots < 2 * (size_t)count) slots *= 2;
    *s = (struct name_set){
        .all = ARENA_ARRAY(arena, struct mention, (size_t)count),
        .slots = ARENA_ARRAY(arena, struct name_slot, slots),
        .mask = slots - 1,
    };
    if (s->all == NULL || s->slots == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) {
        struct mention *m = &s->all[i];
        *m = (struct mention){.key = names[i], .hash = bytes_hash(names[i]), .first = i};
        if (bytes_is_null(names[i])) continue;
        struct name_slot *slot = slot_of(s, m->key, m->hash);
        if (slot->entry == 0) {
            *slot = (struct name_slot){(uint32_t)(m->hash >> 32), i + 1};
        } else {
            m->first = slot->entry - 1;
            s->all[m->first].repeated = true;
        }
    }
    return ERR_OK;
}

int32_t name_set_find(const struct name_set *s, struct bytes name)
{
    return slot_of(s, name, bytes_hash(name))->entry - 1;
}

enum err mentions_find(struct arena *arena, const struct bytes *keys, int32_t count,
                       struct mention **ret)
{
    struct name_set set;
    TRY(name_set_init(&set, arena, keys, count));
    *ret = set.all;
    return ERR_OK;
}

/* As clients write it: each topic once, its partitions in their order. */
static bool are_apart(const struct mention *names, const struct partition_mention *all,
                      int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const struct partition_mention *m = &all[i], *last = i > 0 ? m - 1 : NULL;
        if (names[m->topic].first != m->topic || names[m->topic].repeated) return false;
        if (last != NULL && (m->topic < last->topic || (m->topic == last->topic &&
                                                        m->partition <= last->partition)))
            return false;
    }
    return true;
}

/* Nothing to look up. Errors: ERR_TOO_LARGE - the arena is full. Thread: any. */
static enum err mention_each(struct arena *arena, struct partition_mention *all, int32_t count)
{
    struct mention *pairs = ARENA_ARRAY(arena, struct mention, (size_t)count);
    if (pairs == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) {
        pairs[i].first = i;
        all[i].mention = &pairs[i];
    }
    return ERR_OK;
}

enum err mentions_of_partitions(struct arena *arena, const struct bytes *topics,
                                int32_t topic_count, struct partition_mention *all, int32_t count)
{
    struct mention *names, *pairs;
    TRY(mentions_find(arena, topics, topic_count, &names));
    if (are_apart(names, all, count)) return mention_each(arena, all, count);
    struct bytes *keys = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    if (keys == NULL) return ERR_TOO_LARGE;
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
