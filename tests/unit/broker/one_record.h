/* A Produce of one record to topic "t". */
#ifndef TESTS_ONE_RECORD_H
#define TESTS_ONE_RECORD_H

#include "protocol/batch/build.h"
#include "protocol/kafka/msg/produce.h"
#include "unit/broker/turned_door.h"

/* Hands it over; the loop takes it out. */
static inline void one_record_send(struct turned_door *d, struct client *c)
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
