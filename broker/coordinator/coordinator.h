/* The groups that one loop owns: every group id falls to one loop by its hash, and requests that
 * arrive elsewhere are carried there and back.
 *
 * A request about one group is a call: act() runs on the owner's loop, and once the answer is
 * encoded the call goes home and replies. A request about many groups is a tour through all loops.
 * Either lies in the request's arena, touched by one thread at a time: the one that has the job. */
#ifndef BROKER_COORDINATOR_COORDINATOR_H
#define BROKER_COORDINATOR_COORDINATOR_H

#include "base/map.h"
#include "base/net/loop.h"
#include "broker/group/groups.h"
#include "broker/request.h"

struct group_expiry;

struct groups_loop {
    struct broker_loop *home;
    struct groups *groups;
    struct groups_config config;
    struct group_effects out;
    struct loop_timer timer;                /* of the next deadline in groups */
    struct group_expiry *expiry;
    struct map commits;                     /* struct group_commit: what storage has not finished
                                               yet */
    struct group_call *answers, **answers_end;      /* encoded, to be sent */
    struct job sending;                     /* of what one turn did not send */
    bool sending_posted;
    bool acting;                            /* replies in `out` are not encoded yet */
    int64_t wall_ms;                        /* wall clock minus loop clock, fixed at start: setting
                                               the clock ends no session */
};

/* Knows the groups that storage holds offsets of. Never NULL.
 * Thread: main, before the loop runs; free after it was stopped. */
struct groups_loop *groups_loop_new(struct broker_loop *home);
void groups_loop_free(struct groups_loop *gl);      /* NULL is a no-op */

/* The coordinator's time. Thread: the loop's. */
static inline int64_t groups_loop_now_ms(const struct groups_loop *gl)
{
    return loop_now_ms(gl->home->loop) + gl->wall_ms;
}

/* The one that owns the group. Thread: any. */
struct groups_loop *groups_loop_of(const struct broker *b, struct bytes group_id);

struct group_call {
    struct job job;
    struct kafka_request *rq;
    struct groups_loop *owner;
    void (*act)(struct group_call *call);
    /* Of a call that is a token: encodes what the coordinator says. Views die with the return. */
    void (*on_reply)(struct group_call *call, const struct group_reply *reply);
    struct group_call *next;                /* in the owner's answers */
    bool aborts;                            /* the answer cannot be made: close the connection */
    bool waits;                             /* the owner's: the coordinator has the call as a token;
                                               set by act() */
    struct bytes group_id;
    bool queued;                            /* the owner's: act() has a turn of its own */
    bool gone;                              /* the owner's: the abandon came before that turn */
    struct job abandon;                     /* goes to the owner and back when the client is gone */
    bool abandon_under_way;                 /* home's */
    bool abandoned;                         /* the owner's, read at home: no answer will come */
    bool answered;                          /* home's: the answer is here, the abandon is not */
};

/* Carries the call to the group's owner. Thread: the request's loop, which gives it away. */
void group_call_begin(struct group_call *call, struct kafka_request *rq, struct bytes group_id,
                      void (*act)(struct group_call *call));
/* The answer is in rq->reply: home with it. Thread: the owner's. */
void group_call_answer(struct group_call *call);

struct group_tour {
    struct job job;
    struct kafka_request *rq;
    uint32_t at;
    uint32_t pending;
    void (*visit)(struct group_tour *tour, struct groups_loop *gl);
    void (*finish)(struct group_tour *tour);
};

/* visit() on every loop, one after the other, then finish(), which replies, at home.
 * Thread: the request's loop, which gives it away. */
void group_tour_begin(struct group_tour *tour, struct kafka_request *rq,
                      void (*visit)(struct group_tour *tour, struct groups_loop *gl),
                      void (*finish)(struct group_tour *tour));
/* The tour stays on this loop until as many releases. Thread: the loop it is on. */
void group_tour_hold(struct group_tour *tour);
void group_tour_release(struct group_tour *tour);

#endif
