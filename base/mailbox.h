/* Jobs handed from thread to thread.
 *
 * A job belongs to exactly one side at a time: to the sender until mailbox_post(), then to the
 * receiver, who runs it or posts it on. Order is kept per sender and mailbox. The receiver is woken
 * only when its mailbox was empty. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct job {
    struct job *next;                /* the mailbox's link */
    void (*run)(struct job *job);    /* on the receiver's thread; owns job from then on */
};

struct mailbox {
    pthread_mutex_t lock;
    struct job *first;
    struct job **last;
    size_t count;
    bool closed;
    int event_fd;                    /* readable while jobs wait */
};

/* The structure that embeds a job (or any other member). */
#define CONTAINER_OF(ptr, type, member)                                                            \
    ((type *)((char *)(ptr) - offsetof(type, member)))

/* Runs them all, in order; false: there was none. A job may free itself. Thread: their receiver. */
bool jobs_run(struct job *first);

void mailbox_init(struct mailbox *m);
void mailbox_done(struct mailbox *m);               /* must be empty */
/* Thread: any. Never blocks for long, never fails: senders bound what they have under way. */
void mailbox_post(struct mailbox *m, struct job *job);
/* All waiting jobs, first one first, or NULL. Clears the event. Thread: the receiver. */
struct job *mailbox_take(struct mailbox *m);
/* As mailbox_take(), but waits until there is one or wait_ms passed (-1: for ever). */
struct job *mailbox_wait(struct mailbox *m, int wait_ms);
/* Ends a thread that takes its jobs from m and looks at *stopping behind them: sets that on its
 * thread, when all posted before has run, and joins it. Thread: the one that started it; blocks. */
void mailbox_stop(struct mailbox *m, bool *stopping, pthread_t thread);

#endif
