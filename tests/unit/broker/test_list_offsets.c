/* Look-ups of offsets that nobody waits for. */
#include "protocol/kafka/msg/list_offsets.h"
#include "unit/broker/one_record.h"
#include "unit/broker/turned_door.h"

static struct turned_door door;

/* By time: a search in the log, as many a request as it names partitions. */
TEST(a_search_whose_client_left_is_not_made)
{
    struct list_offsets_request_partition partition = LIST_OFFSETS_REQUEST_PARTITION_INIT;
    struct list_offsets_request_topic topic = LIST_OFFSETS_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct list_offsets_request in = LIST_OFFSETS_REQUEST_INIT;
    in.topics = &topic;
    in.topics_count = 1;
    for (int left = 0; left < 2; left++) {
        turned_begin(&door);
        struct client *c = turned_client(&door);
        turned_topic(&door, c);
        one_record(&door, c);
        TURNED_SEND(&door, c, LIST_OFFSETS, list_offsets, 4, &in);
        conn_pair_turn(&door.home);
        if (left) turned_client_gone(&door, c);
        struct kv_mem_faults reads = {.fail_at = 0, .fail_count = INT64_MAX};
        struct kv_mem_faults none = {.fail_at = -1};
        kv_mem_set_faults(door.kv, &reads);
        turned_settle(&door);
        EXPECT_EQ(kv_mem_faulted(door.kv), !left);
        kv_mem_set_faults(door.kv, &none);
        if (!left) turned_client_gone(&door, c);
        turned_end(&door);
    }
}

TESTS(RUN(a_search_whose_client_left_is_not_made))
