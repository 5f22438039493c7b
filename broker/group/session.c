/* Heartbeat and LeaveGroup: staying and going. */
#include "broker/group/group.h"

#include "base/check.h"

enum err groups_heartbeat(struct groups *gs, int64_t now_ms, const struct heartbeat_in *in)
{
    struct group *g = groups_find(gs, in->group_id);
    if (g == NULL) return ERR_UNKNOWN_MEMBER_ID;
    struct member *m;
    TRY(group_check_member(g, in->member_id, in->instance_id, &m));
    if (in->generation != g->generation) return ERR_ILLEGAL_GENERATION;
    member_keep_alive(m, now_ms, m->session_ms);
    return g->state == GROUP_PREPARING ? ERR_REBALANCE_IN_PROGRESS : ERR_OK;
}

static enum err leave_one(struct group *g, const struct leave_member *in,
                          struct group_effects *out)
{
    struct member *m = NULL;
    if (in->member_id.len == 0) {
        /* An administrator removes a static member by its instance id alone. */
        if (!bytes_is_null(in->instance_id)) m = group_static_member(g, in->instance_id);
        if (m == NULL) return ERR_UNKNOWN_MEMBER_ID;
    } else {
        struct pending *p = group_pending(g, in->member_id);
        if (p != NULL) {
            group_remove_pending(g, p);
            return ERR_OK;
        }
        TRY(group_check_member(g, in->member_id, in->instance_id, &m));
    }
    group_remove_member(g, m, out);
    return ERR_OK;
}

void groups_leave(struct groups *gs, int64_t now_ms, struct bytes group_id,
                  struct leave_member *members, uint32_t member_count, struct group_effects *out)
{
    effects_reset(out);
    struct group *g = groups_find(gs, group_id);
    bool any = false;
    for (uint32_t i = 0; i < member_count; i++) {
        members[i].err = g == NULL ? ERR_UNKNOWN_MEMBER_ID : leave_one(g, &members[i], out);
        any = any || members[i].err == ERR_OK;
    }
    /* Only pending members can leave an Empty group. */
    if (any && g->state != GROUP_EMPTY) rebalance_advance(g, now_ms, out);
}
