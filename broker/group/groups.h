/* The classic group coordinator as a pure state machine: all groups that one loop owns.
 *
 * Requests come in as values, time as now_ms, and what is to be said to whom goes out as a list of
 * replies. JoinGroup and SyncGroup wait inside the machine: each is handed in with a token, and the
 * token comes back exactly once, in the reply list of that call or of a later one. It behaves as
 * Apache Kafka 4.4's GroupMetadataManager does; README.md lists the few places that differ.
 *
 * Views in replies live until the next call with the same struct groups.
 * Thread of everything here: the loop that owns the table. Nothing blocks or reads a clock. */
#ifndef BROKER_GROUP_GROUPS_H
#define BROKER_GROUP_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "broker/group/config.h"

struct groups;

struct groups *groups_new(const struct groups_config *config);
/* Tokens that still wait are forgotten. NULL is a no-op; returns NULL. */
struct groups *groups_free(struct groups *gs);

/* ---- Replies */

struct group_protocol {
    struct bytes name;
    struct bytes metadata;
};

struct join_member {
    struct bytes member_id;
    struct bytes instance_id;           /* null: dynamic member */
    struct bytes metadata;              /* of the chosen protocol */
};

struct join_reply {
    enum err err;
    int32_t generation;                 /* -1 on an error */
    struct bytes protocol_type;         /* null on an error */
    struct bytes protocol_name;         /* null on an error */
    struct bytes leader;                /* empty on an error */
    struct bytes member_id;
    bool skip_assignment;               /* the leader rejoined, its members keep what they have */
    const struct join_member *members;  /* for the leader only */
    uint32_t member_count;
};

struct sync_reply {
    enum err err;
    struct bytes protocol_type;         /* null on an error */
    struct bytes protocol_name;         /* null on an error */
    struct bytes assignment;            /* empty on an error */
};

struct group_reply {
    void *token;
    enum { GROUP_REPLY_JOIN, GROUP_REPLY_SYNC } kind;
    union {
        struct join_reply join;
        struct sync_reply sync;
    };
};

/* Zeroed at first; every call that takes one empties it before it adds. */
struct group_effects {
    struct group_reply *replies;
    uint32_t count;
    uint32_t cap;
    struct join_member *members;        /* what the one member list of the replies points to */
    char *kept;                         /* a text that its owner gave up */
};
void group_effects_done(struct group_effects *out);

/* ---- Members. group_id is not empty and not null: the APIs refuse that before they come here
 * (ERR_INVALID_GROUP_ID). Strings are borrowed until the call's replies are used. A token is not
 * NULL. */

struct join_in {
    struct bytes group_id;
    struct bytes member_id;             /* empty: a new member */
    struct bytes instance_id;           /* null: dynamic member */
    struct bytes client_id;             /* empty when the client gave none */
    struct bytes client_host;           /* "/127.0.0.1" */
    struct bytes protocol_type;
    const struct group_protocol *protocols;
    uint32_t protocol_count;
    int32_t session_ms;
    int32_t rebalance_ms;               /* JoinGroup v0: the same as session_ms */
    bool member_id_required;            /* JoinGroup v4+: a new dynamic member joins in two steps */
    bool can_skip_assignment;           /* JoinGroup v9+ */
    uint64_t random[2];                 /* the random part of a new member id */
};
/* Errors, in the reply: ERR_INVALID_SESSION_TIMEOUT; ERR_UNKNOWN_MEMBER_ID; ERR_FENCED_INSTANCE_ID;
 * ERR_MEMBER_ID_REQUIRED - join again with reply.member_id; ERR_INCONSISTENT_GROUP_PROTOCOL;
 * ERR_GROUP_MAX_SIZE_REACHED - members_max, bytes_max or group_bytes_max; ERR_INVALID_REQUEST -
 * protocols_max; ERR_COORDINATOR_NOT_AVAILABLE - groups_max; ERR_REBALANCE_IN_PROGRESS - the same
 * member joined anew; ERR_UNKNOWN_SERVER_ERROR - a pending member that turned static. */
void groups_join(struct groups *gs, int64_t now_ms, const struct join_in *in, void *token,
                 struct group_effects *out);

struct sync_assignment {
    struct bytes member_id;
    struct bytes assignment;
};
struct sync_in {
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;           /* null: none */
    int32_t generation;
    struct bytes protocol_type;         /* null: not checked */
    struct bytes protocol_name;         /* null: not checked */
    const struct sync_assignment *assignments;      /* of a later duplicate the last one counts */
    uint32_t assignment_count;
};
/* Errors, in the reply: ERR_UNKNOWN_MEMBER_ID; ERR_FENCED_INSTANCE_ID; ERR_ILLEGAL_GENERATION;
 * ERR_INCONSISTENT_GROUP_PROTOCOL; ERR_REBALANCE_IN_PROGRESS; ERR_UNKNOWN_SERVER_ERROR - the
 * assignments do not fit into bytes_max or group_bytes_max, the group rebalances. */
void groups_sync(struct groups *gs, int64_t now_ms, const struct sync_in *in, void *token,
                 struct group_effects *out);

/* The client of a waiting token is gone: the token will not come back. Its member stays, as in
 * Kafka, until it joins anew or its time is over. False: the token does not wait. */
bool groups_abandon(struct groups *gs, const void *token);

struct heartbeat_in {
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;           /* null: none */
    int32_t generation;
};
/* Errors: ERR_UNKNOWN_MEMBER_ID; ERR_FENCED_INSTANCE_ID; ERR_ILLEGAL_GENERATION;
 * ERR_REBALANCE_IN_PROGRESS - alive, but has to join anew. Thread: the table's loop. */
enum err groups_heartbeat(struct groups *gs, int64_t now_ms, const struct heartbeat_in *in);

struct leave_member {
    struct bytes member_id;             /* empty: whoever holds the instance id */
    struct bytes instance_id;           /* null: none */
    enum err err;                       /* out: OK, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID */
};
void groups_leave(struct groups *gs, int64_t now_ms, struct bytes group_id,
                  struct leave_member *members, uint32_t member_count, struct group_effects *out);

/* ---- Time */

/* When groups_tick() has work next; INT64_MAX: nothing waits. */
int64_t groups_next_deadline_ms(const struct groups *gs);
/* Does the one thing that is due longest. True: it did, call again; false: nothing is due. */
bool groups_tick(struct groups *gs, int64_t now_ms, struct group_effects *out);

/* ---- Offsets. The offsets themselves are kept by storage. */

struct commit_in {
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;           /* null: none */
    int32_t generation;                 /* < 0: not a member's commit */
    bool group_not_found_known;         /* OffsetCommit v9+ */
};
/* May this commit be stored? Makes a group for a commit from outside; keeps a member alive.
 * Errors: ERR_GROUP_ID_NOT_FOUND (v9+), ERR_ILLEGAL_GENERATION; ERR_UNKNOWN_MEMBER_ID;
 * ERR_FENCED_INSTANCE_ID; ERR_REBALANCE_IN_PROGRESS; ERR_COORDINATOR_NOT_AVAILABLE - groups_max.
 * Thread: the table's loop. */
enum err groups_commit(struct groups *gs, int64_t now_ms, const struct commit_in *in);
/* Is an offset's metadata string within offset.metadata.max.bytes? Null is.
 * Errors: ERR_OFFSET_METADATA_TOO_LARGE.  Thread: any. */
enum err groups_check_metadata(const struct groups_config *config, struct bytes metadata);
/* Bytes of the record that Kafka would write to __consumer_offsets for an offset, as the n-th of
 * its batch, which has a header of BATCH_HEADER_BYTES. lasts: the client says for how long. */
size_t groups_commit_record_bytes(size_t group_len, size_t topic_len, size_t metadata_len,
                                  bool lasts, int32_t n);
/* May offsets of the group be deleted by name?
 * Errors: ERR_GROUP_ID_NOT_FOUND; ERR_NON_EMPTY_GROUP - members, and not of type "consumer".
 * Thread: the table's loop. */
enum err groups_offset_delete(const struct groups *gs, struct bytes group_id);
/* Names of topics in what a group's members subscribe to, looked at in one turn; some 20 ms. */
enum { GROUP_SUBSCRIBED_NAMES_MAX = 1 << 19 };
/* Which of these topics does a member of the group subscribe to? Unknown subscriptions, and more
 * names than that, count as yes. ret: one a topic.
 * Errors: ERR_TOO_LARGE - the arena is full.  Thread: the table's loop. */
enum err groups_subscribed(const struct groups *gs, struct bytes group_id, struct arena *arena,
                           const struct bytes *topics, int32_t count, bool *ret);
/* Is a committed offset, of a topic that nobody in the group subscribes to, past its time
 * (KIP-211)? expire_ms: given by OffsetCommit v2..4, or -1. */
bool groups_offset_expired(const struct groups *gs, int64_t now_ms, struct bytes group_id,
                           int64_t commit_ms, int64_t expire_ms);

/* ---- Administration */

/* At start, a group that storage holds offsets of: Empty, no type. No-op when it is there. */
void groups_restore(struct groups *gs, int64_t now_ms, struct bytes group_id);
/* Forgets an Empty group; its offsets are the caller's to delete.
 * Errors: ERR_GROUP_ID_NOT_FOUND; ERR_NON_EMPTY_GROUP.  Thread: the table's loop. */
enum err groups_delete(struct groups *gs, int64_t now_ms, struct bytes group_id);

struct member_description {
    struct bytes member_id;
    struct bytes instance_id;           /* null: dynamic member */
    struct bytes client_id;
    struct bytes client_host;
    struct bytes metadata;              /* empty unless Stable */
    struct bytes assignment;
};
struct group_description {
    const char *state;                  /* "Stable"; "Dead" when there is no such group */
    struct bytes protocol_type;         /* empty: none */
    struct bytes protocol_name;         /* empty unless Stable */
    struct member_description *members;
    uint32_t member_count;
};
/* Copied into the arena. ERR_GROUP_ID_NOT_FOUND sets ret as well, to "Dead".
 * Errors: ERR_GROUP_ID_NOT_FOUND; ERR_TOO_LARGE - the arena is full.  Thread: the table's loop. */
enum err groups_describe(const struct groups *gs, struct bytes group_id, struct arena *arena,
                         struct group_description *ret);

struct group_listing {
    struct bytes group_id;
    struct bytes protocol_type;         /* empty: none */
    const char *state;
    const char *type;                   /* "classic" */
};
struct group_list_filter {
    const struct bytes *states;         /* any case, blanks around allowed; none given: all */
    uint32_t state_count;
    const struct bytes *types;
    uint32_t type_count;
};
/* Copied into the arena, in no order. Errors: ERR_TOO_LARGE - the arena is full.
 * Thread: the table's loop. */
enum err groups_list(const struct groups *gs, const struct group_list_filter *filter,
                     struct arena *arena, struct group_listing **ret, uint32_t *ret_count);

/* All groups, a few at a time: cursor starts as 0; false at the end. Copied into the arena, what
 * does not fit is left out. Groups may come and go between two calls: whatever is there all the
 * time comes at least once. */
bool groups_page(const struct groups *gs, uint32_t *cursor, struct arena *arena,
                 struct bytes **ret_ids, uint32_t *ret_count);

uint32_t groups_count(const struct groups *gs);

/* Aborts when an invariant of the table is broken; for tests and fuzzing. */
void groups_check(const struct groups *gs);

#endif
