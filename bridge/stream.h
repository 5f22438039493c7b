/* What operations ask about streams, in AWS's terms and words. */
#ifndef BRIDGE_STREAM_H
#define BRIDGE_STREAM_H

#include "bridge/request.h"
#include "storage/control/control.h"
#include "storage/topic/topic.h"

/* True for stream_create_ms after that moment of the wall clock: what was made or changed then is
 * shown as under way. A moment ahead of now_ms was before the clock was set back: over. */
bool stream_is_recent(const struct bridge *b, int64_t at_ms, int64_t now_ms);
/* ACTIVE, or for stream_create_ms after a change CREATING, UPDATING or DELETING. */
enum kinesis_stream_status stream_status(struct bridge *b, const struct topic *t);

/* The stream was deleted: it is shown as DELETING for a while, if the bridge shows such states. */
void stream_show_deleting(struct bridge *b, const struct topic *t);

/* True while a deleted stream of this name is still shown as DELETING. */
bool stream_is_deleting(struct bridge *b, struct bytes name);

/* The stream that a request names, by name or by ARN, as a reference. NULL: the request was
 * answered (ResourceNotFoundException; InvalidArgumentException when it names none). */
struct topic *stream_find(struct front_request *rq, struct bytes name, struct bytes arn);
/* The same for records: a stream that is still CREATING does not exist for them. */
struct topic *stream_find_readable(struct front_request *rq, struct bytes name, struct bytes arn);
/* A log of the stream failed with err: ends the request, with ResourceNotFoundException when that
 * was because the stream has been deleted since it was found. Takes the reference t. */
void stream_fail(struct front_request *rq, struct topic *t, enum err err);
/* StreamCreationTimestamp, which tells namesakes apart. False and answered
 * (ResourceNotFoundException): the stream was made at another second. */
bool stream_is_of(struct front_request *rq, const struct topic *t, bool has_created_ms,
                  int64_t created_ms);
/* The same for changes: false and answered (ResourceInUseException) unless the stream is ACTIVE. */
bool stream_is_active(struct front_request *rq, const struct topic *t);

/* Who has the say over its shards? False and answered (ValidationException): AWS, for a stream in
 * mode ON_DEMAND. */
bool stream_is_provisioned(struct front_request *rq, const struct topic *t);

/* PROVISIONED or ON_DEMAND, in *to; returns to. */
struct kinesis_stream_mode_details *stream_mode(const struct topic *t,
                                                struct kinesis_stream_mode_details *to);
/* Retention in hours, rounded up; for ever counts as AWS's longest, 8760. */
int32_t stream_retention_hours(const struct topic *t);

/* What DescribeStream and DescribeStreamSummary both tell of a stream: initialisers for the
 * description of either. parts: keeps the lists that it points to until the reply. */
struct stream_parts {
    struct kinesis_stream_mode_details mode;
    struct kinesis_enhanced_metrics metrics;    /* none are enhanced */
};
#define STREAM_DESCRIPTION(rq, t, parts)                                                           \
    .stream_name = topic_name(t), .stream_arn = stream_arn((rq), (t)),                             \
    .stream_status = kinesis_stream_status_text(stream_status(rq_bridge(rq), (t))),                \
    .stream_mode_details = stream_mode((t), &(parts)->mode),                                       \
    .retention_period_hours = stream_retention_hours(t),                                           \
    .stream_creation_timestamp_ms = (t)->created_ms, .enhanced_monitoring = &(parts)->metrics,     \
    .enhanced_monitoring_count = 1, .encryption_type = BYTES_LIT("NONE")

/* The topic config that keeps MaxRecordSizeInKiB. */
struct config_change stream_max_record(struct front_request *rq, int32_t kib);

/* Texts in the request's arena. */
struct bytes stream_arn(struct front_request *rq, const struct topic *t);
struct bytes shard_id_text(struct arena *arena, int32_t index);
struct bytes hash_key_text(struct arena *arena, u128 hash);

#endif
