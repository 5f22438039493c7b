#include "unit/broker/group_sim.h"

/* a and b as static members "ia" and "ib", Stable; a leads. */
static void two_static(struct sim *s)
{
    sim_join(s, "a", .instance = "ia", .session_ms = 30000);
    sim_join(s, "b", .instance = "ib", .session_ms = 30000);
    sim_settle(s);
    sim_sync(s, "b", NULL);
    sim_sync(s, "a", "a=1 b=2");
    EXPECT_TRACE(s, "[0] a join: generation 1, range, leader ia, of ia=m ib=m\n"
                    "[0] b join: generation 1, range, leader ia\n"
                    "[0] a sync: 1\n"
                    "[0] b sync: 2\n");
}

/* Comes back without its member id, as a restarted process does. */
#define sim_return(s, name, ...) sim_join(s, name, .member_id = "", __VA_ARGS__)

TEST(a_follower_that_returns_keeps_its_assignment_and_disturbs_nobody)
{
    SIM(s);
    two_static(s);
    sim_return(s, "b", .instance = "ib");
    EXPECT_TRACE(s, "[0] b join: generation 1, range, leader ia\n");
    sim_sync(s, "b", NULL);
    EXPECT_TRACE(s, "[0] b sync: 2\n");
    EXPECT_OK(sim_heartbeat(s, "a"));
    EXPECT_OK(sim_heartbeat(s, "b"));
    EXPECT_STR(sim_describe(s), "Stable range ia=1 ib=2");
}

TEST(a_leader_that_returns_is_told_to_keep_the_assignment)
{
    SIM(s);
    two_static(s);
    sim_return(s, "a", .instance = "ia");
    EXPECT_TRACE(s, "[0] a join: generation 1, range, leader ia, of ia=m ib=m, keep\n");
    sim_sync(s, "a", "a=new b=new");
    EXPECT_TRACE(s, "[0] a sync: 1\n");
    EXPECT_STR(sim_describe(s), "Stable range ia=1 ib=2");
}

TEST(an_old_leader_that_returns_does_not_find_itself_named)
{
    SIM(s);
    two_static(s);
    char before[128];
    snprintf(before, sizeof before, "%s", sim_client(s, "a")->member_id);
    struct group_protocol range = {BYTES_LIT("range"), BYTES_LIT("m")};
    struct join_in in = {
        .group_id = s->group_id,
        .member_id = BYTES_LIT(""),
        .instance_id = BYTES_LIT("ia"),
        .client_id = BYTES_LIT("a"),
        .client_host = BYTES_LIT("/127.0.0.1"),
        .protocol_type = BYTES_LIT("consumer"),
        .protocols = &range,
        .protocol_count = 1,
        .session_ms = 30000,
        .rebalance_ms = 30000,
        .member_id_required = true,
        .random = {7, 7},
    };
    groups_join(s->groups, 0, &in, s, &s->out);
    EXPECT_EQ(s->out.count, 1);
    const struct join_reply *r = &s->out.replies[0].join;
    EXPECT_OK(r->err);
    EXPECT_BYTES(r->leader, before);
    EXPECT(!bytes_equal(r->member_id, r->leader));
    EXPECT_EQ(r->member_count, 0);
    EXPECT(!r->skip_assignment);
    groups_check(s->groups);
}

TEST(the_former_member_id_is_fenced)
{
    SIM(s);
    two_static(s);
    char before[128];
    snprintf(before, sizeof before, "%s", sim_client(s, "b")->member_id);
    sim_return(s, "b", .instance = "ib");
    struct bytes id = bytes_str(before), instance = BYTES_LIT("ib");
    struct heartbeat_in beat = {s->group_id, id, instance, 1};
    EXPECT_ERR(groups_heartbeat(s->groups, 0, &beat), ERR_FENCED_INSTANCE_ID);
    beat.instance_id = BYTES_NULL;
    EXPECT_ERR(groups_heartbeat(s->groups, 0, &beat), ERR_UNKNOWN_MEMBER_ID);
    struct commit_in commit = {s->group_id, id, instance, 1, true};
    EXPECT_ERR(groups_commit(s->groups, 0, &commit), ERR_FENCED_INSTANCE_ID);
    EXPECT_ERR(sim_leave_as(s, before, "ib"), ERR_FENCED_INSTANCE_ID);
    sim_forget(s);
    sim_join(s, "b", .member_id = before, .instance = "ib");
    EXPECT_TRACE(s, "[0] b join: FENCED_INSTANCE_ID\n");
    struct sync_in sync = {.group_id = s->group_id, .member_id = id, .instance_id = instance,
                           .generation = 1};
    groups_sync(s->groups, 0, &sync, s, &s->out);
    EXPECT_ERR(s->out.replies[0].sync.err, ERR_FENCED_INSTANCE_ID);
}

TEST(an_unknown_instance_with_a_member_id_is_refused)
{
    SIM(s);
    two_static(s);
    sim_join(s, "a", .instance = "other");
    EXPECT_TRACE(s, "[0] a join: UNKNOWN_MEMBER_ID\n");
}

TEST(a_return_that_changes_the_protocol_rebalances)
{
    SIM(s);
    sim_join(s, "a", .instance = "ia", .protocols = "sticky,range");
    sim_join(s, "b", .instance = "ib", .protocols = "sticky,range");
    sim_settle(s);
    sim_sync(s, "b", NULL);
    sim_sync(s, "a", "a=1 b=2");
    sim_forget(s);
    sim_return(s, "b", .instance = "ib", .protocols = "range");
    EXPECT_STR(sim_describe(s), "PreparingRebalance ia=1 ib=2");
    sim_join(s, "a", .instance = "ia", .protocols = "sticky,range");
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader ia, of ia=m ib=m\n"
                    "[0] b join: generation 2, range, leader ia\n");
}

TEST(a_return_while_the_leader_assigns_rebalances)
{
    SIM(s);
    sim_join(s, "a", .instance = "ia");
    sim_join(s, "b", .instance = "ib");
    sim_settle(s);
    sim_forget(s);
    sim_sync(s, "b", NULL);
    sim_return(s, "b", .instance = "ib");
    EXPECT_TRACE(s, "[0] b sync: FENCED_INSTANCE_ID\n");
    EXPECT_STR(sim_describe(s), "PreparingRebalance ia= ib=");
    sim_join(s, "a", .instance = "ia");
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader ia, of ia=m ib=m\n"
                    "[0] b join: generation 2, range, leader ia\n");
}

TEST(a_return_while_the_former_one_joins_fences_its_join)
{
    SIM(s);
    two_static(s);
    sim_join(s, "b", .instance = "ib", .metadata = "m2");
    sim_return(s, "b", .instance = "ib", .metadata = "m3");
    EXPECT_TRACE(s, "[0] b join: FENCED_INSTANCE_ID\n");
    sim_join(s, "a", .instance = "ia");
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader ia, of ia=m ib=m3\n"
                    "[0] b join: generation 2, range, leader ia\n");
}

TEST(a_return_starts_the_session_anew)
{
    SIM(s);
    two_static(s);
    sim_run_to(s, 29000);
    EXPECT_OK(sim_heartbeat(s, "a"));
    sim_return(s, "b", .instance = "ib", .session_ms = 30000);
    sim_run_to(s, 58000);
    EXPECT_OK(sim_heartbeat(s, "a"));
    EXPECT_STR(sim_describe(s), "Stable range ia=1 ib=2");
}

TEST(a_new_member_that_returns_while_it_waits_is_not_expelled)
{
    SIM(s);
    SIM_STABLE(s, "a");
    sim_join(s, "b", .instance = "ib", .rebalance_ms = 1800000, .session_ms = 6000);
    sim_return(s, "b", .instance = "ib", .rebalance_ms = 1800000, .session_ms = 6000);
    EXPECT_TRACE(s, "[0] b join: FENCED_INSTANCE_ID\n");
    for (int at = 5000; at <= 600000; at += 5000) {
        sim_run_to(s, at);
        EXPECT_ERR(sim_heartbeat(s, "a"), ERR_REBALANCE_IN_PROGRESS);
    }
    EXPECT_TRACE(s, "");
    sim_join(s, "a");
    EXPECT_TRACE(s, "[600000] a join: generation 2, range, leader a, of a=m ib=m\n"
                    "[600000] b join: generation 2, range, leader a\n");
}

TEST(an_absent_static_member_is_kept_until_its_session_ends)
{
    SIM(s);
    two_static(s);
    sim_join(s, "a", .instance = "ia", .rebalance_ms = 5000, .session_ms = 1000000);
    sim_run_to(s, 29999);
    EXPECT_TRACE(s, "");
    sim_run_to(s, 30000);
    EXPECT_TRACE(s, "[30000] a join: generation 2, range, leader ia, of ia=m\n");
}

TEST(an_absent_static_member_is_part_of_the_next_generation)
{
    SIM(s);
    sim_join(s, "a", .instance = "ia", .session_ms = 600000, .rebalance_ms = 5000);
    sim_join(s, "b", .instance = "ib", .session_ms = 600000, .rebalance_ms = 5000);
    sim_settle(s);
    sim_sync(s, "b", NULL);
    sim_sync(s, "a", "a=1 b=2");
    sim_forget(s);
    sim_join(s, "b", .instance = "ib", .metadata = "m2", .session_ms = 600000,
             .rebalance_ms = 5000);
    sim_run_to(s, 5000);
    /* The leader is absent as well: b leads, and assigns for both. */
    EXPECT_TRACE(s, "[5000] b join: generation 2, range, leader ib, of ia=m ib=m2\n");
    sim_sync(s, "b", "a=3 b=4");
    EXPECT_TRACE(s, "[5000] b sync: 4\n");
    EXPECT_STR(sim_describe(s), "Stable range ia=3 ib=4");
    /* a has not asked for its assignment when the time for that is over. */
    sim_run_to(s, 10000);
    EXPECT_STR(sim_describe(s), "PreparingRebalance ib=4");
}

TEST(when_nobody_rejoins_the_group_waits_again)
{
    SIM(s);
    two_static(s);
    EXPECT_OK(sim_leave_as(s, "", "ia"));
    EXPECT_STR(sim_describe(s), "PreparingRebalance ib=2");
    for (int at = 20000; at <= 200000; at += 20000) {
        sim_run_to(s, at);
        EXPECT_ERR(sim_heartbeat(s, "b"), ERR_REBALANCE_IN_PROGRESS);
    }
    EXPECT_TRACE(s, "");
    sim_join(s, "b", .instance = "ib");
    EXPECT_TRACE(s, "[200000] b join: generation 2, range, leader ib, of ib=m\n");
}

TEST(a_rebalance_time_out_of_zero_does_not_spin)
{
    SIM(s);
    two_static(s);
    sim_return(s, "a", .instance = "ia", .rebalance_ms = -1, .session_ms = 6000);
    sim_return(s, "b", .instance = "ib", .rebalance_ms = -1, .session_ms = 6000);
    EXPECT_OK(sim_leave_as(s, "", "ia"));
    sim_settle(s);      /* would not end */
    EXPECT_EQ(groups_next_deadline_ms(s->groups), 1000);
    EXPECT_STR(sim_describe(s), "PreparingRebalance ib=2");
    sim_run_to(s, 30000);
    EXPECT_STR(sim_describe(s), "Empty");
}

TEST(an_administrator_removes_static_members_by_instance_id)
{
    SIM(s);
    two_static(s);
    struct leave_member members[] = {
        {BYTES_LIT(""), BYTES_LIT("ia"), ERR_OK},
        {BYTES_LIT(""), BYTES_LIT("nobody"), ERR_OK},
        {BYTES_LIT(""), BYTES_NULL, ERR_OK},
        {BYTES_LIT("wrong"), BYTES_LIT("ib"), ERR_OK},
        {BYTES_LIT(""), BYTES_LIT("ib"), ERR_OK},
    };
    groups_leave(s->groups, 0, s->group_id, members, 5, &s->out);
    sim_deliver(s);
    EXPECT_OK(members[0].err);
    EXPECT_ERR(members[1].err, ERR_UNKNOWN_MEMBER_ID);
    EXPECT_ERR(members[2].err, ERR_UNKNOWN_MEMBER_ID);
    EXPECT_ERR(members[3].err, ERR_FENCED_INSTANCE_ID);
    EXPECT_OK(members[4].err);
    EXPECT_STR(sim_describe(s), "Empty");
}

TESTS(RUN(a_follower_that_returns_keeps_its_assignment_and_disturbs_nobody),
      RUN(a_leader_that_returns_is_told_to_keep_the_assignment),
      RUN(an_old_leader_that_returns_does_not_find_itself_named),
      RUN(the_former_member_id_is_fenced), RUN(an_unknown_instance_with_a_member_id_is_refused),
      RUN(a_return_that_changes_the_protocol_rebalances),
      RUN(a_return_while_the_leader_assigns_rebalances),
      RUN(a_return_while_the_former_one_joins_fences_its_join),
      RUN(a_return_starts_the_session_anew),
      RUN(a_new_member_that_returns_while_it_waits_is_not_expelled),
      RUN(an_absent_static_member_is_kept_until_its_session_ends),
      RUN(an_absent_static_member_is_part_of_the_next_generation),
      RUN(when_nobody_rejoins_the_group_waits_again),
      RUN(a_rebalance_time_out_of_zero_does_not_spin),
      RUN(an_administrator_removes_static_members_by_instance_id))
