/* Every storage call fails once: for each N, a short life of a log is led while its N-th call
 * fails. Afterwards the store starts again and must hold what was acknowledged: in order,
 * unaltered, with dense offsets, producers that agree with the records, and indexes that agree with
 * the batches. */
#include "log_fixture.h"
#include "storage/check/walk.h"

enum { PARTITIONS = 2, STEPS = 26, ACKED_MAX = 256, PRODUCER = 11 };

struct acked {
    int partition;
    int64_t base_offset;
    int32_t sequence;           /* first one */
    int32_t count;
};

struct life {
    struct fx fx;
    struct acked acked[ACKED_MAX];
    int acked_count;
    int32_t sequence_next[PARTITIONS];      /* of what was acknowledged */
    int64_t start_min[PARTITIONS];          /* acknowledged DeleteRecords */
    bool removes;                           /* retention may have taken any of them */
    bool restarted;                         /* what was not acknowledged may be stored */
};

/* One producer a partition repeats each batch until it is acknowledged or gives up. */
static void produce(struct life *l, int partition, int32_t count, size_t value_bytes)
{
    struct fx_batch b = {.count = count, .value_bytes = value_bytes, .producer_id = PRODUCER,
                         .sequence = l->sequence_next[partition]};
    for (int attempt = 0; attempt < 3; attempt++) {
        int64_t offset = -1;
        enum err err = fx_append(&l->fx, partition, &b, &offset);
        if (err == ERR_OUT_OF_ORDER_SEQUENCE_NUMBER && l->restarted) return;
        if (err != ERR_OK) {
            EXPECT_ERR(err, ERR_KAFKA_STORAGE_ERROR);
            continue;
        }
        assert_in_range(l->acked_count, 0, ACKED_MAX - 1);
        l->acked[l->acked_count++] =
            (struct acked){.partition = partition, .base_offset = offset,
                           .sequence = b.sequence, .count = count};
        l->sequence_next[partition] += count;
        return;
    }
    /* What becomes of it is open: it may be stored. The next one may repeat its sequence. */
}

static void lead(struct life *l)
{
    struct fx *f = &l->fx;
    for (int step = 0; step < STEPS; step++) {
        if (f->s == NULL) return;
        fx_now_us += 700000;
        produce(l, step % PARTITIONS, 1 + step % 3, step % 4 == 0 ? 300000 : 100);
        if (step == 15) {
            int64_t start;
            if (store_log_raise_start(fx_log(f, 0), 4, &start) == ERR_OK) {
                EXPECT_EQ(start, 4);
                l->start_min[0] = 4;
            }
        }
        if (step == 18) {
            fx_stop(f);
            if (fx_start(f) != ERR_OK && fx_start(f) != ERR_OK) return;
        }
        if (step == 20) {
            struct topic *t = fx_draft(f);
            t->config.retention_bytes = 700000;
            fx_publish(f, t);
            l->removes = true;
            fx_now_us += INT64_C(400000000);
            fx_turn(f);
        }
        if (step == 23) {
            struct log_freeze freeze = {.log = fx_log(f, 1)};
            struct append a;
            bool frozen = store_logs_freeze(f->s, &freeze, 1) == ERR_OK;
            fx_append_begin(f, &a, 1, &(struct fx_batch){0});
            fx_turn(f);
            EXPECT_EQ(frozen, a.err == ERR_COUNT);
            store_logs_publish(f->s, f->topic);
            fx_turn(f);
            EXPECT(a.err != ERR_COUNT);
            if (a.err == ERR_OK && frozen) EXPECT(a.base_offset >= freeze.end_offset);
        }
    }
}

/* Every acknowledged batch that retention left is where its answer said it is. */
static void expect_acked(struct life *l)
{
    struct fx *f = &l->fx;
    int64_t end[PARTITIONS], start[PARTITIONS];
    for (int p = 0; p < PARTITIONS; p++) {
        struct log_bounds b;
        EXPECT_OK(fx_bounds(f, p, &b));
        start[p] = b.log_start;
        end[p] = b.high_watermark;
        EXPECT(start[p] >= l->start_min[p]);
        if (!l->removes && l->start_min[p] == 0 && p != 0) EXPECT_EQ(start[p], 0);
    }
    for (int i = 0; i < l->acked_count; i++) {
        const struct acked *a = &l->acked[i];
        EXPECT(a->base_offset + a->count <= end[a->partition]);
        if (i >= PARTITIONS && a->partition == l->acked[i - 1].partition)
            EXPECT(a->base_offset > l->acked[i - 1].base_offset);
        if (a->base_offset < start[a->partition]) continue;
        struct read_result r;
        EXPECT_OK(fx_read(f, a->partition, a->base_offset, 1, &r));
        struct batch_info info;
        EXPECT_OK(batch_peek(r.batches[0].bytes.bytes, &info));
        EXPECT_EQ(info.base_offset, a->base_offset);
        EXPECT_EQ(info.base_sequence, a->sequence);
        EXPECT_EQ(info.count, a->count);
        EXPECT(batch_crc_is_right(r.batches[0].bytes.bytes));
        read_result_done(&r);
    }
}

static void expect_no_fault(void *context, uint64_t log_id, int64_t offset, const char *text)
{
    (void)context;
    print_error("log %d at %d: %s\n", (int)log_id, (int)offset, text);
    fail();
}

/* False when the N-th call is past the life's end. */
static bool survive(int64_t fail_at, struct kv_mem_faults faults, bool power_loss)
{
    struct life l = {0};
    fx_init(&l.fx, PARTITIONS);
    l.fx.options.durability_power = power_loss;
    l.fx.options.tail_bytes_max = 1 << 20;
    faults.fail_at = fail_at;
    kv_mem_set_faults(l.fx.kv, &faults);
    if (fx_start(&l.fx) == ERR_OK) lead(&l);
    bool faulted = kv_mem_faulted(l.fx.kv);
    fx_restart(&l.fx, power_loss);
    expect_acked(&l);
    struct walk_counts counts;
    EXPECT_OK(walk_logs(l.fx.kv, expect_no_fault, NULL, &counts));
    /* Life goes on: the producer repeats its next batch, offsets go on behind all others. */
    l.removes = l.restarted = true;
    for (int p = 0; p < PARTITIONS; p++) {
        struct log_bounds before, after;
        EXPECT_OK(fx_bounds(&l.fx, p, &before));
        int acked = l.acked_count;
        produce(&l, p, 1, 10);
        EXPECT_OK(fx_bounds(&l.fx, p, &after));
        /* Taken or found to be stored; or refused, since another batch of its sequence is
         * stored. */
        if (l.acked_count > acked)
            EXPECT(after.high_watermark <= before.high_watermark + 1);
    }
    fx_done(&l.fx);
    return faulted;
}

/* Every call of the life; a sanitizer's build takes each third one, each sweep others: it looks for
 * what one of them does to memory, and would need minutes for all. */
static void sweep(struct kv_mem_faults faults, bool power_loss)
{
#ifdef DIGLOT_SANITIZED
    enum { STRIDE = 3 };
#else
    enum { STRIDE = 1 };
#endif
    static int64_t sweeps;
    int64_t n = sweeps++ % STRIDE;
    while (survive(n, faults, power_loss)) n += STRIDE;
    EXPECT(n > 80);             /* the life makes that many calls, or the sweep sweeps nothing */
}

TEST(one_call_fails)
{
    sweep((struct kv_mem_faults){0}, false);
}

TEST(one_call_fails_though_it_took_effect)
{
    sweep((struct kv_mem_faults){.applied = true}, false);
}

TEST(a_few_calls_fail)
{
    sweep((struct kv_mem_faults){.fail_count = 4}, false);
}

TEST(the_process_dies_at_a_call)
{
    sweep((struct kv_mem_faults){.crash = true}, false);
    sweep((struct kv_mem_faults){.crash = true, .applied = true}, false);
}

TEST(the_power_fails_at_a_call)
{
    sweep((struct kv_mem_faults){.crash = true}, true);
    sweep((struct kv_mem_faults){.crash = true, .applied = true}, true);
}

TESTS(RUN(one_call_fails), RUN(one_call_fails_though_it_took_effect), RUN(a_few_calls_fail),
      RUN(the_process_dies_at_a_call), RUN(the_power_fails_at_a_call))
