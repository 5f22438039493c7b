/* SyncGroup, Heartbeat, LeaveGroup. */
#include "unit/broker/group_sim.h"

TEST(followers_wait_for_the_leaders_assignment)
{
    SIM(s);
    sim_enter(s, "a");
    sim_enter(s, "b");
    sim_enter(s, "c");
    sim_settle(s);
    sim_forget(s);
    sim_sync(s, "b", NULL);
    EXPECT_TRACE(s, "");
    EXPECT_STR(sim_describe(s), "CompletingRebalance a= b= c=");
    sim_sync(s, "a", "a=1 b=2 nobody=3 b=4");
    EXPECT_TRACE(s, "[0] a sync: 1\n[0] b sync: 4\n");
    /* c was not named: its assignment is empty, and it comes late. */
    sim_sync(s, "c", NULL);
    EXPECT_TRACE(s, "[0] c sync: \n");
    sim_sync(s, "b", NULL);
    EXPECT_TRACE(s, "[0] b sync: 4\n");
}

TEST(no_assignment_outlives_its_generation)
{
    SIM(s);
    SIM_STABLE(s, "a", "b");
    sim_join(s, "a");
    sim_join(s, "b");
    sim_sync(s, "b", NULL);
    sim_sync(s, "a", "a=new");
    EXPECT_STR(sim_describe(s), "Stable range a=new b=");
    sim_join(s, "a");
    sim_join(s, "b");
    sim_enter(s, "c");
    EXPECT_STR(sim_describe(s), "PreparingRebalance a= b= c=");
}

TEST(a_new_join_sends_waiting_syncs_back)
{
    SIM(s);
    sim_enter(s, "a");
    sim_enter(s, "b");
    sim_settle(s);
    sim_sync(s, "b", NULL);
    sim_forget(s);
    sim_enter(s, "c");
    EXPECT_TRACE(s, "[0] b sync: REBALANCE_IN_PROGRESS\n");
    sim_sync(s, "a", "a=1 b=2");
    EXPECT_TRACE(s, "[0] a sync: REBALANCE_IN_PROGRESS\n");
}

TEST(a_sync_that_waits_is_given_up_for_a_newer_one)
{
    SIM(s);
    sim_enter(s, "a");
    sim_enter(s, "b");
    sim_settle(s);
    sim_forget(s);
    sim_sync(s, "b", NULL);
    sim_sync(s, "b", NULL);
    EXPECT_TRACE(s, "[0] b sync: REBALANCE_IN_PROGRESS\n");
    sim_sync(s, "a", "b=2");
    EXPECT_TRACE(s, "[0] a sync: \n[0] b sync: 2\n");
}

TEST(who_does_not_sync_in_time_is_removed)
{
    SIM(s);
    sim_enter(s, "a", .session_ms = 100000, .rebalance_ms = 20000);
    sim_enter(s, "b", .session_ms = 100000, .rebalance_ms = 20000);
    sim_enter(s, "c", .session_ms = 100000, .rebalance_ms = 20000);
    sim_settle(s);
    sim_forget(s);
    sim_sync(s, "b", NULL);
    sim_run_to(s, 20000);
    EXPECT_TRACE(s, "[20000] b sync: REBALANCE_IN_PROGRESS\n");
    EXPECT_STR(sim_describe(s), "PreparingRebalance b=");
    sim_join(s, "b");
    EXPECT_TRACE(s, "[20000] b join: generation 2, range, leader b, of b=m\n");
}

TEST(a_late_follower_of_a_stable_group_is_removed_too)
{
    SIM(s);
    sim_enter(s, "a", .session_ms = 100000, .rebalance_ms = 20000);
    sim_enter(s, "b", .session_ms = 100000, .rebalance_ms = 20000);
    sim_settle(s);
    sim_sync(s, "a", "a=1 b=2");
    EXPECT_STR(sim_describe(s), "Stable range a=1 b=2");
    sim_run_to(s, 20000);
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=1");
    EXPECT_ERR(sim_heartbeat(s, "b"), ERR_UNKNOWN_MEMBER_ID);
}

TEST(syncs_are_checked)
{
    SIM(s);
    sim_client(s, "a");
    sim_sync(s, "a", NULL);
    EXPECT_TRACE(s, "[0] a sync: UNKNOWN_MEMBER_ID\n");
    SIM_STABLE(s, "a");
    struct sim_client *a = sim_client(s, "a");
    a->generation = 2;
    sim_sync(s, "a", NULL);
    a->generation = 0;
    sim_sync(s, "a", NULL);
    a->generation = 1;
    snprintf(a->protocol, sizeof a->protocol, "sticky");
    sim_sync(s, "a", NULL);
    snprintf(a->protocol, sizeof a->protocol, "range");
    snprintf(a->protocol_type, sizeof a->protocol_type, "connect");
    sim_sync(s, "a", NULL);
    a->member_id[0] = 'x';
    sim_sync(s, "a", NULL);
    EXPECT_TRACE(s, "[0] a sync: ILLEGAL_GENERATION\n"
                    "[0] a sync: ILLEGAL_GENERATION\n"
                    "[0] a sync: INCONSISTENT_GROUP_PROTOCOL\n"
                    "[0] a sync: INCONSISTENT_GROUP_PROTOCOL\n"
                    "[0] a sync: UNKNOWN_MEMBER_ID\n");
    a->member_id[0] = 'a';
    struct sync_in old = {.group_id = s->group_id, .member_id = bytes_str(a->member_id),
                          .instance_id = BYTES_NULL, .generation = 1};
    groups_sync(s->groups, 0, &old, s, &s->out);      /* up to v4: no protocol named */
    EXPECT_OK(s->out.replies[0].sync.err);
    old.instance_id = BYTES_LIT("i");
    groups_sync(s->groups, 0, &old, s, &s->out);
    EXPECT_ERR(s->out.replies[0].sync.err, ERR_UNKNOWN_MEMBER_ID);
}

TEST(assignments_beyond_the_limit_make_the_group_rebalance)
{
    struct groups_config config;
    groups_config_default(&config);
    config.bytes_max = 8192;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    sim_enter(s, "a");
    sim_enter(s, "b");
    sim_settle(s);
    sim_forget(s);
    static uint8_t large[8192];
    struct sim_client *a = sim_client(s, "a");
    struct sync_assignment one = {bytes_str(a->member_id), bytes_of(large, sizeof large)};
    struct sync_in in = {.group_id = s->group_id, .member_id = bytes_str(a->member_id),
                         .instance_id = BYTES_NULL, .generation = 1, .assignments = &one,
                         .assignment_count = 1};
    sim_sync(s, "b", NULL);
    groups_sync(s->groups, 0, &in, sim_token(s, a), &s->out);
    sim_deliver(s);
    EXPECT_TRACE(s, "[0] a sync: UNKNOWN_SERVER_ERROR\n[0] b sync: UNKNOWN_SERVER_ERROR\n");
    EXPECT_STR(sim_describe(s), "PreparingRebalance a= b=");
}

TEST(a_silent_member_is_expelled)
{
    SIM(s);
    SIM_STABLE(s, "a", "b");
    sim_run_to(s, 9999);
    EXPECT_OK(sim_heartbeat(s, "a"));
    sim_run_to(s, 10000);
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=a");
    sim_join(s, "a");
    EXPECT_TRACE(s, "[10000] a join: generation 2, range, leader a, of a=m\n");
}

TEST(an_emptied_group_keeps_its_generation_count)
{
    SIM(s);
    SIM_STABLE(s, "a");
    sim_run_to(s, 10000);
    EXPECT_STR(sim_describe(s), "Empty");
    EXPECT_EQ(groups_next_deadline_ms(s->groups), INT64_MAX);
    sim_join(s, "a", .member_id = "");
    sim_join(s, "a");
    sim_settle(s);
    EXPECT_TRACE(s, "[10000] a join: MEMBER_ID_REQUIRED\n"
                    "[10000] a join: generation 3, range, leader a, of a=m\n");
}

TEST(who_waits_for_the_group_does_not_have_to_heartbeat)
{
    SIM(s);
    sim_enter(s, "a", .session_ms = 6000);
    sim_enter(s, "b", .session_ms = 600000);
    sim_settle(s);
    sim_sync(s, "b", NULL);
    sim_sync(s, "a", "a=1 b=2");
    sim_forget(s);
    sim_join(s, "a", .session_ms = 6000);
    sim_run_to(s, 50000);
    EXPECT_TRACE(s, "");
    sim_join(s, "b", .session_ms = 600000);
    EXPECT_TRACE(s, "[50000] a join: generation 2, range, leader a, of a=m b=m\n"
                    "[50000] b join: generation 2, range, leader a\n");
    /* A session runs again from now on. */
    sim_sync(s, "b", NULL);
    sim_run_to(s, 56000);
    EXPECT_TRACE(s, "[56000] b sync: REBALANCE_IN_PROGRESS\n");
}

TEST(a_waiting_sync_restarts_the_session_when_it_is_answered)
{
    SIM(s);
    sim_enter(s, "a", .session_ms = 600000);
    sim_enter(s, "b", .session_ms = 6000);
    sim_settle(s);
    sim_sync(s, "b", NULL);
    sim_run_to(s, 30000);
    sim_sync(s, "a", "a=1 b=2");
    EXPECT_STR(sim_describe(s), "Stable range a=1 b=2");
    sim_run_to(s, 35999);
    EXPECT_OK(sim_heartbeat(s, "b"));
    sim_run_to(s, 41999);
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=1");
}

TEST(heartbeats_are_checked)
{
    SIM(s);
    EXPECT_ERR(sim_heartbeat(s, "a"), ERR_UNKNOWN_MEMBER_ID);
    sim_join(s, "a");
    EXPECT_ERR(sim_heartbeat(s, "a"), ERR_UNKNOWN_MEMBER_ID);      /* still pending */
    SIM_STABLE(s, "a");
    EXPECT_OK(sim_heartbeat(s, "a"));
    sim_client(s, "a")->generation = 0;
    EXPECT_ERR(sim_heartbeat(s, "a"), ERR_ILLEGAL_GENERATION);
    sim_client(s, "a")->generation = 2;
    EXPECT_ERR(sim_heartbeat(s, "a"), ERR_ILLEGAL_GENERATION);
}

TEST(a_leave_makes_the_others_join_anew)
{
    SIM(s);
    SIM_STABLE(s, "a", "b", "c");
    EXPECT_OK(sim_leave(s, "a"));
    EXPECT_STR(sim_describe(s), "PreparingRebalance b=b c=c");
    EXPECT_ERR(sim_leave(s, "a"), ERR_UNKNOWN_MEMBER_ID);
    EXPECT_STR(sim_describe(s), "PreparingRebalance b=b c=c");
    sim_join(s, "c");
    EXPECT_OK(sim_leave(s, "b"));
    EXPECT_TRACE(s, "[0] c join: generation 2, range, leader c, of c=m\n");
}

TEST(a_refused_leave_disturbs_nobody)
{
    SIM(s);
    SIM_STABLE(s, "a");
    EXPECT_ERR(sim_leave_as(s, "nobody", NULL), ERR_UNKNOWN_MEMBER_ID);
    EXPECT_ERR(sim_leave_as(s, "", "nobody"), ERR_UNKNOWN_MEMBER_ID);
    EXPECT_STR(sim_describe(s), "Stable range a=a");
}

TEST(whoever_leaves_while_it_waits_is_answered)
{
    SIM(s);
    SIM_STABLE(s, "a", "b");
    sim_join(s, "b", .metadata = "m2");
    EXPECT_OK(sim_leave(s, "b"));
    EXPECT_TRACE(s, "[0] b join: UNKNOWN_MEMBER_ID\n");
    sim_join(s, "a");
    sim_enter(s, "c");
    sim_join(s, "a");
    sim_sync(s, "c", NULL);
    sim_forget(s);
    EXPECT_OK(sim_leave(s, "c"));
    EXPECT_TRACE(s, "[0] c sync: UNKNOWN_MEMBER_ID\n");
}

TEST(a_pending_member_can_leave)
{
    SIM(s);
    sim_join(s, "p");
    EXPECT_OK(sim_leave(s, "p"));
    EXPECT_STR(sim_describe(s), "Empty");
    SIM_STABLE(s, "a");
    sim_join(s, "p", .member_id = "");
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] p join: MEMBER_ID_REQUIRED\n");
    EXPECT_OK(sim_leave(s, "p"));
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader a, of a=m\n");
}

TEST(leaving_a_group_that_is_not_there_fails_for_each_member)
{
    SIM(s);
    struct leave_member members[] = {{BYTES_LIT("x"), BYTES_NULL, ERR_OK},
                                     {BYTES_LIT(""), BYTES_LIT("i"), ERR_OK}};
    groups_leave(s->groups, 0, s->group_id, members, 2, &s->out);
    EXPECT_ERR(members[0].err, ERR_UNKNOWN_MEMBER_ID);
    EXPECT_ERR(members[1].err, ERR_UNKNOWN_MEMBER_ID);
    EXPECT_EQ(groups_count(s->groups), 0);
}

TEST(an_abandoned_sync_gets_no_answer)
{
    SIM(s);
    sim_enter(s, "a");
    sim_enter(s, "b");
    sim_settle(s);
    sim_forget(s);
    struct sim_token *t = sim_sync(s, "b", NULL);
    EXPECT(groups_abandon(s->groups, t));
    groups_check(s->groups);
    sim_sync(s, "a", "a=1 b=2");
    EXPECT_TRACE(s, "[0] a sync: 1\n");
    sim_sync(s, "b", NULL);
    EXPECT_TRACE(s, "[0] b sync: 2\n");
}

TESTS(RUN(followers_wait_for_the_leaders_assignment),
      RUN(no_assignment_outlives_its_generation), RUN(a_new_join_sends_waiting_syncs_back),
      RUN(a_sync_that_waits_is_given_up_for_a_newer_one), RUN(who_does_not_sync_in_time_is_removed),
      RUN(a_late_follower_of_a_stable_group_is_removed_too), RUN(syncs_are_checked),
      RUN(assignments_beyond_the_limit_make_the_group_rebalance), RUN(a_silent_member_is_expelled),
      RUN(an_emptied_group_keeps_its_generation_count),
      RUN(who_waits_for_the_group_does_not_have_to_heartbeat),
      RUN(a_waiting_sync_restarts_the_session_when_it_is_answered), RUN(heartbeats_are_checked),
      RUN(a_leave_makes_the_others_join_anew),
      RUN(a_refused_leave_disturbs_nobody), RUN(whoever_leaves_while_it_waits_is_answered),
      RUN(a_pending_member_can_leave), RUN(leaving_a_group_that_is_not_there_fails_for_each_member),
      RUN(an_abandoned_sync_gets_no_answer))
