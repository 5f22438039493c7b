/* Producers at the Kafka door, putters at that of Kinesis. */
#ifndef TESTS_SIM_WRITERS_H
#define TESTS_SIM_WRITERS_H

#include "protocol/aws/base64.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/build.h"
#include "protocol/kafka/msg/init_producer_id.h"
#include "protocol/kafka/msg/produce.h"
#include "sim/sim.h"

/* ---- Producers: one batch at a time; every other one is idempotent and repeats it until it is
 * acknowledged */

static struct bytes make_batch(const struct actor *a, uint8_t *room, size_t size)
{
    int64_t now_ms = clock_wall_ms();
    struct batch_builder b;
    batch_builder_init(&b, room, size, now_ms);
    for (int32_t i = 0; i < a->count; i++) {
        char key[LEDGER_TEXT_BYTES], value[LEDGER_TEXT_BYTES];
        ledger_key(a->first + i, key);
        ledger_value(a->first + i, value);
        batch_builder_add(&b, now_ms, bytes_str(key), bytes_str(value), NULL, 0);
    }
    struct bytes batch = bytes_of(room, batch_builder_finish(&b));
    if (!a->idempotent) return batch;
    struct batch_info info;
    EXPECT_OK(batch_peek(batch, &info));
    info.producer_id = a->producer_id;
    info.producer_epoch = 0;
    info.base_sequence = a->sequence[a->partition];
    batch_write_header(room, &info);
    return batch;
}

static void get_producer_id(struct sim *s, struct actor *a)
{
    struct init_producer_id_request in = INIT_PRODUCER_ID_REQUEST_INIT;
    in.transactional_id = BYTES_NULL;
    a->api = KAFKA_API_INIT_PRODUCER_ID;
    KAFKA_SEND(&s->world, a->kafka, INIT_PRODUCER_ID, init_producer_id, 4, &in);
}

static void send_produce(struct sim *s, struct actor *a)
{
    if (a->idempotent && a->producer_id < 0) {
        get_producer_id(s, a);
        return;
    }
    if (!a->repeats) {
        a->partition = (int32_t)below(s, PARTITIONS);
        a->count = 1 + (int32_t)below(s, RECORDS_A_REQUEST);
        a->first = s->ledger.count;
        for (int32_t i = 0; i < a->count; i++)
            ledger_new(&s->ledger, a->index * PARTITIONS + a->partition, clock_wall_ms());
    }
    uint8_t room[1024];
    struct produce_request_partition p = PRODUCE_REQUEST_PARTITION_INIT;
    p.index = a->partition;
    struct batch_size size;
    batch_size_init(&size, clock_wall_ms());
    for (int32_t i = 0; i < a->count; i++)
        batch_size_add(&size, clock_wall_ms(), BYTES_LIT("key-00000"), 12, NULL, 0);
    p.records = make_batch(a, room, size.bytes);
    struct produce_request_topic t = PRODUCE_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partition_data = &p;
    t.partition_data_count = 1;
    struct produce_request in = PRODUCE_REQUEST_INIT;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &t;
    in.topic_data_count = 1;
    a->api = KAFKA_API_PRODUCE;
    a->repeats = a->idempotent;
    KAFKA_SEND(&s->world, a->kafka, PRODUCE, produce, 9, &in);
}

static void take_produce(struct sim *s, struct actor *a)
{
    if (a->api == KAFKA_API_INIT_PRODUCER_ID) {
        struct init_producer_id_response out;
        RECEIVE(a->kafka, init_producer_id, &out);
        if (out.error_code == 0) a->producer_id = out.producer_id;
        return;
    }
    struct produce_response out;
    RECEIVE(a->kafka, produce, &out);
    const struct produce_response_partition *p = &out.responses[0].partition_responses[0];
    if (p->error_code == 0) {
        for (int32_t i = 0; i < a->count; i++)
            ledger_acknowledge(&s->ledger, a->first + i, p->base_offset + i);
        a->sequence[a->partition] += a->count;
        s->done[PRODUCER]++;
        a->repeats = false;
    } else if (p->error_code != err_kafka(ERR_KAFKA_STORAGE_ERROR)) {
        ledger_wrong(&s->ledger, "a batch got error %d", (int)p->error_code);
    }
}

/* ---- Putters */

static void send_put(struct sim *s, struct actor *a)
{
    char body[2048];
    a->count = 1 + (int32_t)below(s, RECORDS_A_REQUEST);
    a->first = s->ledger.count;
    int len = snprintf(body, sizeof body, "{\"StreamName\":\"s\",\"Records\":[");
    for (int32_t i = 0; i < a->count; i++) {
        char key[LEDGER_TEXT_BYTES], value[LEDGER_TEXT_BYTES];
        uint8_t data[32] = {0};
        int32_t number = ledger_new(&s->ledger, -1, clock_wall_ms());
        ledger_key(number, key);
        ledger_value(number, value);
        base64_encode(bytes_str(value), data);
        len += snprintf(body + len, sizeof body - (size_t)len,
                        "%s{\"Data\":\"%s\",\"PartitionKey\":\"%s\"}", i ? "," : "", data, key);
    }
    snprintf(body + len, sizeof body - (size_t)len, "]}");
    bx_send(&s->world.bx, a->kinesis, "PutRecords", body);
}

static void take_put(struct sim *s, struct actor *a, int status)
{
    if (status != 200) return;
    s->done[PUTTER]++;
    const char *at = strstr(a->kinesis->body, "\"Records\":[");
    for (int32_t i = 0; i < a->count; i++) {
        at = strchr(at, '{');
        EXPECT(at != NULL);
        const char *end = strchr(at, '}');
        const char *number = strstr(at, "\"SequenceNumber\":\"");
        char key[LEDGER_TEXT_BYTES], value[LEDGER_TEXT_BYTES];
        ledger_key(a->first + i, key);
        ledger_value(a->first + i, value);
        if (number != NULL && number < end) {
            int32_t shard;
            int64_t offset = offset_in(number + strlen("\"SequenceNumber\":\""), &shard);
            ledger_acknowledge(&s->ledger, a->first + i, offset);
            ledger_see(&s->ledger, LEDGER_KINESIS, shard, offset, key, value);
        }
        at = end;
    }
}

#endif
