#include "bridge/change.h"
#include "bridge/stream.h"
#include "base/check.h"

void kinesis_update_max_record_size(struct front_request *rq)
{
    const struct update_max_record_size_input *in = &rq_input(rq)->update_max_record_size;
    CLEANUP(topic_unrefp) struct topic *t = stream_find(rq, BYTES_NULL, in->stream_arn);
    if (t == NULL || !stream_is_active(rq, t)) return;
    struct config_change *config = ARENA_NEW(rq->arena, struct config_change);
    if (config == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    *config = stream_max_record(rq, in->max_record_size_in_kib);
    struct control change = {.kind = CONTROL_ALTER_CONFIG, .id = t->id, .configs = config,
                             .config_count = 1};
    change_start(rq, &change, change_reply_empty);
}
