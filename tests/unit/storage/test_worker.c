/* What the workers do around a log: catalog changes, tails, failed commits, limits. */
#include "log_fixture.h"
#include "storage/engine/log_keys.h"
#include "storage/engine/meta_keys.h"

static void expect_dense(struct fx *f, int partition, int64_t end)
{
    struct read_result r;
    EXPECT_OK(fx_read(f, partition, 0, SIZE_MAX, &r));
    int64_t next = 0;
    for (int32_t i = 0; i < r.count; i++) {
        EXPECT_EQ(r.batches[i].base_offset, next);
        next = r.batches[i].last_offset + 1;
    }
    EXPECT_EQ(next, end);
    read_result_done(&r);
}

/* ---- Freeze and publish */

TEST(a_frozen_log_holds_appends_in_order)
{
    struct fx f;
    fx_init(&f, 2);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 3}, NULL));
    struct log_freeze freeze = {.log = fx_log(&f, 0)};
    EXPECT_OK(store_logs_freeze(f.s, &freeze, 1));
    EXPECT_EQ(freeze.end_offset, 3);
    EXPECT_EQ(freeze.log_start, 0);
    struct append a, b;
    fx_append_begin(&f, &a, 0, &(struct fx_batch){.count = 2});
    fx_append_begin(&f, &b, 0, &(struct fx_batch){.count = 1});
    fx_turn(&f);
    EXPECT_EQ(a.err, ERR_COUNT);            /* both wait */
    EXPECT_OK(fx_append(&f, 1, &(struct fx_batch){0}, NULL));      /* the other log does not */
    store_logs_publish(f.s, f.topic);
    fx_turn(&f);
    EXPECT_OK(a.err);
    EXPECT_EQ(a.base_offset, 3);
    EXPECT_OK(b.err);
    EXPECT_EQ(b.base_offset, 5);
    fx_done(&f);
}

static enum plog_state state_of(struct fx *f, int32_t partition)
{
    return fx_log(f, partition)->state;
}

TEST(many_logs_are_opened_a_few_a_call_and_then_frozen_together)
{
    enum { LOGS = 500 };                    /* ten turns to open them */
    struct fx f;
    fx_init(&f, LOGS);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, LOGS - 1, &(struct fx_batch){.count = 3}, NULL));
    struct log_freeze freeze[LOGS];
    for (int i = 0; i < LOGS; i++) freeze[i] = (struct log_freeze){.log = fx_log(&f, i)};
    EXPECT_OK(store_logs_freeze(f.s, freeze, LOGS));
    for (int i = 0; i < LOGS; i++) {
        EXPECT_EQ(state_of(&f, i), PLOG_OPEN);
        EXPECT_EQ(freeze[i].end_offset, i == LOGS - 1 ? 3 : 0);
        EXPECT(freeze[i].log->frozen);
    }
    store_logs_publish(f.s, f.topic);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    fx_done(&f);
}

TEST(a_freeze_of_logs_that_cannot_all_be_opened_freezes_none)
{
    struct fx f;
    fx_init(&f, 2);
    EXPECT_OK(fx_start(&f));
    struct log_freeze freeze[2] = {{.log = fx_log(&f, 0)}, {.log = fx_log(&f, 1)}};
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0});
    EXPECT_ERR(store_logs_freeze(f.s, freeze, 2), ERR_KAFKA_STORAGE_ERROR);
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
    for (int i = 0; i < 2; i++) EXPECT(!freeze[i].log->frozen);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    fx_done(&f);
}

TEST(logs_that_are_held_are_not_opened_and_go_on_when_the_delete_failed)
{
    struct fx f;
    fx_init(&f, 2);
    EXPECT_OK(fx_start(&f));
    struct append a, b;
    fx_append_begin(&f, &a, 0, &(struct fx_batch){.count = 2});
    fx_turn(&f);
    EXPECT_OK(a.err);
    store_logs_hold(f.s, f.topic);
    EXPECT_EQ(state_of(&f, 0), PLOG_OPEN);
    EXPECT_EQ(state_of(&f, 1), PLOG_COLD);
    fx_append_begin(&f, &a, 0, &(struct fx_batch){.count = 2});
    fx_append_begin(&f, &b, 1, &(struct fx_batch){.count = 1});
    fx_turn(&f);
    EXPECT(a.err == ERR_COUNT && b.err == ERR_COUNT);       /* both wait */
    EXPECT_EQ(state_of(&f, 1), PLOG_COLD);
    store_logs_publish(f.s, f.topic);
    fx_turn(&f);
    EXPECT_OK(a.err);
    EXPECT_EQ(a.base_offset, 2);
    EXPECT_OK(b.err);
    EXPECT_EQ(b.base_offset, 0);
    fx_done(&f);
}

TEST(appends_that_waited_move_with_their_shard)
{
    struct fx f;
    fx_init(&f, 2);
    EXPECT_OK(fx_start(&f));
    struct append a = {0}, b = {0};
    struct log_freeze freeze[2] = {{.log = fx_log(&f, 0)}, {.log = fx_log(&f, 1)}};
    EXPECT_OK(store_logs_freeze(f.s, freeze, 2));
    fx_append_begin(&f, &a, 0, &(struct fx_batch){0});
    a.shard = 0;
    fx_append_begin(&f, &b, 1, &(struct fx_batch){0});
    fx_turn(&f);
    /* Merge: both shards close, their child is partition 0's, partition 1 retires. */
    struct topic *t = fx_draft(&f);
    for (int i = 0; i < 2; i++) {
        draft_nth(t, i)->end_offset = 0;
        draft_nth(t, i)->closed_ms = 9000;
        t->partitions[i].open_shard = -1;
    }
    struct shard *child = draft_add_shard(t);
    *child = (struct shard){.index = child->index, .partition = 0, .end_offset = -1,
                            .hash_last = U128_MAX, .parent = 0, .adjacent_parent = 1,
                            .created_ms = 9000};
    fx_publish(&f, t);
    fx_turn(&f);
    EXPECT_ERR(a.err, ERR_MOVED);           /* routed to shard 0, which closed */
    EXPECT_OK(b.err);                    /* addressed to a retired partition: went on to its home */
    EXPECT_EQ(b.partition, 0);
    EXPECT_EQ(b.partition_addressed, 1);
    EXPECT_EQ(topic_forward(f.topic, 1), 0);
    fx_append_begin(&f, &b, 1, &(struct fx_batch){.producer_id = 9, .sequence = 5});
    fx_turn(&f);
    EXPECT_OK(b.err);
    EXPECT_EQ(b.partition, 0);
    EXPECT_EQ(b.base_offset, 1);
    /* Its sequences are its own: partition 0's begin anywhere. */
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 9, .sequence = 70}, NULL));
    EXPECT_OK(fx_append(&f, 1, &(struct fx_batch){.producer_id = 9, .sequence = 6}, NULL));
    EXPECT_ERR(fx_append(&f, 1, &(struct fx_batch){.producer_id = 9, .sequence = 8}, NULL),
               ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    /* Who relies on co-partitioning is told, and told by name by the door. */
    t = fx_draft(&f);
    t->config.retired_reject = true;
    fx_publish(&f, t);
    EXPECT_ERR(fx_append(&f, 1, &(struct fx_batch){0}, NULL), ERR_MOVED);
    fx_append_begin(&f, &a, 0, &(struct fx_batch){0});
    a.shard = 2;
    fx_turn(&f);
    EXPECT_OK(a.err);
    fx_done(&f);
}

TEST(a_frozen_log_holds_only_so_many)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    struct log_freeze freeze = {.log = fx_log(&f, 0)};
    EXPECT_OK(store_logs_freeze(f.s, &freeze, 1));
    enum { MORE = WORKER_HELD_MAX + 3 };
    struct append *all = NEW_ARRAY(struct append, MORE);
    for (int i = 0; i < MORE; i++) fx_append_begin(&f, &all[i], 0, &(struct fx_batch){0});
    fx_turn(&f);
    for (int i = WORKER_HELD_MAX; i < MORE; i++) EXPECT_ERR(all[i].err, ERR_MOVED);
    store_logs_publish(f.s, f.topic);
    for (int i = 0; i < WORKER_HELD_MAX; i++) EXPECT_EQ(all[i].base_offset, i);
    mem_free(all);
    fx_done(&f);
}

TEST(a_deleted_topics_logs_answer_closed_and_their_data_is_gone)
{
    struct fx f;
    fx_init(&f, 2);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 12; i++)
        EXPECT_OK(fx_append(&f, i % 2, &(struct fx_batch){.value_bytes = 200000, .producer_id = 4,
                                                          .sequence = i / 2}, NULL));
    struct log_freeze freeze[2] = {{.log = fx_log(&f, 0)}, {.log = fx_log(&f, 1)}};
    EXPECT_OK(store_logs_freeze(f.s, freeze, 2));
    struct append waits;
    fx_append_begin(&f, &waits, 0, &(struct fx_batch){0});
    fx_turn(&f);
    struct kv_batch *b = kv_batch_new(f.kv);
    store_logs_erase(f.s, b, f.topic);
    EXPECT_OK(kv_commit(f.kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    store_logs_close(f.s, f.topic);
    fx_turn(&f);
    EXPECT_ERR(waits.err, ERR_CLOSED);
    EXPECT_ERR(fx_append(&f, 1, &(struct fx_batch){0}, NULL), ERR_CLOSED);
    struct read_result r;
    EXPECT_ERR(fx_read(&f, 0, 0, 100, &r), ERR_CLOSED);
    struct log_bounds bounds;
    EXPECT_ERR(plog_bounds(fx_log(&f, 0), &bounds), ERR_CLOSED);
    static const enum kv_family families[] = {KV_LOG, KV_INDEX, KV_PRODUCERS};
    for (int i = 0; i < 3; i++) {
        struct kv_iter *it = kv_iter_new(f.kv, families[i], BYTES_LIT(""), BYTES_NULL, false);
        EXPECT(!kv_iter_next(it));
        kv_iter_free(it);
    }
    fx_done(&f);
}

/* ---- DeleteRecords */

static enum err raise_start(struct fx *f, int64_t offset, int64_t *ret)
{
    return store_log_raise_start(fx_log(f, 0), offset, ret);
}

TEST(a_raised_start_lasts)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 20; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 2, .value_bytes = 100000}, NULL));
    int64_t start = -1;
    EXPECT_ERR(raise_start(&f, 41, &start), ERR_OFFSET_OUT_OF_RANGE);
    EXPECT_OK(raise_start(&f, 15, &start));     /* in the middle of a batch */
    EXPECT_EQ(start, 15);
    EXPECT_OK(raise_start(&f, 3, &start));      /* lower: nothing changes */
    EXPECT_EQ(start, 15);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct log_bounds b;
        struct read_result r;
        EXPECT_OK(fx_bounds(&f, 0, &b));
        EXPECT_EQ(b.log_start, 15);
        EXPECT_EQ(b.high_watermark, 40);
        EXPECT_ERR(fx_read(&f, 0, 14, 100, &r), ERR_OFFSET_OUT_OF_RANGE);
        EXPECT_OK(fx_read(&f, 0, 15, 100, &r));
        EXPECT_EQ(r.batches[0].base_offset, 14);
        read_result_done(&r);
        read_result_init(&r);
        if (!restarted) EXPECT_OK(plog_read_tail(fx_log(&f, 0), 15, 100, true, &r));
        read_result_done(&r);
        int64_t offset, ms;
        EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_TIMESTAMP, 0, &offset, &ms));
        EXPECT_EQ(offset, 15);
        EXPECT_OK(fx_seek(&f, 0, LOG_SEEK_ARRIVAL, 0, &offset, &ms));
        EXPECT_EQ(offset, 15);
        fx_restart(&f, false);
    }
    EXPECT_OK(raise_start(&f, -1, &start));     /* all of it */
    EXPECT_EQ(start, 40);
    fx_restart(&f, false);
    int64_t offset = -1;
    struct log_bounds b;
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_EQ(b.size_bytes, 0);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, &offset));
    EXPECT_EQ(offset, 40);
    fx_done(&f);
}

TEST(producers_are_known_after_their_records_were_deleted)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 3; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 5, .sequence = i}, NULL));
    int64_t start;
    EXPECT_OK(raise_start(&f, -1, &start));
    fx_restart(&f, false);
    int64_t offset = -1;
    struct fx_batch gap = {.producer_id = 5, .sequence = 4};
    EXPECT_ERR(fx_append(&f, 0, &gap, NULL), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 5, .sequence = 2}, &offset));
    EXPECT_EQ(offset, 2);
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 5, .sequence = 3}, &offset));
    EXPECT_EQ(offset, 3);
    fx_done(&f);
}

/* ---- Logs take turns */

enum { FLOOD = 1024, FLOOD_BYTES = 64 << 10 };      /* 64 MiB */

static int flood_answered;
static int flood_answered_before;       /* the neighbour's append */

static void on_flood_answered(struct append *a)
{
    EXPECT_OK(a->err);
    EXPECT_EQ(a->base_offset, flood_answered);
    flood_answered++;
    fx_append_done(a);
}

static void on_neighbour_answered(struct append *a)
{
    EXPECT_OK(a->err);
    flood_answered_before = flood_answered;
    fx_append_done(a);
}

static struct append *flood_begin(struct fx *f, int partition)
{
    flood_answered = 0;
    flood_answered_before = -1;
    struct append *all = NEW_ARRAY(struct append, FLOOD);
    for (int i = 0; i < FLOOD; i++) {
        fx_append_begin(f, &all[i], partition, &(struct fx_batch){.value_bytes = FLOOD_BYTES});
        all[i].done = on_flood_answered;
    }
    return all;
}

/* 64 MiB posted to one log stand in front of nobody else: who comes next is in the first turn,
 * and who comes later in the next one. */
TEST(a_hot_log_does_not_stand_in_front_of_others)
{
    struct fx f;
    fx_init(&f, 20);
    EXPECT_OK(fx_start(&f));
    struct append *all = flood_begin(&f, 0), one;
    for (int neighbour = 1; neighbour < 20; neighbour++) {
        int before = flood_answered;
        fx_append_begin(&f, &one, neighbour, &(struct fx_batch){0});
        one.done = on_neighbour_answered;
        for (int turns = 0; one.err == ERR_COUNT; turns++) EXPECT(turns < 2 && store_turn(f.s));
        EXPECT(flood_answered_before >= before);
        EXPECT(flood_answered_before - before <= (1 << 20) / FLOOD_BYTES);
    }
    fx_turn(&f);
    EXPECT_EQ(flood_answered, FLOOD);
    mem_free(all);
    fx_done(&f);
}

/* Those that flood share the disk evenly, whoever came first, and each keeps its order. */
TEST(hot_logs_share_the_turns_evenly)
{
    enum { LOGS = 5, EACH = 300 };
    struct fx f;
    fx_init(&f, LOGS);
    EXPECT_OK(fx_start(&f));
    struct append *all = NEW_ARRAY(struct append, LOGS * EACH);
    for (int i = 0; i < LOGS * EACH; i++)
        fx_append_begin(&f, &all[i], i / EACH, &(struct fx_batch){.value_bytes = 10000});
    for (int turns = 0; store_turn(f.s); turns++) {
        int least = EACH, most = 0;
        for (int log = 0; log < LOGS; log++) {
            int done = 0;
            while (done < EACH && all[log * EACH + done].err == ERR_OK) {
                EXPECT_EQ(all[log * EACH + done].base_offset, done);
                done++;
            }
            if (done < least) least = done;
            if (done > most) most = done;
        }
        EXPECT(most > 0);
        EXPECT(most - least <= 2 * (64 << 10) / 10000);
    }
    for (int i = 0; i < LOGS * EACH; i++) EXPECT_OK(all[i].err);
    mem_free(all);
    fx_done(&f);
}

/* A request that names 600 logs stands in front of nobody who names one, and is not forgotten
 * while others flood theirs. */
TEST(what_names_very_many_logs_goes_behind_and_goes_on)
{
    enum { WIDE = 600 };
    struct fx f;
    fx_init(&f, WIDE + 2);
    EXPECT_OK(fx_start(&f));
    struct append *wide = NEW_ARRAY(struct append, WIDE), *list = NULL;
    for (int i = WIDE - 1; i >= 0; i--) {
        struct slab *slab = fx_slab(&(struct fx_batch){0});
        wide[i] = (struct append){.topic = topic_ref(f.topic), .partition = i,
                                  .partition_addressed = i, .shard = -1, .behind = true,
                                  .done = fx_append_done, .err = ERR_COUNT, .next_in_turn = list,
                                  .batch = {.slab = slab, .bytes = slab_bytes(slab)}};
        list = &wide[i];
    }
    store_append_list(f.s, list);
    struct append one, *flood = flood_begin(&f, WIDE);
    fx_append_begin(&f, &one, WIDE + 1, &(struct fx_batch){0});
    for (int turns = 0; one.err == ERR_COUNT; turns++) EXPECT(turns < 2 && store_turn(f.s));
    EXPECT_ERR(wide[WIDE - 1].err, ERR_COUNT);
    for (int turns = 0; wide[WIDE - 1].err == ERR_COUNT; turns++) EXPECT(store_turn(f.s));
    EXPECT(flood_answered < FLOOD);
    fx_turn(&f);
    EXPECT_EQ(flood_answered, FLOOD);
    for (int i = 0; i < WIDE; i++) EXPECT_OK(wide[i].err);
    mem_free(wide);
    mem_free(flood);
    fx_done(&f);
}

/* Opening one takes as long as dozens of appends: a turn that opens them takes fewer. */
TEST(a_turn_opens_only_so_many_logs)
{
    enum { LOGS = 400, A_TURN_MAX = 100 };
    struct fx f;
    fx_init(&f, LOGS);
    EXPECT_OK(fx_start(&f));
    struct append *all = NEW_ARRAY(struct append, LOGS);
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < LOGS; i++) fx_append_begin(&f, &all[i], i, &(struct fx_batch){0});
        int answered = 0, turns = 0;
        for (; answered < LOGS; turns++) {
            int before = answered;
            EXPECT(store_turn(f.s));
            answered = 0;
            for (int i = 0; i < LOGS; i++) answered += all[i].err == ERR_OK;
            EXPECT(answered > before && (again || answered - before <= A_TURN_MAX));
        }
        EXPECT(again ? turns <= 2 : turns >= LOGS / A_TURN_MAX);
    }
    mem_free(all);
    fx_done(&f);
}

/* What was posted before it is in front of a freeze, also where it still waits for its turn: a
 * reshard counts on it (handover.h). */
TEST(a_freeze_takes_what_waits_with_it)
{
    struct fx f;
    fx_init(&f, 2);
    EXPECT_OK(fx_start(&f));
    struct append *all = flood_begin(&f, 0), later;
    EXPECT(store_turn(f.s));
    struct log_freeze freeze[2] = {{.log = fx_log(&f, 0)}, {.log = fx_log(&f, 1)}};
    EXPECT_OK(store_logs_freeze(f.s, freeze, 2));
    EXPECT_EQ(flood_answered, FLOOD);
    EXPECT_EQ(freeze[0].end_offset, FLOOD);
    EXPECT_EQ(freeze[1].end_offset, 0);
    fx_append_begin(&f, &later, 0, &(struct fx_batch){0});
    fx_turn(&f);
    EXPECT_EQ(later.err, ERR_COUNT);
    store_logs_publish(f.s, f.topic);
    EXPECT_OK(later.err);
    EXPECT_EQ(later.base_offset, FLOOD);
    mem_free(all);
    fx_done(&f);
}

/* A topic that goes while much waits at its log: all of it comes back. */
TEST(a_log_that_closes_gives_back_what_waits)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    enum { WAIT = 100 };
    struct append all[WAIT];
    for (int i = 0; i < WAIT; i++)
        fx_append_begin(&f, &all[i], 0, &(struct fx_batch){.value_bytes = FLOOD_BYTES});
    EXPECT(store_turn(f.s));
    EXPECT_EQ(all[WAIT - 1].err, ERR_COUNT);
    store_logs_close(f.s, f.topic);
    for (int i = 0; i < WAIT; i++) EXPECT(all[i].err == ERR_OK || all[i].err == ERR_CLOSED);
    EXPECT_ERR(all[WAIT - 1].err, ERR_CLOSED);
    fx_done(&f);
}

/* ---- Answers go home together */

static int answered;

static void on_answered(struct append *a)
{
    EXPECT_OK(a->err);
    EXPECT_EQ(a->base_offset, answered);
    answered++;
    fx_append_done(a);
}

TEST(a_turn_wakes_a_loop_once)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    struct loop loop = {};
    mailbox_init(&loop.inbox);
    struct append a[10];
    answered = 0;
    for (int i = 0; i < 10; i++) {
        fx_append_begin(&f, &a[i], 0, &(struct fx_batch){0});
        a[i].home = &loop;
        a[i].done = on_answered;
    }
    fx_turn(&f);
    EXPECT_EQ(loop.posts, 1);
    EXPECT_EQ(answered, 0);
    loop_run_posted(&loop);
    EXPECT_EQ(answered, 10);
    mailbox_done(&loop.inbox);
    fx_done(&f);
}

/* Of a list, those of one worker are one commit, which fails for all of them; a worker's order is
 * the list's, and none is lost between the workers. */
TEST(a_list_of_appends_is_one_commit_a_worker)
{
    for (int workers = 1; workers <= 2; workers++) {
        struct fx f;
        fx_init(&f, 4);
        f.options.worker_count = workers;
        EXPECT_OK(fx_start(&f));
        for (int fails = 0; fails < 2; fails++) {
            struct append a[8], *list = NULL;
            for (int i = 7; i >= 0; i--) {
                struct slab *slab = fx_slab(&(struct fx_batch){0});
                a[i] = (struct append){.topic = topic_ref(f.topic), .partition = i % 4,
                                       .partition_addressed = i % 4, .shard = -1,
                                       .done = fx_append_done,
                                       .batch = {.slab = slab, .bytes = slab_bytes(slab)},
                                       .err = ERR_COUNT, .next_in_turn = list};
                list = &a[i];
            }
            if (fails) kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0});
            store_append_list(f.s, list);
            fx_turn(&f);
            int failed = 0;
            for (int i = 0; i < 8; i++) {
                if (a[i].err == ERR_KAFKA_STORAGE_ERROR) failed++;
                else EXPECT_OK(a[i].err);
                if (a[i].err == ERR_OK && !fails) EXPECT_EQ(a[i].base_offset, i / 4);
            }
            EXPECT_EQ(failed, fails ? 8 / workers : 0);
        }
        fx_done(&f);
    }
}

TEST(an_empty_list_of_appends_is_nothing)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    store_append_list(f.s, NULL);
    EXPECT(!store_turn(f.s));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    fx_done(&f);
}

/* ---- Tails */

TEST(tails_stay_within_their_memory_and_share_it)
{
    struct fx f;
    fx_init(&f, 4);
    f.options.tail_bytes_max = 1 << 20;
    EXPECT_OK(fx_start(&f));
    for (int p = 1; p < 4; p++)
        EXPECT_OK(fx_append(&f, p, &(struct fx_batch){.value_bytes = 1000}, NULL));
    for (int i = 0; i < 300; i++)
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.value_bytes = 10000}, NULL));
    size_t bytes = 0;
    for (int p = 0; p < 4; p++) {
        struct read_result r;
        read_result_init(&r);
        struct log_bounds b;
        EXPECT_OK(plog_bounds(fx_log(&f, p), &b));
        int64_t first = b.high_watermark;
        while (first > 0 && plog_read_tail(fx_log(&f, p), first - 1, 0, true, &r) == ERR_OK)
            first--;
        if (p == 0) EXPECT(first > 150 && first < 250);
        else EXPECT_EQ(first, 0);           /* the hot log did not push the quiet ones out */
        read_result_done(&r);
        EXPECT_ERR(plog_read_tail(fx_log(&f, p), first, SIZE_MAX, true, &r), ERR_OK);
        bytes += r.bytes;
        read_result_done(&r);
    }
    EXPECT(bytes <= 1 << 20);
    EXPECT(bytes > 900000);
    fx_done(&f);
}

TEST(without_tail_memory_all_is_read_from_disk)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.tail_bytes_max = 0;
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    struct read_result r;
    read_result_init(&r);
    EXPECT_ERR(plog_read_tail(fx_log(&f, 0), 0, 1, true, &r), ERR_COLD);
    expect_dense(&f, 0, 1);
    fx_done(&f);
}

TEST(a_small_batch_does_not_pin_a_large_request)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    struct budget budget;
    budget_init(&budget, 10 << 20);
    struct slab *request = slab_new(&budget, 1 << 20);
    struct slab *batch = fx_slab(&(struct fx_batch){.value_bytes = 50});
    mem_copy(request->data + 5000, batch->data, batch->len);
    struct append a = {.topic = topic_ref(f.topic),
                       .shard = -1,
                       .done = fx_append_done,
                       .batch = {.slab = request,
                                 .bytes = bytes_of(request->data + 5000, batch->len)}};
    store_append(f.s, &a);
    fx_turn(&f);
    EXPECT_OK(a.err);
    EXPECT_EQ(atomic_load(&budget.used), 0);
    struct read_result r;
    read_result_init(&r);
    EXPECT_OK(plog_read_tail(fx_log(&f, 0), 0, 1, true, &r));
    EXPECT(r.batches[0].bytes.slab->cap < 1000);
    EXPECT_EQ(r.batches[0].bytes.bytes.len, batch->len);
    read_result_done(&r);
    slab_unref(batch);
    fx_done(&f);
}

TEST(a_kept_batch_is_no_longer_charged_to_the_requests)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    struct budget budget;
    budget_init(&budget, 10 << 20);
    struct slab *batch = fx_slab(&(struct fx_batch){.value_bytes = 5000});
    struct slab *request = slab_new(&budget, batch->len);
    mem_copy(request->data, batch->data, batch->len);
    struct append a = {.topic = topic_ref(f.topic), .shard = -1, .done = fx_append_done,
                       .batch = {.slab = request, .bytes = bytes_of(request->data, batch->len)}};
    store_append(f.s, &a);
    fx_turn(&f);
    EXPECT_OK(a.err);
    EXPECT_EQ(atomic_load(&budget.used), 0);
    slab_unref(batch);
    fx_done(&f);
}

/* ---- Failure */

TEST(a_failed_commit_fails_its_turn_and_the_log_is_read_anew)
{
    for (int applied = 0; applied < 2; applied++) {
        struct fx f;
        fx_init(&f, 2);
        EXPECT_OK(fx_start(&f));
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 3}, NULL));
        EXPECT_OK(fx_append(&f, 1, &(struct fx_batch){0}, NULL));
        struct append a, b;
        fx_append_begin(&f, &a, 0, &(struct fx_batch){.producer_id = 3, .sequence = 1});
        fx_append_begin(&f, &b, 0, &(struct fx_batch){.producer_id = 3, .sequence = 2});
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0, .applied = applied});
        fx_turn(&f);
        EXPECT_ERR(a.err, ERR_KAFKA_STORAGE_ERROR);
        EXPECT_ERR(b.err, ERR_KAFKA_STORAGE_ERROR);
        struct log_bounds bounds;
        EXPECT_OK(plog_bounds(fx_log(&f, 0), &bounds));     /* reading goes on */
        EXPECT_EQ(bounds.high_watermark, applied ? 3 : 1);
        expect_dense(&f, 0, applied ? 3 : 1);
        /* The producer repeats what was not acknowledged. */
        int64_t offset = -1;
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 3, .sequence = 1}, &offset));
        EXPECT_EQ(offset, 1);
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.producer_id = 3, .sequence = 2}, &offset));
        EXPECT_EQ(offset, 2);
        expect_dense(&f, 0, 3);
        fx_done(&f);
    }
}

TEST(writing_comes_back_when_there_is_room_and_reading_never_stopped)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.tail_bytes_max = 0;
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 2}, NULL));
    kv_mem_set_full(f.kv, true);
    for (int i = 0; i < 3; i++) {
        EXPECT_ERR(fx_append(&f, 0, &(struct fx_batch){0}, NULL), ERR_KAFKA_STORAGE_ERROR);
        expect_dense(&f, 0, 2);
    }
    kv_mem_set_full(f.kv, false);
    int64_t offset = -1;
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, &offset));
    EXPECT_EQ(offset, 2);
    fx_done(&f);
}

TEST(a_log_that_cannot_be_opened_fails_loudly_and_is_tried_again)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    fx_restart(&f, false);
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0});
    EXPECT_ERR(fx_append(&f, 0, &(struct fx_batch){0}, NULL), ERR_KAFKA_STORAGE_ERROR);
    struct log_bounds b;
    EXPECT_ERR(plog_bounds(fx_log(&f, 0), &b), ERR_COLD);
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_EQ(b.high_watermark, 1);
    fx_done(&f);
}

TEST(a_hole_in_the_stored_log_is_found_at_opening)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 3; i++) EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    struct kv_batch *b = kv_batch_new(f.kv);
    struct log_key key = log_key(1, 1);
    kv_batch_delete(b, KV_LOG, KEY_BYTES(key));
    EXPECT_OK(kv_commit(f.kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    fx_restart(&f, false);
    struct log_bounds bounds;
    EXPECT_ERR(fx_bounds(&f, 0, &bounds), ERR_KAFKA_STORAGE_ERROR);
    EXPECT_ERR(fx_append(&f, 0, &(struct fx_batch){0}, NULL), ERR_KAFKA_STORAGE_ERROR);
    fx_done(&f);
}

/* ---- Durability */

TEST(power_loss_costs_what_was_not_synced)
{
    for (int power = 0; power < 2; power++) {
        struct fx f;
        fx_init(&f, 1);
        f.options.durability_power = power;
        EXPECT_OK(fx_start(&f));
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 2}, NULL));
        fx_now_us += 1500000;               /* housekeeping syncs each second */
        fx_turn(&f);
        EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){.count = 3}, NULL));
        fx_restart(&f, true);
        struct log_bounds b;
        EXPECT_OK(fx_bounds(&f, 0, &b));
        EXPECT_EQ(b.high_watermark, power ? 5 : 2);
        fx_done(&f);
    }
}

TEST(flush_messages_syncs_by_count)
{
    struct fx f;
    fx_init(&f, 1);
    f.options.topic_defaults.flush_messages = 3;
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 5; i++) EXPECT_OK(fx_append(&f, 0, &(struct fx_batch){0}, NULL));
    fx_restart(&f, true);
    struct log_bounds b;
    EXPECT_OK(fx_bounds(&f, 0, &b));
    EXPECT_EQ(b.high_watermark, 3);
    fx_done(&f);
}

/* ---- The directory's format */

static void expect_refused(uint32_t version, const char *words)
{
    struct fx f;
    fx_init(&f, 1);
    EXPECT_OK(fx_start(&f));
    fx_stop(&f);
    uint8_t value[FORMAT_BYTES];
    format_write(version, value);
    struct kv_batch *b = kv_batch_new(f.kv);
    kv_batch_put(b, KV_META, KEY_FORMAT, bytes_of(value, sizeof value));
    EXPECT_OK(kv_commit(f.kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    f.options.kv = kv_mem_share(f.kv);
    char *text = NULL;
    EXPECT_ERR(store_open(&f.options, &f.s, &text), ERR_FORMAT);
    EXPECT(strstr(text, words) != NULL);
    mem_free(text);
    fx_done(&f);
}

TEST(another_format_is_refused_with_words)
{
    expect_refused(FORMAT_VERSION + 1,
                   "format 5, and this version of diglot reads format 4: use a newer one");
    expect_refused(FORMAT_VERSION - 1,
                   "format 3, and this version of diglot reads format 4: use an older one");
}

TESTS(RUN(a_hot_log_does_not_stand_in_front_of_others), RUN(hot_logs_share_the_turns_evenly),
      RUN(what_names_very_many_logs_goes_behind_and_goes_on),
      RUN(a_turn_opens_only_so_many_logs),
      RUN(a_freeze_takes_what_waits_with_it), RUN(a_log_that_closes_gives_back_what_waits),
      RUN(a_frozen_log_holds_appends_in_order), RUN(appends_that_waited_move_with_their_shard),
      RUN(many_logs_are_opened_a_few_a_call_and_then_frozen_together),
      RUN(a_freeze_of_logs_that_cannot_all_be_opened_freezes_none),
      RUN(logs_that_are_held_are_not_opened_and_go_on_when_the_delete_failed),
      RUN(a_frozen_log_holds_only_so_many),
      RUN(a_deleted_topics_logs_answer_closed_and_their_data_is_gone), RUN(a_raised_start_lasts),
      RUN(producers_are_known_after_their_records_were_deleted),
      RUN(a_turn_wakes_a_loop_once), RUN(a_list_of_appends_is_one_commit_a_worker),
      RUN(an_empty_list_of_appends_is_nothing), RUN(tails_stay_within_their_memory_and_share_it),
      RUN(without_tail_memory_all_is_read_from_disk),
      RUN(a_small_batch_does_not_pin_a_large_request),
      RUN(a_kept_batch_is_no_longer_charged_to_the_requests),
      RUN(a_failed_commit_fails_its_turn_and_the_log_is_read_anew),
      RUN(writing_comes_back_when_there_is_room_and_reading_never_stopped),
      RUN(a_log_that_cannot_be_opened_fails_loudly_and_is_tried_again),
      RUN(a_hole_in_the_stored_log_is_found_at_opening), RUN(power_loss_costs_what_was_not_synced),
      RUN(flush_messages_syncs_by_count), RUN(another_format_is_refused_with_words))
