/* The controller: one thread that carries out catalog changes, one at a time. Only inside storage.
 *
 * Each operation (control.def) is a function in a file of its family, control_*.c. */
#ifndef STORAGE_CONTROLLER_H
#define STORAGE_CONTROLLER_H

#include <pthread.h>
#include "storage/catalog/catalog.h"
#include "storage/control/control.h"
#include "storage/topic/draft.h"
#include "storage/state/offsets.h"
#include "storage/log/worker.h"

struct controller {
    struct store *store;
    struct catalog *catalog;
    struct mailbox inbox;
    pthread_t thread;
    bool started;
    bool stopping;
    int64_t expire_at_ms;       /* when closed shards are looked at again, monotonic */
    /* A write whose outcome the disk would not tell; its logs stay frozen, and no other change is
     * made, until catalog_settle() knows. */
    struct topic *doubt;
    struct topic *doubt_before; /* NULL: it was a creation */
};

/* Operations: check everything, make a draft, freeze the logs whose windows move, control_commit().
 * What they return goes into c->err; they may set c->text, c->topic, c->result.
 * Errors: those of control.h. Thread: the controller; blocks. */
#define CONTROL(KIND, function)                                                                    \
    enum err control_##function(struct controller *k, struct control *c);
#include "storage/control/control.def"

/* Takes the closed shards of one topic out of its list whose data passed retention.
 * Errors: ERR_KAFKA_STORAGE_ERROR. Thread: the controller; blocks. */
enum err control_expire_shards(struct controller *k, struct topic *topic, int64_t now_ms);

/* ---- For the operations */

/* Is there room in the catalog for what the draft's tags and consumers take more than old's? old:
 * NULL for a new topic. Errors: ERR_LIMIT_EXCEEDED. Thread: the controller. */
enum err control_check_tags(struct controller *k, struct control *c, const struct topic *old,
                            const struct topic *draft);

/* Sets c->text and returns err.
 * Errors: err. Thread: the controller. */
enum err control_fail(struct control *c, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether there is memory for a change of a topic, NULL: of none that is there, that brings so many
 * more partitions and shards: a draft takes it in pieces, and its logs come behind what is written,
 * so it is asked for before anything begins.
 * Errors: ERR_BUSY. Thread: the controller. */
enum err control_spare(const struct topic *old, int32_t partitions, int32_t shards);
/* The topic that c names, a reference; there is memory to change it.
 * Errors: ERR_UNKNOWN_TOPIC_OR_PARTITION; ERR_UNKNOWN_TOPIC_ID; ERR_BUSY. Thread: the
 * controller. */
enum err control_topic(struct controller *k, const struct control *c, struct topic **ret);
/* Freezes the logs of these partitions. ret_ends[count]: their end offsets.
 * Errors: ERR_KAFKA_STORAGE_ERROR - none is frozen. Thread: the controller; blocks. */
enum err control_freeze(struct controller *k, const struct topic *t, const int32_t *partitions,
                        int32_t count, int64_t *ret_ends);
/* Writes the finished draft, with b if there is one, and gives it to whoever looks from now on;
 * logs thaw. before: the value until now, NULL at a creation. On failure the old value stays and
 * its logs thaw, unless the outcome is in doubt.
 * Errors: ERR_KAFKA_STORAGE_ERROR. Thread: the controller; blocks. */
enum err control_commit(struct controller *k, struct topic *before, struct topic *draft,
                        struct kv_batch *b);
/* Finishes the draft and, unless only a check was asked for, commits it; c->topic is it. Takes the
 * reference. before, b: as for control_commit().
 * Errors: ERR_KAFKA_STORAGE_ERROR. Thread: the controller; blocks. */
enum err control_make(struct controller *k, struct control *c, struct topic *before,
                      struct topic **draft, struct kv_batch *b);
/* A change of one topic that moves no log: edit() carries it out on a copy, which then becomes the
 * topic's value. Errors: those of control_topic(), edit(), control_check_tags(), control_commit().
 * Thread: the controller; blocks. */
typedef enum err control_edit_fn(struct controller *k, struct control *c, struct topic *draft);
enum err control_edit(struct controller *k, struct control *c, control_edit_fn *edit);
/* False while a change is still in doubt. Thread: the controller; blocks. */
bool control_settle(struct controller *k);

#endif
