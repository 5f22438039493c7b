/* Tags of a stream or of one of its consumers: AddTagsToStream / TagResource and their kin are the
 * same change with another way to name what is tagged. */
#ifndef BRIDGE_TAGS_H
#define BRIDGE_TAGS_H

#include "bridge/consumer.h"

/* What a ResourceARN names: a consumer, or with ret->consumer NULL the stream itself. False:
 * answered. On success the caller drops ret->topic. */
bool tags_find(struct front_request *rq, struct bytes resource_arn, struct consumer_ref *ret);

/* Each answers the request. of: borrowed. */
void tags_add(struct front_request *rq, const struct consumer_ref *of,
              const struct aws_pair *tags, uint32_t count);
void tags_remove(struct front_request *rq, const struct consumer_ref *of,
                 const struct bytes *keys, uint32_t count);
/* Tags that a new stream, or a new consumer of this stream, comes with; a list for the change in
 * the arena. NULL: answered. */
struct topic_tag *tags_of_new(struct front_request *rq, struct bytes stream,
                              const struct aws_pair *tags, uint32_t count);

/* Tags ordered by key, those after `after` (null: all), in the arena; NULL when it is full. */
struct kinesis_tag *tags_list(struct arena *arena, const struct consumer_ref *of,
                              struct bytes after, uint32_t *ret_count);

#endif
