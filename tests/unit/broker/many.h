/* Requests that name many things. */
#ifndef TESTS_MANY_H
#define TESTS_MANY_H

#include <stdio.h>
#include "base/mem.h"
#include "protocol/kafka/msg/list_offsets.h"

/* "0", "1" ... in one block, to be freed with mem_free(). */
static inline struct bytes *many_names(int32_t count)
{
    enum { NAME_CHARS = 12 };
    struct bytes *names = mem_new((size_t)count * (sizeof(struct bytes) + NAME_CHARS));
    char *text = (char *)(names + count);
    for (int32_t i = 0; i < count; i++, text += NAME_CHARS) {
        snprintf(text, NAME_CHARS, "%d", i);
        names[i] = bytes_str(text);
    }
    return names;
}

/* Of the first partitions of topic "t", their ends. One block, its topics, to be freed with
 * mem_free(). */
static inline struct list_offsets_request many_list_offsets(int32_t count)
{
    struct list_offsets_request_topic *topic =
        mem_new(sizeof *topic + (size_t)count * sizeof *topic->partitions);
    *topic = LIST_OFFSETS_REQUEST_TOPIC_INIT;
    topic->name = BYTES_LIT("t");
    topic->partitions = (struct list_offsets_request_partition *)(topic + 1);
    topic->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        topic->partitions[i] = LIST_OFFSETS_REQUEST_PARTITION_INIT;
        topic->partitions[i].partition_index = i;
        topic->partitions[i].timestamp = -1;
    }
    struct list_offsets_request in = LIST_OFFSETS_REQUEST_INIT;
    in.topics = topic;
    in.topics_count = 1;
    return in;
}

#endif
