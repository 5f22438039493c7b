/* A store on kv_mem that a test turns by hand, with one topic made here: the catalog, the
 * controller and the offsets are left out, so that what is tested are logs and workers alone. */
#ifndef TESTS_UNIT_STORAGE_LOG_FIXTURE_H
#define TESTS_UNIT_STORAGE_LOG_FIXTURE_H

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/net/loop.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/build.h"
#include "storage/engine/kv_wal.h"
#include "storage/topic/draft.h"
#include "storage/parts.h"
#include "storage/threads.h"
#include "storage/log/plog_impl.h"
#include "storage/log/worker.h"
#include "test.h"

/* ---- Stand-ins for the parts that are left out */

struct catalog {
    struct topic *topic;
};
static struct catalog fx_catalog;

enum err catalog_open(struct store *s, struct catalog **ret)
{
    (void)s;
    *ret = &fx_catalog;
    return ERR_OK;
}

void catalog_close(struct catalog *c)
{
    if (c != NULL) topic_unref(TAKE(c->topic));
}

int32_t store_topics(struct store *s, struct bytes after, int32_t max, struct topic **ret)
{
    (void)s, (void)max;
    if (fx_catalog.topic == NULL || !bytes_is_null(after)) return 0;
    ret[0] = topic_ref(fx_catalog.topic);
    return 1;
}

struct topic *store_topic_by_id(struct store *s, const struct uuid *id)
{
    (void)s, (void)id;
    return topic_ref(fx_catalog.topic);
}

enum err offsets_open(struct store *s, struct offsets **ret)
{
    (void)s, (void)ret;
    return ERR_OK;
}

void offsets_close(struct offsets *o)
{
    (void)o;
}

enum err controller_open(struct store *s, struct controller **ret)
{
    (void)s, (void)ret;
    return ERR_OK;
}

bool controller_turn(struct controller *c)
{
    (void)c;
    return false;
}

void controller_stop(struct controller *c)
{
    (void)c;
}

void controller_close(struct controller *c)
{
    (void)c;
}

/* A loop is a mailbox here. */
struct loop {
    struct mailbox inbox;
    int posts;
};

void loop_post(struct loop *loop, struct job *job)
{
    loop->posts++;
    mailbox_post(&loop->inbox, job);
}

static struct loop *fx_loop;        /* whose thread this is; NULL: nobody's */
static uint64_t fx_loop_turn;

struct loop *loop_current(void)
{
    return fx_loop;
}

uint64_t loop_turns(const struct loop *loop)
{
    (void)loop;
    return fx_loop_turn;
}

void loop_hand_over(struct mailbox *to, struct job *job, bool now)
{
    (void)now;                  /* nobody is a loop's thread here */
    mailbox_post(to, job);
}

bool loop_run_posted(struct loop *loop)
{
    return jobs_run(mailbox_take(&loop->inbox));
}

/* ---- The store */

struct fx {
    struct kv *kv;              /* kept over a restart: the engine, or with files its tables */
    struct files *files;        /* of a write-ahead log; the open engine owns them. NULL: none */
    struct store *s;
    struct topic *topic;
    struct store_options options;
    int partitions;
};

static int64_t fx_now_us;

static inline void fx_turn(struct fx *f)
{
    while (store_turn(f->s)) {}
    for (int i = 0; i < f->topic->partition_count; i++) plog_check(f->topic->partitions[i].log);
}

/* The topic's next value: change what you like, then fx_publish(). */
static inline struct topic *fx_draft(struct fx *f)
{
    return draft_copy(f->topic);
}

static inline void fx_publish(struct fx *f, struct topic *draft)
{
    draft_finish(draft);
    topic_unref(f->topic);
    topic_unref(fx_catalog.topic);
    f->topic = draft;
    fx_catalog.topic = topic_ref(draft);
    store_logs_publish(f->s, draft);
}

static inline enum err fx_start(struct fx *f)
{
    f->options.kv = kv_mem_share(f->kv);
    if (f->files != NULL)
        EXPECT_OK(kv_wal_open(f->options.kv, f->files, &(struct kv_options){0}, 77,
                              &f->options.kv));
    enum err err = store_open(&f->options, &f->s, NULL);
    if (err != ERR_OK) {
        f->s = NULL;
        return err;
    }
    struct topic *t = draft_new(&(struct uuid){{1}}, BYTES_LIT("t"));
    draft_even_shards(t, f->partitions, 1, 1000);
    t->config = f->options.topic_defaults;
    for (int i = 0; i < f->partitions; i++)
        t->partitions[i].log = store_log_new(f->s, t->partitions[i].log_id);
    draft_finish(t);
    f->topic = t;
    fx_catalog.topic = topic_ref(t);
    store_logs_publish(f->s, t);
    return ERR_OK;
}

static inline void fx_init(struct fx *f, int partitions)
{
    fx_now_us = INT64_C(1700000000000000);
    clock_fake(&fx_now_us);
    *f = (struct fx){.kv = kv_mem_new(), .partitions = partitions};
    store_options_default(&f->options);
    f->options.manual = true;
}

static inline void fx_stop(struct fx *f)
{
    if (f->s == NULL) return;
    topic_unref(TAKE(f->topic));
    store_close(TAKE(f->s));
}

static inline void fx_restart(struct fx *f, bool power_loss)
{
    fx_stop(f);
    kv_mem_reopen(f->kv, power_loss);
    EXPECT_OK(fx_start(f));
}

static inline void fx_done(struct fx *f)
{
    fx_stop(f);
    kv_close(f->kv);
    clock_fake(NULL);
}

static inline struct plog *fx_log(struct fx *f, int partition)
{
    return f->topic->partitions[partition].log;
}

/* ---- Batches */

struct fx_batch {
    int32_t count;           /* records; 0: one */
    size_t value_bytes;
    int64_t timestamp;       /* of the first record, the next ones count up by 1 ms; 0: the clock */
    int64_t producer_id;     /* -1: none; 0 in an initialiser means none as well: ids begin at 1 */
    int16_t epoch;
    int32_t sequence;
};

static inline struct slab *fx_slab(const struct fx_batch *in)
{
    int32_t count = in->count ? in->count : 1;
    int64_t ms = in->timestamp ? in->timestamp : clock_wall_ms();
    struct slab *value = slab_new(NULL, in->value_bytes + 1);
    for (size_t i = 0; i < in->value_bytes; i++) value->data[i] = (uint8_t)(i * 7);
    value->len = in->value_bytes;
    struct batch_size size;
    batch_size_init(&size, ms);
    for (int32_t i = 0; i < count; i++)
        batch_size_add(&size, ms + i, BYTES_LIT("key"), (int64_t)value->len, NULL, 0);
    struct slab *slab = slab_new(NULL, size.bytes);
    struct batch_builder b;
    batch_builder_init(&b, slab->data, size.bytes, ms);
    for (int32_t i = 0; i < count; i++)
        batch_builder_add(&b, ms + i, BYTES_LIT("key"), slab_bytes(value), NULL, 0);
    slab->len = batch_builder_finish(&b);
    if (in->producer_id > 0) {
        store_be64(slab->data + 43, (uint64_t)in->producer_id);
        store_be16(slab->data + 51, (uint16_t)in->epoch);
        store_be32(slab->data + 53, (uint32_t)in->sequence);
        store_be32(slab->data + 17, crc32c(slab->data + BATCH_CRC_START,
                                           slab->len - BATCH_CRC_START));
    }
    slab_unref(value);
    return slab;
}

/* ---- Appends */

static inline void fx_append_done(struct append *a)
{
    slab_unref(TAKE(a->batch.slab));
    topic_unref(TAKE(a->topic));
}

/* Hands it over; a stays valid until it is done, which err == ERR_COUNT tells is not yet. */
static inline void fx_append_begin(struct fx *f, struct append *a, int partition,
                                   const struct fx_batch *batch)
{
    struct slab *slab = fx_slab(batch);
    *a = (struct append){
        .topic = topic_ref(f->topic),
        .partition = partition,
        .partition_addressed = partition,
        .shard = -1,
        .batch = {.slab = slab, .bytes = slab_bytes(slab)},
        .done = fx_append_done,
        .err = ERR_COUNT,
    };
    store_append(f->s, a);
}

static inline enum err fx_append(struct fx *f, int partition, const struct fx_batch *batch,
                                 int64_t *ret_offset)
{
    struct append a;
    fx_append_begin(f, &a, partition, batch);
    fx_turn(f);
    if (a.err == ERR_OK && ret_offset != NULL) *ret_offset = a.base_offset;
    return a.err;
}

/* ---- Reads */

static inline void fx_read_done(struct log_read *r)
{
    topic_unref(TAKE(r->topic));
}

/* From disk. The caller ends ret with read_result_done(). */
static inline enum err fx_read(struct fx *f, int partition, int64_t offset, size_t bytes_max,
                               struct read_result *ret)
{
    struct log_read r = {.topic = topic_ref(f->topic),
                         .partition = partition,
                         .offset = offset,
                         .bytes_max = bytes_max,
                         .min_one = bytes_max > 0,
                         .done = fx_read_done,
                         .err = ERR_COUNT};
    read_result_init(&r.result);
    store_read(f->s, &r);
    fx_turn(f);
    *ret = r.result;
    return r.err;
}

static inline enum err fx_bounds(struct fx *f, int partition, struct log_bounds *ret)
{
    struct read_result r;
    enum err err = fx_read(f, partition, 0, 0, &r);
    *ret = r.bounds;
    read_result_done(&r);
    return err;
}

static inline void fx_seek_done(struct log_seek *q)
{
    topic_unref(TAKE(q->topic));
}

static inline enum err fx_seek(struct fx *f, int partition, enum log_seek_kind kind,
                               int64_t time_ms, int64_t *ret_offset, int64_t *ret_timestamp)
{
    struct log_seek q = {.topic = topic_ref(f->topic), .partition = partition, .kind = kind,
                         .time_ms = time_ms, .done = fx_seek_done, .err = ERR_COUNT};
    store_seek(f->s, &q);
    fx_turn(f);
    if (q.err == ERR_OK) {
        *ret_offset = q.offset;
        *ret_timestamp = q.timestamp_ms;
    }
    return q.err;
}

#endif
