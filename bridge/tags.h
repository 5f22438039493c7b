/* Tags of a stream: AddTagsToStream / TagResource and their kin are the same change with another
 * way to name the stream. */
#ifndef BRIDGE_TAGS_H
#define BRIDGE_TAGS_H

#include "bridge/request.h"
#include "storage/topic.h"

/* Each answers the request. t: borrowed. */
void tags_add(struct kinesis_request *rq, const struct topic *t, const struct kinesis_pair *tags,
              uint32_t count);
void tags_remove(struct kinesis_request *rq, const struct topic *t, const struct bytes *keys,
                 uint32_t count);
/* Tags that a new stream of this name comes with. False: answered. */
bool tags_check_new(struct kinesis_request *rq, struct bytes stream,
                    const struct kinesis_pair *tags, uint32_t count);

/* Tags ordered by key, those after `after` (null: all), in the arena; NULL when it is full. */
struct kinesis_tag *tags_list(struct arena *arena, const struct topic *t, struct bytes after,
                              uint32_t *ret_count);

#endif
