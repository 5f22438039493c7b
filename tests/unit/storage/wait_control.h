/* A catalog change of a store with threads, waited for: c itself stays as it was. */
#ifndef TESTS_UNIT_STORAGE_WAIT_CONTROL_H
#define TESTS_UNIT_STORAGE_WAIT_CONTROL_H

#include <sched.h>
#include <stdatomic.h>
#include "base/mem.h"
#include "storage/control/control.h"
#include "storage/topic/topic.h"
#include "test.h"

struct waited {
    struct control control;
    atomic_bool done;
};

static inline void on_waited(struct control *c)
{
    topic_unref(TAKE(c->topic));
    CONTAINER_OF(c, struct waited, control)->done = true;
}

/* Errors: those of the change. Thread: none of the store. */
static inline enum err wait_control(struct store *s, struct control *c)
{
    struct waited w = {.control = *c};
    w.control.done = on_waited;
    store_control(s, &w.control);
    UNTIL(w.done, sched_yield());
    return w.control.err;
}

#endif
