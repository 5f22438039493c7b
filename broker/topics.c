#include "broker/topics.h"

#include "base/check.h"

enum err topic_find(struct store *s, struct bytes name, const struct uuid *id, struct topic **ret)
{
    struct topic *t = bytes_is_null(name) ? store_topic_by_id(s, id) : store_topic(s, name);
    if (t == NULL)
        return bytes_is_null(name) ? ERR_UNKNOWN_TOPIC_ID : ERR_UNKNOWN_TOPIC_OR_PARTITION;
    *ret = t;
    return ERR_OK;
}

enum err topic_check_partition(const struct topic *t, int32_t partition, int32_t epoch)
{
    if (partition < 0 || partition >= t->partition_count) return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (epoch == -1) return ERR_OK;
    if (epoch > LEADER_EPOCH) return ERR_UNKNOWN_LEADER_EPOCH;
    if (epoch < LEADER_EPOCH) return ERR_FENCED_LEADER_EPOCH;
    return ERR_OK;
}
