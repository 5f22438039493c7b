/* Calls go out and come home through mailboxes; on the owner's own loop they take no detour. After
 * every event the due timers of the coordinator run and the loop's timer is set to the next one.
 *
 * A reply may start the next request of its connection at once, and that may enter the coordinator
 * again: so all replies of an event are encoded before the first one is sent. */
#include "broker/coordinator/coordinator.h"

#include <assert.h>
#include "base/clock.h"
#include "base/mem.h"
#include "broker/group/commits.h"
#include "broker/group/expiry.h"
#include "broker/metrics/collect.h"
#include "broker/turn.h"
#include "storage/state/offsets.h"
#include "base/check.h"

enum { TICKS_A_TURN = 64, ANSWERS_A_TURN = 256 };

struct groups_loop *groups_loop_of(const struct broker *b, struct bytes group_id)
{
    return b->loops[bytes_hash(group_id) % b->loop_count].groups;
}

/* ---- one group's request, on its way home */

static void finish(struct group_call *call)
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
    struct group_call *call = CONTAINER_OF(job, struct group_call, job);
    call->answered = true;
    if (!call->abandon_under_way) finish(call);
}

static void send_more(struct job *job);

/* A group of thousands gets its answers over several turns, so that others are served between. */
static void send_answers(struct groups_loop *gl)
{
    for (int sent = 0; gl->answers != NULL && sent < ANSWERS_A_TURN; sent++) {
        struct group_call *call = gl->answers;
        struct broker_loop *home = call->rq->home;
        gl->answers = call->next;
        if (gl->answers == NULL) gl->answers_end = &gl->answers;
        call->job.run = come_home;
        if (home == gl->home)
            come_home(&call->job);
        else
            loop_post(home->loop, &call->job);
    }
    if (gl->answers == NULL || gl->sending_posted) return;
    gl->sending_posted = true;
    gl->sending.run = send_more;
    loop_post(gl->home->loop, &gl->sending);
}

static void send_more(struct job *job)
{
    struct groups_loop *gl = CONTAINER_OF(job, struct groups_loop, sending);
    gl->sending_posted = false;
    send_answers(gl);
}

static void queue_answer(struct group_call *call)
{
    call->next = NULL;
    *call->owner->answers_end = call;
    call->owner->answers_end = &call->next;
}

void group_call_answer(struct group_call *call)
{
    struct groups_loop *gl = call->owner;
    queue_answer(call);
    if (!gl->acting) send_answers(gl);
}

/* ---- after an event */

static void encode_replies(struct groups_loop *gl)
{
    for (uint32_t i = 0; i < gl->out.count; i++) {
        struct group_call *call = gl->out.replies[i].token;
        call->waits = false;
        call->on_reply(call, &gl->out.replies[i]);
        queue_answer(call);
    }
    gl->out.count = 0;
}

/* What is due beyond a turn's share is still due in the next turn: the timer fires at once. */
static void settle(struct groups_loop *gl)
{
    int ticks = 0;
    do {
        encode_replies(gl);
        send_answers(gl);
    } while (ticks++ < TICKS_A_TURN &&
             groups_tick(gl->groups, groups_loop_now_ms(gl), &gl->out));
    int64_t at_ms = groups_next_deadline_ms(gl->groups);
    if (at_ms == INT64_MAX)
        loop_timer_cancel(gl->home->loop, &gl->timer);
    else
        loop_timer_set(gl->home->loop, &gl->timer, at_ms - gl->wall_ms);
}

static void on_timer(struct loop_timer *timer)
{
    settle(CONTAINER_OF(timer, struct groups_loop, timer));
}

/* ---- the client goes away, or the server stops, while its request waits */

static void abandon_home(struct job *job)
{
    struct group_call *call = CONTAINER_OF(job, struct group_call, abandon);
    call->abandon_under_way = false;
    if (call->answered || call->abandoned) finish(call);
}

static void abandon_arrive(struct job *job)
{
    struct group_call *call = CONTAINER_OF(job, struct group_call, abandon);
    struct broker_loop *home = call->rq->home;
    if (call->queued) {
        call->gone = true;          /* what was asked is done, then it comes back here */
        return;
    }
    if (call->waits) {
        call->abandoned = groups_abandon(call->owner->groups, call);
        assert(call->abandoned);
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
    struct group_call *call = rq->context;
    if (call->abandon_under_way) return;        /* both happened */
    call->abandon_under_way = true;
    call->abandon.run = abandon_arrive;
    if (rq->home == call->owner->home)
        abandon_arrive(&call->abandon);
    else
        loop_post(call->owner->home->loop, &call->abandon);
}

/* ---- out to the owner */

static void act_now(struct group_call *call)
{
    struct groups_loop *gl = call->owner;
    gl->acting = true;
    call->act(call);
    gl->acting = false;
    settle(gl);             /* the call may be gone after this */
}

static void act_in_turn(struct job *job)
{
    struct group_call *call = CONTAINER_OF(job, struct group_call, job);
    bool gone = call->gone;         /* then home keeps it until the abandon is back */
    call->queued = false;
    act_now(call);
    if (gone) abandon_arrive(&call->abandon);
}

/* Many that come together from other loops begin as they would have at home. */
static void arrive(struct job *job)
{
    struct group_call *call = CONTAINER_OF(job, struct group_call, job);
    struct broker_loop *here = call->owner->home;
    if (call->rq->home != here && turn_is_full(here, call->rq->frame->body->len)) {
        call->queued = true;
        call->job.run = act_in_turn;
        loop_defer_long(here->loop, &call->job);
        return;
    }
    act_now(call);
}

void group_call_begin(struct group_call *call, struct kafka_request *rq, struct bytes group_id,
                      void (*act)(struct group_call *call))
{
    rq->context = call;
    rq->on_closed = on_closed;
    rq->on_stop = on_closed;        /* without an answer its connection closes */
    call->rq = rq;
    call->group_id = group_id;
    call->act = act;
    call->owner = groups_loop_of(rq->broker, group_id);
    call->job.run = arrive;
    if (call->owner->home == rq->home)
        arrive(&call->job);
    else
        loop_post(call->owner->home->loop, &call->job);
}

/* ---- a tour */

static void tour_arrive(struct job *job);

static void tour_next(struct group_tour *tour)
{
    struct broker *b = tour->rq->broker;
    struct broker_loop *to = tour->at < b->loop_count ? &b->loops[tour->at] : tour->rq->home;
    tour->job.run = tour_arrive;
    if (loop_current() == to->loop)
        tour_arrive(&tour->job);
    else
        loop_post(to->loop, &tour->job);
}

static void tour_arrive(struct job *job)
{
    struct group_tour *tour = CONTAINER_OF(job, struct group_tour, job);
    struct broker *b = tour->rq->broker;
    if (tour->at == b->loop_count) {
        tour->finish(tour);
        return;
    }
    struct groups_loop *gl = b->loops[tour->at].groups;
    tour->pending = 1;
    tour->visit(tour, gl);
    group_tour_release(tour);
}

void group_tour_begin(struct group_tour *tour, struct kafka_request *rq,
                      void (*visit)(struct group_tour *tour, struct groups_loop *gl),
                      void (*finish_)(struct group_tour *tour))
{
    *tour = (struct group_tour){.rq = rq, .visit = visit, .finish = finish_};
    tour_next(tour);
}

void group_tour_hold(struct group_tour *tour)
{
    tour->pending++;
}

void group_tour_release(struct group_tour *tour)
{
    if (--tour->pending > 0) return;
    tour->at++;
    tour_next(tour);
}

/* ---- life */

struct restoring {
    struct groups_loop *gl;
    int64_t now_ms;
};

static void restore_one(void *context, struct bytes group_id)
{
    struct restoring *r = context;
    struct broker_loop *home = r->gl->home;
    if (bytes_hash(group_id) % home->broker->loop_count == loop_index(home->loop))
        groups_restore(r->gl->groups, r->now_ms, group_id);
}

static void restore(struct groups_loop *gl)
{
    struct restoring r = {.gl = gl, .now_ms = clock_mono_ms() + gl->wall_ms};
    store_offset_groups_each(gl->home->broker->store, &r, restore_one);
}

struct groups_loop *groups_loop_new(struct broker_loop *home)
{
    const struct broker_options *o = &home->broker->options;
    struct groups_loop *gl = NEW(struct groups_loop);
    gl->home = home;
    gl->wall_ms = clock_wall_ms() - clock_mono_ms();
    gl->timer.fire = on_timer;
    gl->answers_end = &gl->answers;
    groups_config_default(&gl->config);
    gl->config.initial_delay_ms = (int32_t)o->group_initial_rebalance_delay_ms;
    gl->config.session_ms_min = o->group_session_ms_min;
    gl->config.session_ms_max = o->group_session_ms_max;
    gl->config.offset_metadata_chars_max = o->offset_metadata_bytes_max;
    gl->config.commit_bytes_max = o->commit_bytes_max;
    gl->config.members_max = (uint32_t)o->group_max_size;
    gl->config.bytes_max = o->group_bytes_max;
    gl->config.bytes_all = &home->broker->group_bytes;
    gl->config.offset_retention_ms = o->offsets_retention_ms;
    gl->config.on_members = collect_members;
    gl->groups = groups_new(&gl->config);
    restore(gl);
    gl->expiry = group_expiry_new(gl);
    return gl;
}

void groups_loop_free(struct groups_loop *gl)
{
    if (gl == NULL) return;
    loop_timer_cancel(gl->home->loop, &gl->timer);
    group_commits_forget(gl);
    group_expiry_free(gl->expiry);
    groups_free(gl->groups);
    group_effects_done(&gl->out);
    mem_free(gl);
}
