/* The journey of a request to the loop that owns what it is about, and home.
 *
 * What is coordinated - consumer groups, transactions - lies under keys, and every key falls to one
 * loop by its hash: all that the loop owns of one kind is a struct coordinator, which nobody else
 * touches. What it decides is a pure state machine's business, reached through struct
 * coordinator_ops.
 *
 * A request about one key is a call: act() runs on the owner's loop, and once the answer is encoded
 * the call goes home and replies. A request about many keys is a tour (tour.h). A call lies in the
 * request's arena, touched by one thread at a time: the one that has the job. */
#ifndef BROKER_COORDINATOR_COORDINATOR_H
#define BROKER_COORDINATOR_COORDINATOR_H

#include "base/net/loop.h"
#include "broker/request.h"

struct coordinator_call;

/* What a kind of coordinator does. Thread of all: the loop's. */
struct coordinator_ops {
    /* Answers (coordinator_call_answer) the calls of which the event before told the end. */
    void (*answer)(struct coordinator *c);
    /* Does a part of what is due. False: nothing was. */
    bool (*tick)(struct coordinator *c, int64_t now_ms);
    /* INT64_MAX: none. */
    int64_t (*next_deadline_ms)(const struct coordinator *c);
    /* A call that waits is answered no more. */
    void (*abandon)(struct coordinator *c, struct coordinator_call *call);
};

/* Embedded in what has the state machine. */
struct coordinator {
    enum coordinator_kind kind;
    const struct coordinator_ops *ops;
    struct broker_loop *home;
    struct loop_timer timer;                /* of the next deadline */
    struct coordinator_call *answers, **answers_end;    /* encoded, to be sent */
    struct job sending;                     /* of what one turn did not send */
    bool sending_posted;
    bool acting;                            /* answers are not sent yet */
    int64_t wall_ms;                        /* wall clock minus loop clock, fixed at start: setting
                                               the clock ends no session */
};

/* Makes c the one of its kind on this loop.
 * Thread: main, before the loop runs; done after it was stopped. */
void coordinator_init(struct coordinator *c, enum coordinator_kind kind, struct broker_loop *home,
                      const struct coordinator_ops *ops);
void coordinator_done(struct coordinator *c);

/* The coordinator's time. Thread: the loop's; before the loop runs coordinator_start_ms(). */
static inline int64_t coordinator_now_ms(const struct coordinator *c)
{
    return loop_now_ms(c->home->loop) + c->wall_ms;
}
int64_t coordinator_start_ms(const struct coordinator *c);

/* Whether the key falls to this loop: what was stored is restored by who owns it. Thread: any. */
bool coordinator_owns(const struct coordinator *c, struct bytes key);

struct coordinator_call {
    struct job job;
    struct kafka_request *rq;
    struct coordinator *owner;
    struct bytes key;
    void (*act)(struct coordinator_call *call);
    struct coordinator_call *next;          /* in the owner's answers */
    bool aborts;                            /* the answer cannot be made: close the connection */
    bool waits;                             /* the owner's: it answers in a later event, unless
                                               ops->abandon(); set by act() */
    bool queued;                            /* the owner's: act() has a turn of its own */
    bool gone;                              /* the owner's: the abandon came before that turn */
    struct job abandon;                     /* goes to the owner and back when the client is gone */
    bool abandon_under_way;                 /* home's */
    bool abandoned;                         /* the owner's, read at home: no answer will come */
    bool answered;                          /* home's: the answer is here, the abandon is not */
};

/* Carries the call to the key's owner. Thread: the request's loop, which gives it away. */
void coordinator_call_begin(struct coordinator_call *call, enum coordinator_kind kind,
                            struct kafka_request *rq, struct bytes key,
                            void (*act)(struct coordinator_call *call));
/* The answer is in rq->reply: home with it. Thread: the owner's. */
void coordinator_call_answer(struct coordinator_call *call);

#endif
