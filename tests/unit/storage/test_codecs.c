/* The codec lanes, one step at a time: turns, order, longer lanes, work that nobody waits for. */
#include "storage/codecs.h"
#include "storage/engine/kv.h"
#include "storage/store.h"
#include "test.h"

enum { WORKS = 100 };

struct counted {
    struct codec_work work;
    int steps_wanted, steps, done;
    enum codec_lane lanes[8];           /* where each step ran */
};

static struct store *store;
static int steps_total;
static struct counted *finished[WORKS + 1];
static int finished_count;

static void begin(void)
{
    struct store_options options;
    store_options_default(&options);
    options.kv = kv_mem_new();
    options.manual = true;
    EXPECT_OK(store_open(&options, &store, NULL));
    steps_total = finished_count = 0;
}

static enum codec_outcome step(struct codec_work *w, struct codec_tools *tools)
{
    struct counted *c = CONTAINER_OF(w, struct counted, work);
    EXPECT_EQ(tools->lane, w->lane);
    if (c->steps < 8) c->lanes[c->steps] = tools->lane;
    steps_total++;
    return ++c->steps == c->steps_wanted ? CODEC_OVER : CODEC_AGAIN;
}

static void done(struct codec_work *w)
{
    struct counted *c = CONTAINER_OF(w, struct counted, work);
    c->done++;
    finished[finished_count++] = c;
}

static void start(struct counted *c, uint64_t client, int steps)
{
    *c = (struct counted){.work = {.client = client, .step = step, .done = done},
                          .steps_wanted = steps};
    store_codec(store, &c->work);
}

static void run_until(const struct counted *c)
{
    while (c->done == 0) EXPECT(store_turn(store));
}

static void run_all(void)
{
    while (store_turn(store)) {
    }
}

TEST(work_of_one_client_costs_another_one_step_for_each_of_its_own)
{
    static struct counted hostile[WORKS];
    struct counted mine;
    begin();
    for (int i = 0; i < WORKS; i++) start(&hostile[i], 1, 50);
    start(&mine, 2, 3);
    run_until(&mine);
    EXPECT_EQ(mine.steps, 3);
    EXPECT(steps_total <= 3 * 2 + 2);           /* the quick lane has two threads */
    run_all();
    EXPECT_EQ(finished_count, WORKS + 1);
    for (int i = 0; i < WORKS; i++) EXPECT_EQ(hostile[i].steps, 50);
    store_close(store);
}

static enum codec_outcome longer(struct codec_work *w, struct codec_tools *tools)
{
    struct counted *c = CONTAINER_OF(w, struct counted, work);
    EXPECT_EQ(tools->inflater.bytes_max,
              tools->lane == CODEC_QUICK ? CODEC_QUICK_BYTES_MAX : CODEC_LONG_BYTES_MAX);
    c->lanes[c->steps++] = tools->lane;
    if (tools->lane == CODEC_SLOW) return CODEC_OVER;
    w->lane = tools->lane == CODEC_QUICK ? CODEC_LONG : CODEC_SLOW;
    return CODEC_AGAIN;
}

TEST(a_step_that_takes_longer_goes_on_in_a_longer_lane)
{
    struct counted c = {.work = {.client = 1, .step = longer, .done = done}};
    begin();
    store_codec(store, &c.work);
    run_all();
    EXPECT_EQ(c.steps, CODEC_LANES);
    for (int i = 0; i < CODEC_LANES; i++) EXPECT_EQ(c.lanes[i], i);
    EXPECT_EQ(c.done, 1);
    store_close(store);
}

TEST(what_is_abandoned_does_no_step_any_more_and_ends)
{
    static struct counted many[WORKS];
    begin();
    for (int i = 0; i < WORKS; i++) start(&many[i], (uint64_t)i, 1000);
    EXPECT(store_turn(store));
    int before = steps_total;
    for (int i = 0; i < WORKS; i++) atomic_store(&many[i].work.abandoned, true);
    run_all();
    EXPECT_EQ(steps_total, before);
    EXPECT_EQ(finished_count, WORKS);
    store_close(store);
}

TEST(packing_belongs_where_its_cost_says)
{
    EXPECT_EQ(codec_lane_for_cost(0), CODEC_QUICK);
    EXPECT_EQ(codec_lane_for_cost(deflate_cost_us(CODEC_SNAPPY, 0, 1 << 20)), CODEC_QUICK);
    EXPECT_EQ(codec_lane_for_cost(deflate_cost_us(CODEC_ZSTD, 3, 4 << 20)), CODEC_LONG);
    EXPECT_EQ(codec_lane_for_cost(deflate_cost_us(CODEC_ZSTD, 22, 1 << 20)), CODEC_SLOW);
    for (int level = ZSTD_LEVEL_MIN; level < ZSTD_LEVEL_MAX; level += level < -8 ? 100 : 1)
        EXPECT(deflate_cost_us(CODEC_ZSTD, level, 1 << 20) <=
               deflate_cost_us(CODEC_ZSTD, level + 1, 1 << 20));
    for (enum batch_codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++)
        for (int level = -1; level <= 22; level++)
            EXPECT(deflate_cost_us(codec, level, 1000) > 0);
}

TESTS(RUN(work_of_one_client_costs_another_one_step_for_each_of_its_own),
      RUN(a_step_that_takes_longer_goes_on_in_a_longer_lane),
      RUN(what_is_abandoned_does_no_step_any_more_and_ends),
      RUN(packing_belongs_where_its_cost_says))
