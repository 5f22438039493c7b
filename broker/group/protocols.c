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

struct supported *group_learn(struct member *m, struct bytes name)
{
    struct group *g = m->group;
    struct supported *s = group_supported(g, name);
    if (s != NULL && s->last == m) return NULL;
    if (s == NULL) {
        s = NEW(struct supported);
        s->name = group_keep(g, name);
        group_hold(g, sizeof *s);
        group_index(g, &g->protocols, &s->by_name, bytes_hash(s->name));
    }
    s->members++;
    s->last = m;
    return s;
}

void group_unlearn(struct member *m, struct supported *s)
{
    struct group *g = m->group;
    if (s->last == m) s->last = NULL;
    if (--s->members > 0) return;
    map_remove(&g->protocols, &s->by_name);
    group_drop(g, &s->name);
    group_release(g, sizeof *s);
    mem_free(s);
}

/* Most groups agree on one or two protocols, however many each member names. */
enum { CANDIDATES_MAX = 4 };

/* What all members know, as the oldest one lists it. Returns how many; more than CANDIDATES_MAX are
 * not told. */
static uint32_t candidates(const struct group *g, struct supported *ret[CANDIDATES_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; g->first != NULL && i < g->first->protocol_count; i++) {
        struct supported *s = g->first->protocols[i].supported;
        if (s->members != g->members.count) continue;
        if (count < CANDIDATES_MAX) ret[count] = s;
        count++;
    }
    return count;
}

static bool names(const struct join_in *in, const struct supported *s)
{
    for (uint32_t i = 0; i < in->protocol_count; i++)
        if (bytes_equal(in->protocols[i].name, s->name)) return true;
    return false;
}

bool group_supports(const struct group *g, const struct join_in *in)
{
    if (g->state == GROUP_EMPTY) return in->protocol_type.len > 0 && in->protocol_count > 0;
    if (!bytes_equal(g->protocol_type, in->protocol_type)) return false;
    if (g->members.count == 0) return in->protocol_count > 0;
    struct supported *all_know[CANDIDATES_MAX];
    uint32_t count = candidates(g, all_know);
    for (uint32_t i = 0; i < count && count <= CANDIDATES_MAX; i++)
        if (names(in, all_know[i])) return true;
    for (uint32_t i = 0; i < in->protocol_count && count > CANDIDATES_MAX; i++) {
        const struct supported *s = group_supported(g, in->protocols[i].name);
        if (s != NULL && s->members == g->members.count) return true;
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
    struct supported *all_know[CANDIDATES_MAX];
    if (candidates(g, all_know) == 1) return all_know[0]->name;
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
