/* A Produce of one record to topic "t". */
#ifndef TESTS_ONE_RECORD_H
#define TESTS_ONE_RECORD_H

#include "protocol/batch/build.h"
#include "protocol/kafka/msg/produce.h"
#include "unit/broker/turned_door.h"

enum { ONE_RECORD_BYTES_MAX = 256 };

/* A batch of one record, made in room. */
static inline struct bytes one_record_batch(uint8_t room[ONE_RECORD_BYTES_MAX])
{
    struct batch_size size;
    batch_size_init(&size, 0);
    batch_size_add(&size, 0, BYTES_NULL, 1, NULL, 0);
    EXPECT(size.bytes <= ONE_RECORD_BYTES_MAX);
    struct batch_builder b;
    batch_builder_init(&b, room, size.bytes, 0);
    *batch_builder_reserve(&b, 0, BYTES_NULL, 1, NULL, 0) = 'v';
    return bytes_of(room, batch_builder_finish(&b));
}

/* Hands it over; the loop takes it out. */
static inline void one_record_send(struct turned_door *d, struct client *c)
{
    uint8_t batch[ONE_RECORD_BYTES_MAX];
    struct produce_request_partition partition = PRODUCE_REQUEST_PARTITION_INIT;
    partition.records = one_record_batch(batch);
    struct produce_request_topic topic = PRODUCE_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    struct produce_request in = PRODUCE_REQUEST_INIT;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &topic;
    in.topic_data_count = 1;
    TURNED_SEND(d, c, PRODUCE, produce, 9, &in);
}

static inline void one_record(struct turned_door *d, struct client *c)
{
    one_record_send(d, c);
    turned_until_answered(d, c);
    struct produce_response out;
    RECEIVE(c, produce, &out);
    EXPECT_EQ(out.responses[0].partition_responses[0].error_code, 0);
}

#endif
