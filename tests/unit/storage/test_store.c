/* The whole store as the server runs it: threads, RocksDB on disk, real loops. */
#include "storage/store.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/net/loop.h"
#include "protocol/batch/build.h"
#include "storage/control/control.h"
#include "storage/check/walk.h"
#include "storage/log/watch.h"
#include "storage/log/worker.h"
#include "test.h"

enum { PARTITIONS = 5, PRODUCERS = 3, BATCHES = 400, IN_FLIGHT = 16 };

struct place {
    char dir[64];
    struct store *s;
    struct store_options options;
};

static void place_open(struct place *p)
{
    char *text = NULL;
    EXPECT_OK(store_open(&p->options, &p->s, &text));
    mem_free(text);
}

static void place_new(struct place *p)
{
    *p = (struct place){.dir = "/tmp/diglot-test-store-XXXXXX"};
    assert_non_null(mkdtemp(p->dir));
    store_options_default(&p->options);
    p->options.data_dir = p->dir;
    p->options.worker_count = 2;
    p->options.reader_count = 2;
    p->options.tail_bytes_max = 256 << 10;
    place_open(p);
}

static void place_done(struct place *p)
{
    if (p->s != NULL) store_close(p->s);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
    EXPECT_EQ(system(command), 0);
}

/* ---- Waiting for jobs that come back on a storage thread */

static void await(sem_t *done)
{
    UNTIL(sem_trywait(done) == 0, usleep(100));
}

struct awaited_control {
    struct control c;
    sem_t done;
};

static void control_done(struct control *c)
{
    sem_post(&CONTAINER_OF(c, struct awaited_control, c)->done);
}

static enum err control(struct store *s, const struct control *in)
{
    struct awaited_control a = {.c = *in};
    a.c.done = control_done;
    sem_init(&a.done, 0, 0);
    store_control(s, &a.c);
    await(&a.done);
    sem_destroy(&a.done);
    topic_unref(a.c.topic);
    return a.c.err;
}

struct awaited_read {
    struct log_read r;
    sem_t done;
};

static void read_done(struct log_read *r)
{
    sem_post(&CONTAINER_OF(r, struct awaited_read, r)->done);
}

static enum err read_log(struct store *s, struct topic *topic, int partition, int64_t offset,
                         size_t bytes_max, struct read_result *ret)
{
    struct awaited_read a = {.r = {.topic = topic, .partition = partition, .offset = offset,
                                   .bytes_max = bytes_max, .min_one = true, .done = read_done}};
    sem_init(&a.done, 0, 0);
    store_read(s, &a.r);
    await(&a.done);
    sem_destroy(&a.done);
    *ret = a.r.result;
    return a.r.err;
}

static struct slab *make_batch(size_t value_bytes, int number)
{
    char *value = mem_new(value_bytes);
    snprintf(value, value_bytes, "%d", number);
    struct batch_size size;
    batch_size_init(&size, clock_wall_ms());
    batch_size_add(&size, size.base_timestamp, BYTES_NULL, (int64_t)value_bytes, NULL, 0);
    struct slab *slab = slab_new(NULL, size.bytes);
    struct batch_builder b;
    batch_builder_init(&b, slab->data, size.bytes, size.base_timestamp);
    batch_builder_add(&b, size.base_timestamp, BYTES_NULL, bytes_of(value, value_bytes), NULL, 0);
    slab->len = batch_builder_finish(&b);
    mem_free(value);
    return slab;
}

/* ---- Producers on loops, while the shards of their topic split under them */

struct producer {
    struct store *s;
    struct loop *loop;
    struct job start;
    int partition;              /* what it addresses, whoever owns that range now */
    int sent;
    int acked;
    int moved;
    sem_t *finished;
};

struct one {
    struct append append;
    struct producer *producer;
};

static void send_next(struct one *one);

/* Routed by the topic as it is now; a batch that came back MOVED goes again. */
static void route(struct one *one, struct slab *slab)
{
    struct producer *p = one->producer;
    struct topic *t = store_topic(p->s, BYTES_LIT("t"));
    one->append = (struct append){
        .topic = t,
        .partition = topic_forward(t, p->partition),
        .partition_addressed = p->partition,
        .shard = -1,
        .batch = {.slab = slab, .bytes = slab_bytes(slab)},
        .home = p->loop,
        .done = one->append.done,
    };
    store_append(p->s, &one->append);
}

static void on_append(struct append *a)
{
    struct one *one = CONTAINER_OF(a, struct one, append);
    struct producer *p = one->producer;
    topic_unref(TAKE(a->topic));
    if (a->err == ERR_MOVED) {
        p->moved++;
        route(one, a->batch.slab);
        return;
    }
    EXPECT_OK(a->err);
    slab_unref(a->batch.slab);
    p->acked++;
    if (p->sent < BATCHES) {
        send_next(one);
        return;
    }
    mem_free(one);
    if (p->acked == BATCHES) sem_post(p->finished);
}

static void send_next(struct one *one)
{
    struct producer *p = one->producer;
    one->append.done = on_append;
    route(one, make_batch(p->sent % 7 == 0 ? 20000 : 200, p->sent));
    p->sent++;
}

static void start_run(struct job *job)
{
    struct producer *p = CONTAINER_OF(job, struct producer, start);
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct one *one = NEW(struct one);
        one->producer = p;
        send_next(one);
    }
}

/* ---- A consumer that lives on watches and the tail, and goes to disk where that is cold */

struct consumer {
    struct store *s;
    struct loop *loop;
    struct topic *topic;
    struct watch_set sleep;
    struct watch watch;
    struct log_read read;
    struct job start;
    int64_t offset;
    int64_t until;              /* -1 while producers run */
    struct job end;
    int64_t arrival_ms;
    int tail_reads;
    int disk_reads;
    sem_t *finished;
};

static void consume(struct consumer *c);

static void take(struct consumer *c, struct read_result *r)
{
    for (int32_t i = 0; i < r->count; i++) {
        if (r->batches[i].last_offset < c->offset) continue;
        EXPECT_EQ(r->batches[i].base_offset, c->offset);
        EXPECT(batch_crc_is_right(r->batches[i].bytes.bytes));
        EXPECT(r->batches[i].arrival_ms >= c->arrival_ms);
        c->arrival_ms = r->batches[i].arrival_ms;
        c->offset = r->batches[i].last_offset + 1;
    }
    read_result_done(r);
}

static void on_disk_read(struct log_read *r)
{
    struct consumer *c = CONTAINER_OF(r, struct consumer, read);
    EXPECT_OK(r->err);
    c->disk_reads++;
    take(c, &r->result);
    consume(c);
}

static void on_wake(struct watch_set *sleep)
{
    struct consumer *c = CONTAINER_OF(sleep, struct consumer, sleep);
    struct topic *fresh = store_topic_by_id(c->s, &c->topic->id);
    topic_unref(c->topic);
    c->topic = fresh;
    consume(c);
}

static void consume(struct consumer *c)
{
    struct plog *log = c->topic->partitions[0].log;
    for (;;) {
        struct read_result r;
        read_result_init(&r);
        enum err err = plog_read_tail(log, c->offset, 64 << 10, true, &r);
        if (err == ERR_COLD) {
            c->read = (struct log_read){.topic = c->topic, .offset = c->offset,
                                        .bytes_max = 64 << 10, .min_one = true, .home = c->loop,
                                        .done = on_disk_read};
            store_read(c->s, &c->read);
            return;
        }
        EXPECT_OK(err);
        if (r.count == 0) break;
        c->tail_reads++;
        take(c, &r);
    }
    if (c->until >= 0 && c->offset >= c->until) {
        sem_post(c->finished);
        return;
    }
    EXPECT_OK(watch_set_add(&c->sleep, c->topic, 0, c->offset, 0));
}

static void consumer_run(struct job *job)
{
    struct consumer *c = CONTAINER_OF(job, struct consumer, start);
    watch_set_init(&c->sleep, c->loop, &c->watch, 1, on_wake);
    consume(c);
}

/* All is written: end where the log ends, which may be now. */
static void consumer_end(struct job *job)
{
    struct consumer *c = CONTAINER_OF(job, struct consumer, end);
    struct log_bounds b;
    EXPECT_OK(plog_bounds(c->topic->partitions[0].log, &b));
    c->until = b.high_watermark;
    if (watch_set_sleeps(&c->sleep) && watch_set_end(&c->sleep)) consume(c);
}

static void no_fault(void *context, uint64_t log_id, int64_t offset, const char *text)
{
    (void)context;
    print_error("log %d at %d: %s\n", (int)log_id, (int)offset, text);
    fail();
}

TEST(producers_and_consumers_meet_while_shards_split_and_merge)
{
    struct place at;
    place_new(&at);
    struct control create = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t"),
                             .partitions = PARTITIONS};
    EXPECT_OK(control(at.s, &create));
    sem_t finished, consumed;
    sem_init(&finished, 0, 0);
    sem_init(&consumed, 0, 0);
    struct loop *loops[2];
    for (int i = 0; i < 2; i++) {
        loops[i] = loop_new("test");
        loop_start(loops[i]);
    }
    struct consumer consumer = {.s = at.s, .loop = loops[1], .until = -1, .finished = &consumed,
                                .topic = store_topic(at.s, BYTES_LIT("t")),
                                .start.run = consumer_run, .end.run = consumer_end};
    loop_post(loops[1], &consumer.start);
    struct producer producers[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.s = at.s, .loop = loops[i % 2], .partition = i,
                                         .finished = &finished, .start.run = start_run};
        loop_post(loops[i % 2], &producers[i].start);
    }
    /* Merge 0 and 1 into 0, then split that: producers of partition 1 are forwarded meanwhile. */
    struct control merge = {.kind = CONTROL_MERGE, .name = BYTES_LIT("t"), .shard = 0,
                            .adjacent_shard = 1};
    EXPECT_OK(control(at.s, &merge));
    struct control split = {.kind = CONTROL_SPLIT, .name = BYTES_LIT("t"), .shard = PARTITIONS,
                            .hash_first = U128_MAX / (PARTITIONS * 4)};
    EXPECT_OK(control(at.s, &split));
    for (int i = 0; i < PRODUCERS; i++) await(&finished);
    struct log_bounds b;
    loop_post(loops[1], &consumer.end);
    await(&consumed);
    EXPECT_OK(plog_bounds(consumer.topic->partitions[0].log, &b));
    EXPECT_EQ(consumer.offset, b.high_watermark);
    for (int i = 0; i < 2; i++) {
        loop_stop(loops[i]);
        loop_free(loops[i]);
    }
    int64_t records = 0;
    for (int p = 0; p < PARTITIONS; p++)
        if (plog_bounds(consumer.topic->partitions[p].log, &b) == ERR_OK)
            records += b.high_watermark;
    EXPECT_EQ(records, PRODUCERS * BATCHES);
    topic_unref(consumer.topic);
    struct walk_counts counts;
    EXPECT_OK(walk_logs(store_kv(at.s), no_fault, NULL, &counts));
    EXPECT_EQ(counts.batches, PRODUCERS * BATCHES);
    sem_destroy(&finished);
    sem_destroy(&consumed);
    place_done(&at);
}

TEST(a_restart_finds_everything)
{
    struct place at;
    place_new(&at);
    struct control create = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t"),
                             .partitions = PARTITIONS};
    EXPECT_OK(control(at.s, &create));
    struct loop *loop = loop_new("test");
    loop_start(loop);
    sem_t finished;
    sem_init(&finished, 0, 0);
    struct producer p = {.s = at.s, .loop = loop, .partition = 3, .finished = &finished,
                         .start.run = start_run};
    loop_post(loop, &p.start);
    await(&finished);
    loop_stop(loop);
    loop_free(loop);
    store_close(at.s);
    place_open(&at);
    struct topic *t = store_topic(at.s, BYTES_LIT("t"));
    struct read_result r;
    EXPECT_OK(read_log(at.s, t, 3, 0, SIZE_MAX, &r));
    EXPECT_EQ(r.bounds.high_watermark, BATCHES);
    int64_t next = 0;
    for (int32_t i = 0; i < r.count; i++) {
        EXPECT_EQ(r.batches[i].base_offset, next);
        next = r.batches[i].last_offset + 1;
    }
    EXPECT_EQ(next, BATCHES);
    read_result_done(&r);
    topic_unref(t);
    sem_destroy(&finished);
    place_done(&at);
}

struct awaited_append {
    struct append a;
    sem_t done;
};

static void append_done(struct append *a)
{
    sem_post(&CONTAINER_OF(a, struct awaited_append, a)->done);
}

static void append_one(struct store *s, struct topic *topic)
{
    struct slab *slab = make_batch(2000, 1);
    struct awaited_append a = {.a = {.topic = topic_ref(topic), .shard = -1, .done = append_done,
                                     .batch = {.slab = slab, .bytes = slab_bytes(slab)}}};
    sem_init(&a.done, 0, 0);
    store_append(s, &a.a);
    await(&a.done);
    sem_destroy(&a.done);
    slab_unref(slab);
    topic_unref(a.a.topic);
    EXPECT_OK(a.a.err);
}

/* Holds a worker in its turn until it may go, or the test's wait for that is over anyway. */
struct held_worker {
    struct store_write write;
    sem_t entered, go;
};

static void hold_stage(struct store_write *w, struct kv_batch *b)
{
    (void)b;
    struct held_worker *h = CONTAINER_OF(w, struct held_worker, write);
    sem_post(&h->entered);
    for (int64_t until_ms = until_now_ms() + UNTIL_MS; until_now_ms() < until_ms; usleep(100))
        if (sem_trywait(&h->go) == 0) return;
}

static void hold_done(struct store_write *w, enum err err)
{
    (void)w, (void)err;
}

/* The data is gone with the commit, the logs close one worker after the other: what a reader misses
 * in between is no damage. */
TEST(a_read_while_its_topic_is_being_deleted_is_told_so)
{
    struct place p;
    place_new(&p);
    store_close(TAKE(p.s));
    p.options.tail_bytes_max = 0;           /* reads go to disk */
    place_open(&p);
    struct control create = {
        .kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t"), .partitions = 1};
    EXPECT_OK(control(p.s, &create));
    struct topic *topic = store_topic(p.s, BYTES_LIT("t"));
    append_one(p.s, topic);
    uint64_t log_id = topic->partitions[0].log_id;
    struct held_worker held = {     /* the other one of two */
        .write = {.stage = hold_stage, .done = hold_done, .affinity = log_id + 1}};
    sem_init(&held.entered, 0, 0);
    sem_init(&held.go, 0, 0);
    store_write(p.s, &held.write);
    await(&held.entered);
    struct awaited_control delete = {.c = {.kind = CONTROL_DELETE_TOPIC, .name = BYTES_LIT("t"),
                                           .done = control_done}};
    sem_init(&delete.done, 0, 0);
    store_control(p.s, &delete.c);
    struct topic *t = store_topic(p.s, BYTES_LIT("t"));
    UNTIL(t == NULL, (topic_unref(t), t = store_topic(p.s, BYTES_LIT("t"))));
    struct read_result r;
    EXPECT_ERR(read_log(p.s, topic, 0, 0, 4096, &r), ERR_CLOSED);
    read_result_done(&r);
    sem_post(&held.go);
    await(&delete.done);
    EXPECT_OK(delete.c.err);
    topic_unref(delete.c.topic);
    topic_unref(topic);
    place_done(&p);
}

TEST(a_directory_in_use_is_refused_with_words)
{
    struct place at;
    place_new(&at);
    struct store *second;
    char *text = NULL;
    EXPECT_ERR(store_open(&at.options, &second, &text), ERR_BUSY);
    EXPECT(text != NULL && strlen(text) > 0);
    mem_free(text);
    place_done(&at);
}

TESTS(RUN(producers_and_consumers_meet_while_shards_split_and_merge),
      RUN(a_restart_finds_everything), RUN(a_read_while_its_topic_is_being_deleted_is_told_so),
      RUN(a_directory_in_use_is_refused_with_words))
