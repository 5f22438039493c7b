/* A random reshard of the topic "t": split, merge, even out, more partitions. */
#ifndef TESTS_UNIT_STORAGE_RANDOM_CHANGE_H
#define TESTS_UNIT_STORAGE_RANDOM_CHANGE_H

#include "storage/control/control.h"
#include "storage/topic/topic.h"

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Of topic t as it is now: it is legal, so it may only fail when the disk does. */
static inline void random_change(struct control *c, struct topic *t, uint64_t *random)
{
    const struct shard *s = topic_nth(t, t->open[next_random(random) % (uint64_t)t->open_count]);
    uint64_t what = next_random(random) % 10;
    *c = (struct control){.kind = CONTROL_SPLIT, .name = BYTES_LIT("t"), .shard = s->index};
    if (what < 4 && t->open_count < 24) {
        u128 width = s->hash_last - s->hash_first;
        c->hash_first = s->hash_first + width / 4 +
                        (u128)(next_random(random) % 1000) * (width / 2000);
    } else if (what < 8 && s->hash_last != U128_MAX) {
        c->kind = CONTROL_MERGE;
        c->adjacent_shard = topic_shard_of_hash(t, s->hash_last + 1)->index;
    } else if (what == 8 || t->partition_count > 40) {
        c->kind = CONTROL_RESHARD;
        c->partitions = 1 + (int32_t)(next_random(random) % 12);
    } else {
        c->kind = CONTROL_CREATE_PARTITIONS;
        c->partitions = t->partition_count + 1 + (int32_t)(next_random(random) % 2);
    }
}

#endif
