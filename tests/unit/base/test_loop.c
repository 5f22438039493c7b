#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/net/loop.h"
#include "test.h"

enum { TIMERS = 500 };

struct note {
    struct job job;
    struct loop *loop;
    char name;
};

static char trace[64];
static int64_t fake_us;

static void put(char name)
{
    size_t len = strlen(trace);
    EXPECT(len + 1 < sizeof trace);
    trace[len] = name;
    trace[len + 1] = '\0';
}

static void on_note(struct job *job)
{
    struct note *n = CONTAINER_OF(job, struct note, job);
    EXPECT(loop_current() == n->loop);
    put(n->name);
}

static struct note note(struct loop *loop, char name)
{
    return (struct note){.job.run = on_note, .loop = loop, .name = name};
}

static struct note deferred[3];

static void on_defer_all(struct job *job)
{
    struct note *n = CONTAINER_OF(job, struct note, job);
    loop_defer_flush(n->loop, &deferred[0].job);
    put(n->name);
    loop_defer_long(n->loop, &deferred[1].job);
    loop_defer_flush(n->loop, &deferred[2].job);
}

static void on_defer_longs(struct job *job)
{
    struct note *n = CONTAINER_OF(job, struct note, job);
    put(n->name);
    for (int i = 0; i < 3; i++) loop_defer_long(n->loop, &deferred[i].job);
}

TEST(a_turn_runs_posted_then_flushes_then_a_long_job)
{
    trace[0] = '\0';
    struct loop *loop = loop_new("one");
    struct note a = note(loop, 'a'), b = note(loop, 'b');
    a.job.run = on_defer_all;
    deferred[0] = note(loop, 'f');
    deferred[1] = note(loop, 'l');
    deferred[2] = note(loop, 'g');
    loop_post(loop, &a.job);
    loop_post(loop, &b.job);
    EXPECT(loop_current() == NULL);
    loop_turn(loop, 0);
    EXPECT_STR(trace, "abfgl");
    loop_turn(loop, 0);
    EXPECT_STR(trace, "abfgl");
    loop_free(loop);
}

/* However many there are, what is posted later comes in the next turn. */
TEST(a_turn_runs_one_long_job)
{
    trace[0] = '\0';
    struct loop *loop = loop_new("one");
    struct note first = note(loop, 'a'), other = note(loop, 'o');
    first.job.run = on_defer_longs;
    for (int i = 0; i < 3; i++) deferred[i] = note(loop, (char)('1' + i));
    loop_post(loop, &first.job);
    loop_turn(loop, 0);
    EXPECT_STR(trace, "a1");
    loop_post(loop, &other.job);
    loop_turn(loop, 0);
    EXPECT_STR(trace, "a1o2");
    loop_turn(loop, -1);            /* does not wait while there are some */
    EXPECT_STR(trace, "a1o23");
    loop_turn(loop, 0);
    EXPECT_STR(trace, "a1o23");
    trace[0] = '\0';
    loop_post(loop, &first.job);
    EXPECT(loop_run_posted(loop));
    EXPECT_STR(trace, "a123");
    loop_free(loop);
}

static void on_answer(struct job *job)
{
    (void)job;
    put(loop_current() == NULL ? 'h' : 'l');
}

TEST(an_answer_goes_to_the_loop_that_waits_or_is_run_here)
{
    trace[0] = '\0';
    struct loop *loop = loop_new("one");
    struct job here = {.run = on_answer}, there = {.run = on_answer};
    loop_answer(NULL, &here);
    EXPECT_STR(trace, "h");
    loop_answer(loop, &there);
    EXPECT_STR(trace, "h");
    loop_turn(loop, 0);
    EXPECT_STR(trace, "hl");
    loop_free(loop);
}

static int flushed;

static void on_flush(struct job *job)
{
    (void)job;
    flushed++;
}

static void on_flush_again(struct job *job)
{
    flushed++;
    loop_defer_flush(loop_current(), job);
}

static struct job many_flushes[600];

static void on_flush_all(struct job *job)
{
    (void)job;
    for (int i = 0; i < 600; i++) loop_defer_flush(loop_current(), &many_flushes[i]);
}

static void on_end_all(struct job *job)
{
    (void)job;
    for (int i = 0; i < 40; i++) loop_defer_end(loop_current(), &many_flushes[i]);
}

/* What comes meanwhile waits for 16 sockets to be closed at most. */
TEST(ends_of_many_connections_take_turns)
{
    struct loop *loop = loop_new("one");
    struct job all = {.run = on_end_all};
    for (int i = 0; i < 40; i++) many_flushes[i] = (struct job){.run = on_flush};
    flushed = 0;
    loop_post(loop, &all);
    loop_turn(loop, 0);
    EXPECT_EQ(flushed, 16);
    loop_turn(loop, -1);            /* does not wait while there are some */
    EXPECT_EQ(flushed, 32);
    loop_turn(loop, 0);
    EXPECT_EQ(flushed, 40);
    loop_post(loop, &all);
    EXPECT(loop_run_posted(loop));  /* a loop that stops leaves none open */
    EXPECT_EQ(flushed, 80);
    loop_free(loop);
}

/* What comes meanwhile waits for 256 writes at most. One that hands itself in again has had its
 * turn. */
TEST(flushes_of_very_many_connections_take_turns)
{
    struct loop *loop = loop_new("one");
    struct job all = {.run = on_flush_all};
    for (int i = 0; i < 600; i++) many_flushes[i] = (struct job){.run = on_flush};
    many_flushes[0].run = on_flush_again;
    flushed = 0;
    loop_post(loop, &all);
    loop_turn(loop, 0);
    EXPECT_EQ(flushed, 256);
    loop_turn(loop, -1);            /* does not wait while there are some */
    EXPECT_EQ(flushed, 512);
    loop_turn(loop, 0);
    EXPECT_EQ(flushed, 601);
    loop_turn(loop, 0);
    EXPECT_EQ(flushed, 602);
    many_flushes[0].run = on_flush;
    loop_free(loop);
}

static void count_job(struct job *job)
{
    (void)job;
    flushed++;
}

/* So that the events of others come in between. */
TEST(posted_jobs_take_turns_in_their_order)
{
    struct loop *loop = loop_new("one");
    flushed = 0;
    for (int i = 0; i < 150; i++) {
        many_flushes[i] = (struct job){.run = count_job};
        loop_post(loop, &many_flushes[i]);
    }
    loop_turn(loop, 0);
    EXPECT_EQ(flushed, 64);
    loop_turn(loop, -1);
    EXPECT_EQ(flushed, 128);
    loop_turn(loop, 0);
    EXPECT_EQ(flushed, 150);
    loop_free(loop);
}

enum { PAIRS = 100 };

static int read_count;

static void on_pair(evutil_socket_t fd, short what, void *context)
{
    char byte;
    (void)what;
    loop_awake(context);
    EXPECT_EQ(read(fd, &byte, 1), 1);
    read_count++;
}

TEST(events_of_very_many_connections_take_turns)
{
    struct loop *loop = loop_new("one");
    int fds[PAIRS][2];
    struct event *events[PAIRS];
    read_count = 0;
    for (int i = 0; i < PAIRS; i++) {
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
        events[i] = event_new(loop_events(loop), fds[i][0], EV_READ | EV_PERSIST, on_pair, loop);
        event_add(events[i], NULL);
        EXPECT_EQ(write(fds[i][1], "x", 1), 1);
    }
    for (int turn = 0; turn < 20 && read_count < PAIRS; turn++) {
        int before = read_count;
        loop_turn(loop, -1);            /* does not wait while some were left over */
        EXPECT(read_count - before <= 64);
    }
    EXPECT_EQ(read_count, PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        event_free(events[i]);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    loop_free(loop);
}

/* Each takes a millisecond. */
struct slow {
    struct loop_task task;
    char name;
};

static struct slow slow_tasks[10];
static char order[16];

static void be_slow(struct loop_task *t)
{
    size_t len = strlen(order);
    order[len] = CONTAINER_OF(t, struct slow, task)->name;
    order[len + 1] = '\0';
    fake_us += 1000;
}

static void slow(int i, uint64_t client, char name)
{
    slow_tasks[i] = (struct slow){{.client = client, .begin = be_slow}, name};
    (void)loop_task_begin(loop_current(), &slow_tasks[i].task);
}

static void on_burst(struct job *job)
{
    (void)job;
    for (int i = 0; i < 8; i++) slow(i, 1, (char)('a' + i));
    slow(8, 2, 'X');
}

static void on_one_more(struct job *job)
{
    (void)job;
    slow(9, 3, 'Y');
}

/* Who asks for one thing does not wait for all that another one asked before. */
TEST(tasks_of_clients_take_turns)
{
    struct loop *loop = loop_new("one");
    struct job burst = {.run = on_burst}, one_more = {.run = on_one_more};
    fake_us = 1000 * 1000;
    clock_fake(&fake_us);
    order[0] = '\0';
    loop_post(loop, &burst);
    loop_turn(loop, 0);
    EXPECT_STR(order, "ab");
    loop_post(loop, &one_more);
    loop_turn(loop, -1);            /* does not wait */
    EXPECT_EQ(strlen(order), 4);
    EXPECT(strchr(order, 'X') != NULL && strchr(order, 'Y') != NULL);
    EXPECT(loop_run_posted(loop));
    EXPECT_STR(order + 4, "cdefgh");
    clock_fake(NULL);
    loop_free(loop);
}

static struct loop *sharing;
static size_t shares[600];
static int shared;

static void on_share(struct job *job)
{
    (void)job;
    shares[shared++] = loop_flush_share(sharing);
}

static void on_share_all(struct job *job)
{
    (void)job;
    for (int i = 0; i < 600; i++) loop_defer_flush(loop_current(), &many_flushes[i]);
}

/* Hundreds that fill their sockets hold up nobody for as long as that takes together. */
TEST(flushes_send_the_less_the_more_wait)
{
    struct job all = {.run = on_share_all};
    sharing = loop_new("one");
    for (int i = 0; i < 600; i++) many_flushes[i] = (struct job){.run = on_share};
    shared = 0;
    loop_post(sharing, &all);
    for (int turn = 0; turn < 3; turn++) loop_turn(sharing, 0);
    EXPECT_EQ(shared, 600);
    EXPECT_EQ(shares[0], 16 << 10);
    EXPECT_EQ(shares[600 - 16], (2 << 20) / 16);
    EXPECT_EQ(shares[600 - 1], 2 << 20);
    loop_free(sharing);
}

struct timed {
    struct loop_timer timer;
    struct loop *loop;
    int64_t at_ms;
    bool fired;
};

static int64_t last_ms;
static int fired_count;

static void on_timer(struct loop_timer *timer)
{
    struct timed *t = CONTAINER_OF(timer, struct timed, timer);
    EXPECT(!loop_timer_is_set(timer));
    EXPECT(t->at_ms >= last_ms && t->at_ms <= fake_us / 1000);
    last_ms = t->at_ms;
    t->fired = true;
    fired_count++;
}

TEST(timers_fire_in_order_when_due_and_not_when_cancelled)
{
    const char *given = getenv("DIGLOT_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)clock_wall_ms();
    print_message("DIGLOT_SEED=%u\n", seed);
    srandom(seed);
    fake_us = 1000 * 1000;
    clock_fake(&fake_us);
    struct loop *loop = loop_new("timers");
    struct timed *t = NEW_ARRAY(struct timed, TIMERS);
    last_ms = fired_count = 0;
    for (int i = 0; i < TIMERS; i++) {
        t[i] = (struct timed){.timer.fire = on_timer, .at_ms = 1001 + random() % 200};
        loop_timer_set(loop, &t[i].timer, t[i].at_ms);
    }
    for (int i = 0; i < TIMERS; i += 3) loop_timer_cancel(loop, &t[i].timer);
    for (int i = 0; i < TIMERS; i += 3) loop_timer_cancel(loop, &t[i].timer);      /* a no-op */
    for (int i = 1; i < TIMERS; i += 3) {
        t[i].at_ms = 1001 + random() % 200;
        loop_timer_set(loop, &t[i].timer, t[i].at_ms);
    }
    for (int64_t now_ms = 1000; now_ms <= 1210; now_ms += 7) {
        fake_us = now_ms * 1000;
        loop_turn(loop, 0);
        for (int i = 0; i < TIMERS; i++) EXPECT_EQ(t[i].fired, i % 3 != 0 && t[i].at_ms <= now_ms);
    }
    EXPECT_EQ(fired_count, TIMERS - (TIMERS + 2) / 3);
    mem_free(t);
    loop_free(loop);
    clock_fake(NULL);
}

struct far {
    struct loop_timer timer;
    struct mailbox done;
    struct job job;
};

static void on_far(struct loop_timer *timer)
{
    struct far *f = CONTAINER_OF(timer, struct far, timer);
    mailbox_post(&f->done, &f->job);
}

static struct loop *far_loop;

static void on_arm(struct job *job)
{
    struct far *f = CONTAINER_OF(job, struct far, job);
    loop_assert(far_loop);
    loop_timer_set(far_loop, &f->timer, loop_now_ms(far_loop) + 5);
}

TEST(a_thread_wakes_for_jobs_and_timers)
{
    far_loop = loop_new("thread");
    loop_index_set(far_loop, 7);
    EXPECT_EQ(loop_index(far_loop), 7);
    loop_start(far_loop);
    struct far f = {.timer.fire = on_far, .job.run = on_arm};
    mailbox_init(&f.done);
    loop_post(far_loop, &f.job);
    EXPECT(mailbox_wait(&f.done, 20000) == &f.job);
    mailbox_done(&f.done);
    trace[0] = '\0';
    struct note last = note(far_loop, 'z');
    loop_post(far_loop, &last.job);
    loop_stop(far_loop);                 /* runs what was posted */
    EXPECT_STR(trace, "z");
    struct note late = note(far_loop, 'y');
    loop_post(far_loop, &late.job);
    loop_free(far_loop);                 /* and what came later */
    EXPECT_STR(trace, "zy");
}

/* ---- What a turn hands over */

enum { BOXES = 20 };
static struct mailbox boxes[BOXES];
static struct note parcels[BOXES + 3];

/* Names of what lies in the mailbox. */
static void show(struct mailbox *m)
{
    struct job *next;
    for (struct job *job = mailbox_take(m); job != NULL; job = next) {
        next = job->next;
        put(CONTAINER_OF(job, struct note, job)->name);
    }
    put('.');
}

static void on_look(struct job *job)
{
    (void)job;
    for (int i = 0; i < BOXES - 1; i++) show(&boxes[i]);
}

static struct job look = {.run = on_look};

static void on_hand_over(struct job *job)
{
    (void)job;
    loop_defer_flush(loop_current(), &look);
    loop_hand_over(&boxes[0], &parcels[0].job, false);
    loop_hand_over(&boxes[0], &parcels[1].job, false);
    show(&boxes[0]);
    loop_hand_over(&boxes[0], &parcels[2].job, true);
    show(&boxes[0]);
    for (int i = 0; i < BOXES; i++) loop_hand_over(&boxes[i], &parcels[3 + i].job, false);
    show(&boxes[0]);
    show(&boxes[BOXES - 1]);        /* there are too many of them to wait for the end */
}

TEST(a_turn_hands_over_in_order_when_its_events_were_handled)
{
    struct loop *loop = loop_new("one");
    struct job begin = {.run = on_hand_over};
    for (int i = 0; i < BOXES; i++) mailbox_init(&boxes[i]);
    for (int i = 0; i < BOXES + 3; i++) parcels[i] = note(NULL, (char)('a' + i));
    trace[0] = '\0';
    loop_hand_over(&boxes[0], &parcels[0].job, false);      /* no loop's thread */
    show(&boxes[0]);
    loop_post(loop, &begin);
    loop_turn(loop, 0);
    EXPECT_STR(trace, "a..abc..w.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.");
    for (int i = 0; i < BOXES; i++) mailbox_done(&boxes[i]);
    loop_free(loop);
}

TESTS(RUN(a_turn_runs_posted_then_flushes_then_a_long_job), RUN(a_turn_runs_one_long_job),
      RUN(an_answer_goes_to_the_loop_that_waits_or_is_run_here),
      RUN(flushes_of_very_many_connections_take_turns), RUN(flushes_send_the_less_the_more_wait),
      RUN(posted_jobs_take_turns_in_their_order), RUN(events_of_very_many_connections_take_turns),
      RUN(tasks_of_clients_take_turns),
      RUN(ends_of_many_connections_take_turns),
      RUN(timers_fire_in_order_when_due_and_not_when_cancelled),
      RUN(a_turn_hands_over_in_order_when_its_events_were_handled),
      RUN(a_thread_wakes_for_jobs_and_timers))
