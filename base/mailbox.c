#include "base/mailbox.h"

#include <assert.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/check.h"

bool jobs_run(struct job *first)
{
    bool any = first != NULL;
    while (first != NULL) {
        struct job *next = first->next;
        first->run(first);
        first = next;
    }
    return any;
}

void mailbox_init(struct mailbox *m)
{
    *m = (struct mailbox){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (m->event_fd < 0) abort();
    pthread_mutex_init(&m->lock, NULL);
    m->last = &m->first;
}

void mailbox_done(struct mailbox *m)
{
    assert(m->first == NULL);
    pthread_mutex_destroy(&m->lock);
    close(m->event_fd);
    m->event_fd = -1;
}

void mailbox_post(struct mailbox *m, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&m->lock);
    bool was_empty = m->first == NULL;
    *m->last = job;
    m->last = &job->next;
    m->count++;
    /* Written under the lock: after it is released the receiver may run the job, and a job may be
     * what ends the mailbox. */
    if (was_empty) {
        uint64_t one = 1;
        ssize_t n = write(m->event_fd, &one, sizeof one);
        assert(n == sizeof one);
    }
    pthread_mutex_unlock(&m->lock);
}

struct job *mailbox_take(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    struct job *first = m->first;
    if (first != NULL) {
        uint64_t count;
        ssize_t n = read(m->event_fd, &count, sizeof count);
        assert(n == sizeof count);
    }
    m->first = NULL;
    m->last = &m->first;
    m->count = 0;
    pthread_mutex_unlock(&m->lock);
    return first;
}

struct job *mailbox_wait(struct mailbox *m, int wait_ms)
{
    struct job *first = mailbox_take(m);
    if (first != NULL || wait_ms == 0) return first;
    struct pollfd event = {.fd = m->event_fd, .events = POLLIN};
    poll(&event, 1, wait_ms);       /* a signal ends the wait early: the caller looks again */
    return mailbox_take(m);
}

struct stop {
    struct job job;
    bool *stopping;
};

static void stop_run(struct job *job)
{
    *CONTAINER_OF(job, struct stop, job)->stopping = true;
}

void mailbox_stop(struct mailbox *m, bool *stopping, pthread_t thread)
{
    struct stop stop = {.job.run = stop_run, .stopping = stopping};
    mailbox_post(m, &stop.job);
    pthread_join(thread, NULL);
}
