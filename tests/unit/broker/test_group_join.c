#include "unit/broker/group_sim.h"

TEST(a_new_member_joins_in_two_steps_and_leads)
{
    SIM(s);
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] a join: MEMBER_ID_REQUIRED\n");
    EXPECT_STR(sim_describe(s), "Empty");
    sim_join(s, "a");
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=");
    EXPECT_TRACE(s, "");
    sim_settle(s);
    EXPECT_TRACE(s, "[0] a join: generation 1, range, leader a, of a=m\n");
    sim_sync(s, "a", "a=all");
    EXPECT_TRACE(s, "[0] a sync: all\n");
    EXPECT_STR(sim_describe(s), "Stable range a=all");
}

TEST(an_old_client_joins_in_one_step)
{
    SIM(s);
    sim_join(s, "a", .version = 3);
    sim_settle(s);
    EXPECT_TRACE(s, "[0] a join: generation 1, range, leader a, of a=m\n");
}

TEST(member_ids_are_client_id_and_uuid)
{
    SIM(s);
    sim_join(s, "a");
    EXPECT_STR(sim_client(s, "a")->member_id, "a-00000000-0000-4000-8000-000000000001");
    sim_join(s, "b", .instance = "i");
    sim_settle(s);
    EXPECT_STR(sim_client(s, "b")->member_id, "i-00000000-0000-4000-8000-000000000002");
}

TEST(the_initial_delay_gathers_members_and_is_prolonged_by_new_ones)
{
    struct groups_config config;
    groups_config_default(&config);
    config.initial_delay_ms = 3000;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    sim_enter(s, "a", .rebalance_ms = 7000);
    sim_run_to(s, 2000);
    sim_enter(s, "b", .rebalance_ms = 7000);
    sim_run_to(s, 5000);
    EXPECT_TRACE(s, "");
    sim_enter(s, "c", .rebalance_ms = 7000);
    /* 3000 and twice more, but no longer than the rebalance time-out of 7000 in all. */
    sim_run_to(s, 8000);
    EXPECT_TRACE(s, "[7000] a join: generation 1, range, leader a, of a=m b=m c=m\n"
                    "[7000] b join: generation 1, range, leader a\n"
                    "[7000] c join: generation 1, range, leader a\n");
}

TEST(an_initial_delay_knows_nothing_of_an_earlier_one)
{
    struct groups_config config;
    groups_config_default(&config);
    config.initial_delay_ms = 3000;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    sim_enter(s, "a", .rebalance_ms = 3000);
    sim_run_to(s, 1000);
    sim_enter(s, "b", .rebalance_ms = 3000);
    sim_run_to(s, 3000);
    EXPECT_OK(sim_leave(s, "a"));
    EXPECT_OK(sim_leave(s, "b"));
    EXPECT_STR(sim_describe(s), "Empty");
    sim_enter(s, "c");
    sim_forget(s);
    sim_run_to(s, 6000);
    EXPECT_TRACE(s, "[6000] c join: generation 3, range, leader c, of c=m\n");
}

TEST(a_second_member_makes_the_first_one_join_anew)
{
    SIM(s);
    SIM_STABLE(s, "a");
    sim_enter(s, "b");
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=a b=");
    EXPECT_ERR(sim_heartbeat(s, "a"), ERR_REBALANCE_IN_PROGRESS);
    EXPECT_TRACE(s, "");
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader a, of a=m b=m\n"
                    "[0] b join: generation 2, range, leader a\n");
}

TEST(who_does_not_rejoin_in_time_is_removed)
{
    SIM(s);
    SIM_STABLE(s, "a", "b");
    s->now_ms = 1000;
    sim_join(s, "a", .rebalance_ms = 5000);
    sim_run_to(s, 61000);
    /* b's session of 10 s ends first; a is then alone. */
    EXPECT_TRACE(s, "[10000] a join: generation 2, range, leader a, of a=m\n");
    EXPECT_ERR(sim_heartbeat(s, "b"), ERR_UNKNOWN_MEMBER_ID);
}

TEST(the_rebalance_time_out_is_the_longest_of_all_members)
{
    SIM(s);
    sim_enter(s, "a", .session_ms = 600000, .rebalance_ms = 5000);
    sim_settle(s);
    sim_sync(s, "a", "a=1");
    sim_enter(s, "b", .session_ms = 600000, .rebalance_ms = 20000);
    sim_forget(s);
    sim_run_to(s, 20001);
    EXPECT_TRACE(s, "[20000] b join: generation 2, range, leader b, of b=m\n");
}

TEST(the_leader_that_does_not_rejoin_gives_way)
{
    SIM(s);
    sim_enter(s, "a", .session_ms = 600000);
    sim_enter(s, "b", .session_ms = 600000);
    sim_settle(s);
    sim_sync(s, "a", "a=1 b=2");
    sim_sync(s, "b", NULL);
    sim_forget(s);
    sim_join(s, "b", .metadata = "changed", .session_ms = 600000);
    sim_run_to(s, 60000);
    EXPECT_TRACE(s, "[60000] b join: generation 2, range, leader b, of b=changed\n");
}

TEST(a_pending_member_holds_the_rebalance_up_until_it_expires)
{
    SIM(s);
    SIM_STABLE(s, "a");
    sim_join(s, "b", .session_ms = 6000);
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] b join: MEMBER_ID_REQUIRED\n");
    sim_run_to(s, 6000);
    EXPECT_TRACE(s, "[6000] a join: generation 2, range, leader a, of a=m\n");
    sim_join(s, "b");
    EXPECT_TRACE(s, "[6000] b join: UNKNOWN_MEMBER_ID\n");
}

TEST(a_new_member_is_not_awaited_for_ever)
{
    SIM(s);
    SIM_STABLE(s, "a");
    sim_enter(s, "b", .rebalance_ms = 1800000);
    for (int at = 5000; at <= 295000; at += 5000) {
        sim_run_to(s, at);
        EXPECT_ERR(sim_heartbeat(s, "a"), ERR_REBALANCE_IN_PROGRESS);
    }
    sim_run_to(s, 300000);
    EXPECT_TRACE(s, "[300000] b join: UNKNOWN_MEMBER_ID\n");
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=a");
}

TEST(a_repeated_join_is_answered_with_the_generation_at_hand)
{
    SIM(s);
    sim_enter(s, "a");
    sim_enter(s, "b");
    sim_settle(s);
    sim_forget(s);
    sim_join(s, "b");
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] b join: generation 1, range, leader a\n"
                    "[0] a join: generation 1, range, leader a, of a=m b=m\n");
    sim_sync(s, "a", "a=1 b=2");
    sim_forget(s);
    sim_join(s, "b");
    EXPECT_TRACE(s, "[0] b join: generation 1, range, leader a\n");
    EXPECT_STR(sim_describe(s), "Stable range a=1 b=2");
}

TEST(changed_metadata_and_a_leaders_rejoin_start_a_rebalance)
{
    SIM(s);
    SIM_STABLE(s, "a", "b");
    sim_join(s, "b", .metadata = "new topics");
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=a b=b");
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader a, of a=m b=new topics\n"
                    "[0] b join: generation 2, range, leader a\n");
    sim_sync(s, "b", NULL);
    sim_join(s, "b", .metadata = "once more");
    EXPECT_TRACE(s, "[0] b sync: REBALANCE_IN_PROGRESS\n");
    sim_join(s, "a");
    sim_sync(s, "b", NULL);
    sim_sync(s, "a", "a=1 b=2");
    sim_forget(s);
    sim_join(s, "a");
    EXPECT_STR(sim_describe(s), "PreparingRebalance a=1 b=2");
    EXPECT_TRACE(s, "");
}

TEST(a_join_that_waits_is_given_up_for_a_newer_one)
{
    SIM(s);
    SIM_STABLE(s, "a");
    sim_enter(s, "b");
    sim_join(s, "b");
    EXPECT_TRACE(s, "[0] b join: REBALANCE_IN_PROGRESS\n");
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader a, of a=m b=m\n"
                    "[0] b join: generation 2, range, leader a\n");
}

TEST(votes_choose_the_protocol)
{
    SIM(s);
    sim_enter(s, "a", .protocols = "range,sticky,roundrobin");
    sim_enter(s, "b", .protocols = "sticky,range,uniform");
    sim_enter(s, "c", .protocols = "uniform,sticky,range");
    sim_settle(s);
    EXPECT_TRACE(s, "[0] a join: generation 1, sticky, leader a, of a=m b=m c=m\n"
                    "[0] b join: generation 1, sticky, leader a\n"
                    "[0] c join: generation 1, sticky, leader a\n");
}

TEST(a_tie_of_votes_goes_to_the_oldest_member)
{
    SIM(s);
    sim_enter(s, "a", .protocols = "roundrobin,range");
    sim_enter(s, "b", .protocols = "range,roundrobin");
    sim_settle(s);
    EXPECT_TRACE(s, "[0] a join: generation 1, roundrobin, leader a, of a=m b=m\n"
                    "[0] b join: generation 1, roundrobin, leader a\n");
}

TEST(a_protocol_named_twice_counts_once)
{
    SIM(s);
    sim_enter(s, "a", .protocols = "range,range");
    sim_enter(s, "b", .protocols = "sticky,range");
    sim_settle(s);
    EXPECT_TRACE(s, "[0] a join: generation 1, range, leader a, of a=m b=m\n"
                    "[0] b join: generation 1, range, leader a\n");
}

TEST(protocols_that_do_not_fit_are_refused)
{
    SIM(s);
    sim_join(s, "a", .protocols = "");
    sim_join(s, "a", .type = "");
    SIM_STABLE(s, "a");
    sim_join(s, "b", .protocols = "roundrobin");
    sim_join(s, "b", .type = "connect");
    sim_join(s, "a", .protocols = "roundrobin");
    EXPECT_TRACE(s, "[0] b join: INCONSISTENT_GROUP_PROTOCOL\n"
                    "[0] b join: INCONSISTENT_GROUP_PROTOCOL\n"
                    "[0] a join: INCONSISTENT_GROUP_PROTOCOL\n");
    EXPECT_STR(sim_describe(s), "Stable range a=a");
}

TEST(an_empty_group_takes_another_type)
{
    SIM(s);
    SIM_STABLE(s, "a");
    EXPECT_OK(sim_leave(s, "a"));
    EXPECT_STR(sim_describe(s), "Empty");
    sim_enter(s, "w", .type = "connect", .protocols = "sessioned");
    sim_settle(s);
    EXPECT_TRACE(s, "[0] w join: generation 3, sessioned, leader w, of w=m\n");
}

TEST(session_time_outs_have_bounds)
{
    SIM(s);
    sim_join(s, "a", .session_ms = 5999);
    sim_join(s, "a", .session_ms = 1800001);
    sim_join(s, "a", .session_ms = -1);
    EXPECT_TRACE(s, "[0] a join: INVALID_SESSION_TIMEOUT\n"
                    "[0] a join: INVALID_SESSION_TIMEOUT\n"
                    "[0] a join: INVALID_SESSION_TIMEOUT\n");
    EXPECT_EQ(groups_count(s->groups), 0);
    sim_join(s, "a", .session_ms = 6000);
    sim_join(s, "b", .session_ms = 1800000);
    EXPECT_TRACE(s, "[0] a join: MEMBER_ID_REQUIRED\n[0] b join: MEMBER_ID_REQUIRED\n");
}

TEST(unknown_member_ids_are_refused)
{
    SIM(s);
    sim_join(s, "a", .member_id = "nobody");
    EXPECT_TRACE(s, "[0] a join: UNKNOWN_MEMBER_ID\n");
    EXPECT_EQ(groups_count(s->groups), 0);
    SIM_STABLE(s, "a");
    sim_join(s, "b", .member_id = "nobody");
    EXPECT_TRACE(s, "[0] b join: UNKNOWN_MEMBER_ID\n");
}

TEST(a_pending_member_cannot_turn_static)
{
    SIM(s);
    sim_join(s, "a");
    sim_join(s, "a", .instance = "i");
    EXPECT_TRACE(s, "[0] a join: MEMBER_ID_REQUIRED\n[0] a join: UNKNOWN_SERVER_ERROR\n");
}

TEST(a_full_group_turns_members_away)
{
    struct groups_config config;
    groups_config_default(&config);
    config.members_max = 2;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    SIM_STABLE(s, "a", "b");
    sim_join(s, "c");
    EXPECT_TRACE(s, "[0] c join: GROUP_MAX_SIZE_REACHED\n");
    /* While members join, those who wait count: a and b have both joined. */
    sim_join(s, "a");
    sim_join(s, "c");
    EXPECT_TRACE(s, "[0] c join: MEMBER_ID_REQUIRED\n");
    sim_join(s, "c");
    sim_join(s, "b");
    EXPECT_TRACE(s, "[0] b join: GROUP_MAX_SIZE_REACHED\n");
    sim_run_to(s, 60000);
    EXPECT_TRACE(s, "[60000] a join: generation 2, range, leader a, of a=m c=m\n"
                    "[60000] c join: generation 2, range, leader a\n");
}

TEST(pending_members_are_bounded)
{
    struct groups_config config;
    groups_config_default(&config);
    config.members_max = 2;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    sim_join(s, "a");
    sim_join(s, "b");
    sim_join(s, "c");
    EXPECT_TRACE(s, "[0] a join: MEMBER_ID_REQUIRED\n[0] b join: MEMBER_ID_REQUIRED\n"
                    "[0] c join: GROUP_MAX_SIZE_REACHED\n");
    sim_run_to(s, 10000);
    sim_join(s, "c");
    EXPECT_TRACE(s, "[10000] c join: MEMBER_ID_REQUIRED\n");
}

TEST(a_pending_member_that_is_turned_away_loses_its_id)
{
    struct groups_config config;
    groups_config_default(&config);
    config.members_max = 1;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    sim_join(s, "p");
    sim_join(s, "a", .version = 3);
    sim_settle(s);
    sim_join(s, "p");
    EXPECT_OK(sim_leave(s, "a"));
    sim_join(s, "p");
    EXPECT_TRACE(s, "[0] p join: MEMBER_ID_REQUIRED\n"
                    "[0] a join: generation 1, range, leader a, of a=m\n"
                    "[0] p join: GROUP_MAX_SIZE_REACHED\n"
                    "[0] p join: UNKNOWN_MEMBER_ID\n");
}

TEST(groups_protocols_and_bytes_are_bounded)
{
    struct groups_config config;
    groups_config_default(&config);
    config.groups_max = 1;
    config.protocols_max = 2;
    config.bytes_max = 8192;
    CLEANUP(sim_freep) struct sim *s = sim_new_with(&config);
    static char large[8000];
    memset(large, 'x', sizeof large - 1);
    sim_join(s, "a", .protocols = "p1,p2,p3");
    sim_join(s, "a", .metadata = large);
    EXPECT_TRACE(s, "[0] a join: INVALID_REQUEST\n[0] a join: GROUP_MAX_SIZE_REACHED\n");
    SIM_STABLE(s, "a");
    sim_join(s, "a", .metadata = large);
    sim_join(s, "i", .metadata = large, .instance = "i");
    EXPECT_TRACE(s, "[0] a join: GROUP_MAX_SIZE_REACHED\n[0] i join: GROUP_MAX_SIZE_REACHED\n");
    sim_join(s, "b");
    sim_join(s, "b", .metadata = large);
    EXPECT_TRACE(s, "[0] b join: MEMBER_ID_REQUIRED\n[0] b join: GROUP_MAX_SIZE_REACHED\n");
    s->group_id = BYTES_LIT("g2");
    sim_join(s, "c");
    EXPECT_TRACE(s, "[0] c join: COORDINATOR_NOT_AVAILABLE\n");
}

TEST(an_abandoned_join_keeps_its_place_without_an_answer)
{
    SIM(s);
    SIM_STABLE(s, "a");
    sim_enter(s, "b");
    struct sim_token *t = &s->tokens[s->token_count - 1];
    EXPECT(groups_abandon(s->groups, t));
    EXPECT(!groups_abandon(s->groups, t));
    groups_check(s->groups);
    sim_join(s, "a");
    EXPECT_TRACE(s, "[0] a join: generation 2, range, leader a, of a=m b=m\n");
    EXPECT_EQ(s->waiting, 1);
}

TESTS(RUN(a_new_member_joins_in_two_steps_and_leads), RUN(an_old_client_joins_in_one_step),
      RUN(member_ids_are_client_id_and_uuid),
      RUN(the_initial_delay_gathers_members_and_is_prolonged_by_new_ones),
      RUN(an_initial_delay_knows_nothing_of_an_earlier_one),
      RUN(a_second_member_makes_the_first_one_join_anew),
      RUN(who_does_not_rejoin_in_time_is_removed),
      RUN(the_rebalance_time_out_is_the_longest_of_all_members),
      RUN(the_leader_that_does_not_rejoin_gives_way),
      RUN(a_pending_member_holds_the_rebalance_up_until_it_expires),
      RUN(a_new_member_is_not_awaited_for_ever),
      RUN(a_repeated_join_is_answered_with_the_generation_at_hand),
      RUN(changed_metadata_and_a_leaders_rejoin_start_a_rebalance),
      RUN(a_join_that_waits_is_given_up_for_a_newer_one), RUN(votes_choose_the_protocol),
      RUN(a_tie_of_votes_goes_to_the_oldest_member), RUN(a_protocol_named_twice_counts_once),
      RUN(protocols_that_do_not_fit_are_refused), RUN(an_empty_group_takes_another_type),
      RUN(session_time_outs_have_bounds), RUN(unknown_member_ids_are_refused),
      RUN(a_pending_member_cannot_turn_static), RUN(a_full_group_turns_members_away),
      RUN(pending_members_are_bounded), RUN(a_pending_member_that_is_turned_away_loses_its_id),
      RUN(groups_protocols_and_bytes_are_bounded),
      RUN(an_abandoned_join_keeps_its_place_without_an_answer))
