#include "bridge/consumer.h"
#include "bridge/fanout.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "base/check.h"

void kinesis_subscribe_to_shard(struct front_request *rq)
{
    const struct subscribe_to_shard_input *in = &rq_input(rq)->subscribe_to_shard;
    const struct kinesis_starting_position *at = in->starting_position;
    struct consumer_ref consumer;
    struct shard_position from;
    int32_t index;
    if (!consumer_find(rq, BYTES_NULL, BYTES_NULL, in->consumer_arn, &consumer)) return;
    if (!consumer_is_active(rq, &consumer)) {
        topic_unref(consumer.topic);
        return;
    }
    const struct shard *shard = NULL;
    if (shard_name(rq, topic_name(consumer.topic), BYTES_NULL, in->shard_id, &index))
        shard = shard_to_read(rq, consumer.topic, index);
    enum err err = shard == NULL
                       ? ERR_RESOURCE_NOT_FOUND
                       : shard_position(rq, consumer.topic, shard, at->type, at->sequence_number,
                                        at->has_timestamp, at->timestamp_ms, &from);
    /* LATEST of a log that is not open: nothing was appended since the start, so the end is found
     * when it is opened. */
    if (err == ERR_COLD) {
        from = (struct shard_position){SHARD_AT_OFFSET, INT64_MAX};
        err = ERR_OK;
    }
    if (err == ERR_OK && !front_is_dry_run(rq, in->dry_run))
        fanout_start(rq, &consumer, shard, &from);
    else if (err == ERR_KAFKA_STORAGE_ERROR || err == ERR_CLOSED)
        stream_fail(rq, consumer.topic, err);
    else topic_unref(consumer.topic);
}
