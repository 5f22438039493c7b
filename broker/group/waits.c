/* Who waits for a generation or an assignment, found by the token of the request that waits. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mailbox.h"
#include "base/check.h"

static uint64_t hash_of(const void *token)
{
    return bytes_hash(bytes_of(&token, sizeof token));
}

struct wait *groups_wait(const struct groups *gs, const void *token)
{
    for (struct map_node *n = map_first(&gs->waits, hash_of(token)); n; n = map_next(n)) {
        struct wait *w = CONTAINER_OF(n, struct wait, by_token);
        if (w->token == token) return w;
    }
    return NULL;
}

static void wait_begin(struct groups *gs, struct wait *w, void *token)
{
    assert(w->token == NULL && token != NULL);
    w->token = token;
    groups_index(gs, &gs->waits, &w->by_token, hash_of(token));
}

void *wait_forget(struct groups *gs, struct wait *w)
{
    if (w->token != NULL) map_remove(&gs->waits, &w->by_token);
    return TAKE(w->token);
}

void member_wait_join(struct member *m, void *token)
{
    assert(!m->joining);
    m->joining = true;
    wait_begin(m->group->table, &m->join, token);
    m->group->joining_count++;
}

void *member_take_join(struct member *m)
{
    if (!m->joining) return NULL;
    m->joining = false;
    m->group->joining_count--;
    return wait_forget(m->group->table, &m->join);
}

void member_wait_sync(struct member *m, void *token)
{
    assert(!m->syncing);
    m->syncing = true;
    wait_begin(m->group->table, &m->sync, token);
}
