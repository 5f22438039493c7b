/* Producers at the Kafka door, putters at that of Kinesis. */
#ifndef TESTS_SIM_WRITERS_H
#define TESTS_SIM_WRITERS_H

#include "protocol/aws/base64.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/build.h"
#include "protocol/kafka/msg/init_producer_id.h"
#include "protocol/kafka/msg/produce.h"
#include "sim/sim.h"

/* ---- Producers: one batch at a time. Every other one is idempotent and repeats it until it is
 * acknowledged; or it restarts, with the next epoch or a new id, and does not know of the batch
 * before. What comes of that one later is refused, and so is what leaves a gap. */

/* Some records are large, as then their run stays in the write-ahead log: by a header, of which
 * nobody asks. */
enum { PAD_BYTES = 1500, PAD_EVERY = 3, BATCH_ROOM_BYTES = 16 << 10 };

static uint32_t pad_of(int32_t number, struct record_header *ret)
{
    static const uint8_t pad[PAD_BYTES];
    *ret = (struct record_header){BYTES_LIT("pad"), bytes_of(pad, sizeof pad)};
    return number % PAD_EVERY == 0;
}

static struct bytes make_batch(const struct sent *m, uint8_t *room, size_t size)
{
    struct batch_builder b;
    batch_builder_init(&b, room, size, m->made_ms);
    for (int32_t i = 0; i < m->count; i++) {
        char key[LEDGER_TEXT_BYTES], value[LEDGER_TEXT_BYTES];
        ledger_key(m->first + i, key);
        ledger_value(m->first + i, value);
        struct record_header pad;
        uint32_t pads = pad_of(m->first + i, &pad);
        batch_builder_add(&b, m->made_ms, bytes_str(key), bytes_str(value), &pad, pads);
    }
    struct bytes batch = bytes_of(room, batch_builder_finish(&b));
    if (m->producer_id < 0) return batch;
    struct batch_info info;
    EXPECT_OK(batch_peek(batch, &info));
    info.producer_id = m->producer_id;
    info.producer_epoch = m->epoch;
    info.base_sequence = m->sequence;
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

static void take_producer_id(struct actor *a)
{
    struct init_producer_id_response out;
    RECEIVE(a->kafka, init_producer_id, &out);
    if (out.error_code != 0) return;
    a->producer_id = out.producer_id;
    a->epoch = 0;
    memset(a->sequence, 0, sizeof a->sequence);
}

/* As a client does that goes on with the next epoch (KIP-360), or a program that begins anew. */
static void restart(struct sim *s, struct actor *a)
{
    a->old.count = 0;
    if (below(s, 4) > 0) {
        if (a->sends == SENDS_NEXT && a->batch.producer_id == a->producer_id) a->old = a->batch;
        a->epoch++;
        memset(a->sequence, 0, sizeof a->sequence);
    } else {
        a->producer_id = -1;
    }
    a->old_is_fenced = false;
    a->repeats = false;
}

static void make_next(struct sim *s, struct actor *a)
{
    int32_t partition = (int32_t)below(s, PARTITIONS);
    a->sends = SENDS_NEXT;
    if (a->idempotent && a->old_is_fenced && below(s, 2) == 0) {
        a->sends = SENDS_OLD;
        a->batch = a->old;
        return;
    }
    if (a->idempotent && a->sequence[partition] > 0 && below(s, 8) == 0)
        a->sends = SENDS_BEHIND_GAP;
    a->batch = (struct sent){
        .first = s->ledger.count, .count = 1 + (int32_t)below(s, RECORDS_A_REQUEST),
        .partition = partition, .made_ms = clock_wall_ms(), .producer_id = a->producer_id,
        .epoch = a->epoch, .sequence = a->sequence[partition]};
    if (a->sends == SENDS_BEHIND_GAP) a->batch.sequence += 1 + (int32_t)below(s, 3);
    for (int32_t i = 0; i < a->batch.count; i++) {
        int32_t number = ledger_new(&s->ledger, a->index * PARTITIONS + partition,
                                    a->batch.made_ms);
        s->ledger.records[number].never = a->sends == SENDS_BEHIND_GAP;
    }
}

static void send_produce(struct sim *s, struct actor *a)
{
    if (a->idempotent && below(s, a->repeats ? 4 : 16) == 0) restart(s, a);
    if (a->idempotent && a->producer_id < 0) {
        get_producer_id(s, a);
        return;
    }
    if (!a->repeats) make_next(s, a);
    static uint8_t room[BATCH_ROOM_BYTES];
    struct produce_request_partition p = PRODUCE_REQUEST_PARTITION_INIT;
    p.index = a->batch.partition;
    struct batch_size size;
    batch_size_init(&size, a->batch.made_ms);
    for (int32_t i = 0; i < a->batch.count; i++) {
        struct record_header pad;
        uint32_t pads = pad_of(a->batch.first + i, &pad);
        batch_size_add(&size, a->batch.made_ms, BYTES_LIT("key-00000"), 12, &pad, pads);
    }
    EXPECT(size.bytes <= sizeof room);
    p.records = make_batch(&a->batch, room, size.bytes);
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
    a->repeats = a->idempotent && a->sends == SENDS_NEXT;
    KAFKA_SEND(&s->world, a->kafka, PRODUCE, produce, 9, &in);
}

static void on_stored(struct sim *s, struct actor *a, int64_t base_offset)
{
    for (int32_t i = 0; i < a->batch.count; i++)
        ledger_acknowledge(&s->ledger, a->batch.first + i, base_offset + i);
    a->sequence[a->batch.partition] += a->batch.count;
    s->done[PRODUCER]++;
    a->repeats = false;
    if (a->old.count > 0 && a->old.partition == a->batch.partition) a->old_is_fenced = true;
}

static void take_produce(struct sim *s, struct actor *a)
{
    static const enum err refusals[] = {[SENDS_NEXT] = ERR_OK,
                                        [SENDS_BEHIND_GAP] = ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                        [SENDS_OLD] = ERR_INVALID_PRODUCER_EPOCH};
    if (a->api == KAFKA_API_INIT_PRODUCER_ID) {
        take_producer_id(a);
        return;
    }
    struct produce_response out;
    RECEIVE(a->kafka, produce, &out);
    const struct produce_response_partition *p = &out.responses[0].partition_responses[0];
    if (p->error_code == err_kafka(ERR_KAFKA_STORAGE_ERROR)) return;
    if (p->error_code != err_kafka(refusals[a->sends])) {
        ledger_wrong(&s->ledger, "batch %d of producer %lld, epoch %d, got error %d",
                     (int)a->batch.first, (long long)a->batch.producer_id, (int)a->batch.epoch,
                     (int)p->error_code);
    } else if (a->sends == SENDS_NEXT) {
        on_stored(s, a, p->base_offset);
    } else {
        s->refused[a->sends]++;
        if (a->sends == SENDS_OLD) {
            a->old.count = 0;
            a->old_is_fenced = false;
        }
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
