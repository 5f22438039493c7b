/* The data directory in use: opens its parts in order, starts their threads, closes them again. */
#include "storage/store.h"

#include <assert.h>
#include <stdio.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/net/loop.h"
#include "storage/engine/meta_keys.h"
#include "storage/log/producers.h"
#include "storage/parts.h"
#include "storage/threads.h"
#include "storage/topic/config.h"
#include "base/check.h"

void store_options_default(struct store_options *ret)
{
    *ret = (struct store_options){
        .worker_count = 1,
        .reader_count = 2,
        .tail_bytes_max = 64 << 20,
        .offsets_bytes_max = 128 << 20,
        .producers_bytes_max = (int64_t)PRODUCERS_ALL_MAX * PRODUCER_MEMORY_BYTES,
        .partitions_max = 100000,
        .num_partitions = 1,
        .producer_expiry_ms = 86400000,
        .retention_check_ms = 300000,
        .shard_limit = 20000,
    };
    config_defaults(&ret->topic_defaults);
}

/* Gives the operator's text; never fails. */
static void set_text(char **ret_text, const char *text)
{
    if (ret_text == NULL || *ret_text != NULL) return;
    *ret_text = mem_string(text, bytes_str(text).len);
}

enum err store_format_check(struct kv *kv, char **ret_text)
{
    CLEANUP(slab_unrefp) struct slab *stamp = NULL;
    TRY(kv_get(kv, KV_META, KEY_FORMAT, &stamp));
    uint32_t version = 0;
    if (format_read(slab_bytes(stamp), &version) == ERR_OK && version == FORMAT_VERSION)
        return ERR_OK;
    char text[160];
    snprintf(text, sizeof text,
             "it has format %u, and this version of diglot reads format %d: use %s one", version,
             FORMAT_VERSION, version > FORMAT_VERSION ? "a newer" : "an older");
    set_text(ret_text, text);
    return ERR_FORMAT;
}

/* A new directory gets our stamp. It needs no sync: whatever is synced later stands behind it in
 * the write-ahead log.
 * Errors: those of store_format_check(). Thread: main; blocks. */
static enum err check_or_stamp(struct kv *kv, char **ret_text)
{
    enum err err = store_format_check(kv, ret_text);
    if (err != ERR_NOT_FOUND) return err;
    uint8_t value[FORMAT_BYTES];
    format_write(FORMAT_VERSION, value);
    CLEANUP(kv_batch_freep) struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_META, KEY_FORMAT, bytes_of(value, sizeof value));
    return kv_commit(kv, b, KV_NO_SYNC);
}

/* What is lost, and from when on, so that whoever looks after the data can look for it: told once,
 * as the files that show it are kept aside and the next start finds the rest in order. */
static void tell_damage(const struct kv_damage *d, const char *dir)
{
    char since[KV_TIME_BYTES];
    struct metric *lost = metric_get(METRIC_GAUGE, "diglot_storage_lost_writes",
                                     "Synced writes that this start found missing", NULL);
    metric_set(lost, (int64_t)d->lost_writes);
    if (d->lost_writes > 0 || d->damaged_bytes > 0)
        log_error("the data directory is damaged and some of what was written is lost: see "
                  "docs/recovery.md",
                  {"dir", LOG_S(dir)}, {"lost_writes", LOG_I(d->lost_writes)},
                  {"damaged_bytes", LOG_I(d->damaged_bytes)},
                  {"nothing_lost_before", LOG_S(kv_damage_since(d, since))},
                  {"kept_aside", LOG_S(d->aside[0] != '\0' ? d->aside : "nothing")},
                  {"what", LOG_S(d->text)});
    else if (d->mark_damaged)
        log_warn("the data directory is damaged: see docs/recovery.md", {"dir", LOG_S(dir)},
                 {"what", LOG_S(d->text)});
    else if (d->torn_bytes > 0)
        log_info("the last write was cut short when the server ended; nobody was told of it",
                 {"bytes", LOG_I(d->torn_bytes)});
}

static enum err open_engine(struct store *s, char **ret_text)
{
    const struct store_options *o = &s->options;
    if (o->kv != NULL) {
        s->kv = o->kv;
        return ERR_OK;
    }
    if (o->data_dir == NULL) {
        s->kv = kv_mem_new();
        return ERR_OK;
    }
    TRY(kv_open(o->data_dir, &(struct kv_options){0}, &s->kv, ret_text));
    tell_damage(kv_damage(s->kv), o->data_dir);
    return ERR_OK;
}

static enum err open_parts(struct store *s, char **ret_text)
{
    TRY(open_engine(s, ret_text));
    TRY(check_or_stamp(s->kv, ret_text));
    for (int i = 0; i < s->options.worker_count; i++) s->workers[i] = worker_new(s, i);
    s->readers = readers_new(s, s->options.reader_count);
    s->codecs = codecs_new();
#define PART(name, ...) TRY(name##_open(s, &s->name));
#include "storage/parts.def"
    s->house = house_new(s);
    if (!s->options.manual) {
        for (int i = 0; i < s->options.worker_count; i++) worker_start(s->workers[i]);
        readers_start(s->readers);
        codecs_start(s->codecs);
        house_start(s->house);
    }
    return controller_open(s, &s->controller);
}

static void store_closep(struct store **s)
{
    if (*s != NULL) store_close(*s);
    *s = NULL;
}

enum err store_open(const struct store_options *options, struct store **ret, char **ret_text)
{
    assert(options->worker_count >= 1 && options->worker_count <= STORE_THREADS_MAX);
    assert(options->reader_count >= 1 && options->reader_count <= STORE_THREADS_MAX);
    if (ret_text != NULL) *ret_text = NULL;
    CLEANUP(store_closep) struct store *s = NEW(struct store);
    s->options = *options;
    producers_limit(options->producers_bytes_max / PRODUCER_MEMORY_BYTES);
    enum err err = open_parts(s, ret_text);
    if (err != ERR_OK) {
        set_text(ret_text, err_text(err));
        return err;
    }
    *ret = TAKE(s);
    return ERR_OK;
}

static void close_topic(void *store, struct topic *topic)
{
    store_logs_close(store, topic);
}

/* Every log gives up its topic, so that the last references fall with the catalog's. */
static void close_logs(struct store *s)
{
    store_topics_each(s, s, close_topic);
}

/* In this order nothing is asked of a thread that has ended. What is left in their mailboxes waits
 * for turn(). */
static void stop_threads(struct store *s)
{
    if (s->house != NULL) house_stop(s->house);
    controller_stop(s->controller);
    if (s->codecs != NULL) codecs_stop(s->codecs);
    if (s->readers != NULL) readers_stop(s->readers);
    for (int i = 0; i < s->options.worker_count; i++)
        if (s->workers[i] != NULL) worker_stop(s->workers[i]);
}

/* Runs everything that waits, once, where no thread does so. */
static bool turn(struct store *s)
{
    bool any = controller_turn(s->controller);
    for (int i = 0; i < s->options.worker_count; i++) any |= worker_turn(s->workers[i]);
    any |= readers_turn(s->readers);
    any |= codecs_turn(s->codecs);
    any |= house_turn(s->house);
    return any;
}

static void run_all(struct store *s, struct loop *const *loops, uint32_t loop_count)
{
    bool any = true;
    while (any) {
        any = turn(s);
        for (uint32_t i = 0; i < loop_count; i++) any |= loop_run_posted(loops[i]);
    }
}

void store_finish(struct store *s, struct loop *const *loops, uint32_t loop_count)
{
    stop_threads(s);
    run_all(s, loops, loop_count);
    close_logs(s);      /* appends that a frozen log holds back go home now */
    run_all(s, loops, loop_count);
}

/* The rows backwards. */
static void close_parts(struct store *s)
{
    enum {
#define PART(name, ...) AT_##name,
#include "storage/parts.def"
        COUNT
    };
    for (int at = COUNT - 1; at >= 0; at--) {
#define PART(name, ...)                                                                            \
    if (at == AT_##name) name##_close(s->name);
#include "storage/parts.def"
    }
}

void store_close(struct store *s)
{
    stop_threads(s);
    controller_close(s->controller);
    house_free(s->house);
    s->house = NULL;
    if (s->catalog != NULL) close_logs(s);
    close_parts(s);
    readers_free(s->readers);
    codecs_free(s->codecs);
    for (int i = 0; i < s->options.worker_count; i++) worker_free(s->workers[i]);
    kv_close(s->kv);
    mem_free(s);
}

bool store_turn(struct store *s)
{
    assert(s->options.manual);
    return turn(s);
}
