/* Groups of many members with many protocols each: a rebalance costs what its members said, once.
 * Work that compares members with each other would take seven minutes here. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "broker/group/groups.h"
#include "test.h"

enum { MEMBERS = 6000, PROTOCOLS = 64, NAME_CHARS = 16 };

struct large {
    struct groups *groups;
    struct group_effects out;
    struct group_protocol protocols[PROTOCOLS];
    char names[PROTOCOLS][NAME_CHARS];
    int tokens[MEMBERS];
    int answered;
};

static struct large *large_new(void)
{
    struct large *l = calloc(1, sizeof *l);
    struct groups_config config;
    groups_config_default(&config);
    config.bytes_max = config.group_bytes_max = SIZE_MAX;
    l->groups = groups_new(&config);
    return l;
}

static void large_free(struct large *l)
{
    group_effects_done(&l->out);
    groups_free(l->groups);
    free(l);
}

/* All protocols but the last one are this member's alone. */
static void join(struct large *l, int member)
{
    for (int i = 0; i < PROTOCOLS; i++) {
        snprintf(l->names[i], NAME_CHARS, "%d.%d", member, i);
        l->protocols[i] = (struct group_protocol){bytes_str(l->names[i]), BYTES_LIT("m")};
    }
    l->protocols[PROTOCOLS - 1].name = BYTES_LIT("common");
    struct join_in in = {
        .group_id = BYTES_LIT("g"),
        .member_id = BYTES_LIT(""),
        .client_id = BYTES_LIT("c"),
        .client_host = BYTES_LIT("/h"),
        .protocol_type = BYTES_LIT("consumer"),
        .protocols = l->protocols,
        .protocol_count = PROTOCOLS,
        .session_ms = 60000,
        .rebalance_ms = 60000,
        .random = {1, (uint64_t)member},
    };
    groups_join(l->groups, 0, &in, &l->tokens[member], &l->out);
    l->answered += (int)l->out.count;
}

static void run_to(struct large *l, int64_t now_ms)
{
    while (groups_tick(l->groups, now_ms, &l->out)) {
        for (uint32_t i = 0; i < l->out.count; i++) {
            EXPECT_ERR(l->out.replies[i].join.err, ERR_OK);
            EXPECT(bytes_equal_str(l->out.replies[i].join.protocol_name, "common"));
        }
        l->answered += (int)l->out.count;
    }
}

TEST(the_protocol_of_many_members_is_chosen)
{
    struct large *l = large_new();
    for (int i = 0; i < MEMBERS; i++) join(l, i);
    run_to(l, 1);           /* the first one's wait for others */
    run_to(l, 60000);       /* the first generation had one member; the others join the second */
    groups_check(l->groups);
    EXPECT(l->answered >= MEMBERS - 1);
    large_free(l);
}

/* A timer removes few of them at a time, so that others are served between. */
TEST(many_members_that_do_not_sync_go_by_and_by)
{
    struct large *l = large_new();
    for (int i = 0; i < MEMBERS; i++) join(l, i);
    run_to(l, 1);
    run_to(l, 60000);
    int ticks = 0;
    while (groups_tick(l->groups, 120000, &l->out)) ticks++;
    EXPECT(ticks >= MEMBERS / 16);
    groups_check(l->groups);
    large_free(l);
}

TEST(many_clients_hang_up_while_they_wait)
{
    struct large *l = large_new();
    for (int i = 0; i < MEMBERS; i++) join(l, i);
    int held = 0;
    for (int i = MEMBERS - 1; i >= 0; i--) held += groups_abandon(l->groups, &l->tokens[i]);
    EXPECT(held >= MEMBERS - 1);
    run_to(l, 60000);
    groups_check(l->groups);
    large_free(l);
}

TEST(many_groups_are_listed_through_a_long_filter)
{
    enum { GROUPS = 100000, FILTERS = 600000 };
    struct large *l = large_new();
    struct bytes *states = calloc(FILTERS, sizeof *states);
    char id[NAME_CHARS];
    for (int i = 0; i < FILTERS; i++) states[i] = BYTES_LIT("stable");
    for (int i = 0; i < GROUPS; i++) {
        snprintf(id, sizeof id, "%d", i);
        groups_restore(l->groups, 0, bytes_str(id));
    }
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct group_list_filter filter = {.states = states, .state_count = FILTERS};
    struct group_listing *list;
    uint32_t count;
    EXPECT_OK(groups_list(l->groups, &filter, &arena, &list, &count));
    EXPECT_EQ(count, 0);
    states[FILTERS - 1] = BYTES_LIT(" empty ");
    EXPECT_OK(groups_list(l->groups, &filter, &arena, &list, &count));
    EXPECT_EQ(count, GROUPS);
    arena_done(&arena);
    free(states);
    large_free(l);
}

static enum err commit_from_outside(struct groups *gs, int group)
{
    char id[NAME_CHARS];
    snprintf(id, sizeof id, "%d", group);
    struct commit_in in = {.group_id = bytes_str(id), .member_id = BYTES_LIT(""),
                           .generation = -1};
    return groups_commit(gs, 0, &in);
}

TEST(the_tables_of_all_loops_share_one_bound)
{
    struct groups_config config;
    groups_config_default(&config);
    atomic_size_t all = 0;
    config.bytes_all = &all;
    config.bytes_max = 64 << 10;
    struct groups *one = groups_new(&config), *other = groups_new(&config);
    int count = 0;
    while (commit_from_outside(one, count) == ERR_OK) count++;
    EXPECT(count > 10 && all <= config.bytes_max);
    EXPECT_ERR(commit_from_outside(other, count), ERR_COORDINATOR_NOT_AVAILABLE);
    EXPECT_OK(groups_delete(one, 0, BYTES_LIT("0")));
    EXPECT_OK(groups_delete(one, 0, BYTES_LIT("1")));   /* the other table has buckets of its own */
    EXPECT_OK(commit_from_outside(other, 0));
    groups_check(one);
    groups_check(other);
    groups_free(one);
    groups_free(other);
    EXPECT_EQ(all, 0);
}

TEST(one_group_has_a_bound_of_its_own)
{
    struct large *l = large_new();
    groups_free(l->groups);
    struct groups_config config;
    groups_config_default(&config);
    config.group_bytes_max = 32 << 10;
    l->groups = groups_new(&config);
    int member = 0;
    do join(l, member++);
    while (l->out.count == 0 || l->out.replies[0].join.err != ERR_GROUP_MAX_SIZE_REACHED);
    EXPECT(member > 2 && member < 20);
    EXPECT_OK(commit_from_outside(l->groups, 7));       /* others go on */
    groups_check(l->groups);
    large_free(l);
}

/* A sanitizer's allocator does not tell. */
#ifdef DIGLOT_SANITIZED
enum { ALLOCATOR_TELLS = false };
#else
enum { ALLOCATOR_TELLS = true };
#endif

static size_t allocated(void)
{
    struct mallinfo2 all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

/* Of many small groups, and of one with many members: what is counted is what is held. */
TEST(what_groups_hold_is_counted_within_a_tenth)
{
    enum { GROUPS = 5000, JOINED = 500 };
    struct groups_config config;
    groups_config_default(&config);
    atomic_size_t all = 0;
    config.bytes_all = &all;
    config.bytes_max = config.group_bytes_max = SIZE_MAX;
    struct groups *small = groups_new(&config);
    size_t before = allocated();
    for (int i = 0; i < GROUPS; i++) EXPECT_OK(commit_from_outside(small, i));
    size_t held = allocated() - before;
    if (ALLOCATOR_TELLS) EXPECT(all >= held * 9 / 10 && all <= held * 11 / 10);
    groups_check(small);
    groups_free(small);
    EXPECT_EQ(all, 0);
    struct large *l = large_new();
    groups_free(l->groups);
    l->groups = groups_new(&config);
    before = allocated();
    for (int i = 0; i < JOINED; i++) join(l, i);
    held = allocated() - before;
    if (ALLOCATOR_TELLS) EXPECT(all >= held * 9 / 10 && all <= held * 11 / 10);
    groups_check(l->groups);
    large_free(l);
    EXPECT_EQ(all, 0);
}

/* What is larger than the memory that can be had is refused, and nobody else notices. */
TEST(a_member_that_finds_no_memory_is_refused)
{
    enum { BYTES = 100 * 1024 };
    struct large *l = large_new();
    join(l, 0);
    uint8_t *metadata = mem_new(BYTES);
    struct group_protocol protocol = {BYTES_LIT("common"), bytes_of(metadata, BYTES)};
    struct join_in in = {
        .group_id = BYTES_LIT("g"), .member_id = BYTES_LIT(""), .client_id = BYTES_LIT("c"),
        .client_host = BYTES_LIT("/h"), .protocol_type = BYTES_LIT("consumer"),
        .protocols = &protocol, .protocol_count = 1, .session_ms = 60000, .rebalance_ms = 60000,
        .random = {1, 1},
    };
    mem_fail_after(0);
    groups_join(l->groups, 0, &in, &l->tokens[1], &l->out);
    mem_fail_after(-1);
    EXPECT_EQ(l->out.count, 1);
    EXPECT_ERR(l->out.replies[0].join.err, ERR_GROUP_MAX_SIZE_REACHED);
    groups_check(l->groups);
    mem_free(metadata);
    large_free(l);
}

TESTS(RUN(what_groups_hold_is_counted_within_a_tenth),
      RUN(a_member_that_finds_no_memory_is_refused),
      RUN(the_tables_of_all_loops_share_one_bound), RUN(one_group_has_a_bound_of_its_own),
      RUN(many_groups_are_listed_through_a_long_filter),
      RUN(the_protocol_of_many_members_is_chosen), RUN(many_members_that_do_not_sync_go_by_and_by),
      RUN(many_clients_hang_up_while_they_wait))
