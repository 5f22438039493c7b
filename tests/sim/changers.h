/* Those who split and merge shards, add partitions, delete records and say how long they stay. */
#ifndef TESTS_SIM_CHANGERS_H
#define TESTS_SIM_CHANGERS_H

#include "protocol/kafka/msg/create_partitions.h"
#include "protocol/kafka/msg/delete_records.h"
#include "protocol/kafka/msg/incremental_alter_configs.h"
#include "sim/sim.h"

/* ---- Who changes the stream */

static const struct shard *open_shard(const struct topic *t, int32_t i)
{
    return topic_nth(t, t->open[i]);
}

static void send_split_or_merge(struct sim *s, struct actor *a)
{
    struct topic *t = topic(s);
    char body[512], hash[U128_TEXT_BYTES];
    int32_t i = (int32_t)below(s, (uint64_t)t->open_count);
    const struct shard *shard = open_shard(t, i);
    if (t->open_count < 3 || (t->open_count < OPEN_SHARDS_MAX && below(s, 2) == 0)) {
        u128 middle = shard->hash_first + (shard->hash_last - shard->hash_first) / 2 + 1;
        snprintf(body, sizeof body,
                 "{\"StreamName\":\"s\",\"ShardToSplit\":\"shardId-%012d\","
                 "\"NewStartingHashKey\":\"%s\"}", (int)shard->index, u128_to_text(middle, hash));
        bx_send(&s->world.bx, a->kinesis, "SplitShard", body);
    } else {
        i = i == 0 ? 1 : i;
        snprintf(body, sizeof body,
                 "{\"StreamName\":\"s\",\"ShardToMerge\":\"shardId-%012d\","
                 "\"AdjacentShardToMerge\":\"shardId-%012d\"}",
                 (int)open_shard(t, i - 1)->index, (int)open_shard(t, i)->index);
        bx_send(&s->world.bx, a->kinesis, "MergeShards", body);
    }
    topic_unref(t);
}

static void send_delete(struct sim *s, struct actor *a)
{
    const struct ledger_record *r = &s->ledger.records[below(s, (uint64_t)s->ledger.count)];
    int32_t partition = r->seen[LEDGER_KAFKA].log;
    if (partition < 0) partition = 0;
    struct delete_records_request_partition p = DELETE_RECORDS_REQUEST_PARTITION_INIT;
    p.partition_index = a->partition = partition;
    p.offset = a->offset = r->offset < 0 ? 0 : r->offset;
    struct delete_records_request_topic t = DELETE_RECORDS_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partitions = &p;
    t.partitions_count = 1;
    struct delete_records_request in = DELETE_RECORDS_REQUEST_INIT;
    in.topics = &t;
    in.topics_count = 1;
    in.timeout_ms = 30000;
    int64_t *may = &s->ledger.may_be_deleted[partition];
    if (p.offset > *may) *may = p.offset;
    a->api = KAFKA_API_DELETE_RECORDS;
    KAFKA_SEND(&s->world, a->kafka, DELETE_RECORDS, delete_records, 2, &in);
}

static void send_more_partitions(struct sim *s, struct actor *a)
{
    struct create_partitions_request_topic t = CREATE_PARTITIONS_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.count = partition_count(s) + 1;
    t.assignments_count = -1;
    struct create_partitions_request in = CREATE_PARTITIONS_REQUEST_INIT;
    in.topics = &t;
    in.topics_count = 1;
    in.timeout_ms = 30000;
    a->api = KAFKA_API_CREATE_PARTITIONS;
    KAFKA_SEND(&s->world, a->kafka, CREATE_PARTITIONS, create_partitions, 3, &in);
}

static void send_retention(struct sim *s, struct actor *a, int64_t ms)
{
    enum { TOPIC = 2, SET = 0 };
    char value[24];
    snprintf(value, sizeof value, "%lld", (long long)ms);
    struct incremental_alter_configs_request_config c =
        INCREMENTAL_ALTER_CONFIGS_REQUEST_CONFIG_INIT;
    c.name = BYTES_LIT("retention.ms");
    c.config_operation = SET;
    c.value = bytes_str(value);
    struct incremental_alter_configs_request_resource r =
        INCREMENTAL_ALTER_CONFIGS_REQUEST_RESOURCE_INIT;
    r.resource_type = TOPIC;
    r.resource_name = BYTES_LIT("s");
    r.configs = &c;
    r.configs_count = 1;
    struct incremental_alter_configs_request in = INCREMENTAL_ALTER_CONFIGS_REQUEST_INIT;
    in.resources = &r;
    in.resources_count = 1;
    a->offset = ms;
    ledger_retention_asked(&s->ledger, ms);
    a->api = KAFKA_API_INCREMENTAL_ALTER_CONFIGS;
    KAFKA_SEND(&s->world, a->kafka, INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, 1, &in);
}

static void take_retention(struct sim *s, struct actor *a)
{
    struct incremental_alter_configs_response out;
    RECEIVE(a->kafka, incremental_alter_configs, &out);
    if (out.responses[0].error_code != 0) return;
    s->done[CHANGER]++;
    ledger_retention_is(&s->ledger, a->offset);
}

/* Who changes the topic at the Kafka door. */
static void send_kafka_change(struct sim *s, struct actor *a)
{
    static const int64_t kept_ms[] = {5000, 20000, 60000, 1000000000};
    uint64_t luck = below(s, 16);
    if (luck < 2) send_more_partitions(s, a);
    else if (luck < 4) send_retention(s, a, kept_ms[below(s, 4)]);
    else send_delete(s, a);
}

static void take_change(struct sim *s, struct actor *a)
{
    if (a->api == KAFKA_API_CREATE_PARTITIONS) {
        struct create_partitions_response out;
        RECEIVE(a->kafka, create_partitions, &out);
        s->done[CHANGER] += out.results[0].error_code == 0;
        return;
    }
    if (a->api == KAFKA_API_INCREMENTAL_ALTER_CONFIGS) {
        take_retention(s, a);
        return;
    }
    struct delete_records_response out;
    RECEIVE(a->kafka, delete_records, &out);
    const struct delete_records_response_partition *p = &out.topics[0].partitions[0];
    int64_t *is = &s->ledger.is_deleted[a->partition];
    s->done[CHANGER] += p->error_code == 0;
    if (p->error_code == 0 && a->offset > *is) *is = a->offset;
}

#endif
