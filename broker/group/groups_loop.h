/* The groups that one loop owns, as a coordinator of the journey in broker/coordinator. */
#ifndef BROKER_GROUP_GROUPS_LOOP_H
#define BROKER_GROUP_GROUPS_LOOP_H

#include "base/map.h"
#include "broker/coordinator/coordinator.h"
#include "broker/group/groups.h"

struct group_expiry;

struct groups_loop {
    struct coordinator coordinator;
    struct groups *groups;
    struct group_effects out;
    struct group_expiry *expiry;
    struct map commits;                     /* struct group_commit: what storage has not finished
                                               yet */
};

/* Knows the groups that storage holds offsets of; they keep to the broker's options. Never NULL.
 * Thread: main, before the loop runs; free after it was stopped. */
struct groups_loop *groups_loop_new(struct broker_loop *home);
void groups_loop_free(struct groups_loop *gl);

static inline struct groups_loop *groups_loop_of(struct coordinator *c)
{
    return CONTAINER_OF(c, struct groups_loop, coordinator);
}

/* Those of this loop. Thread: the loop's, or main while it does not run. */
static inline struct groups_loop *groups_loop_at(const struct broker_loop *l)
{
    return groups_loop_of(l->coordinators[COORDINATOR_GROUP]);
}

/* The groups' time. Thread: the loop's. */
static inline int64_t groups_loop_now_ms(const struct groups_loop *gl)
{
    return coordinator_now_ms(&gl->coordinator);
}

static inline const struct groups_config *groups_loop_config(const struct groups_loop *gl)
{
    return &gl->coordinator.home->broker->options.groups;
}

static inline struct store *groups_loop_store(const struct groups_loop *gl)
{
    return gl->coordinator.home->broker->store;
}

/* A call that the table of groups has as a token, until its reply says what to encode. */
struct group_wait {
    struct coordinator_call call;
    /* Views in reply die with the return. */
    void (*on_reply)(struct group_wait *wait, const struct group_reply *reply);
};

#endif
