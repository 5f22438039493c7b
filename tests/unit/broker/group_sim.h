/* Clients of one group in virtual time. Every answer becomes a line of a trace, so that a test
 * reads as a story; the invariants are checked after every event. */
#ifndef TESTS_GROUP_SIM_H
#define TESTS_GROUP_SIM_H

#include <assert.h>
#include <stdlib.h>
#include "broker/group/groups.h"
#include "test.h"

enum { SIM_CLIENTS = 64, SIM_TOKENS = 4096, SIM_TRACE_BYTES = 1 << 16 };

struct sim_client {
    char name[16];
    char member_id[128];        /* the last one that a reply gave */
    int32_t generation;
    char protocol[32];
    char protocol_type[32];
};

struct sim_token {
    struct sim_client *client;
    bool waits;
};

struct sim {
    struct groups_config config;
    struct groups *groups;
    struct group_effects out;
    int64_t now_ms;
    struct bytes group_id;
    struct sim_client clients[SIM_CLIENTS];
    int client_count;
    struct sim_token tokens[SIM_TOKENS];
    int token_count;
    int waiting;                /* tokens that were not answered */
    uint64_t random;
    char trace[SIM_TRACE_BYTES];
    size_t trace_len;
};

/* What a JoinGroup says; zero is the default named here. */
struct sim_join {
    const char *instance;       /* none */
    const char *type;           /* consumer */
    const char *protocols;      /* range: names separated by commas */
    const char *metadata;       /* m: of every protocol */
    const char *member_id;      /* the client's own; "" for none */
    int32_t session_ms;         /* 10000 */
    int32_t rebalance_ms;       /* 60000 */
    int version;                /* 9 */
};

static inline struct sim *sim_new_with(const struct groups_config *config)
{
    struct sim *s = calloc(1, sizeof *s);
    s->config = *config;
    s->groups = groups_new(config);
    s->group_id = BYTES_LIT("g1");
    return s;
}

static inline struct sim *sim_new(void)
{
    struct groups_config config;
    groups_config_default(&config);
    return sim_new_with(&config);
}

static inline void sim_freep(struct sim **s)
{
    group_effects_done(&(*s)->out);
    groups_free((*s)->groups);
    free(*s);
}

#define SIM(s) CLEANUP(sim_freep) struct sim *s = sim_new()

static inline struct sim_client *sim_client(struct sim *s, const char *name)
{
    for (int i = 0; i < s->client_count; i++)
        if (strcmp(s->clients[i].name, name) == 0) return &s->clients[i];
    assert(s->client_count < SIM_CLIENTS);
    struct sim_client *c = &s->clients[s->client_count++];
    snprintf(c->name, sizeof c->name, "%s", name);
    c->generation = -1;
    return c;
}

static inline struct sim_token *sim_token(struct sim *s, struct sim_client *c)
{
    assert(s->token_count < SIM_TOKENS);
    struct sim_token *t = &s->tokens[s->token_count++];
    *t = (struct sim_token){c, true};
    s->waiting++;
    return t;
}

__attribute__((format(printf, 2, 3))) static inline void sim_say(struct sim *s,
                                                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s->trace_len += (size_t)vsnprintf(s->trace + s->trace_len, SIM_TRACE_BYTES - s->trace_len,
                                      format, args);
    va_end(args);
    assert(s->trace_len < SIM_TRACE_BYTES);
}

static inline void sim_forget(struct sim *s)
{
    s->trace_len = 0;
    s->trace[0] = '\0';
}

/* A member id without its random part. */
static inline struct bytes sim_short(struct bytes id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] == '-') return bytes_slice(id, 0, i);
    return id;
}

static inline void sim_on_join(struct sim *s, struct sim_client *c, const struct join_reply *r)
{
    if (r->err == ERR_OK || r->err == ERR_MEMBER_ID_REQUIRED)
        bytes_to_text(r->member_id, c->member_id, sizeof c->member_id);
    if (r->err != ERR_OK) {
        assert(r->generation == -1 && bytes_is_null(r->protocol_name) && r->leader.len == 0);
        sim_say(s, "%s\n", err_name(r->err));
        return;
    }
    c->generation = r->generation;
    bytes_to_text(r->protocol_name, c->protocol, sizeof c->protocol);
    bytes_to_text(r->protocol_type, c->protocol_type, sizeof c->protocol_type);
    sim_say(s, "generation %d, %.*s, leader %.*s", r->generation, BYTES_ARGS(r->protocol_name),
            BYTES_ARGS(sim_short(r->leader)));
    for (uint32_t i = 0; i < r->member_count; i++)
        sim_say(s, "%s%.*s=%.*s", i ? " " : ", of ", BYTES_ARGS(sim_short(r->members[i].member_id)),
                BYTES_ARGS(r->members[i].metadata));
    sim_say(s, "%s\n", r->skip_assignment ? ", keep" : "");
}

static inline void sim_deliver(struct sim *s)
{
    groups_check(s->groups);
    for (uint32_t i = 0; i < s->out.count; i++) {
        const struct group_reply *r = &s->out.replies[i];
        struct sim_token *t = r->token;
        assert(t->waits);       /* nobody is answered twice */
        t->waits = false;
        s->waiting--;
        sim_say(s, "[%d] %s %s: ", (int)s->now_ms, t->client->name,
                r->kind == GROUP_REPLY_JOIN ? "join" : "sync");
        if (r->kind == GROUP_REPLY_JOIN)
            sim_on_join(s, t->client, &r->join);
        else if (r->sync.err == ERR_OK)
            sim_say(s, "%.*s\n", BYTES_ARGS(r->sync.assignment));
        else
            sim_say(s, "%s\n", err_name(r->sync.err));
    }
}

/* Everything that is due now. */
static inline void sim_settle(struct sim *s)
{
    while (groups_tick(s->groups, s->now_ms, &s->out)) sim_deliver(s);
}

/* To a moment, stopping at every deadline on the way. */
static inline void sim_run_to(struct sim *s, int64_t at_ms)
{
    sim_settle(s);
    while (groups_next_deadline_ms(s->groups) <= at_ms) {
        s->now_ms = groups_next_deadline_ms(s->groups);
        sim_settle(s);
    }
    s->now_ms = at_ms;
}

static inline uint32_t sim_protocols(const char *names, const char *metadata,
                                     struct group_protocol *to, uint32_t cap)
{
    uint32_t count = 0;
    while (*names != '\0') {
        size_t len = strcspn(names, ",");
        assert(count < cap);
        to[count++] = (struct group_protocol){bytes_of(names, len), bytes_str(metadata)};
        names += len + (names[len] == ',');
    }
    return count;
}

/* Hands in one JoinGroup; the token is what a test abandons it by. */
static inline struct sim_token *sim_join_once(struct sim *s, const char *name,
                                              const struct sim_join *j)
{
    struct sim_client *c = sim_client(s, name);
    struct group_protocol protocols[80];
    const char *id = j->member_id ? j->member_id : c->member_id;
    int version = j->version ? j->version : 9;
    struct join_in in = {
        .group_id = s->group_id,
        .member_id = bytes_str(id),
        .instance_id = bytes_str(j->instance),
        .client_id = bytes_str(name),
        .client_host = BYTES_LIT("/127.0.0.1"),
        .protocol_type = bytes_str(j->type ? j->type : "consumer"),
        .protocols = protocols,
        .protocol_count = sim_protocols(j->protocols ? j->protocols : "range",
                                        j->metadata ? j->metadata : "m", protocols, 80),
        .session_ms = j->session_ms ? j->session_ms : 10000,
        .rebalance_ms = j->rebalance_ms ? j->rebalance_ms : 60000,
        .member_id_required = version >= 4,
        .can_skip_assignment = version >= 9,
        .random = {0, ++s->random},
    };
    struct sim_token *t = sim_token(s, c);
    groups_join(s->groups, s->now_ms, &in, t, &s->out);
    sim_deliver(s);
    return t;
}
#define sim_join(s, name, ...) sim_join_once((s), (name), &(struct sim_join){__VA_ARGS__})

/* Both steps of a new dynamic member, without a line for the first one. */
static inline void sim_enter_as(struct sim *s, const char *name, const struct sim_join *j)
{
    size_t before = s->trace_len;
    sim_join_once(s, name, j);
    s->trace[s->trace_len = before] = '\0';
    sim_join_once(s, name, j);
}
#define sim_enter(s, name, ...) sim_enter_as((s), (name), &(struct sim_join){__VA_ARGS__})

/* assignments: "a=1 b=2": by client name; NULL: a follower's sync. */
static inline struct sim_token *sim_sync(struct sim *s, const char *name, const char *assignments)
{
    struct sim_client *c = sim_client(s, name);
    struct sync_assignment list[SIM_CLIENTS];
    char text[1024];
    snprintf(text, sizeof text, "%s", assignments ? assignments : "");
    uint32_t count = 0;
    for (char *save, *item = strtok_r(text, " ", &save); item; item = strtok_r(NULL, " ", &save)) {
        char *value = strchr(item, '=');
        *value++ = '\0';
        list[count++] = (struct sync_assignment){bytes_str(sim_client(s, item)->member_id),
                                                 bytes_str(value)};
    }
    struct sync_in in = {
        .group_id = s->group_id,
        .member_id = bytes_str(c->member_id),
        .instance_id = BYTES_NULL,
        .generation = c->generation,
        .protocol_type = bytes_str(c->protocol_type),
        .protocol_name = bytes_str(c->protocol),
        .assignments = list,
        .assignment_count = count,
    };
    struct sim_token *t = sim_token(s, c);
    groups_sync(s->groups, s->now_ms, &in, t, &s->out);
    sim_deliver(s);
    return t;
}

static inline enum err sim_heartbeat(struct sim *s, const char *name)
{
    struct sim_client *c = sim_client(s, name);
    struct heartbeat_in in = {s->group_id, bytes_str(c->member_id), BYTES_NULL, c->generation};
    enum err err = groups_heartbeat(s->groups, s->now_ms, &in);
    groups_check(s->groups);
    return err;
}

/* One member; instance NULL: by member id alone. */
static inline enum err sim_leave_as(struct sim *s, const char *member_id, const char *instance)
{
    struct leave_member m = {bytes_str(member_id), bytes_str(instance), ERR_OK};
    groups_leave(s->groups, s->now_ms, s->group_id, &m, 1, &s->out);
    sim_deliver(s);
    return m.err;
}

static inline enum err sim_leave(struct sim *s, const char *name)
{
    return sim_leave_as(s, sim_client(s, name)->member_id, NULL);
}

static inline enum err sim_commit(struct sim *s, const char *name, int32_t generation)
{
    struct commit_in in = {
        .group_id = s->group_id,
        .member_id = bytes_str(name ? sim_client(s, name)->member_id : ""),
        .instance_id = BYTES_NULL,
        .generation = generation,
        .group_not_found_known = true,
    };
    enum err err = groups_commit(s->groups, s->now_ms, &in);
    groups_check(s->groups);
    return err;
}

/* State and members as DescribeGroups shows them: "Stable range a=1 b=2". */
static inline const char *sim_describe(struct sim *s)
{
    static char text[1024];
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct group_description d;
    enum err err = groups_describe(s->groups, s->group_id, &arena, &d);
    assert(err == ERR_OK || err == ERR_GROUP_ID_NOT_FOUND);
    int len = snprintf(text, sizeof text, "%s", d.state);
    if (d.protocol_name.len > 0)
        len += snprintf(text + len, sizeof text - (size_t)len, " %.*s",
                        BYTES_ARGS(d.protocol_name));
    for (uint32_t i = 0; i < d.member_count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, " %.*s=%.*s",
                        BYTES_ARGS(sim_short(d.members[i].member_id)),
                        BYTES_ARGS(d.members[i].assignment));
    arena_done(&arena);
    return text;
}

/* Compares what was answered since the last look, and forgets it. */
#define EXPECT_TRACE(s, text)                                                                      \
    do {                                                                                           \
        EXPECT_STR((s)->trace, text);                                                              \
        sim_forget(s);                                                                             \
    } while (0)

/* Names in the order given, all Stable in one new generation; each one's assignment is its name. */
static inline void sim_stable(struct sim *s, const char *const *names, const struct sim_join *j)
{
    char assignments[1024] = "";
    size_t len = 0;
    for (int i = 0; names[i] != NULL; i++) {
        sim_enter_as(s, names[i], j);
        len += (size_t)snprintf(assignments + len, sizeof assignments - len, "%s=%s ", names[i],
                                names[i]);
    }
    sim_settle(s);
    for (int i = 1; names[i] != NULL; i++) sim_sync(s, names[i], NULL);
    sim_sync(s, names[0], assignments);
    sim_forget(s);
}
#define SIM_STABLE(s, ...)                                                                         \
    sim_stable((s), (const char *const[]){__VA_ARGS__, NULL}, &(struct sim_join){0})

#endif
