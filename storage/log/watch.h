/* Waiting for logs: the logs one sleeper watches, and the one wake-up they give it on its loop.
 *
 * A watch names what the sleeper has seen of a log: data up to an offset, and a value of the topic.
 * When the log has more data, or a newer value, by the time it is watched, the wake-up comes at
 * once; so whatever happens between looking and watching is not missed. */
#ifndef STORAGE_WATCH_H
#define STORAGE_WATCH_H

#include "base/err.h"
#include "base/mailbox.h"
#include "storage/topic/topic.h"

struct loop;
struct watch_set;

enum { WATCHES_PER_LOG_MAX = 100000 };

/* One watched log. All of it is watch.c's. */
struct watch {
    struct job job;
    struct watch_set *set;
    struct plog *log;
    int64_t offset;
    uint64_t topic_version;
    struct watch *next, *prev;      /* under the log's lock */
    bool armed;                     /* under the log's lock */
    int32_t tag;                    /* the sleeper's name for it */
};

/* Embedded by the sleeper; watch_set_init() empties it. */
struct watch_set {
    struct loop *home;
    void (*wake)(struct watch_set *set);
    int64_t (*grown)(struct watch_set *set, int32_t tag);   /* may be NULL */
    struct watch *watches;
    int32_t cap;
    int32_t count;                  /* 0: awake */
    int32_t flying;                 /* wake-ups on their way through the mailbox once it is over */
    bool over;                      /* woken or ended; waits for the flying ones */
};

/* wake: called once, on home, for all that is added before it; the set is empty then and may be
 * used anew. watches: room for cap of them, the caller's; kept while the set is not empty.
 * set->grown, which the caller may set then: called on home when a log has more data, before the
 * wait is over. It returns a negative number when that is enough, else the offset that this log is
 * watched for from here on, while the other watches stay as they are: so an append costs a sleeper
 * who wants more than it one look, however many logs it watches. */
void watch_set_init(struct watch_set *set, struct loop *home, struct watch *watches, int32_t cap,
                    void (*wake)(struct watch_set *set));
/* Watches a partition's log, once a set: wakes when it has stable data at or beyond offset, fails
 * or is closed, or when the topic has a newer value than this one. Never wakes from inside the
 * call. The caller keeps the log alive until the set is empty. tag: for grown.
 * Errors: ERR_TOO_LARGE - WATCHES_PER_LOG_MAX are there already; the set is as before.
 * Thread: home; a short lock. */
enum err watch_set_add(struct watch_set *set, const struct topic *topic, int32_t partition,
                       int64_t offset, int32_t tag);
/* Ends the wait. True: the set is empty. False: a wake-up is under way and wake() is still called.
 * Thread: home; short locks. */
bool watch_set_end(struct watch_set *set);
/* True from the first watch until wake() or a successful end. Thread: home. */
bool watch_set_sleeps(const struct watch_set *set);

#endif
