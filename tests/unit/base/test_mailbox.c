#include "base/mailbox.h"
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
    struct receiver r = {0};
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

TESTS(RUN(jobs_run_in_their_order_and_may_free_themselves),
      RUN(a_thread_that_is_stopped_runs_first_what_was_posted))
