/* How catalog changes meet the logs (worker.h): what the controller has done to them, as calls that
 * it waits for. A call goes to one worker after the other and does there what concerns the logs
 * which that worker owns. What one must do inside the turn, worker.c does (threads.h). */
#include "storage/log/worker.h"

#include "storage/log/plog_impl.h"
#include "storage/threads.h"
#include "base/check.h"

static void call_all(struct store *s, worker_call_fn *fn, void *context)
{
    for (int i = 0; i < store_options(s)->worker_count; i++)
        worker_call(store_worker(s, (uint64_t)i), fn, context);
}

struct plog *store_log_new(struct store *s, uint64_t log_id)
{
    struct worker *w = store_worker(s, log_id);
    return plog_new(w, worker_inbox(w), log_id);
}

/* ---- Freeze */

struct freeze {
    struct log_freeze *logs;
    int32_t count;
    int32_t next;               /* the first one that was not looked at yet, */
    enum err err;               /* and what is wrong with one of those that were */
};

/* As many as a turn has room for. */
static void open_some(struct worker *w, void *context)
{
    struct freeze *f = context;
    for (; f->next < f->count && f->err == ERR_OK && !worker_turn_is_full(w); f->next++)
        if (f->logs[f->next].log->worker == w) f->err = worker_open_log(f->logs[f->next].log);
}

static void freeze(struct worker *w, void *context)
{
    struct freeze *f = context;
    for (int32_t i = 0; i < f->count; i++)
        if (f->logs[i].log->worker == w) worker_settle_log(f->logs[i].log);
    worker_commit(w);
    for (int32_t i = 0; i < f->count; i++) {
        struct log_freeze *item = &f->logs[i];
        struct plog *log = item->log;
        if (log->worker != w) continue;
        item->err = worker_open_log(log);
        if (item->err != ERR_OK) continue;
        log->frozen = true;
        item->end_offset = log->writer->offset_next;
        item->log_start = log->writer->log_start;
    }
}

static void thaw(struct worker *w, void *context)
{
    struct freeze *f = context;
    for (int32_t i = 0; i < f->count; i++)
        if (f->logs[i].log->worker == w) worker_thaw_log(f->logs[i].log);
}

static bool owns_one(const struct worker *w, const struct freeze *f)
{
    for (int32_t i = 0; i < f->count; i++)
        if (f->logs[i].log->worker == w) return true;
    return false;
}

/* The others go on undisturbed. */
static void call_owners(struct store *s, worker_call_fn *fn, struct freeze *f)
{
    for (int i = 0; i < store_options(s)->worker_count; i++) {
        struct worker *w = store_worker(s, (uint64_t)i);
        if (owns_one(w, f)) worker_call(w, fn, f);
    }
}

/* To open one takes look-ups, and there may be thousands: what is sent to other logs comes in
 * between. Errors: those of worker_open_log(). Thread: the controller; blocks. */
static enum err open_all(struct store *s, struct freeze *f)
{
    for (int i = 0; i < store_options(s)->worker_count; i++) {
        struct worker *w = store_worker(s, (uint64_t)i);
        f->next = owns_one(w, f) ? 0 : f->count;
        while (f->next < f->count && f->err == ERR_OK) worker_call(w, open_some, f);
    }
    return f->err;
}

enum err store_logs_freeze(struct store *s, struct log_freeze *logs, int32_t count)
{
    struct freeze f = {.logs = logs, .count = count};
    TRY(open_all(s, &f));
    call_owners(s, freeze, &f);
    enum err err = ERR_OK;
    for (int32_t i = 0; i < count && err == ERR_OK; i++) err = logs[i].err;
    if (err != ERR_OK) call_owners(s, thaw, &f);
    return err;
}

static void hold(struct worker *w, void *context)
{
    struct topic *topic = context;
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (topic->partitions[i].log->worker == w) worker_settle_log(topic->partitions[i].log);
    worker_commit(w);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct plog *log = topic->partitions[i].log;
        if (log->worker == w && log->state != PLOG_CLOSED) log->frozen = true;
    }
}

static bool has_one_of(const struct worker *w, const struct topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (topic->partitions[i].log->worker == w) return true;
    return false;
}

/* Another worker, which may be busy, is not waited for. */
void store_logs_hold(struct store *s, struct topic *topic)
{
    for (int i = 0; i < store_options(s)->worker_count; i++) {
        struct worker *w = store_worker(s, (uint64_t)i);
        if (has_one_of(w, topic)) worker_call(w, hold, topic);
    }
}

/* ---- While they are frozen */

struct each {
    struct plog *const *logs;
    int32_t count;
    log_call_fn *fn;
    void *context;
};

static void each(struct worker *w, void *context)
{
    struct each *e = context;
    for (int32_t i = 0; i < e->count; i++)
        if (e->logs[i]->worker == w) e->fn(e->logs[i], i, e->context);
}

void store_logs_call(struct store *s, struct plog *const *logs, int32_t count, log_call_fn *fn,
                     void *context)
{
    struct each e = {.logs = logs, .count = count, .fn = fn, .context = context};
    call_all(s, each, &e);
}

void store_logs_settle(struct store *s)
{
    for (int i = 0; i < store_options(s)->worker_count; i++) {
        struct worker *w = store_worker(s, (uint64_t)i);
        while (!worker_has_thread(w) && worker_turn(w)) {}
    }
}

/* ---- Publish and close */

static void publish(struct worker *w, void *context)
{
    struct topic *topic = context;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct plog *log = topic->partitions[i].log;
        if (log->worker != w || log->state == PLOG_CLOSED) continue;
        struct topic *before = log->topic;
        plog_end_handover(log, before != topic);
        log->topic = topic_ref(topic);
        log->partition = i;
        topic_unref(before);
        worker_thaw_log(log);
        plog_wake_all(log);
    }
}

void store_logs_publish(struct store *s, struct topic *topic)
{
    call_all(s, publish, topic);
}

static void close_logs(struct worker *w, void *context)
{
    struct topic *topic = context;
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (topic->partitions[i].log->worker == w) worker_close_log(topic->partitions[i].log);
}

void store_logs_close(struct store *s, struct topic *topic)
{
    call_all(s, close_logs, topic);
}

/* ---- A log's start, which needs no freeze */

struct raise {
    struct plog *log;
    int64_t offset;
    int64_t log_start;
    enum err err;
};

static void raise_start(struct worker *w, void *context)
{
    (void)w;
    struct raise *r = context;
    r->err = worker_raise_start(r->log, r->offset);
    if (r->err == ERR_OK) r->log_start = r->log->writer->log_start;
}

enum err store_log_raise_start(struct plog *log, int64_t offset,
                               int64_t *ret_log_start)
{
    struct raise r = {.log = log, .offset = offset};
    worker_call(log->worker, raise_start, &r);
    TRY(r.err);
    *ret_log_start = r.log_start;
    return ERR_OK;
}
