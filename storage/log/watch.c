/* Life of a set: watches are added; the first of them to fire, or the sleeper's end, disarms all
 * others. Those that cannot be disarmed any more are flying and are waited for, since the mailbox
 * still holds their jobs; with the last one the set is empty. */
#include "storage/log/watch.h"

#include <assert.h>
#include "base/net/loop.h"
#include "storage/log/plog_impl.h"
#include "base/check.h"

/* ---- A log and its watches. Those taken off under its lock are told after it. */

static void link_watch(struct plog *log, struct watch *w)
{
    if (log->watches == NULL) {
        w->next = w->prev = w;
        log->watches = w;
    } else {
        w->next = log->watches;
        w->prev = log->watches->prev;
        w->prev->next = w;
        w->next->prev = w;
    }
    w->armed = true;
    log->watch_count++;
}

static void unlink_watch(struct plog *log, struct watch *w)
{
    assert(w->armed);
    if (w->next == w) {
        log->watches = NULL;
    } else {
        w->prev->next = w->next;
        w->next->prev = w->prev;
        if (log->watches == w) log->watches = w->next;
    }
    w->armed = false;
    log->watch_count--;
}

struct watch *watches_take(struct plog *log, int64_t below)
{
    struct watch *taken = NULL, **last = &taken;
    struct watch *w = log->watches;
    for (uint32_t left = log->watch_count; left > 0; left--) {
        struct watch *next = w->next;
        if (w->offset < below) {
            unlink_watch(log, w);
            w->next = NULL;
            *last = w;
            last = &w->next;
        }
        w = next;
    }
    return taken;
}

void watches_fire(struct plog *log, struct watch *w)
{
    while (w != NULL) {
        struct watch *next = w->next;
        if (w->set->home != NULL) loop_post(w->set->home, &w->job);
        else mailbox_post(log->inbox, &w->job);
        w = next;
    }
}

/* Whether what w waits for has happened already. The caller holds the lock. */
static bool is_due(const struct plog *log, const struct watch *w)
{
    if (log->state == PLOG_FAILED || log->state == PLOG_CLOSED) return true;
    if (log->topic_version > w->topic_version) return true;
    return log->state == PLOG_OPEN && w->offset < log->bounds.last_stable;
}

static enum err arm(struct plog *log, struct watch *w)
{
    pthread_mutex_lock(&log->lock);
    bool full = log->watch_count >= WATCHES_PER_LOG_MAX;
    bool now = !full && is_due(log, w);
    if (!full && !now) link_watch(log, w);
    pthread_mutex_unlock(&log->lock);
    if (now) watches_fire(log, w);
    return full ? ERR_TOO_LARGE : ERR_OK;
}

/* False: w fired, and its job has not run yet. */
static bool disarm(struct plog *log, struct watch *w)
{
    pthread_mutex_lock(&log->lock);
    bool armed = w->armed;
    if (armed) unlink_watch(log, w);
    pthread_mutex_unlock(&log->lock);
    return armed;
}

/* ---- The set */

static void set_over(struct watch_set *set)
{
    set->over = true;
    for (int32_t i = 0; i < set->count; i++) {
        struct watch *w = &set->watches[i];
        if (w->log != NULL && !disarm(w->log, w)) set->flying++;
    }
}

static bool set_is_empty(struct watch_set *set)
{
    if (set->flying > 0) return false;
    set->over = false;
    set->count = 0;
    return true;
}

/* Whether the log has nothing to tell but data. */
static bool only_grew(struct plog *log, const struct watch *w)
{
    pthread_mutex_lock(&log->lock);
    bool grew = log->state == PLOG_OPEN && log->topic_version <= w->topic_version;
    pthread_mutex_unlock(&log->lock);
    return grew;
}

/* True when the sleeper wants more of this log than there is. */
static bool sleeps_on(struct watch *w)
{
    struct watch_set *set = w->set;
    if (set->over || set->grown == NULL || !only_grew(w->log, w)) return false;
    int64_t offset = set->grown(set, w->tag);
    if (offset < 0) return false;
    w->offset = offset;
    return arm(w->log, w) == ERR_OK;
}

static void on_fired(struct job *job)
{
    struct watch *w = CONTAINER_OF(job, struct watch, job);
    struct watch_set *set = w->set;
    if (sleeps_on(w)) return;
    w->log = NULL;                  /* it has landed */
    if (set->over) set->flying--;
    else set_over(set);
    if (set_is_empty(set)) set->wake(set);
}

void watch_set_init(struct watch_set *set, struct loop *home, struct watch *watches, int32_t cap,
                    void (*wake)(struct watch_set *set))
{
    *set = (struct watch_set){.home = home, .wake = wake, .watches = watches, .cap = cap};
}

enum err watch_set_add(struct watch_set *set, const struct topic *topic, int32_t partition,
                       int64_t offset, int32_t tag)
{
    assert(!set->over && set->count < set->cap);
    struct watch *w = &set->watches[set->count];
    *w = (struct watch){
        .job.run = on_fired,
        .set = set,
        .log = topic->partitions[partition].log,
        .offset = offset,
        .topic_version = topic->version,
        .tag = tag,
    };
    TRY(arm(w->log, w));
    set->count++;
    return ERR_OK;
}

bool watch_set_end(struct watch_set *set)
{
    if (set->count == 0) return true;
    if (!set->over) set_over(set);
    return set_is_empty(set);
}

bool watch_set_sleeps(const struct watch_set *set)
{
    return set->count > 0;
}
