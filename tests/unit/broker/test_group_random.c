/* Random lives of random groups: see group_driver.h for what must hold. */
#include "tests/unit/broker/group_driver.h"
#include "random.h"
#include "test.h"

TEST(groups_stay_sound_whatever_clients_do)
{
    struct random r = random_seeded();
    static uint8_t data[4096];
    for (int run = 0; run < 200; run++) {
        for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)random_next(&r);
        driver_run(data, sizeof data);
    }
}

/* A world of well-behaved clients that also die, restart and leave: whenever they are left alone
 * for long enough, every live client is in the one generation with an assignment of that
 * generation. */
enum { CLIENTS = 12, ROUNDS = 300 };

struct client {
    char id[96];
    int32_t generation;
    bool alive;
    bool waits;             /* for a join or sync */
    bool in;                /* has an assignment */
    bool has_list;          /* leads this generation */
    char assignment[32];
};

struct world {
    struct groups *groups;
    struct group_effects out;
    struct client clients[CLIENTS];
    char ids[CLIENTS][96];          /* the leader's member list */
    uint32_t id_count;
    int64_t now_ms;
    uint64_t random;
};

static void on_join(struct world *w, struct client *c, const struct join_reply *r)
{
    bytes_to_text(r->member_id, c->id, sizeof c->id);
    if (r->err == ERR_UNKNOWN_MEMBER_ID) c->id[0] = '\0';
    if (r->err != ERR_OK) return;
    c->generation = r->generation;
    c->has_list = r->member_count > 0;
    for (uint32_t i = 0; i < r->member_count; i++)
        bytes_to_text(r->members[i].member_id, w->ids[i], sizeof w->ids[i]);
    if (c->has_list) w->id_count = r->member_count;
}

static void on_reply(struct world *w, const struct group_reply *r)
{
    struct client *c = r->token;
    EXPECT(c->waits);
    c->waits = false;
    if (r->kind == GROUP_REPLY_JOIN) {
        on_join(w, c, &r->join);
    } else if (r->sync.err == ERR_OK) {
        c->in = true;
        bytes_to_text(r->sync.assignment, c->assignment, sizeof c->assignment);
    } else {
        c->generation = -1;
    }
}

static void deliver(struct world *w)
{
    groups_check(w->groups);
    for (uint32_t i = 0; i < w->out.count; i++) on_reply(w, &w->out.replies[i]);
}

static void client_join(struct world *w, struct client *c)
{
    static const struct group_protocol range = {BYTES_LIT("range"), BYTES_LIT("m")};
    unsigned index = (unsigned)(c - w->clients);
    char name[16];
    snprintf(name, sizeof name, "c%u", index);
    struct join_in in = {
        .group_id = BYTES_LIT("g"),
        .member_id = bytes_str(c->id),
        .instance_id = index % 3 == 0 ? bytes_str(name) : BYTES_NULL,
        .client_id = bytes_str(name),
        .client_host = BYTES_LIT("/127.0.0.1"),
        .protocol_type = BYTES_LIT("consumer"),
        .protocols = &range,
        .protocol_count = 1,
        .session_ms = 10000,
        .rebalance_ms = 20000,
        .member_id_required = true,
        .can_skip_assignment = true,
        .random = {1, ++w->random},
    };
    c->waits = true;
    c->in = false;
    c->has_list = false;
    groups_join(w->groups, w->now_ms, &in, c, &w->out);
    deliver(w);
}

static void client_sync(struct world *w, struct client *c)
{
    struct sync_assignment list[CLIENTS];
    char values[CLIENTS][32];
    for (uint32_t i = 0; i < w->id_count; i++) {
        snprintf(values[i], sizeof values[i], "%d/%u", c->generation, i);
        list[i] = (struct sync_assignment){bytes_str(w->ids[i]), bytes_str(values[i])};
    }
    struct sync_in in = {
        .group_id = BYTES_LIT("g"),
        .member_id = bytes_str(c->id),
        .generation = c->generation,
        .assignments = list,
        .assignment_count = c->has_list ? w->id_count : 0,
    };
    c->waits = true;
    groups_sync(w->groups, w->now_ms, &in, c, &w->out);
    deliver(w);
}

static void client_heartbeat(struct world *w, struct client *c)
{
    struct heartbeat_in in = {BYTES_LIT("g"), bytes_str(c->id), BYTES_NULL, c->generation};
    enum err err = groups_heartbeat(w->groups, w->now_ms, &in);
    groups_check(w->groups);
    if (err == ERR_OK) return;
    if (err == ERR_UNKNOWN_MEMBER_ID) c->id[0] = '\0';
    c->in = false;
    c->generation = -1;
}

/* One turn of a client's life: what a real one would do next. */
static void client_turn(struct world *w, struct client *c)
{
    if (!c->alive || c->waits) return;
    if (c->in)
        client_heartbeat(w, c);
    else if (c->generation > 0)
        client_sync(w, c);
    else
        client_join(w, c);
}

static void live(struct world *w, int64_t until_ms)
{
    while (w->now_ms < until_ms) {
        for (int i = 0; i < CLIENTS; i++) client_turn(w, &w->clients[i]);
        w->now_ms += 1000;
        while (groups_tick(w->groups, w->now_ms, &w->out)) deliver(w);
    }
}

static void upset(struct world *w, struct random *r)
{
    struct client *c = &w->clients[random_below(r, CLIENTS)];
    if (!c->alive) {
        *c = (struct client){.alive = true, .generation = -1};
    } else if (random_below(r, 2) == 0) {
        groups_abandon(w->groups, c);
        *c = (struct client){0};        /* dies without a word */
    } else if (!c->waits && c->id[0] != '\0') {
        struct leave_member m = {bytes_str(c->id), BYTES_NULL, ERR_OK};
        groups_leave(w->groups, w->now_ms, BYTES_LIT("g"), &m, 1, &w->out);
        deliver(w);
        *c = (struct client){0};
    }
}

TEST(clients_that_behave_always_end_up_in_one_generation)
{
    struct random r = random_seeded();
    struct groups_config config;
    groups_config_default(&config);
    static struct world w;
    w.groups = groups_new(&config);
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t n = random_below(&r, 6); n > 0; n--) {
            upset(&w, &r);
            live(&w, w.now_ms + (int64_t)random_below(&r, 15000));
        }
        live(&w, w.now_ms + 120000);
        struct group *g = groups_find(w.groups, BYTES_LIT("g"));
        uint32_t alive = 0;
        for (int i = 0; i < CLIENTS; i++) {
            struct client *c = &w.clients[i];
            if (!c->alive) continue;
            alive++;
            char generation[16];
            int len = snprintf(generation, sizeof generation, "%d/", g->generation);
            EXPECT(c->in);
            EXPECT_EQ(c->generation, g->generation);
            EXPECT_EQ(strncmp(c->assignment, generation, (size_t)len), 0);
            for (int k = 0; k < i; k++)     /* nobody shares an assignment */
                EXPECT(!w.clients[k].alive ||
                       strcmp(w.clients[k].assignment, c->assignment) != 0);
        }
        if (g != NULL) EXPECT_EQ(g->members.count, alive);
    }
    groups_free(w.groups);
    group_effects_done(&w.out);
}

TESTS(RUN(groups_stay_sound_whatever_clients_do),
      RUN(clients_that_behave_always_end_up_in_one_generation))
