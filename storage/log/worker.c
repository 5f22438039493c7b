/* A storage worker: group commit for the logs it owns.
 *
 * A turn takes all jobs that wait and runs them in order; appends only line up at their logs
 * (waiting.h). Then the logs take turns, a share each: an append is checked against its log's
 * writer and staged; nothing is answered yet. When all are through, or the turn is full, one commit
 * writes what was staged, the logs publish it (bounds, tail, watches), and the appends go home:
 * those of one loop as one list, so that a turn wakes a loop once. What found no room stays at its
 * log, and the next turn begins with what has come meanwhile. So an append waits for those in front
 * of it at its own log and a share of each other log a turn, however much was sent to one of them.
 *
 * Failure: when a commit fails, every log of the turn fails loudly, its writer is dropped and read
 * anew from disk, and all appends of the turn that touched it are answered KAFKA_STORAGE_ERROR.
 * From then on appends are refused without trying until the engine says that it takes writes again;
 * reads go on all the while. Catalog changes arrive as calls that end the turn first
 * (worker_calls.c).
 *
 * Tried and left: a loop that runs the turn itself while the worker sleeps. One record a request
 * cost 44 us of CPU in place of 51 at the Kinesis door, 8.0 in place of 9.8 at the Kafka door; but
 * the loop, and all its connections, then wait whenever a write waits for the disk. */
#include "storage/log/worker.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/net/loop.h"
#include "storage/log/plog_impl.h"
#include "storage/threads.h"
#include "storage/log/waiting.h"
#include "storage/log/writes.h"
#include "base/check.h"

enum {
    TURN_WORK_MAX = 1024,          /* some 5 ms */
    TURN_WORK_POWER_MAX = 4096,
    APPEND_WORK = 1,               /* in the same unit: to stage one, */
    LOG_WORK = 3,                  /* to commit and publish another log of the turn, */
    OPEN_WORK = 20,                /* to read what is stored of one that was not open */
    TURN_BYTES_MAX = 1 << 20,      /* so that what is staged stays in the cache and in one buffer */
    TURN_BYTES_POWER_MAX = 16 << 20,    /* when every turn waits for the disk */
    SMALL_BYTES_MAX = 16 << 10,    /* appends that may wait for the end of their loop's turn */
    TURN_SHARES = 16,              /* so many logs find room in a turn, whatever waits at each */
    TURN_HOMES_MAX = 64,           /* loops answered with one post each; more loops: more posts */
    RESUME_INTERVAL_MS = 200,
    THREADS_NAMED = 100,
    RETAIN_SLICE = 16,             /* partitions looked at between two turns */
    LARGE_RETRY_MS = 2,
    FLUSH_MS_EACH_TURN = 1000,     /* flush.ms below the house's sync interval: sync every turn */
};

struct home_list {
    struct loop *home;
    struct append *first;
    struct append **last;
};

struct worker {
    struct store *store;
    struct kv *kv;
    int index;
    bool started;
    bool stopping;
    bool power;
    pthread_t thread;
    struct mailbox inbox;
    struct waiting waiting;

    /* The turn. */
    int64_t now_ms;
    struct kv_batch *batch;
    struct plog *turn_logs;             /* with something staged */
    struct append *appends;
    struct append **appends_last;
    int append_count;
    size_t append_bytes;
    size_t turn_bytes_max;
    int turn_work;
    int turn_work_max;
    struct writes writes;
    bool turn_sync;

    bool writes_stopped;
    int64_t resume_tried_ms;

    struct metric *appends_total;
    struct metric *append_bytes_total;
    struct metric *commits_total;
    struct metric *commit_failures_total;

    struct plog *tail_hand;             /* ring of the logs that have a tail */
    uint32_t tail_logs;
    size_t tail_bytes;
    size_t tail_bytes_max;
};

/* ---- Answers */

static void answer_list(struct job *job)
{
    struct append *a = CONTAINER_OF(job, struct append, job);
    while (a != NULL) {
        struct append *next = a->next_in_turn;
        a->done(a);
        a = next;
    }
}

static void homes_add(struct home_list *homes, int *count, struct append *a)
{
    int i = 0;
    while (i < *count && homes[i].home != a->home) i++;
    if (i == TURN_HOMES_MAX) {
        a->next_in_turn = NULL;
        a->job.run = answer_list;
        loop_post(a->home, &a->job);
        return;
    }
    if (i == *count) {
        homes[i] = (struct home_list){.home = a->home};
        homes[i].last = &homes[i].first;
        (*count)++;
    }
    *homes[i].last = a;
    homes[i].last = &a->next_in_turn;
}

/* All appends of the turn go home, in order. */
static void answer_appends(struct worker *w)
{
    struct home_list homes[TURN_HOMES_MAX];
    int count = 0;
    struct append *a = w->appends;
    *w->appends_last = NULL;
    w->appends = NULL;
    w->appends_last = &w->appends;
    w->append_count = 0;
    w->append_bytes = 0;
    w->turn_work = 0;
    while (a != NULL) {
        struct append *next = a->next_in_turn;
        if (a->home == NULL) a->done(a);
        else homes_add(homes, &count, a);
        a = next;
    }
    for (int i = 0; i < count; i++) {
        *homes[i].last = NULL;
        homes[i].first->job.run = answer_list;
        loop_post(homes[i].home, &homes[i].first->job);
    }
}

static void turn_add(struct worker *w, struct append *a, enum err err)
{
    a->err = err;
    *w->appends_last = a;
    w->appends_last = &a->next_in_turn;
    w->append_count++;
    w->turn_work += APPEND_WORK;
}

/* ---- Tails: a share of the memory for this worker's logs */

static void tail_ring_add(struct worker *w, struct plog *log)
{
    if (log->tail_next != NULL) return;
    if (w->tail_hand == NULL) {
        log->tail_next = log->tail_prev = log;
        w->tail_hand = log;
    } else {
        log->tail_next = w->tail_hand;
        log->tail_prev = w->tail_hand->tail_prev;
        log->tail_prev->tail_next = log;
        log->tail_next->tail_prev = log;
    }
    w->tail_logs++;
}

static void tail_ring_remove(struct worker *w, struct plog *log)
{
    if (log->tail_next == NULL) return;
    if (w->tail_hand == log) w->tail_hand = log->tail_next == log ? NULL : log->tail_next;
    log->tail_prev->tail_next = log->tail_next;
    log->tail_next->tail_prev = log->tail_prev;
    log->tail_next = log->tail_prev = NULL;
    w->tail_logs--;
}

/* Takes from the logs that have more than their equal share until all fit. The hand stays on a log
 * that still has more, so a hot log among many is found without a walk each turn. */
static void tails_shrink(struct worker *w)
{
    for (uint32_t left = w->tail_logs; left > 0 && w->tail_bytes > w->tail_bytes_max; left--) {
        size_t share = w->tail_bytes_max / w->tail_logs;
        size_t excess = w->tail_bytes - w->tail_bytes_max;
        w->tail_bytes -= plog_shrink_tail(w->tail_hand, share, excess);
        if (w->tail_bytes > w->tail_bytes_max) w->tail_hand = w->tail_hand->tail_next;
    }
}

/* ---- The turn */

static void turn_log(struct worker *w, struct plog *log)
{
    if (log->in_turn) return;
    log->in_turn = true;
    log->turn_next = w->turn_logs;
    w->turn_logs = log;
    w->turn_work += LOG_WORK;
}

static void publish(struct worker *w, struct plog *log)
{
    int64_t change = plog_publish(log, w->tail_bytes_max > 0);
    w->tail_bytes = (size_t)((int64_t)w->tail_bytes + change);
    if (change > 0) tail_ring_add(w, log);
}

/* Errors: ERR_CLOSED; ERR_KAFKA_STORAGE_ERROR. Thread: the worker; blocks. */
static enum err ensure_open(struct worker *w, struct plog *log)
{
    if (log->state == PLOG_CLOSED) return ERR_CLOSED;
    if (log->writer != NULL) return ERR_OK;
    w->turn_work += OPEN_WORK;
    enum err err = plog_open(log, w->kv);
    if (err != ERR_OK) {
        if (log->state != PLOG_FAILED)
            log_error("a partition cannot be opened: with the server stopped, `diglot check` tells "
                      "more; docs/recovery.md what to do",
                      {"topic", LOG_B(log->topic ? topic_name(log->topic) : BYTES_NULL)},
                      {"partition", LOG_I(log->partition)}, {"log", LOG_I(log->id)},
                      {"err", LOG_S(err_name(err))});
        plog_set_state(log, PLOG_FAILED);
        return ERR_KAFKA_STORAGE_ERROR;
    }
    publish(w, log);
    return ERR_OK;
}

/* The commit that held this log's writes failed: nothing in memory counts any more. */
static void fail_log(struct worker *w, struct plog *log)
{
    plog_writer_free(TAKE(log->writer));
    plog_set_state(log, PLOG_FAILED);
    /* At once, so that reading goes on. */
    (void)!ensure_open(w, log);
}

static void fail_turn(struct worker *w)
{
    log_error("a commit failed: the disk is full or failing; its appends are refused, its logs "
              "read anew",
              {"worker", LOG_I(w->index)}, {"appends", LOG_I(w->append_count)});
    metric_add(w->commit_failures_total, 1);
    w->writes_stopped = true;
    w->resume_tried_ms = clock_mono_ms();
    *w->appends_last = NULL;
    for (struct append *a = w->appends; a != NULL; a = a->next_in_turn)
        if (a->err == ERR_OK && a->topic->partitions[a->partition].log->in_turn)
            a->err = ERR_KAFKA_STORAGE_ERROR;
}

static void turn_commit(struct worker *w)
{
    enum err err = ERR_OK;
    if (w->append_count > 0) {
        metric_add(w->appends_total, w->append_count);
        metric_add(w->append_bytes_total, (int64_t)w->append_bytes);
    }
    if (w->turn_logs != NULL || w->writes.turn != NULL) {
        metric_add(w->commits_total, 1);
        for (struct plog *log = w->turn_logs; log != NULL; log = log->turn_next)
            plog_end_run(log, w->batch);
        err = kv_commit(w->kv, w->batch, w->turn_sync || w->power ? KV_SYNC : KV_NO_SYNC);
        kv_batch_clear(w->batch);
        if (err != ERR_OK) fail_turn(w);
    }
    for (struct plog *log = TAKE(w->turn_logs), *next; log != NULL; log = next) {
        next = log->turn_next;
        log->in_turn = false;
        if (err != ERR_OK) fail_log(w, log);
        else {
            if (w->turn_sync) log->writer->unsynced_records = 0;
            publish(w, log);
        }
    }
    w->turn_sync = false;
    answer_appends(w);
    writes_answer(&w->writes, err);
    tails_shrink(w);
}

/* Does the engine take writes? Asked again at most every RESUME_INTERVAL_MS. */
static bool writes_go(struct worker *w)
{
    if (!w->writes_stopped) return true;
    int64_t now_ms = clock_mono_ms();
    bool manual = store_options(w->store)->manual;
    if (!manual && now_ms - w->resume_tried_ms < RESUME_INTERVAL_MS) return false;
    w->resume_tried_ms = now_ms;
    if (kv_resume(w->kv) != ERR_OK) return false;
    w->writes_stopped = false;
    log_info("writing goes on", {"worker", LOG_I(w->index)});
    return true;
}

static bool wants_sync(const struct plog *log, const struct append *a)
{
    const struct topic_config *c = &log->topic->config;
    return a->sync || log->writer->unsynced_records >= c->flush_messages ||
           c->flush_ms < FLUSH_MS_EACH_TURN;
}

static void append_run(struct job *job);

/* A retired partition's log is where all that is addressed to it comes by, on its way to the log
 * that took over its range. So what one thread addresses to a partition stays in order while that
 * home changes: nothing leaves here before all that went to the old home is stored
 * (control_shards.c freezes this log first). False: the log takes it itself, or refuses it. */
static bool forward(struct plog *log, struct append *a)
{
    struct topic *t = log->topic;
    if (t == NULL || log->state == PLOG_CLOSED) return false;
    if (a->shard >= 0 || log->partition != a->partition_addressed || t->config.retired_reject)
        return false;
    int32_t home = topic_forward(t, log->partition);
    if (home == log->partition) return false;
    struct topic *before = a->topic;    /* may not know the home yet */
    a->topic = topic_ref(t);
    a->partition = home;
    topic_unref(before);
    a->next_in_turn = NULL;
    a->job.run = append_run;
    mailbox_post(&t->partitions[home].log->worker->inbox, &a->job);
    return true;
}

static void stage_append(struct worker *w, struct plog *log, struct append *a)
{
    if (forward(log, a)) return;
    enum err err = ensure_open(w, log);
    if (err == ERR_OK && !writes_go(w)) err = ERR_KAFKA_STORAGE_ERROR;
    if (err == ERR_OK) err = plog_stage(log, a, w->now_ms, w->batch);
    if (err == ERR_OK && log->writer->staged_count > 0) {
        turn_log(w, log);
        if (wants_sync(log, a)) w->turn_sync = true;
    }
    w->append_bytes += a->batch.bytes.len;
    turn_add(w, a, err);
}

static bool turn_is_full(const struct worker *w)
{
    return w->turn_work >= w->turn_work_max || w->append_bytes >= w->turn_bytes_max;
}

/* Stages what waits at the log, all of it. */
static void stage_waiting(struct worker *w, struct plog *log)
{
    for (struct append *a; (a = waiting_take(&w->waiting, log)) != NULL;) {
        stage_append(w, log, a);
        if (turn_is_full(w)) turn_commit(w);
    }
}

struct share {
    size_t bytes;
    int work_end;
};

static bool share_is_used(const struct worker *w, const struct share *s)
{
    return s->bytes >= w->turn_bytes_max / TURN_SHARES ||
           w->turn_work >= s->work_end || turn_is_full(w);
}

/* The next log's share of the turn, or that of several which stand behind. With its last append a
 * log may be gone: that held its topic. */
static void stage_share(struct worker *w)
{
    enum waiting_ring ring = waiting_ring_next(&w->waiting);
    struct share s = {.work_end = w->turn_work + w->turn_work_max / TURN_SHARES};
    do {
        struct plog *log = waiting_next(&w->waiting, ring);
        for (bool more = true; more && !share_is_used(w, &s);) {
            struct append *a = waiting_take(&w->waiting, log);
            more = log->waiting_first != NULL;
            s.bytes += a->batch.bytes.len;
            stage_append(w, log, a);
        }
    } while (ring == WAITING_BEHIND && w->waiting.turn[ring] != NULL && !share_is_used(w, &s));
}

/* A log whose topic is in the table already but was not published here yet waits as a frozen one
 * does. */
static void line_up(struct worker *w, struct plog *log, struct append *a)
{
    bool waits = log->frozen || (log->topic == NULL && log->state != PLOG_CLOSED);
    if (waits && log->waiting_count >= WORKER_HELD_MAX) {
        turn_add(w, a, ERR_MOVED);
        return;
    }
    waiting_add(log, a);
    if (!waits) waiting_join(&w->waiting, log, a->behind ? WAITING_BEHIND : WAITING_FRONT);
}

/* Where it goes first: with Kafka that is the partition addressed, retired or not. */
static struct worker *first_worker(struct append *a)
{
    if (a->shard < 0) a->partition = a->partition_addressed;
    assert(a->partition >= 0 && a->partition < a->topic->partition_count);
    return a->topic->partitions[a->partition].log->worker;
}

static void append_run(struct job *job)
{
    struct append *a = CONTAINER_OF(job, struct append, job);
    while (a != NULL) {
        struct append *next = a->next_in_turn;      /* it links what waits from here on */
        struct plog *log = a->topic->partitions[a->partition].log;
        line_up(log->worker, log, a);
        a = next;
    }
}

/* Those of one worker are one post: one wake-up, and one commit; small ones of one loop's turn as
 * well. A large one goes at once, so that the worker writes it while the loop reads on. */
void store_append_list(struct store *s, struct append *list)
{
    (void)s;
    while (list != NULL) {
        struct append *first = list, **last = &first->next_in_turn, **others = &list;
        struct worker *w = first_worker(first);
        size_t bytes = first->batch.bytes.len;
        for (struct append *a = first->next_in_turn; a != NULL; a = a->next_in_turn) {
            bool here = first_worker(a) == w;
            struct append ***to = here ? &last : &others;
            **to = a;
            *to = &a->next_in_turn;
            bytes += here ? a->batch.bytes.len : 0;
        }
        *last = NULL;
        *others = NULL;
        first->job.run = append_run;
        loop_hand_over(&w->inbox, &first->job, bytes > SMALL_BYTES_MAX);
    }
}

void store_append(struct store *s, struct append *a)
{
    a->next_in_turn = NULL;
    store_append_list(s, a);
}

/* ---- Writes of other modules (writes.h) */

static void write_now(struct worker *w, struct store_write *write)
{
    if (!writes_go(w)) {
        write->done(write, ERR_KAFKA_STORAGE_ERROR);
        return;
    }
    if (write->reads) turn_commit(w);
    writes_stage(&w->writes, write, w->batch);
    if (kv_batch_bytes(w->batch) >= w->turn_bytes_max) turn_commit(w);
}

static void write_begin(struct worker *w, struct store_write *write)
{
    if (!writes_hold(&w->writes, write)) write_now(w, write);
}

static void write_run(struct job *job)
{
    struct store_write *write = CONTAINER_OF(job, struct store_write, job);
    write_begin(write->worker, write);
}

static bool large_may_go(const struct worker *w)
{
    return writes_wait(&w->writes) && (w->stopping || writes_may_go(&w->writes, w->kv));
}

/* The first one and what stands behind it; the others have the next turns. */
static void write_large(struct worker *w)
{
    struct store_write *write = writes_take(&w->writes), *behind = write->behind;
    write_now(w, write);
    while (behind != NULL) {
        struct store_write *next = behind->next;
        write_begin(w, behind);
        behind = next;
    }
}

void store_write(struct store *s, struct store_write *write)
{
    write->worker = store_worker(s, write->affinity);
    write->job.run = write_run;
    loop_hand_over(&write->worker->inbox, &write->job, /* now= */ false);
}

/* ---- Calls, and what they do to a log inside a turn (worker_calls.c) */

struct call {
    struct job job;
    struct worker *worker;
    worker_call_fn *fn;
    void *context;
    sem_t done;
    bool waits;
};

static void call_run(struct job *job)
{
    struct call *c = CONTAINER_OF(job, struct call, job);
    turn_commit(c->worker);
    c->fn(c->worker, c->context);
    turn_commit(c->worker);
    if (c->waits) sem_post(&c->done);
}

void worker_call(struct worker *w, worker_call_fn *fn, void *context)
{
    struct call c = {.job.run = call_run, .worker = w, .fn = fn, .context = context,
                     .waits = w->started};
    if (!c.waits) {                 /* manual, or before start and after stop: this thread is it */
        w->now_ms = clock_wall_ms();
        call_run(&c.job);
        return;
    }
    sem_init(&c.done, 0, 0);
    mailbox_post(&w->inbox, &c.job);
    while (sem_wait(&c.done) != 0) {}
    sem_destroy(&c.done);
}

enum err worker_open_log(struct plog *log)
{
    return ensure_open(log->worker, log);
}

bool worker_turn_is_full(const struct worker *w)
{
    return turn_is_full(w);
}

void worker_settle_log(struct plog *log)
{
    if (waiting_joined(log)) stage_waiting(log->worker, log);
}

void worker_commit(struct worker *w)
{
    turn_commit(w);
}

void worker_thaw_log(struct plog *log)
{
    log->frozen = false;
    if (!waiting_joined(log)) stage_waiting(log->worker, log);
}

void worker_close_log(struct plog *log)
{
    struct worker *w = log->worker;
    plog_set_state(log, PLOG_CLOSED);
    log->frozen = false;
    stage_waiting(w, log);
    plog_end_handover(log, /* took_place= */ false);
    plog_writer_free(TAKE(log->writer));
    w->tail_bytes -= plog_shrink_tail(log, 0, SIZE_MAX);
    tail_ring_remove(w, log);
    topic_unref(TAKE(log->topic));
}

enum err worker_raise_start(struct plog *log, int64_t offset)
{
    struct worker *w = log->worker;
    TRY(ensure_open(w, log));
    struct plog_writer *writer = log->writer;
    if (offset < 0) offset = writer->offset_next;
    if (offset > writer->offset_next) return ERR_OFFSET_OUT_OF_RANGE;
    if (offset <= writer->log_start) return ERR_OK;
    if (!writes_go(w) && !kv_is_full(w->kv)) return ERR_KAFKA_STORAGE_ERROR;
    uint64_t bytes_at_start;
    if (plog_bytes_in_front(log, w->kv, offset, &bytes_at_start) != ERR_OK)
        return ERR_KAFKA_STORAGE_ERROR;
    plog_stage_start(log, w->kv, offset, bytes_at_start, w->batch);
    turn_log(w, log);
    turn_commit(w);
    return w->writes_stopped ? ERR_KAFKA_STORAGE_ERROR : ERR_OK;
}

/* ---- Opening for readers */

static void open_run(struct job *job)
{
    struct log_open *o = CONTAINER_OF(job, struct log_open, job);
    o->err = ensure_open(o->log->worker, o->log);
    o->then(o);
}

void worker_open(struct log_open *o, struct plog *log, void (*then)(struct log_open *o))
{
    *o = (struct log_open){.job.run = open_run, .log = log, .then = then};
    loop_hand_over(log->inbox, &o->job, /* now= */ false);
}

/* ---- Retention */

/* Errors: ERR_DISK; ERR_FORMAT; ERR_KAFKA_STORAGE_ERROR; ERR_CLOSED. Thread: the worker. */
static enum err retain_log(struct worker *w, struct plog *log, struct retain *r)
{
    if (log->frozen || log->state == PLOG_CLOSED || log->topic == NULL) return ERR_OK;
    const struct topic_config *config = &log->topic->config;
    if (log->writer == NULL) {
        bool due;
        TRY(plog_retention_is_due(log, w->kv, config, w->now_ms, &due));
        if (!due) return ERR_OK;
        TRY(ensure_open(w, log));
    }
    producers_expire(&log->writer->producers,
                     w->now_ms - store_options(w->store)->producer_expiry_ms);
    int64_t start;
    uint64_t bytes_at_start;
    TRY(plog_retention_start(log, w->kv, config, w->now_ms, &start, &bytes_at_start));
    if (start == log->writer->log_start) return ERR_OK;
    r->bytes_removed += bytes_at_start - log->writer->bytes_total_at_start;
    plog_stage_start(log, w->kv, start, bytes_at_start, w->batch);
    turn_log(w, log);
    return ERR_OK;
}

static void retain_run(struct job *job)
{
    struct retain *r = CONTAINER_OF(job, struct retain, job);
    struct worker *w = r->worker;
    turn_commit(w);
    int looked_at = 0;
    for (; r->partition_next < r->topic->partition_count && looked_at < RETAIN_SLICE;
         r->partition_next++) {
        struct plog *log = r->topic->partitions[r->partition_next].log;
        if (log->worker != w) continue;
        looked_at++;
        if (w->writes_stopped && !kv_is_full(w->kv)) continue;
        enum err err = retain_log(w, log, r);
        if (err != ERR_OK && err != ERR_CLOSED)
            log_error("retention failed", {"log", LOG_I(log->id)}, {"err", LOG_S(err_name(err))});
    }
    turn_commit(w);
    if (r->partition_next < r->topic->partition_count) mailbox_post(&w->inbox, &r->job);
    else r->done(r);
}

void worker_retain(struct retain *r)
{
    r->job.run = retain_run;
    mailbox_post(&r->worker->inbox, &r->job);
}

/* ---- Life */

static void turn(struct worker *w, struct job *job)
{
    w->now_ms = clock_wall_ms();
    jobs_run(job);
    while (waiting_any(&w->waiting) && !turn_is_full(w)) stage_share(w);
    if (large_may_go(w)) write_large(w);
    turn_commit(w);
}

static int idle_ms(const struct worker *w)
{
    if (waiting_any(&w->waiting)) return 0;
    return writes_wait(&w->writes) ? LARGE_RETRY_MS : -1;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    while (!w->stopping) turn(w, mailbox_wait(&w->inbox, idle_ms(w)));
    while (worker_turn(w)) {}
    return NULL;
}

static void make_metrics(struct worker *w)
{
    char labels[32];
    snprintf(labels, sizeof labels, "worker=\"%d\"", w->index);
    w->appends_total = metric_get(METRIC_COUNTER, "diglot_storage_appends_total",
                                  "Record batches handed to a storage worker", labels);
    w->append_bytes_total = metric_get(METRIC_COUNTER, "diglot_storage_append_bytes_total",
                                       "Bytes of those record batches", labels);
    w->commits_total = metric_get(METRIC_COUNTER, "diglot_storage_commits_total",
                                  "Group commits of a storage worker", labels);
    w->commit_failures_total = metric_get(METRIC_COUNTER, "diglot_storage_commit_failures_total",
                                          "Group commits that failed", labels);
}

struct worker *worker_new(struct store *s, int index)
{
    struct worker *w = NEW(struct worker);
    const struct store_options *o = store_options(s);
    w->store = s;
    w->kv = store_kv(s);
    w->index = index;
    w->power = o->durability_power;
    w->turn_bytes_max = w->power ? TURN_BYTES_POWER_MAX : TURN_BYTES_MAX;
    w->turn_work_max = w->power ? TURN_WORK_POWER_MAX : TURN_WORK_MAX;
    w->tail_bytes_max = o->tail_bytes_max / (size_t)o->worker_count;
    w->batch = kv_batch_new(w->kv);
    w->appends_last = &w->appends;
    writes_init(&w->writes);
    mailbox_init(&w->inbox);
    make_metrics(w);
    return w;
}

void worker_start(struct worker *w)
{
    w->started = true;
    int failed = pthread_create(&w->thread, NULL, worker_main, w);
    assert(!failed);
    char name[16];
    snprintf(name, sizeof name, "worker-%u", (unsigned)w->index % THREADS_NAMED);
    pthread_setname_np(w->thread, name);
}

bool worker_has_thread(const struct worker *w)
{
    return w->started;
}

bool worker_turn(struct worker *w)
{
    struct job *job = mailbox_take(&w->inbox);
    if (job == NULL && !waiting_any(&w->waiting) && !large_may_go(w)) return false;
    turn(w, job);
    return true;
}

void worker_stop(struct worker *w)
{
    if (w->started) {
        mailbox_stop(&w->inbox, &w->stopping, w->thread);
        w->started = false;
    }
    w->stopping = true;
    while (worker_turn(w)) {}
}

void worker_free(struct worker *w)
{
    if (w == NULL) return;
    assert(w->tail_hand == NULL && !waiting_any(&w->waiting));
    kv_batch_free(w->batch);
    writes_done(&w->writes);
    mailbox_done(&w->inbox);
    mem_free(w);
}

struct mailbox *worker_inbox(struct worker *w)
{
    return &w->inbox;
}

struct store *worker_store(struct worker *w)
{
    return w->store;
}
