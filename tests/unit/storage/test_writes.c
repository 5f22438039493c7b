/* What other modules write in a worker's commits. */
#include "log_fixture.h"

struct test_write {
    struct store_write write;
    enum err err;
};

static void on_stage(struct store_write *w, struct kv_batch *b)
{
    (void)w;
    kv_batch_put(b, KV_OFFSETS, BYTES_LIT("k"), BYTES_LIT("v"));
}

static void on_written(struct store_write *w, enum err err)
{
    CONTAINER_OF(w, struct test_write, write)->err = err;
}

TEST(a_write_shares_the_commit_and_its_fate)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int fails = 1; fails >= 0; fails--) {
        struct test_write w = {.write = {.stage = on_stage, .done = on_written}, .err = ERR_COUNT};
        if (fails) kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0});
        store_write(f.s, &w.write);
        fx_turn(&f);
        EXPECT_ERR(w.err, fails ? ERR_KAFKA_STORAGE_ERROR : ERR_OK);
        struct slab *value = NULL;
        EXPECT_ERR(kv_get(f.kv, KV_OFFSETS, BYTES_LIT("k"), &value),
                   fails ? ERR_NOT_FOUND : ERR_OK);
        slab_unref(value);
    }
    fx_done(&f);
}

/* Which of two is first is seen in what is stored. */
static void on_stage_second(struct store_write *w, struct kv_batch *b)
{
    (void)w;
    kv_batch_put(b, KV_OFFSETS, BYTES_LIT("k"), BYTES_LIT("second"));
}

TEST(what_is_of_a_large_writes_affinity_keeps_its_order)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    struct test_write plain = {.write = {.stage = on_stage, .done = on_written, .affinity = 7},
                               .err = ERR_COUNT};
    struct test_write first = plain, again = plain, second = plain, other = plain;
    first.write.large = again.write.large = true;
    second.write.stage = on_stage_second;
    other.write.affinity = 8;
    kv_mem_set_behind(f.kv, true);
    store_write(f.s, &first.write);
    store_write(f.s, &plain.write);
    store_write(f.s, &again.write);
    store_write(f.s, &second.write);
    store_write(f.s, &other.write);
    fx_turn(&f);
    EXPECT_OK(other.err);
    EXPECT_ERR(plain.err, ERR_COUNT);
    EXPECT_ERR(second.err, ERR_COUNT);
    kv_mem_set_behind(f.kv, false);
    EXPECT(store_turn(f.s));
    EXPECT_OK(first.err);
    EXPECT_OK(plain.err);
    EXPECT_ERR(again.err, ERR_COUNT);       /* each large one has a turn */
    EXPECT_ERR(second.err, ERR_COUNT);
    fx_turn(&f);
    EXPECT_OK(again.err);
    EXPECT_OK(second.err);
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    EXPECT_OK(kv_get(f.kv, KV_OFFSETS, BYTES_LIT("k"), &value));
    EXPECT_BYTES(slab_bytes(value), "second");
    fx_done(&f);
}

TEST(a_large_write_waits_while_the_engine_is_behind_and_nobody_behind_it)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    struct test_write small = {.write = {.stage = on_stage, .done = on_written}, .err = ERR_COUNT};
    struct test_write large[2] = {small, small};
    for (int i = 0; i < 2; i++) large[i].write.large = true;
    for (int i = 0; i < 2; i++) large[i].write.affinity = (uint64_t)i + 1;
    kv_mem_set_behind(f.kv, true);
    for (int i = 0; i < 2; i++) store_write(f.s, &large[i].write);
    store_write(f.s, &small.write);
    fx_turn(&f);
    EXPECT_OK(small.err);
    for (int i = 0; i < 2; i++) EXPECT_ERR(large[i].err, ERR_COUNT);

    kv_mem_set_behind(f.kv, false);
    fx_turn(&f);
    for (int i = 0; i < 2; i++) EXPECT_OK(large[i].err);

    kv_mem_set_behind(f.kv, true);      /* and a stop waits for no engine */
    large[0].err = ERR_COUNT;
    store_write(f.s, &large[0].write);
    fx_turn(&f);
    EXPECT_ERR(large[0].err, ERR_COUNT);
    fx_stop(&f);
    EXPECT_OK(large[0].err);
    fx_done(&f);
}

TESTS(RUN(a_write_shares_the_commit_and_its_fate),
      RUN(what_is_of_a_large_writes_affinity_keeps_its_order),
      RUN(a_large_write_waits_while_the_engine_is_behind_and_nobody_behind_it))
