/* A lane is a fair queue and the threads that serve it; their nice values keep them behind loops
 * and workers, longer lanes behind shorter ones. */
#include "storage/codecs.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include "base/clock.h"
#include "base/fair.h"
#include "base/mem.h"
#include "base/net/loop.h"
#include "storage/threads.h"
#include "base/check.h"

enum { THREADS = CODEC_QUICK_THREADS + CODEC_LONG_THREADS + CODEC_SLOW_THREADS, NS_PER_US = 1000 };

static const struct {
    enum codec_lane lane;
    const char *name;
} threads[] = {{CODEC_QUICK, "codec-quick-0"}, {CODEC_QUICK, "codec-quick-1"},
               {CODEC_LONG, "codec-long"}, {CODEC_SLOW, "codec-slow"}};
static_assert(sizeof threads / sizeof threads[0] == THREADS, "docs/memory.md counts them");
static const size_t unpacked_max[CODEC_LANES] = {
    [CODEC_QUICK] = CODEC_QUICK_BYTES_MAX,
    [CODEC_LONG] = CODEC_LONG_BYTES_MAX,
    [CODEC_SLOW] = CODEC_LONG_BYTES_MAX,
};
/* Added to the process's own: a busy machine still gives a fifth of a share to the last one. A loop
 * that wakes beside them waits for a slice of theirs the longer the less they differ. */
static const int nice_of[CODEC_LANES] = {
    [CODEC_QUICK] = 5, [CODEC_LONG] = 6, [CODEC_SLOW] = 7};

struct codec_thread {
    struct codecs *all;
    pthread_t thread;
    const char *name;
    struct codec_tools tools;
};

struct codecs {
    struct fair lanes[CODEC_LANES];
    struct codec_thread threads[THREADS];
    bool started;
};

enum codec_lane codec_lane_for_cost(uint64_t us)
{
    return us <= CODEC_QUICK_US_MAX  ? CODEC_QUICK
           : us <= CODEC_LONG_US_MAX ? CODEC_LONG
                                     : CODEC_SLOW;
}

static void post(struct codecs *all, struct codec_work *w)
{
    fair_post(&all->lanes[w->lane], w->client, &w->job);
}

void store_codec(struct store *s, struct codec_work *w)
{
    post(store_codecs(s), w);
}

static void run_home(struct job *job)
{
    struct codec_work *w = CONTAINER_OF(job, struct codec_work, job);
    w->done(w);
}

static void run(struct codec_thread *t, struct codec_work *w)
{
    struct codec_tools *tools = &t->tools;
    tools->inflater.bytes_max = unpacked_max[tools->lane];
    tools->deflater.stop = &w->abandoned;
    uint64_t client = w->client;                /* the work may be gone after its step */
    int64_t begun_us = clock_mono_us();
    enum codec_outcome outcome = atomic_load(&w->abandoned) ? CODEC_OVER : w->step(w, tools);
    fair_charge(&t->all->lanes[tools->lane], client,
                (uint64_t)(clock_mono_us() - begun_us) * NS_PER_US);
    tools->deflater.stop = NULL;
    inflater_trim(&tools->inflater);
    deflater_trim(&tools->deflater);
    if (outcome == CODEC_TAKEN) return;
    if (outcome == CODEC_AGAIN) {
        post(t->all, w);
    } else {
        w->job.run = run_home;
        loop_answer(w->home, &w->job);
    }
}

static void *thread_main(void *arg)
{
    struct codec_thread *t = arg;
    /* On Linux this is the calling thread's alone. It may be refused: then all are equal. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + nice_of[t->tools.lane]);
    struct job *job;
    while ((job = fair_wait(&t->all->lanes[t->tools.lane])) != NULL)
        run(t, CONTAINER_OF(job, struct codec_work, job));
    return NULL;
}

struct codecs *codecs_new(void)
{
    struct codecs *all = NEW(struct codecs);
    for (int i = 0; i < CODEC_LANES; i++) fair_init(&all->lanes[i]);
    for (int i = 0; i < THREADS; i++) {
        struct codec_thread *t = &all->threads[i];
        t->all = all;
        t->name = threads[i].name;
        t->tools.lane = threads[i].lane;
        inflater_init(&t->tools.inflater, NULL, unpacked_max[t->tools.lane]);
        deflater_init(&t->tools.deflater);
    }
    return all;
}

void codecs_start(struct codecs *all)
{
    all->started = true;
    for (int i = 0; i < THREADS; i++) {
        int failed = pthread_create(&all->threads[i].thread, NULL, thread_main, &all->threads[i]);
        assert(!failed);
        pthread_setname_np(all->threads[i].thread, all->threads[i].name);
    }
}

bool codecs_turn(struct codecs *all)
{
    bool any = false;
    for (int i = 0; i < THREADS; i++) {
        struct codec_thread *t = &all->threads[i];
        struct job *job = fair_take(&all->lanes[t->tools.lane]);
        if (job == NULL) continue;
        any = true;
        run(t, CONTAINER_OF(job, struct codec_work, job));
    }
    return any;
}

void codecs_stop(struct codecs *all)
{
    for (int i = 0; all->started && i < CODEC_LANES; i++) fair_close(&all->lanes[i]);
    for (int i = 0; all->started && i < THREADS; i++) pthread_join(all->threads[i].thread, NULL);
    all->started = false;
    while (codecs_turn(all)) {}
}

void codecs_free(struct codecs *all)
{
    if (all == NULL) return;
    for (int i = 0; i < THREADS; i++) {
        inflater_done(&all->threads[i].tools.inflater);
        deflater_done(&all->threads[i].tools.deflater);
    }
    for (int i = 0; i < CODEC_LANES; i++) fair_done(&all->lanes[i]);
    mem_free(all);
}
