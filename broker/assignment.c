#include "broker/assignment.h"

#include "base/err.h"
#include "base/check.h"

static const char *or_words(const char *text)
{
    return text != NULL ? text : err_text(ERR_INVALID_REPLICA_ASSIGNMENT);
}

const char *assignment_fault(struct arena *arena, const int32_t *brokers, int32_t count,
                             int32_t node, int32_t factor)
{
    if (count <= 0) return "The manual partition assignment includes an empty replica list.";
    /* Kafka looks at them in order of their ids and tells the first that is wrong: a stranger in
     * front of the node, the node's second place, a stranger behind it. */
    int32_t least = INT32_MAX, above = INT32_MAX, ours = 0;
    for (int32_t i = 0; i < count; i++) {
        if (brokers[i] < least) least = brokers[i];
        if (brokers[i] > node && brokers[i] < above) above = brokers[i];
        ours += brokers[i] == node;
    }
    if (least == node && ours > 1)
        return or_words(arena_printf(arena,
                                     "The manual partition assignment includes the broker %d more "
                                     "than once.",
                                     node));
    if (count > ours)
        return or_words(arena_printf(arena,
                                     "The manual partition assignment includes broker %d, but no "
                                     "such broker is registered.",
                                     least != node ? least : above));
    if (factor > 0 && factor != count)
        return or_words(arena_printf(arena,
                                     "The manual partition assignment includes a partition with %d "
                                     "replica(s), but this is not consistent with previous "
                                     "partitions, which have %d replica(s).",
                                     count, factor));
    return NULL;
}
