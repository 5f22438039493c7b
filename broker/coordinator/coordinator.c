/* Calls go out and come home through mailboxes; on the owner's own loop they take no detour. After
 * every event what is due in the coordinator runs and the loop's timer is set to the next deadline.
 *
 * A reply may start the next request of its connection at once, and that may enter the coordinator
 * again: so all answers of an event are encoded before the first one is sent. */
#include "broker/coordinator/coordinator.h"

#include <assert.h>
#include "base/clock.h"
#include "broker/turn.h"
#include "base/check.h"

enum { TICKS_A_TURN = 64, ANSWERS_A_TURN = 256 };

static struct coordinator *owner_of(const struct broker *b, enum coordinator_kind kind,
                                    struct bytes key)
{
    return b->loops[bytes_hash(key) % b->loop_count].coordinators[kind];
}

bool coordinator_owns(const struct coordinator *c, struct bytes key)
{
    return owner_of(c->home->broker, c->kind, key) == c;
}

/* ---- A call on its way home */

static void finish(struct coordinator_call *call)
{
    if (call->abandoned)
        kafka_reply_none(call->rq);
    else if (call->aborts)
        kafka_abort(call->rq);
    else
        kafka_reply(call->rq);
}

static void come_home(struct job *job)
{
    struct coordinator_call *call = CONTAINER_OF(job, struct coordinator_call, job);
    call->answered = true;
    if (!call->abandon_under_way) finish(call);
}

static void send_more(struct job *job);

/* Thousands that waited get their answers over several turns, so that others are served between. */
static void send_answers(struct coordinator *c)
{
    for (int sent = 0; c->answers != NULL && sent < ANSWERS_A_TURN; sent++) {
        struct coordinator_call *call = c->answers;
        struct broker_loop *home = call->rq->home;
        c->answers = call->next;
        if (c->answers == NULL) c->answers_end = &c->answers;
        call->job.run = come_home;
        if (home == c->home)
            come_home(&call->job);
        else
            loop_post(home->loop, &call->job);
    }
    if (c->answers == NULL || c->sending_posted) return;
    c->sending_posted = true;
    c->sending.run = send_more;
    loop_post(c->home->loop, &c->sending);
}

static void send_more(struct job *job)
{
    struct coordinator *c = CONTAINER_OF(job, struct coordinator, sending);
    c->sending_posted = false;
    send_answers(c);
}

void coordinator_call_answer(struct coordinator_call *call)
{
    struct coordinator *c = call->owner;
    call->waits = false;
    call->next = NULL;
    *c->answers_end = call;
    c->answers_end = &call->next;
    if (!c->acting) send_answers(c);
}

/* ---- After an event */

/* What is due beyond a turn's share is still due in the next turn: the timer fires at once. */
static void settle(struct coordinator *c)
{
    int ticks = 0;
    do {
        c->acting = true;
        c->ops->answer(c);
        c->acting = false;
        send_answers(c);
    } while (ticks++ < TICKS_A_TURN && c->ops->tick(c, coordinator_now_ms(c)));
    int64_t at_ms = c->ops->next_deadline_ms(c);
    if (at_ms == INT64_MAX)
        loop_timer_cancel(c->home->loop, &c->timer);
    else
        loop_timer_set(c->home->loop, &c->timer, at_ms - c->wall_ms);
}

static void on_timer(struct loop_timer *timer)
{
    settle(CONTAINER_OF(timer, struct coordinator, timer));
}

/* ---- The client goes away, or the server stops, while its request waits */

static void abandon_home(struct job *job)
{
    struct coordinator_call *call = CONTAINER_OF(job, struct coordinator_call, abandon);
    call->abandon_under_way = false;
    if (call->answered || call->abandoned) finish(call);
}

static void abandon_arrive(struct job *job)
{
    struct coordinator_call *call = CONTAINER_OF(job, struct coordinator_call, abandon);
    struct broker_loop *home = call->rq->home;
    if (call->queued) {
        call->gone = true;          /* what was asked is done, then it comes back here */
        return;
    }
    if (call->waits) {
        call->owner->ops->abandon(call->owner, call);
        call->abandoned = true;
        call->waits = false;
    }
    call->abandon.run = abandon_home;
    if (home == call->owner->home)
        abandon_home(&call->abandon);
    else
        loop_post(home->loop, &call->abandon);
}

static void on_closed(struct kafka_request *rq)
{
    struct coordinator_call *call = rq->context;
    if (call->abandon_under_way) return;        /* both happened */
    call->abandon_under_way = true;
    call->abandon.run = abandon_arrive;
    if (rq->home == call->owner->home)
        abandon_arrive(&call->abandon);
    else
        loop_post(call->owner->home->loop, &call->abandon);
}

/* ---- Out to the owner */

static void act_now(struct coordinator_call *call)
{
    struct coordinator *c = call->owner;
    c->acting = true;
    call->act(call);
    c->acting = false;
    settle(c);              /* the call may be gone after this */
}

static void act_in_turn(struct job *job)
{
    struct coordinator_call *call = CONTAINER_OF(job, struct coordinator_call, job);
    bool gone = call->gone;         /* then home keeps it until the abandon is back */
    call->queued = false;
    act_now(call);
    if (gone) abandon_arrive(&call->abandon);
}

/* Many that come together from other loops begin as they would have at home. */
static void arrive(struct job *job)
{
    struct coordinator_call *call = CONTAINER_OF(job, struct coordinator_call, job);
    struct broker_loop *here = call->owner->home;
    if (call->rq->home != here && turn_is_full(here, call->rq->frame->body->len)) {
        call->queued = true;
        call->job.run = act_in_turn;
        loop_defer_long(here->loop, &call->job);
        return;
    }
    act_now(call);
}

void coordinator_call_begin(struct coordinator_call *call, enum coordinator_kind kind,
                            struct kafka_request *rq, struct bytes key,
                            void (*act)(struct coordinator_call *call))
{
    rq->context = call;
    rq->on_closed = on_closed;
    rq->on_stop = on_closed;        /* without an answer its connection closes */
    call->rq = rq;
    call->key = key;
    call->act = act;
    call->owner = owner_of(rq->broker, kind, key);
    call->job.run = arrive;
    if (call->owner->home == rq->home)
        arrive(&call->job);
    else
        loop_post(call->owner->home->loop, &call->job);
}

/* ---- Life */

void coordinator_init(struct coordinator *c, enum coordinator_kind kind, struct broker_loop *home,
                      const struct coordinator_ops *ops)
{
    *c = (struct coordinator){
        .kind = kind,
        .ops = ops,
        .home = home,
        .timer.fire = on_timer,
        .answers_end = &c->answers,
        .wall_ms = clock_wall_ms() - clock_mono_ms(),
    };
    assert(home->coordinators[kind] == NULL);
    home->coordinators[kind] = c;
}

void coordinator_done(struct coordinator *c)
{
    loop_timer_cancel(c->home->loop, &c->timer);
    c->home->coordinators[c->kind] = NULL;
}

int64_t coordinator_start_ms(const struct coordinator *c)
{
    return clock_mono_ms() + c->wall_ms;
}
