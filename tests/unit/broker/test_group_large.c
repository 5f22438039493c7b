/* Groups of many members with many protocols each: a rebalance costs what its members said, once.
 * Work that compares members with each other would take seven minutes here. */
#include <stdio.h>
#include <stdlib.h>
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

TESTS(RUN(the_protocol_of_many_members_is_chosen), RUN(many_clients_hang_up_while_they_wait))
