/* The threads of storage as store.c makes them and as they call each other. Only inside storage. */
#ifndef STORAGE_THREADS_H
#define STORAGE_THREADS_H

#include "storage/parts.h"
#include "storage/store.h"
#include "storage/log/worker.h"

struct worker;
struct readers;
struct codecs;
struct house;

/* ---- Workers. Made before the catalog is read, started after it. */
struct worker *worker_new(struct store *s, int index);
void worker_start(struct worker *w);            /* not with store_options.manual */
struct store *worker_store(struct worker *w);
struct mailbox *worker_inbox(struct worker *w);
bool worker_has_thread(const struct worker *w); /* false: whoever calls it is its thread */
bool worker_turn(struct worker *w);             /* one, without one: false when nothing waited */
void worker_stop(struct worker *w);             /* runs what waits, ends the thread */
/* The logs it owned were given up; NULL is a no-op. */
void worker_free(struct worker *w);

/* Runs fn on the worker, with a commit before it and one behind it, and then returns. Where the
 * worker has no thread (manual, before start, after stop) the calling one is it. Thread: the
 * controller; blocks. */
typedef void worker_call_fn(struct worker *w, void *context);
void worker_call(struct worker *w, worker_call_fn *fn, void *context);
/* These are for such an fn, with logs of its worker. The first opens the log if it is not.
 * Errors: ERR_CLOSED; ERR_KAFKA_STORAGE_ERROR. Thread: the log's worker; blocks. */
enum err worker_open_log(struct plog *log);
/* More is for another call, so that others have a turn. Thread: the worker. */
bool worker_turn_is_full(const struct worker *w);
/* Stages what waits at the log, all of it, or refuses it. Thread: the log's worker; blocks. */
void worker_settle_log(struct plog *log);
/* Ends the turn: what is staged is durable, or has failed. Thread: the worker; blocks. */
void worker_commit(struct worker *w);
/* Ends a freeze: what was held back is staged or refused. Thread: the log's worker. */
void worker_thaw_log(struct plog *log);
/* Takes the log out of use: its topic is gone, or the store closes. Thread: the log's worker. */
void worker_close_log(struct plog *log);
/* Errors: those of store_log_raise_start(). Thread: the log's worker; blocks. */
enum err worker_raise_start(struct plog *log, int64_t offset);

/* Opens the log if it is not, then runs then(), with o->err. Thread: any; then: the log's worker.
 * Errors: those of worker_open_log(), in o->err. */
void worker_open(struct log_open *o, struct plog *log, void (*then)(struct log_open *o));

/* One topic's retention on one worker, a few partitions a turn. */
struct retain {
    struct job job;                 /* the worker's, until done() */
    struct topic *topic;            /* one reference */
    struct worker *worker;
    struct house *house;
    void (*done)(struct retain *r); /* Thread: the worker */
    int32_t partition_next;
    uint64_t bytes_removed;
};
void worker_retain(struct retain *r);

/* ---- worker_calls.c, beside what worker.h names */
/* Runs fn for each of these logs on the worker that owns it, one after the other. at: its place in
 * logs[].
 * Thread: the controller; blocks. */
typedef void log_call_fn(struct plog *log, int32_t at, void *context);
void store_logs_call(struct store *s, struct plog *const *logs, int32_t count, log_call_fn *fn,
                     void *context);
/* Has the workers take what other workers sent them, so that it comes before the next call; those
 * that have a thread do so by themselves. Thread: the controller. */
void store_logs_settle(struct store *s);

/* ---- Readers */
struct readers *readers_new(struct store *s, int count);
void readers_start(struct readers *r);
bool readers_turn(struct readers *r);           /* manual */
void readers_stop(struct readers *r);
void readers_free(struct readers *r);           /* NULL is a no-op */
void readers_read(struct readers *r, struct log_read *read);
void readers_seek(struct readers *r, struct log_seek *seek);

/* ---- Codecs */
struct codecs *codecs_new(void);
void codecs_start(struct codecs *c);
bool codecs_turn(struct codecs *c);             /* manual: one step a thread; false: none waited */
void codecs_stop(struct codecs *c);             /* ends the threads, runs what waits */
void codecs_free(struct codecs *c);             /* NULL is a no-op */

/* ---- Housekeeping: syncs, retention, disk space */
struct house *house_new(struct store *s);
void house_start(struct house *h);
bool house_turn(struct house *h);               /* manual: does what is due by the clock */
void house_stop(struct house *h);
void house_free(struct house *h);               /* NULL is a no-op */
/* Records were removed on demand: give their disk space back. Thread: any. */
void house_reclaim(struct house *h);

#endif
