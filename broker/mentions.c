#include "broker/mentions.h"

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

enum err mentions_find(struct arena *arena, const struct bytes *keys, int32_t count,
                       struct mention **ret)
{
    struct mention *all = ARENA_ARRAY(arena, struct mention, (size_t)count);
    if (all == NULL) return ERR_TOO_LARGE;
    struct map known = {0};
    for (int32_t i = 0; i < count; i++) {
        all[i] = (struct mention){.key = keys[i], .first = i};
        if (bytes_is_null(keys[i])) continue;
        struct mention *before = find(&known, keys[i]);
        if (before != NULL) {
            all[i].first = before->first;
            before->repeated = true;
        } else {
            map_put(&known, &all[i].node, bytes_hash(keys[i]));
        }
    }
    map_done(&known);
    *ret = all;
    return ERR_OK;
}
