#include "bridge/retention.h"

#include <inttypes.h>
#include "bridge/change.h"
#include "bridge/stream.h"
#include "base/check.h"

enum { HOURS_MIN = 24, HOURS_MAX = 8760 };

static bool check(struct front_request *rq, const struct topic *t, int32_t hours, bool increase)
{
    int32_t now = stream_retention_hours(t);
    if (hours < HOURS_MIN)
        front_fail(
            rq, ERR_INVALID_ARGUMENT,
            "Minimum allowed retention period is %d hours. Requested retention period (%" PRId32
            " hours) is too short.",
            HOURS_MIN, hours);
    else if (hours > HOURS_MAX)
        front_fail(
            rq, ERR_INVALID_ARGUMENT,
            "Maximum allowed retention period is %d hours. Requested retention period (%" PRId32
            " hours) is too long.",
            HOURS_MAX, hours);
    else if (increase && hours < now)
        front_fail(
            rq, ERR_INVALID_ARGUMENT,
            "Requested retention period (%" PRId32
            " hours) for stream %s can not be shorter than existing retention period (%" PRId32
            " hours). Use DecreaseRetentionPeriod API.",
            hours, t->name, now);
    else if (!increase && hours > now)
        front_fail(
            rq, ERR_INVALID_ARGUMENT,
            "Requested retention period (%" PRId32
            " hours) for stream %s can not be longer than existing retention period (%" PRId32
            " hours). Use IncreaseRetentionPeriod API.",
            hours, t->name, now);
    else
        return true;
    return false;
}

void retention_change(struct front_request *rq, struct bytes name, struct bytes arn,
                      int32_t hours, bool increase)
{
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, name, arn);
    if (t == NULL || !stream_is_active(rq, t) || !check(rq, t, hours, increase)) return;
    struct config_change *config = ARENA_NEW(rq->arena, struct config_change);
    char *value = arena_printf(rq->arena, "%" PRId64, (int64_t)hours * 3600 * 1000);
    if (config == NULL || value == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    *config = (struct config_change){CONFIG_SET, BYTES_LIT("retention.ms"), bytes_str(value)};
    struct control change = {.kind = CONTROL_ALTER_CONFIG, .id = t->id, .configs = config,
                             .config_count = 1};
    change_start(rq, &change, change_reply_empty);
}
