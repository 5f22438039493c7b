/* One classic group and its members: what the files of this folder share. Others see groups.h only.
 *
 *   Empty -> PreparingRebalance -> CompletingRebalance -> Stable
 *     ^_____________|  ^__________________|________________|
 *
 * PreparingRebalance: members are called to join (their JoinGroups wait); CompletingRebalance: all
 * joined, the leader's assignment is awaited (SyncGroups wait); Stable: every member can fetch its
 * assignment. Dead follows every state, for the moment in which the group is freed.
 * Fuzz: fuzz_group */
#ifndef BROKER_GROUP_GROUP_H
#define BROKER_GROUP_GROUP_H

#include "base/map.h"
#include "broker/group/groups.h"
#include "broker/group/timers.h"

enum group_state {
    GROUP_EMPTY,
    GROUP_PREPARING,
    GROUP_COMPLETING,
    GROUP_STABLE,
    GROUP_DEAD
};

enum {
    /* How long the JoinGroup of a member that never was in a generation may wait: its client has no
     * member id yet that it could heartbeat with. Kafka's constant, 5 minutes, no setting. */
    NEW_MEMBER_WAIT_MS = 5 * 60 * 1000,
    MEMBER_ID_RANDOM_CHARS = 36         /* a UUID's text */
};

/* What the timer of each kind is embedded in. */
enum timer_kind {
    TIMER_JOIN,         /* group: the wait for members to join is over */
    TIMER_SYNC,         /* group: members that did not sync have to go */
    TIMER_SESSION,      /* member: not heard of for session_ms */
    TIMER_PENDING       /* pending: did not come back with the id it was given */
};

/* A protocol that members of the group know. Counted, so that what all of them know is told without
 * a look at each. */
struct supported {
    struct map_node by_name;
    struct bytes name;                  /* owned */
    uint32_t members;                   /* how many know it, at least one */
    uint32_t votes;                     /* while group_select_protocol() counts */
    const struct member *last;          /* that learnt it, and knows it still; or NULL */
};

/* One of a member's. */
struct known_protocol {
    struct supported *supported;        /* its name */
    struct bytes metadata;
};

/* What an answer is waited with. */
struct wait {
    struct map_node by_token;           /* in the table, while there is a token */
    void *token;                        /* NULL: nobody waits, or the client is gone */
};

struct member {
    struct group *group;
    struct member *next, *prev;         /* in the order of joining */
    struct map_node by_id;
    struct map_node by_instance;        /* static members only */
    struct timer session;
    struct bytes id;                    /* these four own their bytes */
    struct bytes instance_id;           /* null: dynamic */
    struct bytes client_id;
    struct bytes client_host;
    struct bytes assignment;            /* owned; empty: none */
    struct known_protocol *protocols;   /* in order of preference, names differ; one block */
    uint32_t protocol_count;
    size_t protocol_bytes;
    int32_t session_ms;
    int32_t rebalance_ms;
    bool joining;                       /* waits for the join phase to end */
    bool syncing;                       /* waits for the leader's assignment */
    bool sync_due;                      /* has not asked for its assignment of this generation */
    bool is_new;                        /* was in no generation yet */
    struct wait join, sync;
};

/* A member id that was given out by MEMBER_ID_REQUIRED and not used yet. */
struct pending {
    struct group *group;
    struct pending *next, *prev;
    struct map_node by_id;
    struct timer expiry;
    struct bytes id;                    /* owned */
};

struct group {
    struct groups *table;
    struct map_node by_id;              /* in the table */
    struct bytes id;                    /* owned */
    enum group_state state;
    enum group_state previous;
    int64_t state_since_ms;
    int32_t generation;
    struct bytes protocol_type;         /* owned; null: never had a member */
    struct bytes protocol_name;         /* owned; null: no generation with members */
    struct member *leader;              /* NULL: no members */
    struct member *first, *last;
    struct map members;
    struct map instances;               /* the static ones among them */
    struct map pendings;
    struct map protocols;               /* struct supported, of all members */
    size_t bytes;                       /* held for it, its own struct included */
    struct pending *first_pending;
    uint32_t joining_count;
    uint32_t sync_due_count;
    bool sync_failed;                   /* some who owed a sync are removed already, the others go
                                           next: a rebalance follows, whoever syncs meanwhile */
    bool restored;                      /* known from its offsets only; since a restart */
    bool member_added;                  /* a member came during the initial delay */
    bool initial;                       /* join is the initial delay's timer */
    int32_t delay_ms;                   /* of the initial delay that runs */
    int32_t delay_left_ms;              /* what it may be prolonged by */
    struct timer join;
    struct timer sync;
};

struct groups {
    struct groups_config config;
    struct map by_id;
    struct map waits;                   /* struct wait, of all members of all groups */
    struct timers timers;
    size_t bytes_used;                  /* of all its groups and their maps */
};

/* ---- Table (groups.c) */
struct group *groups_find(const struct groups *gs, struct bytes id);     /* NULL: none */
/* NULL: a limit is reached (groups_max, bytes_max). */
struct group *groups_add(struct groups *gs, int64_t now_ms, struct bytes id);
/* Frees the group, its members and what waits in it, without a reply. */
void groups_remove(struct groups *gs, struct group *g);
/* g NULL: a group to be. */
bool groups_have_room(const struct groups *gs, const struct group *g, size_t bytes);

/* ---- Held bytes (held.c): counted in the group, in the table and among those of all tables */
/* What the allocator takes for so many bytes, its own share included; for a map's buckets, and what
 * one more node adds to these. */
size_t group_block(size_t bytes);
size_t group_map_bytes(const struct map *m);
size_t group_map_growth(const struct map *m);
/* One allocation of so many bytes, counted so. */
void group_hold(struct group *g, size_t bytes);
void group_release(struct group *g, size_t bytes);
/* map_put() into a map of the group or of the table; what its buckets grow by is held. */
void group_index(struct group *g, struct map *m, struct map_node *n, uint64_t hash);
void groups_index(struct groups *gs, struct map *m, struct map_node *n, uint64_t hash);
void group_index_done(struct group *g, struct map *m);
void groups_index_done(struct groups *gs, struct map *m);
/* What one more member adds to maps, beside its protocols. */
size_t group_index_growth(const struct group *g);
struct bytes group_keep(struct group *g, struct bytes b);               /* null stays null */
void group_drop(struct group *g, struct bytes *b);                      /* becomes null */
void group_replace(struct group *g, struct bytes *b, struct bytes with);

/* ---- Members (member.c) */
void member_init(struct member *m, struct group *g, struct bytes id, const struct join_in *in);
void member_done(struct member *m);
/* At most what a join will add: of a new member (m NULL), or to m. */
size_t member_bytes(const struct group *g, const struct member *m, const struct join_in *in);
/* Takes over protocols and time-outs. */
void member_update(struct member *m, const struct join_in *in);
bool member_matches(const struct member *m, const struct join_in *in);  /* same protocols */
const struct known_protocol *member_protocol(const struct member *m, struct bytes name);
struct bytes member_metadata(const struct member *m, struct bytes protocol);    /* null: none */
void member_set_assignment(struct member *m, struct bytes assignment);
void member_keep_alive(struct member *m, int64_t now_ms, int32_t wait_ms);
void member_set_sync_due(struct member *m, bool due);

/* ---- Waits (waits.c) */
/* Waiting begins, with a token that is not NULL. */
void member_wait_join(struct member *m, void *token);
void member_wait_sync(struct member *m, void *token);
/* Ends it without a reply and gives the token back; NULL: none. */
void *member_take_join(struct member *m);
/* The token is forgotten, the wait goes on. None: a no-op. Returns it. */
void *wait_forget(struct groups *gs, struct wait *w);
struct wait *groups_wait(const struct groups *gs, const void *token);           /* NULL: none */

/* ---- The group (group.c) */
void group_move(struct group *g, int64_t now_ms, enum group_state to);
const char *group_state_name(enum group_state state);
struct member *group_member(const struct group *g, struct bytes id);             /* NULL: none */
struct member *group_static_member(const struct group *g, struct bytes instance_id);
/* Errors: ERR_UNKNOWN_MEMBER_ID; ERR_FENCED_INSTANCE_ID.  Thread: the table's loop. */
enum err group_check_member(const struct group *g, struct bytes id, struct bytes instance_id,
                            struct member **ret);
/* The first member leads. Its session timer is not set. */
struct member *group_add_member(struct group *g, struct bytes id, const struct join_in *in);
/* Answers what waits with UNKNOWN_MEMBER_ID. The oldest member leads if it did. */
void group_remove_member(struct group *g, struct member *m, struct group_effects *out);
void group_rename_member(struct member *m, struct bytes id);
struct pending *group_pending(const struct group *g, struct bytes id);           /* NULL: none */
struct pending *group_add_pending(struct group *g, struct bytes id, int64_t expiry_ms);
void group_remove_pending(struct group *g, struct pending *p);
int32_t group_rebalance_ms(const struct group *g);      /* the longest of its members' */
bool group_all_joined(const struct group *g);
bool group_is_consumer(const struct group *g);

/* ---- Protocols (protocols.c) */
/* May somebody with these protocols be a member? */
bool group_supports(const struct group *g, const struct join_in *in);
struct supported *group_supported(const struct group *g, struct bytes name);    /* NULL: none */
/* One member more, and one less, knows it. NULL: it is the last one that learnt it. */
struct supported *group_learn(struct member *m, struct bytes name);
void group_unlearn(struct member *m, struct supported *s);
/* The protocol that all members know and most prefer; a tie goes to the oldest member's order. The
 * view is that member's. There are members. */
struct bytes group_select_protocol(const struct group *g);

/* ---- Replies (effects.c) */
void effects_reset(struct group_effects *out);
/* Keeps one text until the replies are used; once a call. */
struct bytes effects_keep(struct group_effects *out, struct bytes text);
void effects_join_error(struct group_effects *out, void *token, enum err err,
                        struct bytes member_id);
void effects_sync_error(struct group_effects *out, void *token, enum err err);
/* The current generation. with_members: the list that a leader assigns from. */
void effects_join_ok(struct group_effects *out, void *token, const struct member *m,
                     struct bytes leader_id, bool with_members, bool skip_assignment);
void effects_sync_ok(struct group_effects *out, void *token, const struct member *m);
/* A wait ends, if there was any: with a reply unless its client is gone (groups_abandon()). */
void member_end_join(struct member *m, struct group_effects *out);
void member_fail_join(struct member *m, enum err err, struct bytes member_id,
                      struct group_effects *out);
void member_end_sync(struct member *m, struct group_effects *out);
void member_fail_sync(struct member *m, enum err err, struct group_effects *out);

/* ---- Phases (rebalance.c) */
/* Calls all members to join. In every living state but PreparingRebalance. */
void rebalance_prepare(struct group *g, int64_t now_ms, struct group_effects *out);
/* Something changed: prepare a rebalance, or see whether the one under way can go on. */
void rebalance_advance(struct group *g, int64_t now_ms, struct group_effects *out);
/* In CompletingRebalance: the waiting syncs fail, nobody keeps an assignment. */
void rebalance_reject_syncs(struct group *g, int64_t now_ms, enum err err,
                            struct group_effects *out);
void rebalance_member_synced(struct member *m);
void rebalance_on_timer(struct timer *t, int64_t now_ms, struct group_effects *out);

#endif
