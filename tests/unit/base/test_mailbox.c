#include "base/mailbox.h"
#include <stdio.h>
#include <stdlib.h>
#include "test.h"

static char trace[16];
static size_t traced;

struct letter {
    struct job job;
    char name;
};

static void on_letter(struct job *job)
{
    struct letter *l = CONTAINER_OF(job, struct letter, job);
    EXPECT(traced + 1 < sizeof trace);
    trace[traced++] = l->name;
    trace[traced] = '\0';
    free(l);
}

static void post(struct mailbox *m, char name)
{
    struct letter *l = calloc(1, sizeof *l);
    *l = (struct letter){.job.run = on_letter, .name = name};
    mailbox_post(m, &l->job);
}

TEST(jobs_run_in_their_order_and_may_free_themselves)
{
    struct mailbox m;
    mailbox_init(&m);
    traced = 0;
    EXPECT(!jobs_run(mailbox_take(&m)));
    for (const char *at = "abc"; *at != '\0'; at++) post(&m, *at);
    EXPECT(jobs_run(mailbox_take(&m)));
    EXPECT_STR(trace, "abc");
    EXPECT(!jobs_run(mailbox_take(&m)));
    mailbox_done(&m);
}

struct receiver {
    struct mailbox inbox;
    bool stopping;
};

static void *receive(void *context)
{
    struct receiver *r = context;
    while (!r->stopping) jobs_run(mailbox_wait(&r->inbox, -1));
    return NULL;
}

TEST(a_thread_that_is_stopped_runs_first_what_was_posted)
{
    struct receiver r = {};
    pthread_t thread;
    mailbox_init(&r.inbox);
    traced = 0;
    EXPECT_EQ(pthread_create(&thread, NULL, receive, &r), 0);
    for (const char *at = "abcd"; *at != '\0'; at++) post(&r.inbox, *at);
    mailbox_stop(&r.inbox, &r.stopping, thread);
    EXPECT_STR(trace, "abcd");
    EXPECT(r.stopping);
    mailbox_done(&r.inbox);
}

/* How often the event of m was written to: nobody reads it. */
static int wakes_of(const struct mailbox *m)
{
    char path[64], line[128];
    int count = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", m->event_fd);
    FILE *f = fopen(path, "r");
    EXPECT(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) sscanf(line, "eventfd-count: %x", &count);
    fclose(f);
    EXPECT(count >= 0);
    return count;
}

TEST(a_receiver_is_woken_once_and_only_while_it_sleeps)
{
    struct mailbox m;
    mailbox_init_event(&m);
    traced = 0;
    post(&m, 'a');
    EXPECT(!mailbox_sleep(&m));
    EXPECT(jobs_run(mailbox_take(&m)));
    EXPECT_EQ(wakes_of(&m), 0);

    EXPECT(mailbox_sleep(&m));
    post(&m, 'b');
    post(&m, 'c');
    EXPECT_EQ(wakes_of(&m), 1);
    EXPECT(jobs_run(mailbox_take(&m)));

    EXPECT(mailbox_sleep(&m));
    mailbox_awake(&m);
    post(&m, 'd');
    EXPECT(jobs_run(mailbox_take(&m)));
    EXPECT_EQ(wakes_of(&m), 1);

    EXPECT(mailbox_sleep(&m));
    post(&m, 'e');
    mailbox_awake(&m);              /* too late */
    post(&m, 'f');
    EXPECT_EQ(wakes_of(&m), 2);
    EXPECT(jobs_run(mailbox_take(&m)));
    EXPECT_STR(trace, "abcdef");

    EXPECT(mailbox_sleep(&m));
    EXPECT(mailbox_take(&m) == NULL);
    mailbox_done(&m);
}

enum { SENDERS = 3, SENT = 400 };

/* Sends its numbers, each to a mailbox of its own turn that the receiver ends at once. */
struct sender {
    struct job job;
    struct mailbox *_Atomic to;
    int got;
};

static void on_number(struct job *job)
{
    CONTAINER_OF(job, struct sender, job)->got++;
}

static void *send_numbers(void *context)
{
    struct sender *s = context;
    for (int i = 0; i < SENT; i++) {
        struct mailbox *to;
        while ((to = atomic_exchange(&s->to, NULL)) == NULL) sched_yield();
        s->job.run = on_number;
        mailbox_post(to, &s->job);
    }
    return NULL;
}

static int got(const struct sender *senders)
{
    int sum = 0;
    for (int i = 0; i < SENDERS; i++) sum += senders[i].got;
    return sum;
}

/* Every other time with an event, on which nobody waits. */
TEST(a_mailbox_may_end_as_soon_as_its_jobs_have_run)
{
    struct sender senders[SENDERS] = {0};
    pthread_t threads[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        EXPECT_EQ(pthread_create(&threads[i], NULL, send_numbers, &senders[i]), 0);
    for (int turn = 0; turn < SENT; turn++) {
        struct mailbox *m = malloc(sizeof *m);
        bool event = turn % 2 == 0;
        if (event) mailbox_init_event(m);
        else mailbox_init(m);
        for (int i = 0; i < SENDERS; i++) atomic_store(&senders[i].to, m);
        while (got(senders) < (turn + 1) * SENDERS) {
            if (event && turn % 4 == 0) mailbox_sleep(m);
            jobs_run(event ? mailbox_take(m) : mailbox_wait(m, turn % 3 - 1));
        }
        mailbox_done(m);
        free(m);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_EQ(senders[i].got, SENT);
    }
}

TESTS(RUN(jobs_run_in_their_order_and_may_free_themselves),
      RUN(a_thread_that_is_stopped_runs_first_what_was_posted),
      RUN(a_receiver_is_woken_once_and_only_while_it_sleeps),
      RUN(a_mailbox_may_end_as_soon_as_its_jobs_have_run))
