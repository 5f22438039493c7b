/* Bytes become events of several groups and clients, legal ones and wrong ones; after every event
 * the invariants are checked, and at the end time runs until nothing waits any more. Shared by the
 * random test and the fuzzer. */
#ifndef TESTS_GROUP_DRIVER_H
#define TESTS_GROUP_DRIVER_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "broker/group/group.h"
#include "tests/unit/broker/subscribed.h"

enum { DRIVER_GROUPS = 2, DRIVER_CLIENTS = 8, DRIVER_TICKS_MAX = 200000 };

struct driver_client {
    char member_id[96];
    int32_t generation;
    bool leads;                 /* by the last reply */
};

/* One of the waiting requests; freed when it is answered or abandoned. */
struct driver_token {
    struct driver_token *next;
    struct driver_client *client;
    uint32_t group;
};

struct driver {
    const uint8_t *data;
    size_t left;
    struct groups *groups;
    struct group_effects out;
    int64_t now_ms;
    uint64_t random;
    struct driver_token *waiting;
    uint32_t waiting_count;
    int32_t generation[DRIVER_GROUPS];          /* 0: no such group */
    struct driver_client clients[DRIVER_GROUPS][DRIVER_CLIENTS];
};

static inline unsigned driver_byte(struct driver *d)
{
    if (d->left == 0) return 0;
    d->left--;
    return *d->data++;
}

static inline struct bytes driver_group_id(uint32_t group)
{
    return bytes_of(&"AB"[group], 1);
}

/* ---- What must hold */

/* Tokens that the table holds: those that were handed in and neither answered nor abandoned. */
static inline uint32_t driver_tokens_held(const struct driver *d)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < DRIVER_GROUPS; i++) {
        const struct group *g = groups_find(d->groups, driver_group_id(i));
        for (const struct member *m = g ? g->first : NULL; m != NULL; m = m->next)
            held += (m->join.token != NULL) + (m->sync.token != NULL);
    }
    return held;
}

static inline void driver_check(struct driver *d)
{
    groups_check(d->groups);
    assert(driver_tokens_held(d) == d->waiting_count);
    for (uint32_t i = 0; i < DRIVER_GROUPS; i++) {
        const struct group *g = groups_find(d->groups, driver_group_id(i));
        int32_t generation = g == NULL ? 0 : g->generation;
        assert(g == NULL || generation >= d->generation[i]);
        d->generation[i] = generation;
    }
}

static inline void driver_on_join(struct driver *d, const struct driver_token *t,
                                  const struct join_reply *r)
{
    struct driver_client *c = t->client;
    if (r->err == ERR_OK || r->err == ERR_MEMBER_ID_REQUIRED)
        bytes_to_text(r->member_id, c->member_id, sizeof c->member_id);
    if (r->err != ERR_OK) {
        assert(r->generation == -1 && r->members == NULL && r->member_count == 0);
        return;
    }
    const struct group *g = groups_find(d->groups, driver_group_id(t->group));
    assert(r->generation == g->generation && r->generation > 0);
    assert(bytes_equal(r->protocol_name, g->protocol_name));
    assert(r->member_count == 0 || bytes_equal(r->member_id, r->leader));
    assert(r->member_count == 0 || r->member_count == g->members.count);
    for (uint32_t i = 0; i < r->member_count; i++)
        assert(!bytes_is_null(r->members[i].metadata));
    c->generation = r->generation;
    c->leads = bytes_equal(r->member_id, r->leader);
}

static inline void driver_on_sync(struct driver *d, const struct driver_token *t,
                                  const struct sync_reply *r)
{
    const struct group *g = groups_find(d->groups, driver_group_id(t->group));
    if (r->err != ERR_OK) {
        assert(r->assignment.len == 0 && bytes_is_null(r->protocol_name));
        return;
    }
    /* No assignment outlives its generation: the leader wrote the generation into it. */
    char want[16];
    snprintf(want, sizeof want, "%d", g->generation);
    assert(g->state == GROUP_STABLE);
    assert(r->assignment.len == 0 || bytes_equal_str(r->assignment, want));
}

static inline void driver_unlink(struct driver *d, struct driver_token *t)
{
    struct driver_token **at = &d->waiting;
    while (*at != t) {
        assert(*at != NULL);        /* answered twice, or never handed in */
        at = &(*at)->next;
    }
    *at = t->next;
    d->waiting_count--;
}

static inline void driver_deliver(struct driver *d)
{
    for (uint32_t i = 0; i < d->out.count; i++) {
        struct driver_token *t = d->out.replies[i].token;
        driver_unlink(d, t);
        if (d->out.replies[i].kind == GROUP_REPLY_JOIN)
            driver_on_join(d, t, &d->out.replies[i].join);
        else
            driver_on_sync(d, t, &d->out.replies[i].sync);
        free(t);
    }
}

static inline struct driver_token *driver_token(struct driver *d, struct driver_client *c,
                                                uint32_t group)
{
    struct driver_token *t = calloc(1, sizeof *t);
    *t = (struct driver_token){d->waiting, c, group};
    d->waiting = t;
    d->waiting_count++;
    return t;
}

/* ---- Events */

/* Mostly the client's own member id, at times none, another client's or nonsense. */
static inline struct bytes driver_member_id(struct driver *d, uint32_t group, uint32_t client)
{
    unsigned how = driver_byte(d);
    if (how < 200) return bytes_str(d->clients[group][client].member_id);
    if (how < 225) return BYTES_LIT("");
    if (how < 245) return bytes_str(d->clients[group][how % DRIVER_CLIENTS].member_id);
    return BYTES_LIT("nonsense");
}

/* The upper half of the clients is static. */
static inline struct bytes driver_instance_id(uint32_t client)
{
    return client < DRIVER_CLIENTS / 2 ? BYTES_NULL : bytes_of(&"0123456789"[client], 1);
}

static inline void driver_join(struct driver *d, uint32_t group, uint32_t client)
{
    static const struct group_protocol lists[][3] = {
        {{BYTES_LIT("range"), BYTES_LIT("1")}, {BYTES_LIT("sticky"), BYTES_LIT("1")}},
        {{BYTES_LIT("sticky"), BYTES_LIT("2")}, {BYTES_LIT("range"), BYTES_LIT("2")}},
        {{BYTES_LIT("range"), BYTES_LIT("3")}, {BYTES_LIT("range"), BYTES_LIT("3")}},
        {{BYTES_LIT("other"), BYTES_LIT("4")}, {BYTES_LIT("range"), BYTES_LIT("")}},
    };
    static const int32_t times_ms[] = {-1, 0, 100, 6000, 10000, 60000, 1800000, 1800001};
    unsigned what = driver_byte(d), times = driver_byte(d);
    struct join_in in = {
        .group_id = driver_group_id(group),
        .member_id = driver_member_id(d, group, client),
        .instance_id = driver_instance_id(client),
        .client_id = BYTES_LIT("c"),
        .client_host = BYTES_LIT("/127.0.0.1"),
        .protocol_type = what & 0x40 && what & 0x80 ? BYTES_LIT("connect") : BYTES_LIT("consumer"),
        .protocols = lists[what & 3],
        .protocol_count = what & 0x1c ? 2 : what & 1,
        .session_ms = times & 8 ? 6000 : times_ms[times & 7],
        .rebalance_ms = times_ms[times >> 4 & 7],
        .member_id_required = what & 0x20,
        .can_skip_assignment = what & 0x10,
        .random = {0, ++d->random},
    };
    struct driver_token *t = driver_token(d, &d->clients[group][client], group);
    groups_join(d->groups, d->now_ms, &in, t, &d->out);
}

static inline void driver_sync(struct driver *d, uint32_t group, uint32_t client)
{
    struct driver_client *c = &d->clients[group][client];
    unsigned what = driver_byte(d);
    char value[16];
    snprintf(value, sizeof value, "%d", c->generation);
    struct sync_assignment assignments[DRIVER_CLIENTS];
    for (uint32_t i = 0; i < DRIVER_CLIENTS; i++)
        assignments[i] = (struct sync_assignment){bytes_str(d->clients[group][i].member_id),
                                                  bytes_str(value)};
    struct sync_in in = {
        .group_id = driver_group_id(group),
        .member_id = driver_member_id(d, group, client),
        .instance_id = what & 1 ? driver_instance_id(client) : BYTES_NULL,
        .generation = c->generation,
        .protocol_type = what & 2 ? BYTES_LIT("consumer") : BYTES_NULL,
        .protocol_name = what & 4 ? BYTES_LIT("range") : BYTES_NULL,
        .assignments = assignments,
        .assignment_count = c->leads ? DRIVER_CLIENTS - (what >> 4 & 3) : 0,
    };
    struct driver_token *t = driver_token(d, c, group);
    groups_sync(d->groups, d->now_ms, &in, t, &d->out);
}

static inline void driver_leave(struct driver *d, uint32_t group, uint32_t client)
{
    struct leave_member members[3];
    uint32_t count = 1 + driver_byte(d) % 3;
    for (uint32_t i = 0; i < count; i++)
        members[i] = (struct leave_member){
            driver_member_id(d, group, (client + i) % DRIVER_CLIENTS),
            driver_instance_id((client + i) % DRIVER_CLIENTS), ERR_OK};
    groups_leave(d->groups, d->now_ms, driver_group_id(group), members, count, &d->out);
}

static inline void driver_abandon(struct driver *d)
{
    unsigned skip = driver_byte(d) % 4;
    struct driver_token *t = d->waiting;
    while (t != NULL && skip-- > 0) t = t->next;
    if (t == NULL) return;
    bool held = groups_abandon(d->groups, t);
    assert(held);
    driver_unlink(d, t);
    free(t);
}

/* The calls that answer at once: any error is fine, the state must stay sound. */
static inline void driver_ask(struct driver *d, uint32_t group, uint32_t client)
{
    struct driver_client *c = &d->clients[group][client];
    struct bytes id = driver_group_id(group), member = driver_member_id(d, group, client);
    unsigned what = driver_byte(d);
    struct bytes instance = what & 0x10 ? driver_instance_id(client) : BYTES_NULL;
    int32_t generation = what & 0x20 ? -1 : c->generation;
    struct heartbeat_in beat = {id, member, instance, generation};
    struct commit_in commit = {id, member, instance, generation, what & 0x40};
    enum err err = ERR_OK;
    switch (what & 3) {
    case 0: err = groups_heartbeat(d->groups, d->now_ms, &beat); break;
    case 1: err = groups_commit(d->groups, d->now_ms, &commit); break;
    case 2: groups_restore(d->groups, d->now_ms, id); break;
    case 3: err = groups_delete(d->groups, d->now_ms, id); break;
    }
    if ((what & 3) == 3 && err == ERR_OK) d->generation[group] = 0;
    (void)is_subscribed(d->groups, id, BYTES_LIT("t"));
    (void)groups_offset_expired(d->groups, d->now_ms, id, 0, -1);
}

static inline bool driver_tick(struct driver *d)
{
    bool did = groups_tick(d->groups, d->now_ms, &d->out);
    driver_deliver(d);
    driver_check(d);
    return did;
}

static inline void driver_step(struct driver *d)
{
    unsigned event = driver_byte(d), who = driver_byte(d);
    uint32_t group = who >> 7, client = who % DRIVER_CLIENTS;
    int64_t next_ms = groups_next_deadline_ms(d->groups);
    d->out.count = 0;
    switch (event % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: driver_join(d, group, client); break;
    case 5:
    case 6:
    case 7: driver_sync(d, group, client); break;
    case 8: driver_leave(d, group, client); break;
    case 9: driver_abandon(d); break;
    case 10:
    case 11:
    case 12: driver_ask(d, group, client); break;
    case 13: d->now_ms += (int64_t)driver_byte(d) * 100; break;
    default:
        if (next_ms != INT64_MAX && next_ms > d->now_ms) d->now_ms = next_ms;
        if (driver_tick(d)) d->out.count = 0;
        break;
    }
    driver_deliver(d);
    driver_check(d);
}

/* Time goes on and nobody says anything more: all groups become Empty and all tokens are
 * answered. */
static inline void driver_drain(struct driver *d)
{
    uint32_t ticks = 0;
    while (groups_next_deadline_ms(d->groups) != INT64_MAX) {
        assert(++ticks < DRIVER_TICKS_MAX);
        if (groups_next_deadline_ms(d->groups) > d->now_ms)
            d->now_ms = groups_next_deadline_ms(d->groups);
        driver_tick(d);
    }
    assert(d->waiting == NULL);
    for (uint32_t i = 0; i < DRIVER_GROUPS; i++) {
        const struct group *g = groups_find(d->groups, driver_group_id(i));
        assert(g == NULL || g->state == GROUP_EMPTY);
    }
}

static inline void driver_run(const uint8_t *data, size_t len)
{
    struct driver *d = calloc(1, sizeof *d);
    d->data = data;
    d->left = len;
    struct groups_config config;
    groups_config_default(&config);
    config.initial_delay_ms = (int32_t)(driver_byte(d) % 4) * 1000;
    config.members_max = 2 + driver_byte(d) % 8;
    config.bytes_max = 2000 + driver_byte(d) * 64;
    d->groups = groups_new(&config);
    while (d->left > 0) driver_step(d);
    driver_drain(d);
    groups_free(d->groups);
    group_effects_done(&d->out);
    free(d);
}

#endif
