/* Look-ups of offsets that nobody waits for. */
#include "protocol/batch/build.h"
#include "protocol/kafka/msg/list_offsets.h"
#include "protocol/kafka/msg/produce.h"
#include "unit/broker/turned_door.h"

static struct turned_door door;

static void produce_one(struct client *c)
{
    struct batch_size size;
    batch_size_init(&size, 0);
    batch_size_add(&size, 0, BYTES_NULL, 1, NULL, 0);
    uint8_t batch[256];
    EXPECT(size.bytes <= sizeof batch);
    struct batch_builder b;
    batch_builder_init(&b, batch, size.bytes, 0);
    *batch_builder_reserve(&b, 0, BYTES_NULL, 1, NULL, 0) = 'v';
    struct produce_request_partition partition = PRODUCE_REQUEST_PARTITION_INIT;
    partition.records = bytes_of(batch, batch_builder_finish(&b));
    struct produce_request_topic topic = PRODUCE_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    struct produce_request in = PRODUCE_REQUEST_INIT;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &topic;
    in.topic_data_count = 1;
    struct produce_response out;
    TURNED_EXCHANGE(&door, c, PRODUCE, produce, 9, &in, &out);
    EXPECT_EQ(out.responses[0].partition_responses[0].error_code, 0);
}

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
        produce_one(c);
        TURNED_SEND(&door, c, LIST_OFFSETS, list_offsets, 4, &in);
        loop_turn(door.loop, 0);
        if (left) turned_client_gone(&door, c);
        struct kv_mem_faults reads = {.fail_at = 0, .fail_count = INT64_MAX}, none = {.fail_at = -1};
        kv_mem_set_faults(door.kv, &reads);
        turned_settle(&door);
        EXPECT_EQ(kv_mem_faulted(door.kv), !left);
        kv_mem_set_faults(door.kv, &none);
        if (!left) turned_client_gone(&door, c);
        turned_end(&door);
    }
}

TESTS(RUN(a_search_whose_client_left_is_not_made))
