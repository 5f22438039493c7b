/* A whole store in memory that a test turns by hand, on a clock that only the test moves. */
#ifndef TESTS_UNIT_STORAGE_CATALOG_FIXTURE_H
#define TESTS_UNIT_STORAGE_CATALOG_FIXTURE_H

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/writer.h"
#include "protocol/batch/build.h"
#include "storage/catalog/catalog.h"
#include "storage/control/control.h"
#include "storage/engine/kv_wal.h"
#include "storage/log/plog_impl.h"
#include "storage/state/offsets.h"
#include "storage/parts.h"
#include "test.h"

struct cx {
    struct kv *kv;              /* kept over a restart: the engine, or with files its tables */
    struct files *files;        /* of a write-ahead log; the open engine owns them. NULL: none */
    struct store *s;
    struct store_options options;
    char text[512];             /* of the latest control */
    int64_t result;
};

static int64_t cx_now_us;

/* Files and tables of a log turn over within a test. */
static const struct kv_options cx_small = {
    .extent_bytes = 64 << 10, .flush_tables_bytes = 8 << 10, .flush_log_bytes = 128 << 10,
};

static inline enum err cx_start(struct cx *f)
{
    f->options.kv = kv_mem_share(f->kv);
    if (f->files != NULL)
        EXPECT_OK(kv_wal_open(f->options.kv, f->files, &cx_small, 77, &f->options.kv));
    enum err err = store_open(&f->options, &f->s, NULL);
    if (err != ERR_OK) f->s = NULL;
    return err;
}

static inline void cx_init(struct cx *f)
{
    cx_now_us = INT64_C(1700000000000000);
    clock_fake(&cx_now_us);
    log_setup(LOG_ERROR, false, -1);        /* faults are injected here: nothing to report */
    *f = (struct cx){.kv = kv_mem_new()};
    store_options_default(&f->options);
    f->options.shard_limit = 500;       /* within a topic's limit */
    f->options.manual = true;
    f->options.worker_count = 2;
}

static inline void cx_advance_ms(int64_t ms)
{
    cx_now_us += ms * 1000;
}

/* Every log of every topic is as it has to be between two turns. */
static inline void cx_check(struct cx *f)
{
    enum { TOPICS = 64 };
    struct topic *topics[TOPICS];
    int32_t count = store_topics(f->s, BYTES_NULL, TOPICS, topics);
    for (int32_t i = 0; i < count; i++) {
        for (int32_t p = 0; p < topics[i]->partition_count; p++)
            plog_check(topics[i]->partitions[p].log);
        topic_unref(topics[i]);
    }
}

static inline void cx_turn(struct cx *f)
{
    while (store_turn(f->s)) {}
    cx_check(f);
}

static inline void cx_stop(struct cx *f)
{
    if (f->s != NULL) store_close(TAKE(f->s));
}

static inline void cx_restart(struct cx *f)
{
    cx_stop(f);
    kv_mem_reopen(f->kv, false);
    EXPECT_OK(cx_start(f));
}

static inline void cx_done(struct cx *f)
{
    cx_stop(f);
    kv_close(f->kv);
    clock_fake(NULL);
}

/* ---- Controls */

static inline void cx_control_done(struct control *c)
{
    c->home = (struct loop *)c;         /* a mark: done */
}

/* Runs it; drops the topic value that comes back. */
static inline enum err cx_control(struct cx *f, struct control *c)
{
    c->done = cx_control_done;
    store_control(f->s, c);
    cx_turn(f);
    EXPECT(c->home == (struct loop *)c);
    c->home = NULL;
    topic_unref(TAKE(c->topic));
    snprintf(f->text, sizeof f->text, "%s", c->text);
    f->result = c->result;
    return c->err;
}

static inline enum err cx_create(struct cx *f, const char *name, int32_t partitions)
{
    struct control c = {.kind = CONTROL_CREATE_TOPIC, .name = bytes_str(name),
                        .partitions = partitions};
    return cx_control(f, &c);
}

static inline enum err cx_delete(struct cx *f, const char *name)
{
    struct control c = {.kind = CONTROL_DELETE_TOPIC, .name = bytes_str(name)};
    return cx_control(f, &c);
}

static inline enum err cx_partitions(struct cx *f, const char *name, int32_t partitions)
{
    struct control c = {
        .kind = CONTROL_CREATE_PARTITIONS, .name = bytes_str(name), .partitions = partitions};
    return cx_control(f, &c);
}

static inline enum err cx_reshard(struct cx *f, const char *name, int32_t shards)
{
    struct control c = {.kind = CONTROL_RESHARD, .name = bytes_str(name), .partitions = shards};
    return cx_control(f, &c);
}

static inline enum err cx_split(struct cx *f, const char *name, int32_t shard, u128 hash)
{
    struct control c = {
        .kind = CONTROL_SPLIT, .name = bytes_str(name), .shard = shard, .hash_first = hash};
    return cx_control(f, &c);
}

static inline enum err cx_merge(struct cx *f, const char *name, int32_t low, int32_t high)
{
    struct control c = {
        .kind = CONTROL_MERGE, .name = bytes_str(name), .shard = low, .adjacent_shard = high};
    return cx_control(f, &c);
}

static inline enum err cx_config(struct cx *f, const char *name, enum config_op op, const char *key,
                                 const char *value)
{
    struct config_change change = {op, bytes_str(key), bytes_str(value)};
    struct control c = {.kind = CONTROL_ALTER_CONFIG, .name = bytes_str(name), .configs = &change,
                        .config_count = 1};
    return cx_control(f, &c);
}

static inline enum err cx_tag(struct cx *f, const char *name, const char *key, const char *value)
{
    struct topic_tag tag = {(char *)key, (char *)value};
    struct control c = {.kind = CONTROL_TAGS, .name = bytes_str(name), .tags = &tag,
                        .tag_count = 1};
    return cx_control(f, &c);
}

static inline enum err cx_consumer(struct cx *f, const char *name, enum control_kind kind,
                                   const char *consumer)
{
    struct control c = {.kind = kind, .name = bytes_str(name), .consumer = bytes_str(consumer)};
    return cx_control(f, &c);
}

/* A reference; NULL: none. */
static inline struct topic *cx_topic(struct cx *f, const char *name)
{
    return store_topic(f->s, bytes_str(name));
}

/* ---- Appends: one record each, routed as the Kinesis door does (hash) or the Kafka door
 * (partition) */

struct cx_append {
    struct append append;
    bool done;
};

static inline void cx_append_done(struct append *a)
{
    slab_unref(TAKE(a->batch.slab));
    topic_unref(TAKE(a->topic));
    CONTAINER_OF(a, struct cx_append, append)->done = true;
}

static inline struct slab *cx_record(struct bytes value)
{
    int64_t ms = clock_wall_ms();
    struct batch_size size;
    batch_size_init(&size, ms);
    batch_size_add(&size, ms, BYTES_NULL, (int64_t)value.len, NULL, 0);
    struct slab *slab = slab_new(NULL, size.bytes);
    struct batch_builder b;
    batch_builder_init(&b, slab->data, size.bytes, ms);
    batch_builder_add(&b, ms, BYTES_NULL, value, NULL, 0);
    slab->len = batch_builder_finish(&b);
    return slab;
}

/* shard < 0: a Kafka produce that names `partition`. */
static inline void cx_append_begin(struct cx *f, struct cx_append *a, struct topic *t,
                                   int32_t partition, int32_t shard, struct bytes value)
{
    struct slab *slab = cx_record(value);
    *a = (struct cx_append){.append = {
                                .topic = topic_ref(t),
                                .partition = shard < 0 ? topic_forward(t, partition) : partition,
                                .partition_addressed = partition,
                                .shard = shard,
                                .batch = {.slab = slab, .bytes = slab_bytes(slab)},
                                .done = cx_append_done,
                            }};
    store_append(f->s, &a->append);
}

static inline enum err cx_append(struct cx *f, const char *name, int32_t partition,
                                 int64_t *ret_offset)
{
    struct topic *t = cx_topic(f, name);
    struct cx_append a;
    cx_append_begin(f, &a, t, partition, -1, BYTES_LIT("value"));
    topic_unref(t);
    cx_turn(f);
    EXPECT(a.done);
    if (a.append.err == ERR_OK && ret_offset != NULL) *ret_offset = a.append.base_offset;
    return a.append.err;
}

/* ---- Offsets */

static inline void cx_offsets_done(struct offsets_commit *c)
{
    c->home = (struct loop *)c;
}

static inline enum err cx_commit(struct cx *f, const char *group,
                                 const struct offset_entry *entries, int32_t count)
{
    struct offsets_commit c = {
        .group = bytes_str(group), .entries = entries, .entry_count = count,
        .done = cx_offsets_done};
    store_offsets_commit(f->s, &c);
    cx_turn(f);
    EXPECT(c.home == (struct loop *)&c);
    return c.err;
}

/* How much `diglot check` finds wrong in the catalog; among what it says is `expected`. */
static inline int64_t cx_wrong(struct cx *f, const char *expected)
{
    struct writer out;
    int64_t wrong = -1;
    writer_init(&out, 4096);
    EXPECT_OK(catalog_check(f->kv, &out, &wrong));
    writer_i8(&out, 0);
    EXPECT(strstr((const char *)out.data, expected) != NULL);
    writer_done(&out);
    return wrong;
}

#endif
