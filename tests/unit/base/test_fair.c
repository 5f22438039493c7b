/* Turns between clients: what one of them sends in front of another never counts more than once. */
#include "base/fair.h"
#include "test.h"

enum { JOBS = 1000, CLIENTS = 8 };

static struct fair fair;
static struct job jobs[JOBS];

TEST(jobs_of_one_client_keep_their_order)
{
    fair_init(&fair);
    for (int i = 0; i < JOBS; i++) fair_post(&fair, 1, &jobs[i]);
    for (int i = 0; i < JOBS; i++) EXPECT(fair_take(&fair) == &jobs[i]);
    EXPECT(fair_take(&fair) == NULL);
    fair_done(&fair);
}

TEST(a_bystander_waits_for_one_job_of_each_other_client)
{
    fair_init(&fair);
    for (int i = 0; i < JOBS; i++) fair_post(&fair, (uint64_t)i % CLIENTS, &jobs[i]);
    struct job mine;
    fair_post(&fair, 1000, &mine);
    int before = 0;
    while (fair_take(&fair) != &mine) before++;
    EXPECT(before <= CLIENTS);
    int left = 0;
    while (fair_take(&fair) != NULL) left++;
    EXPECT_EQ(left, JOBS - before);
    fair_done(&fair);
}

/* Also while the others go on sending, each a new job for each that was taken. */
TEST(whoever_always_has_jobs_gets_every_other_turn_of_two)
{
    fair_init(&fair);
    struct job a[2], b[2];
    for (int i = 0; i < 2; i++) {
        fair_post(&fair, 1, &a[i]);
        fair_post(&fair, 2, &b[i]);
    }
    int of_a = 0, of_b = 0;
    for (int i = 0; i < JOBS; i++) {
        struct job *job = fair_take(&fair);
        bool is_a = job == &a[0] || job == &a[1];
        of_a += is_a;
        of_b += !is_a;
        fair_post(&fair, is_a ? 1 : 2, job);
    }
    EXPECT_EQ(of_a, of_b);
    while (fair_take(&fair) != NULL) {
    }
    fair_done(&fair);
}

static void *wait_for_close(void *ret)
{
    *(struct job **)ret = fair_wait(&fair);
    return NULL;
}

TEST(closing_ends_every_wait_and_leaves_what_waits)
{
    fair_init(&fair);
    pthread_t threads[3];
    struct job *got[3] = {&jobs[0], &jobs[0], &jobs[0]};
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(pthread_create(&threads[i], NULL, wait_for_close, &got[i]), 0);
    fair_close(&fair);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(got[i] == NULL);
    }
    fair_post(&fair, 1, &jobs[1]);
    EXPECT(fair_wait(&fair) == NULL);
    EXPECT(fair_take(&fair) == &jobs[1]);
    fair_done(&fair);
}

TESTS(RUN(jobs_of_one_client_keep_their_order),
      RUN(a_bystander_waits_for_one_job_of_each_other_client),
      RUN(whoever_always_has_jobs_gets_every_other_turn_of_two),
      RUN(closing_ends_every_wait_and_leaves_what_waits))
