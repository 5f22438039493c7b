#include "base/net/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <event2/event.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/check.h"

/* A flush is a write to a socket, some 10 us: a group's thousands of members that are answered in
 * one turn are written to in several. */
enum {
    EVENTS_A_TURN = 64,                 /* so that who came later waits for few of these */
    JOBS_A_TURN = 64,
    TIMERS_A_TURN = 64,
    FLUSHES_A_TURN = 256,
    ENDS_A_TURN = 16,
    TASK_US_A_TURN = 2000,
    TASK_US_CHARGED = 50,               /* a shorter one is not worth a lock */
    FLUSH_BYTES_A_TURN = 2 << 20,       /* of all together, as long as */
    FLUSH_BYTES_MIN = 16 << 10,         /* each may send so much */
};
/* To so many mailboxes a turn's jobs wait to be handed over; to others they go at once. */
enum { PARCELS_MAX = 8 };

struct parcel {
    struct mailbox *to;
    struct job *last;                /* each links the one before it */
    struct job *first;
};

struct job_list {
    struct job *first;
    struct job **last;
    size_t count;
};

struct loop {
    struct event_base *base;
    struct mailbox inbox;
    struct event *inbox_event;
    struct event *timer_event;       /* wakes the loop for the first timer */
    int64_t timer_armed_ms;          /* when it is due; 0 = not armed */
    struct heap timers;
    int events;                      /* of connections, in this turn */
    struct fair tasks;               /* those that wait */
    int64_t tasks_since_us;          /* the first of this turn began; 0: none did */
    struct job_list posted;          /* taken from the inbox */
    struct job_list flushes;
    struct job_list longs;
    struct job_list ends;
    struct parcel parcels[PARCELS_MAX];
    int parcel_count;
    int64_t now_ms;                  /* 0 = read the clock when asked */
    uint64_t turns;
    uint32_t index;
    bool started;
    bool stop;                       /* the loop's thread alone */
    pthread_t thread;
    char name[16];
    uint8_t *scratch;
    struct room room;
};

static _Thread_local struct loop *current;

/* ---- Job lists */

static void list_init(struct job_list *l)
{
    *l = (struct job_list){.last = &l->first};
}

static void list_add(struct job_list *l, struct job *job)
{
    job->next = NULL;
    *l->last = job;
    l->last = &job->next;
    l->count++;
}

static void list_run_first(struct job_list *l)
{
    struct job *first = l->first;
    if (first == NULL) return;
    l->first = first->next;
    if (l->first == NULL) l->last = &l->first;
    l->count--;
    first->run(first);
}

static void list_add_all(struct job_list *l, struct job *first)
{
    for (struct job *next; first != NULL; first = next) {
        next = first->next;
        list_add(l, first);
    }
}

/* At most count of those that are there now, not of those that they add. */
static void list_run_some(struct job_list *l, int count)
{
    const struct job *last = l->first != NULL ? CONTAINER_OF(l->last, struct job, next) : NULL;
    for (bool more = last != NULL; more && count > 0; count--) {
        more = l->first != last;
        list_run_first(l);
    }
}

static void list_run(struct job_list *l)
{
    struct job *first = l->first;
    list_init(l);
    jobs_run(first);
}

/* ---- Timers */

static struct loop_timer *timer_of(const struct heap_item *item)
{
    return CONTAINER_OF(item, struct loop_timer, place);
}

static int compare_timers(const struct heap_item *a, const struct heap_item *b)
{
    int64_t of_a = timer_of(a)->at_ms, of_b = timer_of(b)->at_ms;
    return (of_a > of_b) - (of_a < of_b);
}

/* NULL: none is armed. */
static struct loop_timer *timers_first(const struct loop *loop)
{
    struct heap_item *first = heap_first(&loop->timers);
    return first != NULL ? timer_of(first) : NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
    assert(timer->fire != NULL);
    loop_timer_cancel(loop, timer);
    timer->at_ms = at_ms;
    heap_add(&loop->timers, &timer->place);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    heap_remove(&loop->timers, &timer->place);
}

static void timers_fire(struct loop *loop)
{
    struct loop_timer *t = timers_first(loop);
    if (t == NULL) return;
    int64_t now_ms = loop_now_ms(loop);
    for (int i = 0; i < TIMERS_A_TURN && t != NULL && t->at_ms <= now_ms;
         i++, t = timers_first(loop)) {
        loop_timer_cancel(loop, t);
        t->fire(t);
    }
}

static bool has_deferred(const struct loop *loop)
{
    return fair_is_awaited(&loop->tasks) || loop->posted.first != NULL ||
           loop->flushes.first != NULL ||
           loop->longs.first != NULL || loop->ends.first != NULL;
}

/* ---- Tasks */

static void task_run(struct loop *loop, struct loop_task *t)
{
    uint64_t client = t->client;
    int64_t begun_us = clock_mono_us();
    if (loop->tasks_since_us == 0) loop->tasks_since_us = begun_us;
    t->begin(t);
    int64_t us = clock_mono_us() - begun_us;
    if (us >= TASK_US_CHARGED) fair_charge(&loop->tasks, client, (uint64_t)us * 1000);
}

static bool tasks_had_enough(const struct loop *loop)
{
    return loop->tasks_since_us != 0 &&
           clock_mono_us() - loop->tasks_since_us >= TASK_US_A_TURN;
}

bool loop_task_begin(struct loop *loop, struct loop_task *t)
{
    loop_assert(loop);
    bool waits = fair_is_awaited(&loop->tasks) || tasks_had_enough(loop);
    if (waits) fair_post(&loop->tasks, t->client, &t->job);
    else task_run(loop, t);
    return !waits;
}

/* all: however long it takes. */
static void tasks_run(struct loop *loop, bool all)
{
    struct job *job;
    while ((all || !tasks_had_enough(loop)) && (job = fair_take(&loop->tasks)) != NULL)
        task_run(loop, CONTAINER_OF(job, struct loop_task, job));
}

/* ---- What goes to other threads */

static void parcel_send(struct parcel *p)
{
    if (p->last != NULL) mailbox_post_chain(p->to, p->last, p->first);
    p->last = NULL;
}

static void parcels_send(struct loop *loop)
{
    for (int i = 0; i < loop->parcel_count; i++) parcel_send(&loop->parcels[i]);
    loop->parcel_count = 0;
}

/* NULL: to this mailbox nothing waits, and there is no room for more. */
static struct parcel *parcel_to(struct loop *loop, struct mailbox *to)
{
    for (int i = 0; i < loop->parcel_count; i++)
        if (loop->parcels[i].to == to) return &loop->parcels[i];
    if (loop->parcel_count == PARCELS_MAX) return NULL;
    struct parcel *p = &loop->parcels[loop->parcel_count++];
    *p = (struct parcel){.to = to};
    return p;
}

void loop_hand_over(struct mailbox *to, struct job *job, bool now)
{
    struct parcel *p = current != NULL ? parcel_to(current, to) : NULL;
    if (p == NULL) {
        mailbox_post(to, job);
        return;
    }
    job->next = p->last;
    if (p->last == NULL) p->first = job;
    p->last = job;
    if (now) parcel_send(p);
}

/* ---- The turn */

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;      /* the turn itself looks at inbox and timers */
}

void loop_awake(struct loop *loop)
{
    mailbox_awake(&loop->inbox);
    if (++loop->events == EVENTS_A_TURN) event_base_loopbreak(loop->base);
}

/* wait_ms: -1 = until the first timer. */
static void wake_at(struct loop *loop, int wait_ms)
{
    const struct loop_timer *first = timers_first(loop);
    int64_t at_ms = first != NULL ? first->at_ms : INT64_MAX;
    if (at_ms == INT64_MAX && wait_ms < 0) {
        if (loop->timer_armed_ms != 0) evtimer_del(loop->timer_event);
        loop->timer_armed_ms = 0;
        return;
    }
    if (wait_ms < 0 && at_ms == loop->timer_armed_ms) return;
    int64_t now_ms = clock_mono_ms();
    int64_t rest_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    if (wait_ms >= 0 && rest_ms > wait_ms) rest_ms = wait_ms;
    struct timeval rest = {.tv_sec = rest_ms / 1000, .tv_usec = rest_ms % 1000 * 1000};
    evtimer_add(loop->timer_event, &rest);
    loop->timer_armed_ms = wait_ms < 0 ? at_ms : 1;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    on_wake(fd, what, context);
    ((struct loop *)context)->timer_armed_ms = 0;
}

void loop_turn(struct loop *loop, int wait_ms)
{
    assert(!loop->started || current == loop);
    struct loop *outer = current;
    current = loop;
    if (has_deferred(loop) || loop->events >= EVENTS_A_TURN) wait_ms = 0;
    if (wait_ms != 0 && !mailbox_sleep(&loop->inbox)) wait_ms = 0;
    if (wait_ms != 0) wake_at(loop, wait_ms);
    loop->now_ms = 0;
    loop->turns++;
    loop->events = 0;
    loop->tasks_since_us = 0;
    event_base_loop(loop->base, wait_ms == 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    list_add_all(&loop->posted, mailbox_take(&loop->inbox));
    list_run_some(&loop->posted, JOBS_A_TURN);
    timers_fire(loop);
    if (fair_is_awaited(&loop->tasks)) tasks_run(loop, /* all= */ false);
    parcels_send(loop);
    list_run_some(&loop->flushes, FLUSHES_A_TURN);
    list_run_some(&loop->ends, ENDS_A_TURN);        /* what others wait for has left */
    list_run_first(&loop->longs);
    parcels_send(loop);
    loop->now_ms = 0;
    current = outer;
}

static void *loop_main(void *context)
{
    struct loop *loop = context;
    pthread_setname_np(pthread_self(), loop->name);
    current = loop;
    while (!loop->stop) loop_turn(loop, -1);
    current = NULL;
    return NULL;
}

/* ---- Life */

struct loop *loop_new(const char *name)
{
    signal(SIGPIPE, SIG_IGN);     /* OpenSSL writes with write(2): the loop sees EPIPE instead */
    struct loop *loop = NEW(struct loop);
    bytes_to_text(bytes_str(name), loop->name, sizeof loop->name);
    struct event_config *config = event_config_new();
    if (config == NULL) abort();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL) abort();
    /* From the start, so that no read lacks it; not zeroed and touched only as far as reads reach,
     * so an idle loop does not pay for it. */
    loop->scratch = mem_grow(NULL, LOOP_READ_BYTES);
    mailbox_init_event(&loop->inbox);
    loop->timers.compare = compare_timers;
    fair_init(&loop->tasks);
    list_init(&loop->posted);
    list_init(&loop->flushes);
    list_init(&loop->longs);
    list_init(&loop->ends);
    loop->inbox_event = event_new(loop->base, loop->inbox.event_fd, EV_READ | EV_ET | EV_PERSIST,
                                  on_wake, loop);
    loop->timer_event = evtimer_new(loop->base, on_timer, loop);
    if (loop->inbox_event == NULL || loop->timer_event == NULL) abort();
    event_add(loop->inbox_event, NULL);
    return loop;
}

void loop_start(struct loop *loop)
{
    assert(!loop->started);
    loop->started = true;
    if (pthread_create(&loop->thread, NULL, loop_main, loop) != 0) abort();
}

bool loop_run_posted(struct loop *loop)
{
    assert(!loop->started);
    struct loop *outer = current;
    current = loop;
    list_add_all(&loop->posted, mailbox_take(&loop->inbox));
    bool any = has_deferred(loop);
    list_run(&loop->posted);
    while (has_deferred(loop)) {
        tasks_run(loop, /* all= */ true);
        list_run(&loop->posted);
        list_run_first(&loop->longs);
        list_run(&loop->flushes);
        list_run(&loop->ends);
    }
    parcels_send(loop);
    current = outer;
    return any;
}

void loop_stop(struct loop *loop)
{
    if (loop->started) {
        mailbox_stop(&loop->inbox, &loop->stop, loop->thread);
        loop->started = false;
    }
    loop_run_posted(loop);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) return;
    while (loop_run_posted(loop)) {}
    event_free(loop->inbox_event);
    event_free(loop->timer_event);
    event_base_free(loop->base);
    mailbox_done(&loop->inbox);
    fair_done(&loop->tasks);
    mem_free(loop->scratch);
    mem_free(loop);
}

void loop_post(struct loop *loop, struct job *job)
{
    mailbox_post(&loop->inbox, job);
}

void loop_defer_end(struct loop *loop, struct job *job)
{
    loop_assert(loop);
    list_add(&loop->ends, job);
}

void loop_defer_flush(struct loop *loop, struct job *job)
{
    loop_assert(loop);
    list_add(&loop->flushes, job);
}

size_t loop_flush_share(const struct loop *loop)
{
    size_t share = FLUSH_BYTES_A_TURN / (loop->flushes.count + 1);
    return share > FLUSH_BYTES_MIN ? share : FLUSH_BYTES_MIN;
}

void loop_defer_long(struct loop *loop, struct job *job)
{
    loop_assert(loop);
    list_add(&loop->longs, job);
}

uint64_t loop_turns(const struct loop *loop)
{
    return loop->turns;
}

int64_t loop_now_ms(struct loop *loop)
{
    if (loop->now_ms == 0) loop->now_ms = clock_mono_ms();
    return loop->now_ms;
}

struct loop *loop_current(void)
{
    return current;
}

void loop_assert(const struct loop *loop)
{
    assert(current == loop);
}

void loop_index_set(struct loop *loop, uint32_t index)
{
    loop->index = index;
}

uint32_t loop_index(const struct loop *loop)
{
    return loop->index;
}

struct event_base *loop_events(struct loop *loop)
{
    return loop->base;
}

struct room *loop_room(struct loop *loop)
{
    return &loop->room;
}

uint8_t *loop_scratch(struct loop *loop)
{
    return loop->scratch;
}
