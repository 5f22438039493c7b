/* DescribeGroups and ListGroups: copies into the asker's arena, since the answers of several loops
 * are put together on another one. */
#include "broker/group/group.h"

#include "base/mailbox.h"
#include "base/check.h"

static const char type_name[] = "classic";

/* Null becomes empty.
 * Errors: ERR_TOO_LARGE - the arena is full.  Thread: any. */
static enum err copy(struct arena *arena, struct bytes b, struct bytes *ret)
{
    *ret = bytes_is_null(b) ? BYTES_LIT("") : arena_copy(arena, b);
    return bytes_is_null(*ret) ? ERR_TOO_LARGE : ERR_OK;
}

static enum err describe_member(const struct member *m, struct arena *arena,
                                struct member_description *ret)
{
    struct bytes metadata = BYTES_NULL;
    if (m->group->state == GROUP_STABLE) metadata = member_metadata(m, m->group->protocol_name);
    TRY(copy(arena, m->id, &ret->member_id));
    if (!bytes_is_null(m->instance_id)) TRY(copy(arena, m->instance_id, &ret->instance_id));
    TRY(copy(arena, m->client_id, &ret->client_id));
    TRY(copy(arena, m->client_host, &ret->client_host));
    TRY(copy(arena, metadata, &ret->metadata));
    return copy(arena, m->assignment, &ret->assignment);
}

enum err groups_describe(const struct groups *gs, struct bytes group_id, struct arena *arena,
                         struct group_description *ret)
{
    const struct group *g = groups_find(gs, group_id);
    if (g == NULL) {
        *ret = (struct group_description){
            .state = group_state_name(GROUP_DEAD),
            .protocol_type = BYTES_LIT(""),
            .protocol_name = BYTES_LIT(""),
        };
        return ERR_GROUP_ID_NOT_FOUND;
    }
    struct group_description d = {
        .state = group_state_name(g->state),
        .members = ARENA_ARRAY(arena, struct member_description, g->members.count),
    };
    if (d.members == NULL) return ERR_TOO_LARGE;
    bool stable = g->state == GROUP_STABLE;
    TRY(copy(arena, g->protocol_type, &d.protocol_type));
    TRY(copy(arena, stable ? g->protocol_name : BYTES_NULL, &d.protocol_name));
    for (struct member *m = g->first; m != NULL; m = m->next)
        TRY(describe_member(m, arena, &d.members[d.member_count++]));
    *ret = d;
    return ERR_OK;
}

/* What passes, found once: the filter is as long as its sender likes. */
struct passing {
    bool state[GROUP_DEAD + 1];
    bool type;
};

static struct passing passing_of(const struct group_list_filter *filter)
{
    struct passing p = {.type = filter->type_count == 0};
    for (int s = 0; s <= GROUP_DEAD; s++) p.state[s] = filter->state_count == 0;
    for (uint32_t i = 0; i < filter->state_count; i++)
        for (int s = 0; s <= GROUP_DEAD; s++)
            p.state[s] |= bytes_equal_nocase(bytes_trim(filter->states[i]),
                                             group_state_name((enum group_state)s));
    for (uint32_t i = 0; i < filter->type_count; i++)
        p.type |= bytes_equal_nocase(filter->types[i], type_name);
    return p;
}

static enum err list_one(const struct group *g, struct arena *arena, struct group_listing *ret)
{
    ret->state = group_state_name(g->state);
    ret->type = type_name;
    TRY(copy(arena, g->id, &ret->group_id));
    return copy(arena, g->protocol_type, &ret->protocol_type);
}

enum err groups_list(const struct groups *gs, const struct group_list_filter *filter,
                     struct arena *arena, struct group_listing **ret, uint32_t *ret_count)
{
    struct group_listing *list = ARENA_ARRAY(arena, struct group_listing, gs->by_id.count);
    if (list == NULL) return ERR_TOO_LARGE;
    struct passing p = passing_of(filter);
    uint32_t count = 0;
    for (uint32_t i = 0; i < gs->by_id.bucket_count; i++) {
        for (struct map_node *n = gs->by_id.buckets[i]; n != NULL; n = n->next) {
            const struct group *g = CONTAINER_OF(n, struct group, by_id);
            if (p.type && p.state[g->state]) TRY(list_one(g, arena, &list[count++]));
        }
    }
    *ret = list;
    *ret_count = count;
    return ERR_OK;
}
