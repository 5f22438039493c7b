/* Idempotent producers while shards split and merge and the server dies: stored exactly once, in
 * order.
 *
 * Each line is one producer at one partition and does as Kafka's clients do: up to five batches
 * under way, sequences without a gap. Answers are lost at random; then all that is not acknowledged
 * is sent again in its order, and what was acknowledged lately is sent again now and then for good
 * measure. Every copy must be told the offset of the first one, and without a fault no batch is
 * ever refused. At the end the windows are read back: each line's sequences lie there once, without
 * a gap, in order, and what `diglot check` proves holds. DIGLOT_SEED replays a run. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "base/crc32c.h"
#include "protocol/batch/batch.h"
#include "random.h"
#include "storage/check/walk.h"
#include "catalog_fixture.h"
#include "random_change.h"
#include "wait_control.h"

enum {
    PARTITIONS = 4, PRODUCERS = 3, LINES = PARTITIONS * PRODUCERS, UNDER_WAY_MAX = 5, FLIGHTS_MAX =
    4096
};

struct flight {
    int32_t sequence;
    int32_t count;
    int64_t offset;             /* -1: no answer yet */
    bool acknowledged;
};

struct line {
    struct sim *sim;
    pthread_mutex_t lock;       /* answers come on workers */
    int32_t number;
    int32_t sequence_next;
    struct flight *flights;
    int32_t made;
    int32_t acknowledged;       /* all below are */
    int32_t under_way;          /* copies */
    int32_t answers_lost;       /* of each 16 */
    bool sends_again;           /* an answer was lost, or an error */
    bool failed;                /* a batch met a fault: those behind it may be refused */
    uint64_t random;
};

struct copy {
    struct append append;
    struct line *line;
    int32_t flight;
};

struct sim {
    struct store *s;
    bool faults;                /* errors may come */
    struct line lines[LINES];
    atomic_int under_way;
};

static void sim_init(struct sim *sim, struct random *random)
{
    *sim = (struct sim){0};
    for (int i = 0; i < LINES; i++) {
        sim->lines[i] = (struct line){.sim = sim, .number = i, .random = random_next(random),
                                      .answers_lost = 3,
                                      .flights = NEW_ARRAY(struct flight, FLIGHTS_MAX)};
        pthread_mutex_init(&sim->lines[i].lock, NULL);
    }
}

static void sim_done(struct sim *sim)
{
    for (int i = 0; i < LINES; i++) {
        mem_free(sim->lines[i].flights);
        pthread_mutex_destroy(&sim->lines[i].lock);
    }
}

/* ---- One batch: count records whose value is the line's number */

static struct slab *make_batch(const struct line *l, const struct flight *flight)
{
    uint8_t value[8];
    store_be64(value, (uint64_t)l->number);
    int64_t ms = clock_wall_ms();
    struct batch_size size;
    batch_size_init(&size, ms);
    for (int i = 0; i < flight->count; i++)
        batch_size_add(&size, ms, BYTES_NULL, sizeof value, NULL, 0);
    struct slab *slab = slab_new(NULL, size.bytes);
    struct batch_builder b;
    batch_builder_init(&b, slab->data, size.bytes, ms);
    for (int i = 0; i < flight->count; i++)
        batch_builder_add(&b, ms, BYTES_NULL, bytes_of(value, sizeof value), NULL, 0);
    slab->len = batch_builder_finish(&b);
    store_be64(slab->data + 43, (uint64_t)(7 + l->number / PARTITIONS));
    store_be16(slab->data + 51, 0);
    store_be32(slab->data + 53, (uint32_t)flight->sequence);
    store_be32(slab->data + 17, crc32c(slab->data + BATCH_CRC_START, slab->len - BATCH_CRC_START));
    return slab;
}

/* ---- A line as a Kafka client runs it; its lock is held, but while something is handed to
 * storage */

static void answered(struct line *l, int32_t at, enum err err, int64_t offset)
{
    struct flight *flight = &l->flights[at];
    if (err != ERR_OK) {
        /* Behind one that failed, the next ones are out of order until it is sent again. */
        bool behind = err == ERR_OUT_OF_ORDER_SEQUENCE_NUMBER && l->failed;
        EXPECT(l->sim->faults && (behind || err == ERR_KAFKA_STORAGE_ERROR || err == ERR_CLOSED));
        EXPECT(!flight->acknowledged || err != ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        l->failed = l->sends_again = true;
        return;
    }
    if (flight->offset == -1) flight->offset = offset;
    EXPECT_EQ(flight->offset, offset);
    if (!flight->acknowledged && (int32_t)(next_random(&l->random) % 16) < l->answers_lost)
        l->sends_again = true;
    else flight->acknowledged = true;
    while (l->acknowledged < l->made && l->flights[l->acknowledged].acknowledged) l->acknowledged++;
}

static void on_done(struct append *a)
{
    struct copy *copy = CONTAINER_OF(a, struct copy, append);
    struct line *l = copy->line;
    slab_unref(a->batch.slab);
    topic_unref(a->topic);
    pthread_mutex_lock(&l->lock);
    answered(l, copy->flight, a->err, a->base_offset);
    l->under_way--;
    l->sim->under_way--;
    pthread_mutex_unlock(&l->lock);
    mem_free(copy);
}

static void send(struct line *l, int32_t at)
{
    struct copy *copy = NEW(struct copy);
    struct slab *slab = make_batch(l, &l->flights[at]);
    copy->line = l;
    copy->flight = at;
    copy->append = (struct append){
        .topic = store_topic(l->sim->s, BYTES_LIT("t")),
        .partition_addressed = l->number % PARTITIONS,
        .shard = -1,
        .batch = {.slab = slab, .bytes = slab_bytes(slab)},
        .done = on_done,
    };
    l->under_way++;
    l->sim->under_way++;
    pthread_mutex_unlock(&l->lock);
    store_append(l->sim->s, &copy->append);
    pthread_mutex_lock(&l->lock);
}

static void send_unacknowledged(struct line *l)
{
    l->sends_again = l->failed = false;
    for (int32_t i = l->acknowledged, made = l->made; i < made; i++) send(l, i);
}

static void send_new(struct line *l)
{
    if (l->made - l->acknowledged >= UNDER_WAY_MAX || l->sends_again || l->made == FLIGHTS_MAX)
        return;
    /* As at Apache Kafka, a producer of whom nothing is known may begin anywhere: were the first
     * batch lost, the second one would be taken for the beginning. */
    if (l->sim->faults && l->made > 0 && l->acknowledged == 0) return;
    struct flight *flight = &l->flights[l->made++];
    *flight = (struct flight){.sequence = l->sequence_next, .offset = -1,
                              .count = 1 + (int32_t)(next_random(&l->random) % 3)};
    l->sequence_next += flight->count;
    send(l, l->made - 1);
}

static void step(struct line *l, uint64_t choice)
{
    pthread_mutex_lock(&l->lock);
    /* A failed line waits until all its copies are back, as a client does that closed its
     * connection. */
    if (l->sends_again) {
        if (l->under_way == 0) send_unacknowledged(l);
    } else if (choice % 4 == 0 && l->made > 0) {
        int32_t back = 1 + (int32_t)(next_random(&l->random) % UNDER_WAY_MAX);
        int32_t at = l->made > back ? l->made - back : 0;
        if (l->flights[at].acknowledged) send(l, at);
    } else {
        send_new(l);
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- Reading back */

struct reading {
    struct log_read read;
    atomic_bool done;
};

static void on_read(struct log_read *r)
{
    CONTAINER_OF(r, struct reading, read)->done = true;
}

struct found {
    int32_t sequence_next[LINES];
    int32_t at[LINES];
};

static void find(struct sim *sim, struct found *found, const struct batch_view *view)
{
    struct batch_info info;
    EXPECT_OK(batch_peek(view->bytes.bytes, &info));
    const struct bytes b = view->bytes.bytes;
    uint64_t number = load_be64(b.data + b.len - 9);
    EXPECT(number < LINES);
    const struct line *l = &sim->lines[number];
    const struct flight *flight = &l->flights[found->at[number]++];
    EXPECT(found->at[number] <= l->made);
    /* Not twice, none lost, in order. */
    EXPECT_EQ(info.base_sequence, found->sequence_next[number]);
    EXPECT_EQ(info.base_sequence, flight->sequence);
    EXPECT_EQ(info.count, flight->count);
    EXPECT_EQ(info.base_offset, flight->offset);
    found->sequence_next[number] += info.count;
}

/* The home of what is addressed to a partition changes with a shard that is opened: so in the order
 * of the shards, each line's batches are in theirs. */
static void read_back(struct sim *sim, bool manual)
{
    struct topic *t = store_topic(sim->s, BYTES_LIT("t"));
    struct found found = {0};
    for (int32_t i = 0; i < t->shard_count; i++) {
        const struct shard *s = topic_nth(t, i);
        int64_t at = s->first_offset, end = s->end_offset;
        while (end == -1 || at < end) {
            struct reading r = {.read = {.topic = t,
                                         .partition = s->partition,
                                         .offset = at,
                                         .bytes_max = 1 << 20,
                                         .min_one = true,
                                         .done = on_read}};
            read_result_init(&r.read.result);
            store_read(sim->s, &r.read);
            UNTIL(r.done, (void)(manual && store_turn(sim->s)));
            EXPECT_OK(r.read.err);
            if (end == -1) end = r.read.result.bounds.high_watermark;
            if (r.read.result.count == 0) EXPECT_EQ(at, end);
            for (int32_t n = 0; n < r.read.result.count && at < end; n++) {
                find(sim, &found, &r.read.result.batches[n]);
                at = r.read.result.batches[n].last_offset + 1;
            }
            read_result_done(&r.read.result);
        }
    }
    for (int i = 0; i < LINES; i++) EXPECT_EQ(found.sequence_next[i], sim->lines[i].sequence_next);
    topic_unref(t);
}

static void on_fault(void *context, uint64_t log_id, int64_t offset, const char *text)
{
    (void)context;
    print_error("log %d at %d: %s\n", (int)log_id, (int)offset, text);
    fail();
}

static void check_directory(struct kv *kv)
{
    struct walk_counts counts;
    EXPECT_OK(walk_logs(kv, on_fault, NULL, &counts));
    struct writer out;
    writer_init(&out, 1 << 20);
    int64_t wrong = 0;
    EXPECT_OK(catalog_check(kv, &out, &wrong));
    if (wrong > 0) print_error("%.*s", (int)out.len, (const char *)out.data);
    EXPECT_EQ(wrong, 0);
    writer_done(&out);
}

/* ---- One thread, every step by hand */

static void on_control(struct control *c)
{
    topic_unref(TAKE(c->topic));
}

static void reshard(struct cx *f, struct random *random, struct control *c)
{
    struct topic *t = cx_topic(f, "t");
    random_change(c, t, &random->state);
    topic_unref(t);
    c->done = on_control;
    store_control(f->s, c);
}

/* What is under way comes back, lost or not; from here on the disk is as the kill left it. */
static void kill_and_start(struct cx *f, struct sim *sim)
{
    cx_turn(f);
    cx_stop(f);
    EXPECT_EQ(sim->under_way, 0);
    kv_mem_set_faults(f->kv, &(struct kv_mem_faults){.fail_at = -1});
    kv_mem_reopen(f->kv, false);
    check_directory(f->kv);
    EXPECT_OK(cx_start(f));
    sim->s = f->s;
    for (int i = 0; i < LINES; i++) {
        struct line *l = &sim->lines[i];
        if (l->acknowledged < l->made) l->sends_again = true;
    }
}

/* Until every batch is acknowledged. */
static void settle(struct cx *f, struct sim *sim)
{
    kv_mem_set_faults(f->kv, &(struct kv_mem_faults){.fail_at = -1});
    cx_turn(f);
    for (int i = 0; i < LINES; i++) {
        struct line *l = &sim->lines[i];
        l->answers_lost = 0;
        while (l->acknowledged < l->made) {
            pthread_mutex_lock(&l->lock);
            EXPECT_EQ(l->under_way, 0);
            send_unacknowledged(l);
            pthread_mutex_unlock(&l->lock);
            cx_advance_ms(1000);        /* a failed engine is asked again after a while */
            cx_turn(f);
        }
    }
}

static void run_by_hand(struct random *random, bool faults)
{
    struct cx f;
    struct sim sim;
    cx_init(&f);
    f.options.worker_count = 1 + (int)random_below(random, 3);
    f.options.topic_defaults.retention_ms = -1;
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", PARTITIONS));
    sim_init(&sim, random);
    sim.s = f.s;
    sim.faults = faults;
    for (int i = 0; i < 400; i++) {
        for (uint64_t n = random_below(random, 12); n > 0; n--)
            step(&sim.lines[random_below(random, LINES)], random_next(random));
        if (random_below(random, 2)) store_turn(f.s);
        cx_advance_ms((int64_t)random_below(random, 500));
        if (faults && random_below(random, 8) == 0)
            kv_mem_set_faults(f.kv,
                              &(struct kv_mem_faults){.fail_at = (int64_t)random_below(random, 12),
                                                      .fail_count = (int64_t)random_below(random,
                                                                                          3),
                                                      .crash = random_below(random, 2),
                                                      .applied = random_below(random, 2)});
        if (random_below(random, 3) == 0) {
            struct control c;
            reshard(&f, random, &c);
            for (uint64_t n = random_below(random, 12); n > 0; n--)
                step(&sim.lines[random_below(random, LINES)], random_next(random));
            store_turn(f.s);
            /* With faults it may also find that a change in doubt took place, and be refused. */
            if (!faults) EXPECT_OK(c.err);
        }
        if (random_below(random, 25) == 0) kill_and_start(&f, &sim);
    }
    if (faults) kill_and_start(&f, &sim);
    settle(&f, &sim);
    read_back(&sim, true);
    cx_stop(&f);
    check_directory(f.kv);
    sim_done(&sim);
    cx_done(&f);
}

TEST(without_a_fault_no_batch_is_refused_or_doubled)
{
    struct random random = random_seeded();
    for (int run = 0; run < 12; run++) run_by_hand(&random, false);
}

TEST(whatever_fails_or_dies_each_batch_is_stored_once)
{
    struct random random = random_seeded();
    for (int run = 0; run < 12; run++) run_by_hand(&random, true);
}

/* ---- The fault sweep: home, merge, reuse, each with what was sent before and after */

static void send_all(struct cx *f, struct sim *sim)
{
    for (int i = 0; i < LINES; i++) step(&sim->lines[i], 1);
    cx_turn(f);
    for (int i = 0; i < LINES; i++) step(&sim->lines[i], 0);    /* the same once more */
    cx_turn(f);
}

/* False when the fault was past the last call. */
static bool survive(struct random *random, const struct kv_mem_faults *faults)
{
    struct cx f;
    struct sim sim;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", PARTITIONS));
    sim_init(&sim, random);
    sim.s = f.s;
    sim.faults = true;
    send_all(&f, &sim);
    kv_mem_set_faults(f.kv, faults);
    (void)!cx_merge(&f, "t", 0, 1);             /* what is addressed to partition 1 goes to 0 */
    send_all(&f, &sim);
    (void)!cx_merge(&f, "t", 2, 3);
    (void)!cx_merge(&f, "t", 4, 5);             /* all in 0 */
    send_all(&f, &sim);
    (void)!cx_split(&f, "t", 6, (u128)1 << 127);    /* partition 1 is back */
    (void)!cx_partitions(&f, "t", PARTITIONS + 1);  /* a new one, where a retired one may live */
    send_all(&f, &sim);
    (void)!cx_reshard(&f, "t", PARTITIONS);
    send_all(&f, &sim);
    bool faulted = kv_mem_faulted(f.kv);
    if (faults->crash) kill_and_start(&f, &sim);
    settle(&f, &sim);
    read_back(&sim, true);
    cx_stop(&f);
    check_directory(f.kv);
    sim_done(&sim);
    cx_done(&f);
    return faulted;
}

static void sweep(struct kv_mem_faults faults)
{
    struct random random = random_seeded();
    for (int round = 0; round < 3; round++) {
        struct random life = {random_next(&random)};
        int64_t at = 0;
        for (bool faulted = true; faulted; at++) {
            struct random again = life;         /* the same life up to the fault */
            faults.fail_at = at;
            faulted = survive(&again, &faults);
        }
        /* Or the sweep swept nothing: five changes and what is sent between them. */
        EXPECT(at > 12);
    }
}

TEST(a_hand_over_survives_every_fault)
{
    sweep((struct kv_mem_faults){0});
    sweep((struct kv_mem_faults){.applied = true});
    sweep((struct kv_mem_faults){.fail_count = 3});
}

TEST(a_hand_over_survives_death_at_any_call)
{
    sweep((struct kv_mem_faults){.crash = true});
    sweep((struct kv_mem_faults){.crash = true, .applied = true});
}

/* ---- Real threads: five batches of each line under way while a controller reshards */

struct writer_thread {
    pthread_t thread;
    struct sim *sim;
    int first_line;
    int lines;
    struct random random;
    atomic_bool done;
};

enum { BATCHES_EACH = 1500 };

static void *writer_main(void *arg)
{
    struct writer_thread *w = arg;
    for (int busy = w->lines; busy > 0; sched_yield()) {
        busy = 0;
        for (int i = 0; i < w->lines; i++) {
            struct line *l = &w->sim->lines[w->first_line + i];
            pthread_mutex_lock(&l->lock);
            bool goes = l->made < BATCHES_EACH || l->acknowledged < l->made;
            bool drains = l->made >= BATCHES_EACH && !l->sends_again;
            pthread_mutex_unlock(&l->lock);
            busy += goes;
            if (goes && !drains) step(l, random_next(&w->random));
        }
    }
    w->done = true;
    return NULL;
}

TEST(with_threads_no_batch_is_refused_or_doubled)
{
    struct random random = random_seeded();
    struct store_options options;
    struct sim sim;
    struct kv *kv = kv_mem_new();
    store_options_default(&options);
    options.kv = kv_mem_share(kv);
    options.worker_count = 3;
    options.topic_defaults.retention_ms = -1;
    sim_init(&sim, &random);
    EXPECT_OK(store_open(&options, &sim.s, NULL));
    struct control create = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t"),
                             .partitions = PARTITIONS};
    EXPECT_OK(wait_control(sim.s, &create));
    enum { WRITERS = 2 };
    struct writer_thread writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer_thread){.sim = &sim, .first_line = i * (LINES / WRITERS),
                                            .lines = LINES / WRITERS,
                                            .random = {random_next(&random)}};
        EXPECT_EQ(pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]), 0);
    }
    for (int i = 0; i < 150; i++) {
        struct control c;
        struct topic *t = store_topic(sim.s, BYTES_LIT("t"));
        random_change(&c, t, &random.state);
        topic_unref(t);
        EXPECT_OK(wait_control(sim.s, &c));
    }
    for (int i = 0; i < WRITERS; i++) {
        UNTIL(writers[i].done, sched_yield());
        pthread_join(writers[i].thread, NULL);
    }
    UNTIL(sim.under_way == 0, sched_yield());
    read_back(&sim, false);
    store_close(sim.s);
    check_directory(kv);
    kv_close(kv);
    sim_done(&sim);
}

TESTS(RUN(without_a_fault_no_batch_is_refused_or_doubled),
      RUN(whatever_fails_or_dies_each_batch_is_stored_once), RUN(a_hand_over_survives_every_fault),
      RUN(a_hand_over_survives_death_at_any_call), RUN(with_threads_no_batch_is_refused_or_doubled))
