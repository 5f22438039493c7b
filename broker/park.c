/* Life of a park: watches are added, then it is armed. The first ring, of a watch, the timer or the
 * owner, disarms all other watches; those that cannot be disarmed any more are flying and are waited
 * for. Then wake() is called, and the park may be used anew. */
#include "broker/park.h"

#include "base/check.h"

static void land(struct park *p)
{
    if (!p->ringing || p->flying > 0) return;
    p->ringing = false;
    p->watch_count = 0;
    p->wake(p);
}

static void ring(struct park *p)
{
    if (p->ringing) return;
    p->ringing = true;
    loop_timer_cancel(p->loop, &p->timer);
    p->flying = 0;
    for (int32_t i = 0; i < p->watch_count; i++) {
        struct log_watch *w = &p->watches[i].watch;
        if (w->log != NULL && !plog_unwatch(w)) p->flying++;
    }
}

static void on_fired(struct log_watch *w)
{
    struct park_watch *mine = CONTAINER_OF(w, struct park_watch, watch);
    struct park *p = mine->park;
    w->log = NULL;              /* it has landed */
    if (p->ringing) p->flying--;
    else ring(p);
    land(p);
}

static void on_timer(struct loop_timer *timer)
{
    struct park *p = CONTAINER_OF(timer, struct park, timer);
    p->timed_out = true;
    ring(p);
    land(p);
}

void park_init(struct park *p, struct loop *loop, struct park_watch *watches,
               void (*wake)(struct park *p))
{
    *p = (struct park){.loop = loop, .watches = watches, .wake = wake, .timer.fire = on_timer};
}

void park_watch(struct park *p, struct plog *log, int64_t offset)
{
    struct park_watch *w = &p->watches[p->watch_count++];
    *w = (struct park_watch){.park = p, .watch = {.home = p->loop, .fired = on_fired, .offset = offset, .log = log}};
    if (plog_watch(log, &w->watch) == ERR_OK) return;
    w->watch.log = NULL;
    loop_timer_set(p->loop, &p->timer, loop_now_ms(p->loop));
}

void park_until(struct park *p, int64_t at_ms)
{
    p->timed_out = false;
    if (p->timer.slot == 0 || p->timer.at_ms > at_ms) loop_timer_set(p->loop, &p->timer, at_ms);
}

void park_ring(struct park *p)
{
    loop_timer_set(p->loop, &p->timer, loop_now_ms(p->loop));
}
