/* Sleepers and the logs they watch: one wake-up each, whatever happens in between. */
#include "log_fixture.h"
#include "storage/log/watch.h"

enum { SEEN_MAX = 3 };

struct sleeper {
    struct watch_set set;
    struct watch watches[SEEN_MAX];
    int woken;
    int looked;                     /* calls of grown() */
    int32_t tag;                    /* of the last one */
    int64_t wanted;                 /* what it sleeps on for; -1: it has enough */
};

static struct loop home;

static void on_wake(struct watch_set *set)
{
    struct sleeper *s = CONTAINER_OF(set, struct sleeper, set);
    EXPECT(!watch_set_sleeps(set));
    s->woken++;
}

static void sleeper_init(struct sleeper *s)
{
    *s = (struct sleeper){0};
    watch_set_init(&s->set, &home, s->watches, SEEN_MAX, on_wake);
}

static void begin(struct fx *f, int partitions)
{
    mailbox_init(&home.inbox);
    fx_init(f, partitions);
    EXPECT_OK(fx_start(f));
}

static void end(struct fx *f)
{
    loop_run_posted(&home);
    mailbox_done(&home.inbox);
    fx_done(f);
}

static void append(struct fx *f, int partition, int count)
{
    EXPECT_OK(fx_append(f, partition, &(struct fx_batch){.count = count}, NULL));
}

static void publish_next(struct fx *f)
{
    struct topic *t = fx_draft(f);
    t->version++;
    fx_publish(f, t);
}

TEST(a_sleeper_wakes_once_when_its_offset_is_there)
{
    struct fx f;
    struct sleeper near, far, late;
    begin(&f, 1);
    sleeper_init(&near);
    sleeper_init(&far);
    sleeper_init(&late);
    EXPECT_OK(watch_set_add(&near.set, f.topic, 0, 0, 0));
    EXPECT_OK(watch_set_add(&far.set, f.topic, 0, 3, 0));
    append(&f, 0, 3);
    EXPECT_EQ(near.woken, 0);               /* on its loop */
    loop_run_posted(&home);
    EXPECT_EQ(near.woken, 1);
    EXPECT_EQ(far.woken, 0);
    EXPECT_OK(watch_set_add(&late.set, f.topic, 0, 1, 0));
    EXPECT_EQ(late.woken, 0);               /* never from inside the call */
    loop_run_posted(&home);
    EXPECT_EQ(late.woken, 1);
    append(&f, 0, 1);
    loop_run_posted(&home);
    EXPECT_EQ(near.woken, 1);
    EXPECT_EQ(far.woken, 1);
    end(&f);
}

TEST(many_logs_give_one_wake_up_and_the_set_may_be_used_anew)
{
    struct fx f;
    struct sleeper s;
    begin(&f, 3);
    sleeper_init(&s);
    for (int round = 1; round <= 3; round++) {
        for (int p = 0; p < 3; p++) EXPECT_OK(watch_set_add(&s.set, f.topic, p, round - 1, 0));
        for (int p = 0; p < 3; p++) append(&f, p, 1);
        loop_run_posted(&home);
        EXPECT_EQ(s.woken, round);
    }
    /* The logs forgot the watches that did not fire. */
    for (int p = 0; p < 3; p++) EXPECT_OK(watch_set_add(&s.set, f.topic, p, 3, 0));
    append(&f, 1, 1);
    loop_run_posted(&home);
    append(&f, 0, 1);
    append(&f, 2, 1);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 4);
    end(&f);
}

TEST(a_wait_that_ends_is_not_woken)
{
    struct fx f;
    struct sleeper s;
    begin(&f, 2);
    sleeper_init(&s);
    EXPECT(watch_set_end(&s.set));          /* nothing was watched */
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 0, 0));
    EXPECT_OK(watch_set_add(&s.set, f.topic, 1, 0, 0));
    EXPECT(watch_set_sleeps(&s.set));
    EXPECT(watch_set_end(&s.set));
    EXPECT(!watch_set_sleeps(&s.set));
    append(&f, 0, 1);
    append(&f, 1, 1);
    publish_next(&f);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 0);
    end(&f);
}

TEST(a_wait_that_ends_while_a_wake_up_flies_is_over_when_it_lands)
{
    struct fx f;
    struct sleeper s;
    for (int flying = 1; flying <= 2; flying++) {
        begin(&f, 3);
        sleeper_init(&s);
        for (int p = 0; p < 3; p++) EXPECT_OK(watch_set_add(&s.set, f.topic, p, 0, 0));
        for (int p = 0; p < flying; p++) append(&f, p, 1);
        EXPECT(!watch_set_end(&s.set));
        EXPECT(!watch_set_end(&s.set));
        EXPECT(watch_set_sleeps(&s.set));
        append(&f, 2, 1);                   /* not watched any more */
        loop_run_posted(&home);
        EXPECT_EQ(s.woken, 1);
        EXPECT(watch_set_end(&s.set));
        end(&f);
    }
}

TEST(a_newer_topic_a_failure_and_a_closed_log_wake)
{
    struct fx f;
    struct sleeper s;
    begin(&f, 1);
    append(&f, 0, 1);
    sleeper_init(&s);
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 100, 0));
    publish_next(&f);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 1);
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 100, 0));
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0});
    EXPECT_ERR(fx_append(&f, 0, &(struct fx_batch){0}, NULL), ERR_KAFKA_STORAGE_ERROR);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 2);
    append(&f, 0, 1);                       /* opens it again */
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 100, 0));
    store_logs_close(f.s, f.topic);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 3);
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 100, 0));
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 4);                  /* at once on a closed log */
    end(&f);
}

/* A reader looks at the topic, a reshard closes its shard, the reader goes to sleep. */
TEST(a_change_between_looking_and_sleeping_wakes_at_once)
{
    struct fx f;
    struct sleeper s;
    begin(&f, 1);
    sleeper_init(&s);
    struct topic *looked = topic_ref(f.topic);
    publish_next(&f);
    EXPECT_OK(watch_set_add(&s.set, looked, 0, 0, 0));
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 1);
    topic_unref(looked);
    /* Who has seen what is there sleeps, even when the log learns of it only later. */
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 0, 0));
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 1);
    EXPECT(watch_set_end(&s.set));
    struct topic *ahead = fx_draft(&f);
    ahead->version++;
    EXPECT_OK(watch_set_add(&s.set, ahead, 0, 0, 0));
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 1);
    fx_publish(&f, ahead);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 2);
    end(&f);
}

TEST(a_log_has_only_so_many_watches)
{
    struct fx f;
    begin(&f, 2);
    struct sleeper *all = NEW_ARRAY(struct sleeper, WATCHES_PER_LOG_MAX);
    for (int i = 0; i < WATCHES_PER_LOG_MAX; i++) {
        sleeper_init(&all[i]);
        EXPECT_OK(watch_set_add(&all[i].set, f.topic, 0, 0, 0));
    }
    struct sleeper s;
    sleeper_init(&s);
    EXPECT_OK(watch_set_add(&s.set, f.topic, 1, 0, 0));
    EXPECT_ERR(watch_set_add(&s.set, f.topic, 0, 0, 0), ERR_TOO_LARGE);
    EXPECT(watch_set_end(&all[0].set));
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 0, 0));        /* its place is free */
    EXPECT(watch_set_end(&s.set));
    for (int i = 0; i < WATCHES_PER_LOG_MAX; i++) EXPECT(watch_set_end(&all[i].set));
    mem_free(all);
    end(&f);
}

static int64_t on_grown(struct watch_set *set, int32_t tag)
{
    struct sleeper *s = CONTAINER_OF(set, struct sleeper, set);
    s->looked++;
    s->tag = tag;
    return s->wanted;
}

/* An append costs who wants more than it one look at one log, whatever else is watched. */
TEST(a_sleeper_that_wants_more_sleeps_on)
{
    struct fx f;
    struct sleeper s;
    begin(&f, 3);
    sleeper_init(&s);
    s.set.grown = on_grown;
    for (int p = 0; p < 3; p++) EXPECT_OK(watch_set_add(&s.set, f.topic, p, 0, 10 + p));
    for (s.wanted = 1; s.wanted <= 5; s.wanted++) {
        append(&f, 1, 1);
        loop_run_posted(&home);
        EXPECT_EQ(s.looked, s.wanted);
        EXPECT_EQ(s.tag, 11);
        EXPECT_EQ(s.woken, 0);
        EXPECT(watch_set_sleeps(&s.set));
    }
    s.wanted = 2;                           /* which is there already: it is told again */
    append(&f, 1, 1);
    EXPECT(loop_run_posted(&home));
    s.wanted = -1;
    EXPECT(loop_run_posted(&home));
    EXPECT_EQ(s.woken, 1);
    append(&f, 0, 1);                       /* the others are not watched any more */
    append(&f, 2, 1);
    EXPECT(!loop_run_posted(&home));
    EXPECT_EQ(s.woken, 1);
    end(&f);
}

TEST(what_is_not_data_ends_the_wait_whatever_is_wanted)
{
    struct fx f;
    struct sleeper s;
    begin(&f, 2);
    append(&f, 0, 1);
    sleeper_init(&s);
    s.set.grown = on_grown;
    s.wanted = 100;
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 100, 0));
    EXPECT_OK(watch_set_add(&s.set, f.topic, 1, 100, 0));
    publish_next(&f);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 1);
    EXPECT_OK(watch_set_add(&s.set, f.topic, 0, 100, 0));
    store_logs_close(f.s, f.topic);
    loop_run_posted(&home);
    EXPECT_EQ(s.woken, 2);
    EXPECT_EQ(s.looked, 0);
    end(&f);
}

TESTS(RUN(a_sleeper_wakes_once_when_its_offset_is_there),
      RUN(a_sleeper_that_wants_more_sleeps_on),
      RUN(what_is_not_data_ends_the_wait_whatever_is_wanted),
      RUN(many_logs_give_one_wake_up_and_the_set_may_be_used_anew),
      RUN(a_wait_that_ends_is_not_woken),
      RUN(a_wait_that_ends_while_a_wake_up_flies_is_over_when_it_lands),
      RUN(a_newer_topic_a_failure_and_a_closed_log_wake),
      RUN(a_change_between_looking_and_sleeping_wakes_at_once), RUN(a_log_has_only_so_many_watches))
