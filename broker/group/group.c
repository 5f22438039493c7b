/* A group: its state and its members in the order of joining. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/moves.h"
#include "base/check.h"

/* From each state, those that may follow. */
static const moves state_moves[] = {
    [GROUP_EMPTY] = TO(GROUP_PREPARING) | TO(GROUP_DEAD),
    [GROUP_PREPARING] = TO(GROUP_EMPTY) | TO(GROUP_COMPLETING) | TO(GROUP_DEAD),
    [GROUP_COMPLETING] = TO(GROUP_PREPARING) | TO(GROUP_STABLE) | TO(GROUP_DEAD),
    [GROUP_STABLE] = TO(GROUP_PREPARING) | TO(GROUP_DEAD),
    [GROUP_DEAD] = 0,
};

static const char *const state_names[] = {
    [GROUP_EMPTY] = "Empty",
    [GROUP_PREPARING] = "PreparingRebalance",
    [GROUP_COMPLETING] = "CompletingRebalance",
    [GROUP_STABLE] = "Stable",
    [GROUP_DEAD] = "Dead",
};

const char *group_state_name(enum group_state state)
{
    return state_names[state];
}

void group_move(struct group *g, int64_t now_ms, enum group_state to)
{
    g->previous = g->state;
    MOVE(state_moves, g->state, to);
    g->state_since_ms = now_ms;
}

/* ---- Members */

struct member *group_member(const struct group *g, struct bytes id)
{
    for (struct map_node *n = map_first(&g->members, bytes_hash(id)); n; n = map_next(n)) {
        struct member *m = CONTAINER_OF(n, struct member, by_id);
        if (bytes_equal(m->id, id)) return m;
    }
    return NULL;
}

struct member *group_static_member(const struct group *g, struct bytes instance_id)
{
    for (struct map_node *n = map_first(&g->instances, bytes_hash(instance_id)); n;
         n = map_next(n)) {
        struct member *m = CONTAINER_OF(n, struct member, by_instance);
        if (bytes_equal(m->instance_id, instance_id)) return m;
    }
    return NULL;
}

enum err group_check_member(const struct group *g, struct bytes id, struct bytes instance_id,
                            struct member **ret)
{
    if (!bytes_is_null(instance_id)) {
        struct member *holder = group_static_member(g, instance_id);
        if (holder == NULL) return ERR_UNKNOWN_MEMBER_ID;
        if (!bytes_equal(holder->id, id)) return ERR_FENCED_INSTANCE_ID;
    }
    struct member *m = group_member(g, id);
    if (m == NULL) return ERR_UNKNOWN_MEMBER_ID;
    *ret = m;
    return ERR_OK;
}

static void tell_members(const struct group *g)
{
    if (g->table->config.on_members) g->table->config.on_members(g->id, g->members.count);
}

struct member *group_add_member(struct group *g, struct bytes id, const struct join_in *in)
{
    assert(group_member(g, id) == NULL);
    if (g->members.count == 0) group_replace(g, &g->protocol_type, in->protocol_type);
    struct member *m = NEW(struct member);
    member_init(m, g, id, in);
    m->prev = g->last;
    *(g->last ? &g->last->next : &g->first) = m;
    g->last = m;
    group_index(g, &g->members, &m->by_id, bytes_hash(m->id));
    if (!bytes_is_null(m->instance_id)) {
        assert(group_static_member(g, m->instance_id) == NULL);
        group_index(g, &g->instances, &m->by_instance, bytes_hash(m->instance_id));
    }
    if (g->leader == NULL) g->leader = m;
    g->restored = false;
    tell_members(g);
    return m;
}

void group_remove_member(struct group *g, struct member *m, struct group_effects *out)
{
    member_fail_join(m, ERR_UNKNOWN_MEMBER_ID, BYTES_LIT(""), out);
    member_fail_sync(m, ERR_UNKNOWN_MEMBER_ID, out);
    member_set_sync_due(m, false);
    *(m->prev ? &m->prev->next : &g->first) = m->next;
    *(m->next ? &m->next->prev : &g->last) = m->prev;
    map_remove(&g->members, &m->by_id);
    if (!bytes_is_null(m->instance_id)) map_remove(&g->instances, &m->by_instance);
    if (g->leader == m) g->leader = g->first;
    member_done(m);
    mem_free(m);
    tell_members(g);
}

void group_rename_member(struct member *m, struct bytes id)
{
    map_remove(&m->group->members, &m->by_id);
    group_replace(m->group, &m->id, id);
    group_index(m->group, &m->group->members, &m->by_id, bytes_hash(m->id));
}

/* ---- Pending members */

struct pending *group_pending(const struct group *g, struct bytes id)
{
    for (struct map_node *n = map_first(&g->pendings, bytes_hash(id)); n; n = map_next(n)) {
        struct pending *p = CONTAINER_OF(n, struct pending, by_id);
        if (bytes_equal(p->id, id)) return p;
    }
    return NULL;
}

struct pending *group_add_pending(struct group *g, struct bytes id, int64_t expiry_ms)
{
    struct pending *p = NEW(struct pending);
    *p = (struct pending){
        .group = g,
        .next = g->first_pending,
        .expiry = {.kind = TIMER_PENDING},
        .id = group_keep(g, id),
    };
    group_hold(g, sizeof *p);
    if (p->next != NULL) p->next->prev = p;
    g->first_pending = p;
    group_index(g, &g->pendings, &p->by_id, bytes_hash(p->id));
    timer_set(&g->table->timers, &p->expiry, expiry_ms);
    return p;
}

void group_remove_pending(struct group *g, struct pending *p)
{
    *(p->prev ? &p->prev->next : &g->first_pending) = p->next;
    if (p->next != NULL) p->next->prev = p->prev;
    map_remove(&g->pendings, &p->by_id);
    timer_cancel(&g->table->timers, &p->expiry);
    group_drop(g, &p->id);
    group_release(g, sizeof *p);
    mem_free(p);
}

int32_t group_rebalance_ms(const struct group *g)
{
    int32_t longest = 0;
    for (struct member *m = g->first; m != NULL; m = m->next)
        if (m->rebalance_ms > longest) longest = m->rebalance_ms;
    return longest;
}

bool group_all_joined(const struct group *g)
{
    return g->joining_count == g->members.count && g->pendings.count == 0;
}

bool group_is_consumer(const struct group *g)
{
    return bytes_equal_str(g->protocol_type, "consumer");
}
