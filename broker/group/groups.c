/* The table of groups, its clock and its limits. */
#include "broker/group/groups.h"

#include <assert.h>
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/spare.h"
#include "broker/group/group.h"
#include "base/check.h"

void groups_config_default(struct groups_config *ret)
{
    *ret = (struct groups_config){
        .session_ms_min = 6000,
        .session_ms_max = 1800000,
        .initial_delay_ms = 0,
        .offset_retention_ms = (int64_t)7 * 24 * 60 * 60 * 1000,
        .offset_metadata_chars_max = 4096,
        .commit_bytes_max = SIZE_MAX,
        .members_max = INT32_MAX,
        .protocols_max = 64,
        .groups_max = 100000,
        .bytes_max = (size_t)64 << 20,
        .group_bytes_max = (size_t)16 << 20,
    };
}

struct groups *groups_new(const struct groups_config *config)
{
    struct groups *gs = NEW(struct groups);
    gs->config = *config;
    timers_init(&gs->timers);
    return gs;
}

struct groups *groups_free(struct groups *gs)
{
    if (gs == NULL) return NULL;
    for (uint32_t i = 0; i < gs->by_id.bucket_count; i++) {
        while (gs->by_id.buckets[i] != NULL)
            groups_remove(gs, CONTAINER_OF(gs->by_id.buckets[i], struct group, by_id));
    }
    groups_index_done(gs, &gs->by_id);
    groups_index_done(gs, &gs->waits);
    assert(gs->bytes_used == 0 && timers_first(&gs->timers) == NULL);
    return mem_free(gs);
}

uint32_t groups_count(const struct groups *gs)
{
    return gs->by_id.count;
}

bool groups_page(const struct groups *gs, uint32_t *cursor, struct arena *arena,
                 struct bytes **ret_ids, uint32_t *ret_count)
{
    /* A page is a bucket: when the table grows, a bucket's groups go to itself and to one
     * behind. */
    if (*cursor >= gs->by_id.bucket_count) return false;
    const struct map_node *first = gs->by_id.buckets[(*cursor)++];
    uint32_t count = 0;
    for (const struct map_node *n = first; n != NULL; n = n->next) count++;
    *ret_ids = ARENA_ARRAY(arena, struct bytes, count);
    *ret_count = 0;
    for (const struct map_node *n = first; n != NULL && *ret_ids != NULL; n = n->next) {
        struct bytes id = arena_copy(arena, CONTAINER_OF(n, struct group, by_id)->id);
        if (!bytes_is_null(id)) (*ret_ids)[(*ret_count)++] = id;
    }
    return true;
}

static bool fits(size_t used, size_t max, size_t bytes)
{
    return used <= max && bytes <= max - used;
}

bool groups_have_room(const struct groups *gs, const struct group *g, size_t bytes)
{
    size_t all = gs->config.bytes_all ? atomic_load(gs->config.bytes_all) : gs->bytes_used;
    return fits(all, gs->config.bytes_max, bytes) &&
           fits(g ? g->bytes : 0, gs->config.group_bytes_max, bytes) && spare_has(bytes);
}

struct group *groups_find(const struct groups *gs, struct bytes id)
{
    for (struct map_node *n = map_first(&gs->by_id, bytes_hash(id)); n; n = map_next(n)) {
        struct group *g = CONTAINER_OF(n, struct group, by_id);
        if (bytes_equal(g->id, id)) return g;
    }
    return NULL;
}

static struct group *insert(struct groups *gs, int64_t now_ms, struct bytes id)
{
    struct group *g = NEW(struct group);
    *g = (struct group){
        .table = gs,
        .state = GROUP_EMPTY,
        .previous = GROUP_DEAD,
        .state_since_ms = now_ms,
        .join = {.kind = TIMER_JOIN},
        .sync = {.kind = TIMER_SYNC},
    };
    group_hold(g, sizeof *g);
    g->id = group_keep(g, id);
    groups_index(gs, &gs->by_id, &g->by_id, bytes_hash(g->id));
    return g;
}

struct group *groups_add(struct groups *gs, int64_t now_ms, struct bytes id)
{
    if (gs->by_id.count >= gs->config.groups_max) return NULL;
    size_t bytes = group_block(sizeof(struct group)) + group_block(id.len + 1);
    if (!groups_have_room(gs, NULL, bytes + group_map_growth(&gs->by_id))) return NULL;
    return insert(gs, now_ms, id);
}

void groups_remove(struct groups *gs, struct group *g)
{
    struct group_effects unheard = {0};
    for (struct member *m = g->first; m != NULL; m = m->next) {
        (void)wait_forget(gs, &m->join);
        (void)wait_forget(gs, &m->sync);
    }
    while (g->first != NULL) group_remove_member(g, g->first, &unheard);
    while (g->first_pending != NULL) group_remove_pending(g, g->first_pending);
    assert(unheard.count == 0);
    if (gs->config.on_members) gs->config.on_members(g->id, GROUP_GONE);
    timer_cancel(&gs->timers, &g->join);
    timer_cancel(&gs->timers, &g->sync);
    map_remove(&gs->by_id, &g->by_id);
    group_index_done(g, &g->members);
    group_index_done(g, &g->instances);
    group_index_done(g, &g->pendings);
    group_index_done(g, &g->protocols);
    group_drop(g, &g->id);
    group_drop(g, &g->protocol_type);
    group_drop(g, &g->protocol_name);
    group_release(g, sizeof *g);
    assert(g->bytes == 0);
    mem_free(g);
}

void groups_restore(struct groups *gs, int64_t now_ms, struct bytes group_id)
{
    /* Past groups_max as well: what is stored has to be found. */
    if (groups_find(gs, group_id) == NULL) insert(gs, now_ms, group_id)->restored = true;
}

enum err groups_delete(struct groups *gs, int64_t now_ms, struct bytes group_id)
{
    struct group *g = groups_find(gs, group_id);
    if (g == NULL) return ERR_GROUP_ID_NOT_FOUND;
    if (g->state != GROUP_EMPTY) return ERR_NON_EMPTY_GROUP;
    group_move(g, now_ms, GROUP_DEAD);
    groups_remove(gs, g);
    return ERR_OK;
}

bool groups_abandon(struct groups *gs, const void *token)
{
    struct wait *w = groups_wait(gs, token);
    return w != NULL && wait_forget(gs, w) != NULL;
}

int64_t groups_next_deadline_ms(const struct groups *gs)
{
    const struct timer *t = timers_first(&gs->timers);
    return t == NULL ? INT64_MAX : t->at_ms;
}

bool groups_tick(struct groups *gs, int64_t now_ms, struct group_effects *out)
{
    effects_reset(out);
    struct timer *t = timers_first(&gs->timers);
    if (t == NULL || t->at_ms > now_ms) return false;
    timer_cancel(&gs->timers, t);
    rebalance_on_timer(t, now_ms, out);
    return true;
}
