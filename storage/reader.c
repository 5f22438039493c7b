/* Reads of what is not in a log's tail. A loop reads by itself what the disk's cache and the engine
 * have in memory, so much in each of its turns; for what is more, and where a disk has to be waited
 * for, there are reader threads. Who reads on its loop pays for it in the readers' line as well.
 *
 * A request first makes sure that its log is open (its worker does that), then waits for a reader;
 * clients take turns by the bytes that they had (base/fair.h), a slice of a read at a time while
 * others wait: who wants little waits for the slices that are being read, not for one of each
 * client that wants much. A look-up that may unpack batches runs on a codec lane instead: no read
 * waits for it. When the log was cut between looking at its bounds and reading, the request goes
 * through the worker once more - behind whatever cut it - and is tried again. */
#include "storage/threads.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include "base/fair.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net/loop.h"
#include "storage/log/plog_impl.h"
#include "base/check.h"

/* TURN_BYTES: what the reads of one turn of a loop may cost it, about half a millisecond. */
enum { READ_TRIES_MAX = 4, THREADS_NAMED = 100, TURN_BYTES = 2 << 20 };

struct reader {
    struct readers *all;
    pthread_t thread;
};

struct readers {
    struct store *store;
    bool started;
    int count;
    struct fair inbox;
    struct reader *list;
};

/* The data of a deleted topic goes with the commit, its logs close after it: in between they are
 * found empty. */
static bool is_deleted(struct store *s, const struct topic *topic)
{
    struct topic *now = store_topic_by_id(s, &topic->id);
    topic_unref(now);
    return now == NULL;
}

/* Damage has one name for clients. Its place goes to the log, but not each time that a client tries
 * the same one again. offset: where the read came to its end. */
static enum err client_error(struct store *s, const struct topic *topic, int32_t partition,
                             int64_t offset, enum err err)
{
    if (err == ERR_COLD && is_deleted(s, topic)) return ERR_CLOSED;
    switch (err) {
    case ERR_OK:
    case ERR_NOT_FOUND:
    case ERR_OFFSET_OUT_OF_RANGE:
    case ERR_CLOSED:
    case ERR_BUSY:
    case ERR_KAFKA_STORAGE_ERROR: return err;
    default: break;
    }
    if (atomic_exchange(&topic->partitions[partition].log->told_offset, offset) != offset)
        log_error("a read failed: with the server stopped, `diglot check` tells whether the data "
                  "is damaged; docs/recovery.md what to do",
                  {"topic", LOG_B(topic_name(topic))}, {"partition", LOG_I(partition)},
                  {"offset", LOG_I(offset)}, {"err", LOG_S(err_name(err))});
    return ERR_KAFKA_STORAGE_ERROR;
}

static struct fair *line_of(struct store *s)
{
    return &store_readers(s)->inbox;
}

/* ---- Ranges */

static void read_home(struct job *job)
{
    struct log_read *r = CONTAINER_OF(job, struct log_read, job);
    r->done(r);
}

/* Whether what it has is true although it ended in an error: the log was cut meanwhile, or what
 * follows is damaged, which whoever reads on is told. */
static bool has_some(const struct log_read *r, enum err err)
{
    switch (err) {
    case ERR_COLD: return r->result.count > 0;
    case ERR_OFFSET_OUT_OF_RANGE:
    case ERR_DISK:
    case ERR_FORMAT: return r->read_bytes > 0;
    default: return false;
    }
}

static void read_over(struct log_read *r, enum err err)
{
    r->err = err;
    r->job.run = read_home;
    loop_answer(r->home, &r->job);
}

static void read_opened(struct log_open *o)
{
    struct log_read *r = CONTAINER_OF(o, struct log_read, open);
    if (o->err != ERR_OK) read_over(r, o->err);
    else readers_read(store_readers(worker_store(o->log->worker)), r);
}

/* Errors: as plog_read_disk(). Thread: a reader; blocks. */
static enum err read_slice(struct store *s, struct log_read *r, const struct log_bounds *bounds,
                           bool *ret_more)
{
    size_t before = r->read_bytes;
    enum err err = plog_read_disk(store_kv(s), r->topic->partitions[r->partition].log, bounds,
                                  line_of(s), r, ret_more);
    fair_charge(line_of(s), r->client, r->read_bytes - before);
    return err;
}

static void read_run(struct job *job)
{
    struct log_read *r = CONTAINER_OF(job, struct log_read, job);
    struct plog *log = r->topic->partitions[r->partition].log;
    struct store *s = worker_store(log->worker);
    struct log_bounds bounds;
    bool more = false;
    enum err err = plog_bounds(log, &bounds);
    if (err == ERR_OK) {
        r->result.bounds = bounds;
        if (r->bytes_max > 0 || r->min_one) err = read_slice(s, r, &bounds, &more);
    }
    if (err == ERR_OK && more) {
        fair_post(line_of(s), r->client, &r->job);
        return;
    }
    if (err == ERR_COLD && r->result.count == 0 && ++r->tries < READ_TRIES_MAX) {
        worker_open(&r->open, log, read_opened);
        return;
    }
    read_over(r, has_some(r, err) ? ERR_OK
                                  : client_error(s, r->topic, r->partition, r->offset_next, err));
}

/* What a loop, this thread's, may still read in the turn it is in. */
static size_t *left_in_turn(const struct loop *loop)
{
    static _Thread_local struct {
        const struct loop *loop;
        uint64_t turn;
        size_t left;
    } of;
    uint64_t turn = loop_turns(loop);
    if (of.loop != loop || of.turn != turn) {
        of.loop = loop;
        of.turn = turn;
        of.left = TURN_BYTES;
    }
    return &of.left;
}

/* False: a reader has to go on with it. */
static bool read_here(struct store *s, struct log_read *r, const struct log_bounds *bounds)
{
    if (r->home == NULL || r->home != loop_current()) return false;
    r->result.bounds = *bounds;
    if (r->bytes_max > 0 || r->min_one) {
        size_t before = r->read_bytes;
        enum err err = plog_read_now(store_kv(s), r->topic->partitions[r->partition].log,
                                     bounds, left_in_turn(r->home), r);
        if (r->read_bytes > before) fair_charge(line_of(s), r->client, r->read_bytes - before);
        if (err != ERR_OK) return false;
    }
    read_over(r, ERR_OK);
    return true;
}

/* ---- Look-ups */

static void seek_home(struct job *job)
{
    struct log_seek *q = CONTAINER_OF(job, struct log_seek, work.job);
    q->done(q);
}

/* inflater: NULL for kinds that need none. */
static enum err seek(struct log_seek *q, struct inflater *inflater)
{
    struct plog *log = q->topic->partitions[q->partition].log;
    TRY(plog_bounds(log, &q->bounds));
    return plog_seek(store_kv(worker_store(log->worker)), log->id, &q->bounds, q->kind, q->time_ms,
                     inflater, &q->offset, &q->timestamp_ms);
}

static void seek_over(struct log_seek *q, enum err err)
{
    q->err = err;
    q->work.job.run = seek_home;
    loop_answer(q->home, &q->work.job);
}

static void seek_opened(struct log_open *o)
{
    struct log_seek *q = CONTAINER_OF(o, struct log_seek, open);
    if (o->err != ERR_OK) seek_over(q, o->err);
    else readers_seek(store_readers(worker_store(o->log->worker)), q);
}

static void sought(struct log_seek *q, enum err err)
{
    struct plog *log = q->topic->partitions[q->partition].log;
    if (err == ERR_COLD && ++q->tries < READ_TRIES_MAX) worker_open(&q->open, log, seek_opened);
    else seek_over(q, client_error(worker_store(log->worker), q->topic, q->partition,
                                   q->bounds.log_start, err));
}

static void seek_run(struct job *job)
{
    struct log_seek *q = CONTAINER_OF(job, struct log_seek, work.job);
    struct store *s = worker_store(q->topic->partitions[q->partition].log->worker);
    enum err err = seek(q, NULL);
    if (q->kind == LOG_SEEK_ARRIVAL) fair_charge(line_of(s), q->work.client, CHUNK_BYTES);
    sought(q, err);
}

static enum codec_outcome seek_step(struct codec_work *w, struct codec_tools *tools)
{
    struct log_seek *q = CONTAINER_OF(w, struct log_seek, work);
    enum err err = seek(q, &tools->inflater);
    if (err == ERR_MESSAGE_TOO_LARGE && tools->lane == CODEC_QUICK) {
        w->lane = CODEC_LONG;
        return CODEC_AGAIN;
    }
    sought(q, err);
    return CODEC_TAKEN;
}

static void seek_abandoned(struct codec_work *w)
{
    struct log_seek *q = CONTAINER_OF(w, struct log_seek, work);
    q->err = ERR_CLOSED;
    q->done(q);
}

/* ---- Threads */

void readers_read(struct readers *r, struct log_read *read)
{
    read->job.run = read_run;
    fair_post(&r->inbox, read->client, &read->job);
}

void readers_seek(struct readers *r, struct log_seek *seek)
{
    struct codec_work *w = &seek->work;
    if (seek->kind == LOG_SEEK_BOUNDS || seek->kind == LOG_SEEK_ARRIVAL) {
        w->job.run = seek_run;
        fair_post(&r->inbox, w->client, &w->job);
        return;
    }
    w->lane = CODEC_QUICK;
    w->step = seek_step;
    w->home = seek->home;
    w->done = seek_abandoned;
    store_codec(r->store, w);
}

void store_read(struct store *s, struct log_read *r)
{
    assert(r->partition >= 0 && r->partition < r->topic->partition_count);
    r->tries = 0;
    r->read_bytes = 0;
    r->offset_next = r->offset;
    struct plog *log = r->topic->partitions[r->partition].log;
    struct log_bounds bounds;
    if (plog_bounds(log, &bounds) != ERR_OK) worker_open(&r->open, log, read_opened);
    else if (!read_here(s, r, &bounds)) readers_read(store_readers(s), r);
}

void store_seek(struct store *s, struct log_seek *q)
{
    assert(q->partition >= 0 && q->partition < q->topic->partition_count);
    q->tries = 0;
    struct plog *log = q->topic->partitions[q->partition].log;
    struct log_bounds bounds;
    if (plog_bounds(log, &bounds) == ERR_OK) readers_seek(store_readers(s), q);
    else worker_open(&q->open, log, seek_opened);
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    struct job *job;
    while ((job = fair_wait(&r->all->inbox)) != NULL) job->run(job);
    return NULL;
}

struct readers *readers_new(struct store *s, int count)
{
    struct readers *all = NEW(struct readers);
    all->store = s;
    all->count = count;
    all->list = NEW_ARRAY(struct reader, (size_t)count);
    fair_init(&all->inbox);
    for (int i = 0; i < count; i++) all->list[i].all = all;
    return all;
}

void readers_start(struct readers *all)
{
    all->started = true;
    for (int i = 0; i < all->count; i++) {
        int failed = pthread_create(&all->list[i].thread, NULL, reader_main, &all->list[i]);
        assert(!failed);
        char name[16];
        snprintf(name, sizeof name, "reader-%u", (unsigned)i % THREADS_NAMED);
        pthread_setname_np(all->list[i].thread, name);
    }
}

bool readers_turn(struct readers *all)
{
    struct job *job = fair_take(&all->inbox);
    if (job == NULL) return false;
    job->run(job);
    return true;
}

void readers_stop(struct readers *all)
{
    if (all->started) fair_close(&all->inbox);
    for (int i = 0; all->started && i < all->count; i++) pthread_join(all->list[i].thread, NULL);
    all->started = false;
    while (readers_turn(all)) {}
}

void readers_free(struct readers *all)
{
    if (all == NULL) return;
    fair_done(&all->inbox);
    mem_free(all->list);
    mem_free(all);
}
