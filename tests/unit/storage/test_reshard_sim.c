/* Random resharding with appends in between: nothing lost, nothing twice, windows meet exactly.
 *
 * Records are written as both doors do: by hash to the open shard, by partition with forwarding.
 * Each holds its serial number. At the end the logs are read back through the shard windows alone:
 * every acknowledged record is in exactly one window, at its offset; one that was routed by hash
 * lies in a window whose range holds it; one sent after another one of its hash was acknowledged
 * comes behind it, from parents to children. DIGLOT_SEED replays a run. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "protocol/batch/batch.h"
#include "catalog_fixture.h"
#include "random_change.h"
#include "wait_control.h"

enum { HASHES = 40, PARTITIONS_NAMED = 4 };

static uint64_t seed;

static uint64_t pick_seed(void)
{
    const char *given = getenv("DIGLOT_SEED");
    uint64_t value = (uint64_t)clock_mono_us() * 2654435761u;
    if (given != NULL) EXPECT(bytes_to_u64(bytes_str(given), &value));
    print_message("DIGLOT_SEED=%llu\n", (unsigned long long)value);
    return value;
}

/* ---- Records */

struct sent {
    struct append append;
    struct sim *sim;
    uint64_t serial;        /* its value, big-endian */
    int32_t hash_number;    /* -1: by partition */
    int32_t partition;
    int32_t moves;
    int64_t offset;
    int32_t landed;         /* partition */
    int32_t after_shard;    /* where the latest acknowledged one of its hash stood at its sending */
    int64_t after_offset;
    bool acknowledged;
    bool found;
    struct sent *next;
};

struct sim {
    struct store *s;
    _Atomic(int) under_way;
    pthread_mutex_t lock;
    struct sent *acknowledged;        /* newest first */
    int64_t count;
    int32_t last_shard[HASHES];
    int64_t last_offset[HASHES];
};

static void sim_init(struct sim *sim, struct store *s)
{
    *sim = (struct sim){.s = s};
    pthread_mutex_init(&sim->lock, NULL);
    for (int i = 0; i < HASHES; i++) sim->last_shard[i] = -1;
}

static u128 hash_of(int32_t number)
{
    uint64_t state = (uint64_t)number + 1;
    u128 high = next_random(&state);
    return high << 64 | next_random(&state);
}

static void send(struct sent *r);

static void on_done(struct append *a)
{
    struct sent *r = CONTAINER_OF(a, struct sent, append);
    slab_unref(TAKE(a->batch.slab));
    if (a->err == ERR_MOVED) {
        topic_unref(TAKE(a->topic));
        EXPECT(++r->moves < 100000);
        send(r);
        return;
    }
    EXPECT_OK(a->err);
    r->offset = a->base_offset;
    r->landed = a->partition;
    r->acknowledged = true;
    topic_unref(TAKE(a->topic));
    pthread_mutex_lock(&r->sim->lock);
    if (r->hash_number >= 0) {
        int32_t *shard = &r->sim->last_shard[r->hash_number];
        int64_t *offset = &r->sim->last_offset[r->hash_number];
        EXPECT(a->shard > r->after_shard ||
               (a->shard == r->after_shard && r->offset > r->after_offset));
        if (a->shard > *shard || (a->shard == *shard && r->offset > *offset)) {
            *shard = a->shard;
            *offset = r->offset;
        }
    }
    r->next = r->sim->acknowledged;
    r->sim->acknowledged = r;
    r->sim->count++;
    pthread_mutex_unlock(&r->sim->lock);
    r->sim->under_way--;
}

/* Routes with the topic as it is now; again from on_done() when that was too late. */
static void send(struct sent *r)
{
    uint8_t value[8];
    store_be64(value, r->serial);
    struct slab *slab = cx_record(bytes_of(value, sizeof value));
    struct topic *t = store_topic(r->sim->s, BYTES_LIT("t"));
    const struct shard *shard = r->hash_number < 0
                                    ? NULL
                                    : topic_shard_of_hash(t, hash_of(r->hash_number));
    int32_t partition = shard ? shard->partition : topic_forward(t, r->partition);
    r->append = (struct append){
        .topic = t,
        .partition = partition,
        .partition_addressed = shard ? partition : r->partition,
        .shard = shard ? shard->index : -1,
        .batch = {.slab = slab, .bytes = slab_bytes(slab)},
        .done = on_done,
    };
    store_append(r->sim->s, &r->append);
}

static void start_record(struct sim *sim, uint64_t serial, uint64_t *random)
{
    struct sent *r = NEW(struct sent);
    r->sim = sim;
    r->serial = serial;
    r->hash_number = next_random(random) % 3 ? (int32_t)(next_random(random) % HASHES) : -1;
    r->partition = (int32_t)(next_random(random) % PARTITIONS_NAMED);
    sim->under_way++;
    if (r->hash_number >= 0) {
        pthread_mutex_lock(&sim->lock);
        r->after_shard = sim->last_shard[r->hash_number];
        r->after_offset = sim->last_offset[r->hash_number];
        pthread_mutex_unlock(&sim->lock);
    }
    send(r);
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

static void read_window(struct sim *sim, struct topic *t, int32_t partition, int64_t from,
                        bool manual, struct reading *r)
{
    *r = (struct reading){.read = {.topic = t, .partition = partition, .offset = from,
                                   .bytes_max = 1 << 20, .min_one = true, .done = on_read}};
    read_result_init(&r->read.result);
    store_read(sim->s, &r->read);
    UNTIL(r->done, (void)(manual && store_turn(sim->s)));
    EXPECT_OK(r->read.err);
}

static uint64_t serial_of(const struct batch_view *view)
{
    /* The batch has one record whose value is its last 8 bytes but the header count (0). */
    const struct bytes b = view->bytes.bytes;
    return load_be64(b.data + b.len - 9);
}

/* Every record found in this window is marked. */
static void read_shard(struct sim *sim, struct topic *t, const struct shard *s, bool manual,
                       struct sent **by_serial)
{
    int64_t at = s->first_offset, end = s->end_offset;
    while (end == -1 || at < end) {
        struct reading r;
        read_window(sim, t, s->partition, at, manual, &r);
        if (end == -1) end = r.read.result.bounds.high_watermark;
        if (r.read.result.count == 0) EXPECT_EQ(at, end);
        for (int32_t i = 0; i < r.read.result.count && at < end; i++) {
            const struct batch_view *view = &r.read.result.batches[i];
            EXPECT_EQ(view->base_offset, at);
            at = view->last_offset + 1;
            struct sent *found = by_serial[serial_of(view)];
            EXPECT(found != NULL && !found->found);         /* not twice */
            found->found = true;
            EXPECT_EQ(found->landed, s->partition);
            EXPECT_EQ(found->offset, view->base_offset);
            if (found->hash_number >= 0) {
                u128 hash = hash_of(found->hash_number);
                EXPECT(hash >= s->hash_first && hash <= s->hash_last);
            }
        }
        read_result_done(&r.read.result);
    }
}

static void check_windows(struct sim *sim, uint64_t serials, bool manual)
{
    struct topic *t = store_topic(sim->s, BYTES_LIT("t"));
    EXPECT(topic_invariant(t) == NULL);
    struct sent **by_serial = NEW_ARRAY(struct sent *, serials);
    for (struct sent *r = sim->acknowledged; r != NULL; r = r->next) by_serial[r->serial] = r;
    EXPECT_EQ(sim->count, serials);
    for (int32_t i = 0; i < t->shard_count; i++)
        read_shard(sim, t, topic_nth(t, i), manual, by_serial);
    for (uint64_t i = 0; i < serials; i++) EXPECT(by_serial[i]->found);     /* none lost */
    print_message("%llu records, %d partitions, %d shards ever\n", (unsigned long long)serials,
                  t->partition_count, t->shard_index_next);
    mem_free(by_serial);
    topic_unref(t);
    while (sim->acknowledged != NULL) {
        struct sent *r = sim->acknowledged;
        sim->acknowledged = r->next;
        mem_free(r);
    }
}

/* ---- One thread, every step by hand */

static void on_control(struct control *c)
{
    topic_unref(TAKE(c->topic));
}

static void run_by_hand(uint64_t *random)
{
    struct cx f;
    cx_init(&f);
    f.options.worker_count = 1 + (int)(next_random(random) % 3);
    f.options.topic_defaults.retention_ms = -1;
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", PARTITIONS_NAMED));
    struct sim sim;
    sim_init(&sim, f.s);
    uint64_t serial = 0;
    for (int step = 0; step < 300; step++) {
        for (uint64_t n = next_random(random) % 8; n > 0; n--) start_record(&sim, serial++, random);
        if (next_random(random) % 2) store_turn(f.s);
        if (next_random(random) % 3) continue;
        struct control c;
        struct topic *t = cx_topic(&f, "t");
        random_change(&c, t, random);
        topic_unref(t);
        c.done = on_control;
        store_control(f.s, &c);
        for (uint64_t n = next_random(random) % 3; n > 0; n--) start_record(&sim, serial++, random);
        cx_advance_ms((int64_t)(next_random(random) % 3000));
        store_turn(f.s);
        EXPECT_OK(c.err);
        if (next_random(random) % 16) continue;
        cx_turn(&f);
        EXPECT_EQ(sim.under_way, 0);
        cx_restart(&f);
        sim.s = f.s;
    }
    cx_turn(&f);
    EXPECT_EQ(sim.under_way, 0);
    check_windows(&sim, serial, true);
    pthread_mutex_destroy(&sim.lock);
    cx_done(&f);
}

TEST(by_hand_nothing_is_lost_or_doubled)
{
    seed = pick_seed();
    for (int run = 0; run < 20; run++) {
        uint64_t random = seed + (uint64_t)run;
        run_by_hand(&random);
    }
}

/* ---- Real threads: writers against a resharding controller */

struct writer_thread {
    pthread_t thread;
    struct sim *sim;
    uint64_t random;
    _Atomic(uint64_t) *serial;
    int records;
    atomic_bool done;
};

static void *writer_main(void *arg)
{
    struct writer_thread *w = arg;
    for (int i = 0; i < w->records; i++) {
        start_record(w->sim, (*w->serial)++, &w->random);
        while (w->sim->under_way > 256) sched_yield();
    }
    w->done = true;
    return NULL;
}

TEST(with_threads_nothing_is_lost_or_doubled)
{
    uint64_t random = pick_seed();
    struct store_options options;
    struct sim sim;
    _Atomic(uint64_t) serial = 0;
    sim_init(&sim, NULL);
    store_options_default(&options);
    options.worker_count = 3;
    options.topic_defaults.retention_ms = -1;
    EXPECT_OK(store_open(&options, &sim.s, NULL));
    struct control create = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t"),
                             .partitions = PARTITIONS_NAMED};
    EXPECT_OK(wait_control(sim.s, &create));
    struct writer_thread writers[2];
    for (int i = 0; i < 2; i++) {
        writers[i] = (struct writer_thread){.sim = &sim, .random = random + (uint64_t)i + 1,
                                            .serial = &serial, .records = 10000};
        EXPECT_EQ(pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]), 0);
    }
    for (int i = 0; i < 150; i++) {
        struct control c;
        struct topic *t = store_topic(sim.s, BYTES_LIT("t"));
        random_change(&c, t, &random);
        topic_unref(t);
        EXPECT_OK(wait_control(sim.s, &c));
    }
    for (int i = 0; i < 2; i++) {
        UNTIL(writers[i].done, sched_yield());
        pthread_join(writers[i].thread, NULL);
    }
    UNTIL(sim.under_way == 0, sched_yield());
    check_windows(&sim, serial, false);
    store_close(sim.s);
    pthread_mutex_destroy(&sim.lock);
}

TESTS(RUN(by_hand_nothing_is_lost_or_doubled), RUN(with_threads_nothing_is_lost_or_doubled))
