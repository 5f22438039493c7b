/* JoinGroup: a new member, a known one, and a static one that comes back under a new id.
 *
 * A join that does not fail waits until the join phase ends. Three exceptions are answered with the
 * current generation at once: a repeat in CompletingRebalance, a follower's repeat in Stable, and a
 * static member's return in Stable that leaves the protocol as it is. */
#include "broker/group/group.h"

#include <assert.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/check.h"

/* One JoinGroup on its way through this file. */
struct join {
    const struct join_in *in;
    void *token;
    int64_t now_ms;
    struct group_effects *out;
};

static void refuse(const struct join *j, enum err err, struct bytes member_id)
{
    effects_join_error(j->out, j->token, err, member_id);
}

static bool has_room(const struct group *g, const struct member *m, const struct join_in *in)
{
    return groups_have_room(g->table, g, member_bytes(g, m, in));
}

/* While members join, those who wait are counted: whoever comes after the last free place is turned
 * away, an old member too. */
static bool accepts(const struct group *g, struct bytes member_id)
{
    const struct member *m = group_member(g, member_id);
    uint32_t members_max = g->table->config.members_max;
    switch (g->state) {
    case GROUP_PREPARING: return (m != NULL && m->joining) || g->joining_count < members_max;
    case GROUP_COMPLETING:
    case GROUP_STABLE: return m != NULL || g->members.count < members_max;
    default: return true;
    }
}

static void turn_away(struct group *g, const struct join *j)
{
    struct member *m = group_member(g, j->in->member_id);
    struct pending *p = group_pending(g, j->in->member_id);
    if (m != NULL) group_remove_member(g, m, j->out);
    if (p != NULL) group_remove_pending(g, p);
    refuse(j, ERR_GROUP_MAX_SIZE_REACHED, BYTES_LIT(""));
}

/* "<instance id or client id>-<UUID>", to be freed with mem_free(). */
static char *member_id_new(const struct join_in *in, size_t *ret_len)
{
    struct bytes prefix = bytes_is_null(in->instance_id) ? in->client_id : in->instance_id;
    uint64_t high = in->random[0], low = in->random[1];
    char *id = mem_new(prefix.len + 1 + MEMBER_ID_RANDOM_CHARS + 1);
    mem_copy(id, prefix.data, prefix.len);
    snprintf(id + prefix.len, 1 + MEMBER_ID_RANDOM_CHARS + 1, "-%08x-%04x-4%03x-%04x-%012llx",
             (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
             (unsigned)(low >> 48 & 0x3fff) | 0x8000u,
             (unsigned long long)(low & 0xffffffffffff));
    *ret_len = prefix.len + 1 + MEMBER_ID_RANDOM_CHARS;
    return id;
}

static void add_member(struct group *g, const struct join *j, struct bytes id)
{
    struct pending *p = group_pending(g, id);
    if (g->state == GROUP_PREPARING && g->previous == GROUP_EMPTY) g->member_added = true;
    struct member *m = group_add_member(g, id, j->in);
    if (p != NULL) group_remove_pending(g, p);
    m->is_new = true;
    member_wait_join(m, j->token);
    member_keep_alive(m, j->now_ms, NEW_MEMBER_WAIT_MS);
    rebalance_advance(g, j->now_ms, j->out);
}

/* Takes over what the rejoin says and lets it wait. */
static void rejoin(struct group *g, const struct join *j, struct member *m)
{
    if (!has_room(g, m, j->in)) {
        refuse(j, ERR_GROUP_MAX_SIZE_REACHED, j->in->member_id);
        return;
    }
    /* The client gave up an earlier request; only the last one is awaited. */
    member_fail_join(m, ERR_REBALANCE_IN_PROGRESS, m->id, j->out);
    member_update(m, j->in);
    member_wait_join(m, j->token);
    rebalance_advance(g, j->now_ms, j->out);
}

/* The instance came back in the middle of a Stable generation. Nothing moves: it takes over the
 * assignment of its former self. A leader that cannot be told to skip the assignment must not find
 * itself named as leader, since its new assignment would be thrown away. */
static void answer_returned(const struct join *j, struct member *m, struct bytes leader_before)
{
    struct group *g = m->group;
    bool leads = g->leader == m;
    void *token = member_take_join(m);
    if (j->in->can_skip_assignment)
        effects_join_ok(j->out, token, m, g->leader->id, leads, leads);
    else
        effects_join_ok(j->out, token, m, leader_before, false, false);
}

static void replace_static(struct group *g, const struct join *j, struct member *m,
                           struct bytes id)
{
    assert(g->state != GROUP_EMPTY);
    struct bytes id_before = effects_keep(j->out, m->id);
    struct bytes leader_before = g->leader == m ? id_before : g->leader->id;
    member_fail_join(m, ERR_FENCED_INSTANCE_ID, id_before, j->out);
    member_fail_sync(m, ERR_FENCED_INSTANCE_ID, j->out);
    group_rename_member(m, id);
    m->is_new = false;
    member_keep_alive(m, j->now_ms, m->session_ms);
    member_update(m, j->in);
    member_wait_join(m, j->token);
    /* In CompletingRebalance the leader may be assigning to the former id already. */
    if (g->state == GROUP_STABLE && bytes_equal(group_select_protocol(g), g->protocol_name))
        answer_returned(j, m, leader_before);
    else
        rebalance_advance(g, j->now_ms, j->out);
}

static void join_new(struct group *g, const struct join *j)
{
    const struct join_in *in = j->in;
    struct member *former =
        bytes_is_null(in->instance_id) ? NULL : group_static_member(g, in->instance_id);
    bool two_steps = in->member_id_required && bytes_is_null(in->instance_id);
    if (!group_supports(g, in)) {
        refuse(j, ERR_INCONSISTENT_GROUP_PROTOCOL, BYTES_LIT(""));
        return;
    }
    if (!has_room(g, former, in) ||
        (two_steps && g->pendings.count >= g->table->config.members_max)) {
        refuse(j, ERR_GROUP_MAX_SIZE_REACHED, BYTES_LIT(""));
        return;
    }
    size_t len;
    CLEANUP(mem_freep) char *text = member_id_new(in, &len);
    struct bytes id = bytes_of(text, len);
    if (former != NULL) {
        replace_static(g, j, former, id);
    } else if (two_steps) {
        struct pending *p = group_add_pending(g, id, j->now_ms + in->session_ms);
        refuse(j, ERR_MEMBER_ID_REQUIRED, p->id);
    } else {
        add_member(g, j, id);
    }
}

/* A pending member was made for a dynamic join. An instance id in the second step is a bug of the
 * client, which Kafka answers like this. */
static void join_pending(struct group *g, const struct join *j)
{
    if (!bytes_is_null(j->in->instance_id))
        refuse(j, ERR_UNKNOWN_SERVER_ERROR, BYTES_LIT(""));
    else if (!has_room(g, NULL, j->in))
        refuse(j, ERR_GROUP_MAX_SIZE_REACHED, BYTES_LIT(""));
    else
        add_member(g, j, j->in->member_id);
}

static void join_known(struct group *g, const struct join *j)
{
    const struct join_in *in = j->in;
    if (!group_supports(g, in)) {
        refuse(j, ERR_INCONSISTENT_GROUP_PROTOCOL, in->member_id);
        return;
    }
    if (group_pending(g, in->member_id) != NULL) {
        join_pending(g, j);
        return;
    }
    struct member *m;
    enum err err = group_check_member(g, in->member_id, in->instance_id, &m);
    if (err != ERR_OK) {
        refuse(j, err, in->member_id);
        return;
    }
    bool leads = g->leader == m;
    bool repeats = member_matches(m, in);
    /* A leader's rejoin in Stable is its way to ask for a new assignment (topics changed, say). */
    if (repeats && (g->state == GROUP_COMPLETING || (g->state == GROUP_STABLE && !leads)))
        effects_join_ok(j->out, j->token, m, g->leader->id, leads, false);
    else
        rejoin(g, j, m);
}

void groups_join(struct groups *gs, int64_t now_ms, const struct join_in *in, void *token,
                 struct group_effects *out)
{
    assert(token != NULL && in->group_id.len > 0);
    effects_reset(out);
    struct join j = {in, token, now_ms, out};
    if (in->session_ms < gs->config.session_ms_min || in->session_ms > gs->config.session_ms_max) {
        refuse(&j, ERR_INVALID_SESSION_TIMEOUT, in->member_id);
        return;
    }
    if (in->protocol_count > gs->config.protocols_max) {
        refuse(&j, ERR_INVALID_REQUEST, in->member_id);
        return;
    }
    bool new_member = in->member_id.len == 0;
    struct group *g = groups_find(gs, in->group_id);
    if (g == NULL && !new_member) {
        refuse(&j, ERR_UNKNOWN_MEMBER_ID, in->member_id);
        return;
    }
    if (g == NULL) g = groups_add(gs, now_ms, in->group_id);
    if (g == NULL)
        refuse(&j, ERR_COORDINATOR_NOT_AVAILABLE, BYTES_LIT(""));
    else if (!accepts(g, in->member_id))
        turn_away(g, &j);
    else if (new_member)
        join_new(g, &j);
    else
        join_known(g, &j);
}
