/* Turns between clients: whoever had least comes first, and what one of them sends in front of
 * another never counts more than once. */
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

/* Two that always have jobs, one of which are four times as dear: they get as much of the work. */
TEST(whoever_asks_for_more_gets_fewer_turns)
{
    enum { DEAR = 4 * FAIR_JOB_COST };
    fair_init(&fair);
    struct job cheap, dear;
    fair_post(&fair, 1, &cheap);
    fair_post(&fair, 2, &dear);
    int of_cheap = 0, of_dear = 0;
    for (int i = 0; i < JOBS; i++) {
        bool is_dear = fair_take(&fair) == &dear;
        of_dear += is_dear;
        of_cheap += !is_dear;
        if (is_dear) fair_charge(&fair, 2, DEAR - FAIR_JOB_COST);
        fair_post(&fair, is_dear ? 2 : 1, is_dear ? &dear : &cheap);
    }
    EXPECT(of_cheap >= of_dear * 4 - 4 && of_cheap <= of_dear * 4 + 4);
    while (fair_take(&fair) != NULL) {
    }
    fair_done(&fair);
}

/* Many connections that read much, each a client of its own; one that asks for little now and then
 * waits for none of them. */
TEST(a_bystander_goes_in_front_of_all_who_had_much)
{
    enum { CROWD = 100, SLICE = 1 << 20, ROUNDS = 10 };
    fair_init(&fair);
    for (int i = 0; i < CROWD; i++) fair_post(&fair, (uint64_t)i, &jobs[i]);
    struct job *seen[CROWD];
    for (int i = 0; i < CROWD; i++) {           /* each got something */
        seen[i] = fair_take(&fair);
        fair_charge(&fair, (uint64_t)(seen[i] - jobs), SLICE);
        fair_post(&fair, (uint64_t)(seen[i] - jobs), seen[i]);
    }
    struct job mine;
    for (int i = 0; i < ROUNDS; i++) {
        fair_post(&fair, CROWD, &mine);
        EXPECT(fair_take(&fair) == &mine);
        struct job *other = fair_take(&fair);   /* and they go on meanwhile */
        fair_charge(&fair, (uint64_t)(other - jobs), SLICE);
        fair_post(&fair, (uint64_t)(other - jobs), other);
    }
    while (fair_take(&fair) != NULL) {
    }
    fair_done(&fair);
}

/* Who asked for nothing while others had much has no claim to as much: it takes turns from then on
 * as one who has just come. */
TEST(nobody_saves_up_by_being_away)
{
    enum { DEAR = 1 << 20 };
    fair_init(&fair);
    struct job a, b;
    fair_post(&fair, 2, &b);
    EXPECT(fair_take(&fair) == &b);
    fair_post(&fair, 1, &a);
    for (int i = 0; i < JOBS; i++) {            /* alone for long */
        EXPECT(fair_take(&fair) == &a);
        fair_charge(&fair, 1, DEAR);
        fair_post(&fair, 1, &a);
    }
    fair_post(&fair, 2, &b);
    int of_b = 0;
    for (int i = 0; i < JOBS; i++) {
        bool is_b = fair_take(&fair) == &b;
        of_b += is_b;
        fair_charge(&fair, is_b ? 2 : 1, DEAR);
        fair_post(&fair, is_b ? 2 : 1, is_b ? &b : &a);
    }
    EXPECT(of_b >= JOBS / 2 - 2 && of_b <= JOBS / 2 + 2);
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
      RUN(whoever_asks_for_more_gets_fewer_turns),
      RUN(a_bystander_goes_in_front_of_all_who_had_much), RUN(nobody_saves_up_by_being_away),
      RUN(closing_ends_every_wait_and_leaves_what_waits))
