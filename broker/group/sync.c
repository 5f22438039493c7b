/* SyncGroup: members wait for the leader's assignment; it makes the group Stable. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/check.h"

static bool differ(struct bytes asked, struct bytes actual)
{
    return !bytes_is_null(asked) && !bytes_is_null(actual) && !bytes_equal(asked, actual);
}

static enum err check(const struct group *g, const struct sync_in *in, struct member **ret)
{
    if (g == NULL || g->state == GROUP_EMPTY) return ERR_UNKNOWN_MEMBER_ID;
    struct member *m;
    TRY(group_check_member(g, in->member_id, in->instance_id, &m));
    if (in->generation != g->generation) return ERR_ILLEGAL_GENERATION;
    if (differ(in->protocol_type, g->protocol_type) || differ(in->protocol_name, g->protocol_name))
        return ERR_INCONSISTENT_GROUP_PROTOCOL;
    if (g->state == GROUP_PREPARING) return ERR_REBALANCE_IN_PROGRESS;
    *ret = m;
    return ERR_OK;
}

/* Members that the leader did not name get an empty assignment; names of others are ignored.
 * Errors: ERR_UNKNOWN_SERVER_ERROR - no room, as Kafka answers when its log refuses the record.
 * Thread: the table's loop. */
static enum err assign(struct group *g, const struct sync_in *in)
{
    size_t total = 0;
    for (uint32_t i = 0; i < in->assignment_count; i++)
        total += group_block(in->assignments[i].assignment.len + 1);
    for (struct member *m = g->first; m != NULL; m = m->next)
        member_set_assignment(m, BYTES_LIT(""));
    if (!groups_have_room(g->table, g, total)) return ERR_UNKNOWN_SERVER_ERROR;
    for (uint32_t i = 0; i < in->assignment_count; i++) {
        struct member *m = group_member(g, in->assignments[i].member_id);
        if (m != NULL) member_set_assignment(m, in->assignments[i].assignment);
    }
    return ERR_OK;
}

static void leader_synced(struct group *g, int64_t now_ms, const struct sync_in *in,
                          struct group_effects *out)
{
    enum err err = assign(g, in);
    if (err != ERR_OK) {
        rebalance_reject_syncs(g, now_ms, err, out);
        rebalance_prepare(g, now_ms, out);
        return;
    }
    group_move(g, now_ms, GROUP_STABLE);
    for (struct member *m = g->first; m != NULL; m = m->next) {
        if (!m->syncing) continue;
        member_end_sync(m, out);
        member_keep_alive(m, now_ms, m->session_ms);    /* it may have run out while waiting */
    }
}

void groups_sync(struct groups *gs, int64_t now_ms, const struct sync_in *in, void *token,
                 struct group_effects *out)
{
    assert(token != NULL && in->group_id.len > 0);
    effects_reset(out);
    struct group *g = groups_find(gs, in->group_id);
    struct member *m;
    enum err err = check(g, in, &m);
    if (err != ERR_OK) {
        effects_sync_error(out, token, err);
        return;
    }
    rebalance_member_synced(m);
    if (g->state == GROUP_STABLE) {
        effects_sync_ok(out, token, m);
        return;
    }
    /* The client gave up an earlier request; only the last one is awaited. */
    member_fail_sync(m, ERR_REBALANCE_IN_PROGRESS, out);
    member_wait_sync(m, token);
    if (g->leader == m) leader_synced(g, now_ms, in, out);
}
