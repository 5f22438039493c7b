/* Does a member of the group subscribe to this one topic? */
#ifndef TESTS_SUBSCRIBED_H
#define TESTS_SUBSCRIBED_H

#include <assert.h>
#include "broker/group/groups.h"

static inline bool is_subscribed(const struct groups *gs, struct bytes group_id,
                                 struct bytes topic)
{
    struct arena arena;
    arena_init(&arena, 4096);
    bool ret = false;
    enum err err = groups_subscribed(gs, group_id, &arena, &topic, 1, &ret);
    assert(err == ERR_OK);
    arena_done(&arena);
    return ret;
}

#endif
