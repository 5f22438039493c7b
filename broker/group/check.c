/* What must hold of every group between two calls, as code. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mailbox.h"
#include "base/check.h"

static size_t kept(struct bytes b)
{
    return b.data != NULL ? group_block(b.len + 1) : 0;
}

static size_t member_check(const struct group *g, const struct member *m)
{
    assert(m->group == g && group_member(g, m->id) == m);
    assert(bytes_is_null(m->instance_id) || group_static_member(g, m->instance_id) == m);
    assert(group_pending(g, m->id) == NULL);
    assert(m->protocol_count > 0 && m->id.len > 0);
    /* A wait is legal in its own phase only; a token stands for a wait. */
    assert(!m->joining || g->state == GROUP_PREPARING);
    assert(!m->syncing || g->state == GROUP_COMPLETING);
    assert(m->joining || m->join.token == NULL);
    assert(m->syncing || m->sync.token == NULL);
    assert(m->join.token == NULL || groups_wait(g->table, m->join.token) == &m->join);
    assert(m->sync.token == NULL || groups_wait(g->table, m->sync.token) == &m->sync);
    assert(!m->is_new || g->state == GROUP_PREPARING);
    assert(!m->sync_due || g->state == GROUP_COMPLETING || g->state == GROUP_STABLE);
    /* The leader's sync ends the phase, so it never waits. */
    assert(!(m->syncing && g->leader == m));
    if (g->state == GROUP_COMPLETING || g->state == GROUP_STABLE)
        assert(member_protocol(m, g->protocol_name) != NULL);
    /* Nobody is forgotten: a session runs unless the member waits. */
    assert(timer_is_set(&m->session) || (!m->is_new && (m->joining || m->syncing)));
    return group_block(sizeof *m) + kept(m->id) + kept(m->instance_id) + kept(m->client_id) +
           kept(m->client_host) + kept(m->assignment) + group_block(m->protocol_bytes);
}

static size_t members_check(const struct group *g)
{
    size_t bytes = 0;
    uint32_t members = 0, statics = 0, joining = 0, sync_due = 0, leaders = 0, pendings = 0;
    for (const struct member *m = g->first; m != NULL; m = m->next) {
        bytes += member_check(g, m);
        members++;
        statics += !bytes_is_null(m->instance_id);
        joining += m->joining;
        sync_due += m->sync_due;
        leaders += m == g->leader;
    }
    for (const struct pending *p = g->first_pending; p != NULL; p = p->next) {
        assert(p->group == g && timer_is_set(&p->expiry) && group_pending(g, p->id) == p);
        bytes += group_block(sizeof *p) + kept(p->id);
        pendings++;
    }
    assert(members == g->members.count && statics == g->instances.count);
    assert(joining == g->joining_count && sync_due == g->sync_due_count);
    assert(pendings == g->pendings.count && pendings <= g->table->config.members_max);
    assert(leaders == (members > 0) && (g->leader == NULL) == (members == 0));
    return bytes;
}

static size_t protocols_check(const struct group *g)
{
    size_t bytes = 0;
    uint64_t known = 0, counted = 0;
    for (const struct member *m = g->first; m != NULL; m = m->next) known += m->protocol_count;
    for (uint32_t i = 0; i < g->protocols.bucket_count; i++) {
        for (struct map_node *n = g->protocols.buckets[i]; n != NULL; n = n->next) {
            const struct supported *s = CONTAINER_OF(n, struct supported, by_name);
            assert(s->members > 0 && s->members <= g->members.count);
            assert(group_supported(g, s->name) == s);
            counted += s->members;
            bytes += group_block(sizeof *s) + kept(s->name);
        }
    }
    assert(known == counted);
    return bytes;
}

static size_t group_check(const struct group *g)
{
    size_t bytes = members_check(g) + protocols_check(g);
    switch (g->state) {
    case GROUP_EMPTY:
        assert(g->members.count == 0 && !timer_is_set(&g->join) && !timer_is_set(&g->sync));
        assert(bytes_is_null(g->protocol_name));
        break;
    case GROUP_PREPARING:
        assert(timer_is_set(&g->join) && !timer_is_set(&g->sync));
        break;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        assert(g->members.count > 0 && g->generation > 0);
        assert(!bytes_is_null(g->protocol_name));
        assert(!timer_is_set(&g->join) &&
               timer_is_set(&g->sync) == (g->sync_due_count > 0 || g->sync_failed));
        break;
    case GROUP_DEAD: assert(false); break;
    }
    assert(g->members.count == 0 || g->protocol_type.len > 0);
    bytes += group_block(sizeof *g) + kept(g->id) + kept(g->protocol_type);
    bytes += kept(g->protocol_name) + group_map_bytes(&g->members) + group_map_bytes(&g->instances);
    bytes += group_map_bytes(&g->pendings) + group_map_bytes(&g->protocols);
    assert(bytes == g->bytes);
    return bytes;
}

void groups_check(const struct groups *gs)
{
    size_t bytes = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < gs->by_id.bucket_count; i++) {
        for (struct map_node *n = gs->by_id.buckets[i]; n != NULL; n = n->next, count++) {
            const struct group *g = CONTAINER_OF(n, struct group, by_id);
            assert(g->table == gs && groups_find(gs, g->id) == g);
            bytes += group_check(g);
        }
    }
    bytes += group_map_bytes(&gs->by_id) + group_map_bytes(&gs->waits);
    assert(count == gs->by_id.count && bytes == gs->bytes_used);
}
