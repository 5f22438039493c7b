/* Those who fetch at the Kafka door, those who get records at that of Kinesis. */
#ifndef TESTS_SIM_READERS_H
#define TESTS_SIM_READERS_H

#include "protocol/aws/base64.h"
#include "protocol/batch/batch.h"
#include "protocol/kafka/msg/fetch.h"
#include "sim/sim.h"

/* ---- Those who fetch */

static void send_fetch(struct sim *s, struct actor *a, int32_t partition)
{
    struct fetch_request_partition p = FETCH_REQUEST_PARTITION_INIT;
    p.partition = a->partition = partition;
    p.fetch_offset = a->position[partition];
    p.partition_max_bytes = FETCH_BYTES;
    struct fetch_request_topic t = FETCH_REQUEST_TOPIC_INIT;
    t.topic = BYTES_LIT("s");
    t.partitions = &p;
    t.partitions_count = 1;
    struct fetch_request in = FETCH_REQUEST_INIT;
    in.max_bytes = FETCH_BYTES;
    in.topics = &t;
    in.topics_count = 1;
    KAFKA_SEND(&s->world, a->kafka, FETCH, fetch, 11, &in);
}

static void see_batch(struct sim *s, struct actor *a, struct bytes batch, bool last)
{
    struct record_iter it;
    struct record r;
    if (!batch_crc_is_right(batch)) ledger_wrong(&s->ledger, "a batch has another checksum");
    EXPECT_OK(record_iter_init(&it, batch, NULL));
    while (record_iter_next(&it, &r)) {
        if (r.offset < a->position[a->partition]) continue;     /* the front of its batch */
        char key[LEDGER_TEXT_BYTES], value[LEDGER_TEXT_BYTES];
        bytes_to_text(r.key, key, sizeof key);
        bytes_to_text(r.value, value, sizeof value);
        ledger_see(&s->ledger, LEDGER_KAFKA, a->partition, r.offset, key, value);
        if (last) ledger_last(&s->ledger, LEDGER_KAFKA, key);
    }
    EXPECT_OK(it.err);
}

/* True: there is more. */
static bool take_fetch(struct sim *s, struct actor *a, bool last)
{
    struct fetch_response out;
    RECEIVE(a->kafka, fetch, &out);
    if (out.error_code != 0 || out.responses_count == 0) return true;
    const struct fetch_response_partition *p = &out.responses[0].partitions[0];
    int64_t *position = &a->position[a->partition];
    if (last && p->log_start_offset >= 0) s->ledger.log_start[a->partition] = p->log_start_offset;
    if (p->error_code == err_kafka(ERR_OFFSET_OUT_OF_RANGE)) {
        *position = p->log_start_offset >= 0 ? p->log_start_offset : *position + 1;
        return true;
    }
    if (p->error_code != 0) return true;
    s->done[FETCHER] += p->records.bytes > 0;
    struct bytes left = p->records.view_count > 0 ? p->records.views[0].bytes : BYTES_NULL, batch;
    struct batch_info info;
    while (batch_next(&left, &batch, &info) == ERR_OK) {
        see_batch(s, a, batch, last);
        *position = batch_last_offset(&info) + 1;
    }
    return *position < p->high_watermark;
}

/* ---- Those who get records: a shard from its start to its end, then another one */

static void send_get(struct sim *s, struct actor *a, int32_t shard)
{
    char body[2048];
    if (a->iterator[0] == '\0') {
        a->shard = shard;
        snprintf(body, sizeof body,
                 "{\"StreamName\":\"s\",\"ShardId\":\"shardId-%012d\","
                 "\"ShardIteratorType\":\"TRIM_HORIZON\"}", (int)shard);
        bx_send(&s->world.bx, a->kinesis, "GetShardIterator", body);
        return;
    }
    snprintf(body, sizeof body, "{\"ShardIterator\":\"%s\",\"Limit\":%d}", a->iterator,
             1 + (int)below(s, 100));
    bx_send(&s->world.bx, a->kinesis, "GetRecords", body);
}

struct seen_record {
    char key[LEDGER_TEXT_BYTES];
    int32_t shard;
    int64_t offset;
};

static struct seen_record see_record(struct sim *s, const char *at, bool last)
{
    struct seen_record r;
    uint8_t value[64] = {0};
    size_t len = 0;
    const char *data = bx_text(at, "\"Data\":\"");
    EXPECT(strlen(data) < 40);
    EXPECT_EQ(base64_decode(bytes_str(data), value, &len, NULL), BASE64_OK);
    value[len] = '\0';
    snprintf(r.key, sizeof r.key, "%s", bx_text(at, "\"PartitionKey\":\""));
    r.offset = offset_in(bx_text(at, "\"SequenceNumber\":\""), &r.shard);
    ledger_see(&s->ledger, LEDGER_KINESIS, r.shard, r.offset, r.key, (const char *)value);
    if (last) ledger_last(&s->ledger, LEDGER_KINESIS, r.key);
    return r;
}

/* True: there is more. */
static bool take_get(struct sim *s, struct actor *a, int status, bool last)
{
    const char *body = a->kinesis->body;
    if (status != 200) {
        a->iterator[0] = '\0';
        return true;
    }
    if (a->iterator[0] == '\0') {
        snprintf(a->iterator, sizeof a->iterator, "%s", bx_text(body, "\"ShardIterator\":\""));
        return true;
    }
    s->done[GETTER] += strstr(body, "\"Data\"") != NULL;
    const char *each = "\"ApproximateArrivalTimestamp\"";
    for (const char *at = body; (at = strstr(at, each)) != NULL; at++) {
        const char *begin = at;
        while (*begin != '{') begin--;
        (void)see_record(s, begin, last);
    }
    snprintf(a->iterator, sizeof a->iterator, "%s", bx_text(body, "\"NextShardIterator\":\""));
    bool behind = strstr(body, "\"MillisBehindLatest\":0") == NULL || strstr(body, "\"Data\"");
    return a->iterator[0] != '\0' && behind;
}

#endif
