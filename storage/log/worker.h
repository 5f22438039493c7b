/* Storage workers, and what the rest of storage asks of them.
 *
 * A worker owns the logs whose id falls to it (log id modulo workers): it alone changes them. Its
 * turn is: take all that waits, stage every append and write into one batch, commit once, publish,
 * answer (worker.c). Catalog changes meet the logs here (worker_calls.c): freeze, change the
 * catalog, publish.
 *
 *   TRY(store_logs_freeze(s, frozen, 2));        appends wait, end offsets are final
 *   kv_commit(...)                               the new windows
 *   table_replace(...)                           whoever asks now gets the new value
 *   store_logs_publish(s, topic);                appends go on, or learn that they moved
 *
 * When the change fails in between, publishing the old value undoes the freeze. With
 * store_options.manual all of it runs on the calling thread. */
#ifndef STORAGE_WORKER_H
#define STORAGE_WORKER_H

#include "base/err.h"
#include "base/mailbox.h"
#include "base/map.h"
#include "storage/engine/kv.h"
#include "storage/log/plog.h"

struct store;
struct topic;

/* At most this many appends wait at one frozen log; further ones get ERR_MOVED at once. */
enum { WORKER_HELD_MAX = 65536 };

/* ---- Logs. A topic value holds one reference for each of its partitions. */

/* A log of this id, closed; it opens at its first use. One reference. Thread: any. */
struct plog *store_log_new(struct store *s, uint64_t log_id);
uint64_t plog_id(const struct plog *log);

struct log_freeze {
    struct plog *log;
    enum err err;               /* ERR_OK; ERR_KAFKA_STORAGE_ERROR; ERR_CLOSED */
    int64_t end_offset;         /* next offset to be given; all below is durable */
    int64_t log_start;
};

/* Commits what was appended to these logs and holds later appends back until publish. On an error
 * none stays frozen. They are opened a few a turn before; all that waits at them is taken at once,
 * and the worker's other logs wait for that.
 * Errors: the first one of the items. Thread: the controller; blocks. */
enum err store_logs_freeze(struct store *s, struct log_freeze *logs, int32_t count);
/* The same for all logs of a topic that goes: nobody asks where they end, so none is opened, and
 * one that cannot be opened goes too. Thread: the controller; blocks. */
void store_logs_hold(struct store *s, struct topic *topic);

/* Gives the logs of all its partitions this value of their topic (they keep a reference), thaws the
 * frozen ones - what waited is appended or answered ERR_MOVED - and wakes their watches. To be
 * called for every new value, after it is in the catalog's table. Thread: the controller;
 * blocks. */
void store_logs_publish(struct store *s, struct topic *topic);

/* The topic was deleted: what waits and what comes gets ERR_CLOSED, watches are woken. The
 * data was erased by the catalog's own commit, with store_logs_erase(), while the logs were frozen;
 * when the store is being closed it stays. Thread: the controller; blocks. */
void store_logs_close(struct store *s, struct topic *topic);

/* Adds to b what removes everything the logs of this topic have stored, all of it committed.
 * Thread: any but a network loop; blocks. */
void store_logs_erase(struct store *s, struct kv_batch *b, const struct topic *topic);

/* Raises the log's start to offset (-1: the high watermark), durably; lower ones change nothing.
 * Errors: ERR_OFFSET_OUT_OF_RANGE - beyond the high watermark; ERR_KAFKA_STORAGE_ERROR; ERR_CLOSED.
 * Thread: the controller; blocks. */
enum err store_log_raise_start(struct plog *log, int64_t offset,
                               int64_t *ret_log_start);

/* ---- A small write of another module (committed offsets) that shares a worker's commit. */
struct store_write {
    struct job job;                                             /* worker.c's */
    void (*stage)(struct store_write *w, struct kv_batch *b);   /* worker; must not block */
    /* The worker, after the commit: ERR_OK or ERR_KAFKA_STORAGE_ERROR; w is free again. */
    void (*done)(struct store_write *w, enum err err);
    uint64_t affinity;                                          /* equal ones keep their order */
    bool reads;                     /* stage() reads what is stored, which it finds committed */
    bool large;                     /* may wait while the engine is behind (kv_behind()), and what
                                       is of its affinity with it */
    struct worker *worker;                                      /* worker.c's */
    struct store_write *next;                                   /* writes.c's, as the rest */
    struct map_node held;
    struct store_write *behind;
    struct store_write **behind_last;
};
/* Thread: any. */
void store_write(struct store *s, struct store_write *w);

#endif
