/* The phases of a rebalance and the timers that push a group from one into the next.
 *
 * Happy path: prepare (all are called to join, a timer runs) - complete_join when all have come
 * (new generation, a leader, answers to the waiting joins, a timer for the syncs) - the leader's
 * sync (sync.c) makes the group Stable. Failure modes: whoever does not join or sync in time is
 * removed; complete_join spares static members, they may be restarting; the sync timer does not. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mailbox.h"
#include "base/check.h"

/* When nobody joined the group waits again. A rebalance time-out of 0 must not make that a busy
 * loop. */
enum { REWAIT_MS_MIN = 1000 };

/* So many members are removed each time that a timer fires: what one supports is forgotten name by
 * name, and others are served between. */
enum { REMOVALS_A_TICK = 8 };

static void arm_join(struct group *g, int64_t now_ms, int32_t wait_ms, bool initial)
{
    g->initial = initial;
    timer_set(&g->table->timers, &g->join, now_ms + wait_ms);
}

static void sync_phase_end(struct group *g)
{
    for (struct member *m = g->first; m != NULL && g->sync_due_count > 0; m = m->next)
        member_set_sync_due(m, false);
    timer_cancel(&g->table->timers, &g->sync);
    g->sync_failed = false;
}

void rebalance_reject_syncs(struct group *g, int64_t now_ms, enum err err,
                            struct group_effects *out)
{
    assert(g->state == GROUP_COMPLETING);
    for (struct member *m = g->first; m != NULL; m = m->next) {
        member_set_assignment(m, BYTES_LIT(""));
        if (!m->syncing) continue;
        member_fail_sync(m, err, out);
        member_keep_alive(m, now_ms, m->session_ms);    /* it may have run out while waiting */
    }
}

static void complete_join(struct group *g, int64_t now_ms, struct group_effects *out);

void rebalance_prepare(struct group *g, int64_t now_ms, struct group_effects *out)
{
    if (g->state == GROUP_COMPLETING)
        rebalance_reject_syncs(g, now_ms, ERR_REBALANCE_IN_PROGRESS, out);
    sync_phase_end(g);
    int32_t wait_ms = group_rebalance_ms(g);
    bool initial = g->state == GROUP_EMPTY;
    group_move(g, now_ms, GROUP_PREPARING);
    if (initial) {
        /* The first members of a group tend to start together: give the others time to come. */
        g->delay_ms = g->table->config.initial_delay_ms;
        g->delay_left_ms = wait_ms > g->delay_ms ? wait_ms - g->delay_ms : 0;
        g->member_added = false;
        arm_join(g, now_ms, g->delay_ms, true);
    } else if (group_all_joined(g)) {
        complete_join(g, now_ms, out);
    } else {
        arm_join(g, now_ms, wait_ms, false);
    }
}

static void try_complete(struct group *g, int64_t now_ms, struct group_effects *out)
{
    /* The initial delay runs its time even when all have joined: more may come. */
    if (g->state == GROUP_PREPARING && g->previous != GROUP_EMPTY && group_all_joined(g))
        complete_join(g, now_ms, out);
}

void rebalance_advance(struct group *g, int64_t now_ms, struct group_effects *out)
{
    if (g->state == GROUP_PREPARING)
        try_complete(g, now_ms, out);
    else
        rebalance_prepare(g, now_ms, out);
}

/* The leader has to be one that joined. False: nobody did. */
static bool elect_leader(struct group *g)
{
    if (g->leader == NULL || g->leader->joining) return g->leader != NULL;
    for (struct member *m = g->first; m != NULL; m = m->next) {
        if (!m->joining) continue;
        g->leader = m;
        return true;
    }
    return false;
}

static bool is_absent(const struct member *m)
{
    return !m->joining && bytes_is_null(m->instance_id);
}

static bool owes_sync(const struct member *m)
{
    return m->sync_due;
}

/* Some of those. False: none is left. */
static bool remove_some(struct group *g, bool (*goes)(const struct member *m),
                        struct group_effects *out)
{
    int removed = 0;
    for (struct member *m = g->first, *next; m != NULL; m = next) {
        next = m->next;
        if (!goes(m)) continue;
        if (removed++ == REMOVALS_A_TICK) return true;
        group_remove_member(g, m, out);
    }
    return false;
}

static void generation_next(struct group *g, int64_t now_ms)
{
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1;
    bool empty = g->members.count == 0;
    struct bytes name = empty ? BYTES_NULL : group_select_protocol(g);
    group_replace(g, &g->protocol_name, name);
    group_move(g, now_ms, empty ? GROUP_EMPTY : GROUP_COMPLETING);
}

static void complete_join(struct group *g, int64_t now_ms, struct group_effects *out)
{
    assert(g->state == GROUP_PREPARING);
    timer_cancel(&g->table->timers, &g->join);
    while (remove_some(g, is_absent, out)) {}       /* but those whom on_join() removed */
    int32_t wait_ms = group_rebalance_ms(g);
    if (!elect_leader(g) && g->members.count > 0) {
        arm_join(g, now_ms, wait_ms > REWAIT_MS_MIN ? wait_ms : REWAIT_MS_MIN, false);
        return;
    }
    generation_next(g, now_ms);
    if (g->state == GROUP_EMPTY) return;
    for (struct member *m = g->first; m != NULL; m = m->next) {
        member_end_join(m, out);
        member_keep_alive(m, now_ms, m->session_ms);
        m->is_new = false;
        member_set_sync_due(m, true);
    }
    timer_set(&g->table->timers, &g->sync, now_ms + wait_ms);
}

void rebalance_member_synced(struct member *m)
{
    struct group *g = m->group;
    member_set_sync_due(m, false);
    if (g->sync_due_count == 0 && !g->sync_failed) timer_cancel(&g->table->timers, &g->sync);
}

/* ---- Timers */

/* A member or pending member is gone without having said so. */
static void go_on_without(struct group *g, int64_t now_ms, struct group_effects *out)
{
    if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING)
        rebalance_prepare(g, now_ms, out);
    else if (g->state == GROUP_PREPARING && group_all_joined(g))
        complete_join(g, now_ms, out);
}

static void on_join(struct group *g, int64_t now_ms, struct group_effects *out)
{
    if (!g->initial || !g->member_added || g->delay_left_ms == 0) {
        if (remove_some(g, is_absent, out)) timer_set(&g->table->timers, &g->join, now_ms);
        else complete_join(g, now_ms, out);
        return;
    }
    int32_t wait_ms = g->table->config.initial_delay_ms;
    if (wait_ms > g->delay_left_ms) wait_ms = g->delay_left_ms;
    g->delay_left_ms = g->delay_left_ms > g->delay_ms ? g->delay_left_ms - g->delay_ms : 0;
    g->delay_ms = wait_ms;
    g->member_added = false;
    arm_join(g, now_ms, wait_ms, true);
}

static void on_sync(struct group *g, int64_t now_ms, struct group_effects *out)
{
    assert(g->sync_due_count > 0 || g->sync_failed);
    g->sync_failed = remove_some(g, owes_sync, out);
    if (g->sync_failed) timer_set(&g->table->timers, &g->sync, now_ms);
    else rebalance_prepare(g, now_ms, out);
}

static void on_session(struct member *m, int64_t now_ms, struct group_effects *out)
{
    /* Who waits for the group is alive, except for a new member: its client may be gone and cannot
     * heartbeat either. */
    if (!m->is_new && (m->joining || m->syncing)) return;
    struct group *g = m->group;
    group_remove_member(g, m, out);
    go_on_without(g, now_ms, out);
}

static void on_pending(struct pending *p, int64_t now_ms, struct group_effects *out)
{
    struct group *g = p->group;
    group_remove_pending(g, p);
    if (g->state == GROUP_PREPARING) go_on_without(g, now_ms, out);
}

void rebalance_on_timer(struct timer *t, int64_t now_ms, struct group_effects *out)
{
    switch ((enum timer_kind)t->kind) {
    case TIMER_JOIN: on_join(CONTAINER_OF(t, struct group, join), now_ms, out); break;
    case TIMER_SYNC: on_sync(CONTAINER_OF(t, struct group, sync), now_ms, out); break;
    case TIMER_SESSION: on_session(CONTAINER_OF(t, struct member, session), now_ms, out); break;
    case TIMER_PENDING: on_pending(CONTAINER_OF(t, struct pending, expiry), now_ms, out); break;
    }
}
