/* Who is subscribed to which shard: one place for each consumer and shard, over all loops.
 *
 * Within 5 s of a successful call a second one is refused, even when the first subscription has
 * ended since; later a second one takes the place over and the first one is told, on its own
 * loop. */
#ifndef BRIDGE_SUBSCRIPTIONS_H
#define BRIDGE_SUBSCRIPTIONS_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/mailbox.h"
#include "base/uuid.h"

enum { SUBSCRIPTIONS_MAX = 16384 };

struct loop;
struct subscriptions;

/* Embedded by a subscription. */
struct subscription_place {
    struct uuid topic_id;
    int32_t shard;
    struct bytes consumer;              /* its name, the owner's memory */
    int64_t started_ms;                 /* clock_mono_ms */
    struct loop *loop;                  /* the owner's */
    /* Told once, on loop, when the place was lost: to another subscription, or its consumer was
     * deregistered. */
    void (*lost)(struct subscription_place *place, bool taken_over);
    /* subscriptions.c's */
    struct job job;
    struct subscription_place *next;
    enum { PLACE_NONE, PLACE_HELD, PLACE_LOST } state;      /* LOST: lost() is on its way */
    bool taken_over;
};

struct subscriptions *subscriptions_new(void);              /* never NULL. Thread: main */
void subscriptions_free(struct subscriptions *s);           /* none is left; NULL is a no-op */

/* Takes the place, from a subscription that is old enough if need be. What stands above
 * subscriptions.c's fields is set.
 * Errors: ERR_RESOURCE_IN_USE - the latest call was less than 5 s ago; ERR_LIMIT_EXCEEDED -
 * SUBSCRIPTIONS_MAX are there. Thread: place->loop; a short lock. */
enum err subscriptions_take(struct subscriptions *s, struct subscription_place *place);
/* Gives the place back, if it is still held. False: it was lost and lost() is still called; until
 * then place stays where it is. Thread: place->loop; a short lock. */
bool subscriptions_leave(struct subscriptions *s, struct subscription_place *place);
/* Takes all places of a consumer that was deregistered. Thread: any. */
void subscriptions_drop(struct subscriptions *s, const struct uuid *topic_id,
                        struct bytes consumer);

#endif
