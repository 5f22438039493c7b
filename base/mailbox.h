/* Jobs handed from thread to thread.
 *
 * A job belongs to exactly one side at a time: to the sender until mailbox_post(), then to the
 * receiver, who runs it or posts it on. Order is kept per sender and mailbox. A receiver is woken
 * only when it sleeps, by the first who posts to it then: a wake is a system call, and on another
 * processor an interrupt, dearer than all else here. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job {
    struct job *next;                /* the mailbox's link */
    void (*run)(struct job *job);    /* on the receiver's thread; owns job from then on */
};

struct mailbox {
    _Atomic(struct job *) newest;    /* links the one before it; or that the receiver sleeps */
    _Atomic(uint32_t) wakes;         /* given; what mailbox_wait() sleeps on */
    uint32_t wakes_due;              /* the receiver's: given, or about to be */
    bool sleeps;                     /* the receiver's: its mark may be there */
    int event_fd;                    /* -1: none */
};

/* The structure that embeds a job (or any other member). */
#define CONTAINER_OF(ptr, type, member)                                                            \
    ((type *)((char *)(ptr) - offsetof(type, member)))

/* Runs them all, in order; false: there was none. A job may free itself. Thread: their receiver. */
bool jobs_run(struct job *first);

void mailbox_init(struct mailbox *m);
/* For a receiver that sleeps in epoll: who wakes it writes to m->event_fd. Nobody reads that, so it
 * is to be watched edge-triggered. */
void mailbox_init_event(struct mailbox *m);
void mailbox_done(struct mailbox *m);               /* must be empty */
/* Thread: any. Never blocks, never fails: senders bound what they have under way. */
void mailbox_post(struct mailbox *m, struct job *job);
/* The same of several jobs at once, each of which links the one before it; first is the oldest. */
void mailbox_post_chain(struct mailbox *m, struct job *last, struct job *first);
/* All waiting jobs, first one first, or NULL. The receiver sleeps no more. Thread: the receiver. */
struct job *mailbox_take(struct mailbox *m);
/* As mailbox_take(), but waits until there is one or wait_ms passed (-1: for ever). Not with an
 * event. */
struct job *mailbox_wait(struct mailbox *m, int wait_ms);
/* With an event: the receiver is about to sleep, until mailbox_take() or mailbox_awake(). False:
 * there are jobs. Thread: the receiver. */
bool mailbox_sleep(struct mailbox *m);
/* It was woken by something else: who posts from now on need not wake it. Thread: the receiver. */
void mailbox_awake(struct mailbox *m);
/* Ends a thread that takes its jobs from m and looks at *stopping behind them: sets that on its
 * thread, when all posted before has run, and joins it. Thread: the one that started it; blocks. */
void mailbox_stop(struct mailbox *m, bool *stopping, pthread_t thread);

#endif
