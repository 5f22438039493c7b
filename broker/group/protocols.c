/* Which protocols the members of a group know, and the one that they agree on. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/check.h"

struct supported *group_supported(const struct group *g, struct bytes name)
{
    for (struct map_node *n = map_first(&g->protocols, bytes_hash(name)); n; n = map_next(n)) {
        struct supported *s = CONTAINER_OF(n, struct supported, by_name);
        if (bytes_equal(s->name, name)) return s;
    }
    return NULL;
}

struct supported *group_learn(struct group *g, struct bytes name)
{
    struct supported *s = group_supported(g, name);
    if (s == NULL) {
        s = NEW(struct supported);
        s->name = group_keep(g, name);
        group_hold(g, sizeof *s);
        group_index(g, &g->protocols, &s->by_name, bytes_hash(s->name));
    }
    s->members++;
    return s;
}

void group_unlearn(struct group *g, struct supported *s)
{
    if (--s->members > 0) return;
    map_remove(&g->protocols, &s->by_name);
    group_drop(g, &s->name);
    group_release(g, sizeof *s);
    mem_free(s);
}

bool group_supports(const struct group *g, const struct join_in *in)
{
    if (g->state == GROUP_EMPTY) return in->protocol_type.len > 0 && in->protocol_count > 0;
    if (!bytes_equal(g->protocol_type, in->protocol_type)) return false;
    for (uint32_t i = 0; i < in->protocol_count; i++) {
        const struct supported *s = group_supported(g, in->protocols[i].name);
        if ((s != NULL ? s->members : 0) == g->members.count) return true;
    }
    return false;
}

/* Every member votes for the first of its protocols that all know. */
static struct supported *vote(const struct group *g, const struct member *m)
{
    for (uint32_t i = 0; i < m->protocol_count; i++)
        if (m->protocols[i].supported->members == g->members.count)
            return m->protocols[i].supported;
    return NULL;
}

struct bytes group_select_protocol(const struct group *g)
{
    /* Every candidate is in the oldest member's list, so the count of votes runs along it. */
    const struct member *oldest = g->first;
    assert(oldest != NULL);
    for (uint32_t i = 0; i < oldest->protocol_count; i++) oldest->protocols[i].supported->votes = 0;
    for (struct member *m = g->first; m != NULL; m = m->next) {
        struct supported *choice = vote(g, m);
        assert(choice != NULL);     /* whoever joins shares a protocol with all others */
        choice->votes++;
    }
    const struct supported *best = oldest->protocols[0].supported;
    for (uint32_t i = 1; i < oldest->protocol_count; i++)
        if (oldest->protocols[i].supported->votes > best->votes)
            best = oldest->protocols[i].supported;
    return best->name;
}
