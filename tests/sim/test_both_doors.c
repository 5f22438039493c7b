/* The whole server, simulated: producers, readers, committers and somebody who splits, merges, adds
 * partitions and deletes records, at both doors, while writes fail and the process or the power
 * goes, on a clock that the test moves. Each life is made of one number; DIGLOT_SEED=n leads that
 * one again, DIGLOT_LIVES=n leads so many.
 *
 * In the end, everything is read at both doors from the start, and the ledger (ledger.h) compares:
 * what was acknowledged, or once read, is there, once, unaltered, in order, at the offset that its
 * answer named, at both doors; what was deleted is gone; a committed offset never goes back. */
#include <malloc.h>
#include "protocol/batch/batch.h"
#include "protocol/batch/build.h"
#include "protocol/kafka/msg/create_partitions.h"
#include "protocol/kafka/msg/create_topics.h"
#include "protocol/kafka/msg/delete_records.h"
#include "protocol/kafka/msg/fetch.h"
#include "protocol/kafka/msg/init_producer_id.h"
#include "protocol/kafka/msg/offset_commit.h"
#include "protocol/kafka/msg/offset_fetch.h"
#include "protocol/kafka/msg/produce.h"
#include "protocol/aws/base64.h"
#include "random.h"
#include "sim/ledger.h"
#include "sim/world.h"
#include "storage/check/walk.h"

#ifdef DIGLOT_SANITIZED
enum { LIVES = 30, PLANTED = 4 };
#else
enum { LIVES = 300, PLANTED = 40 };
#endif

enum {
    STEPS = 400,
    PARTITIONS = 3,             /* at first, and all that producers name */
    OPEN_SHARDS_MAX = 8,
    RECORDS_A_REQUEST = 3,
    FETCH_BYTES = 16 << 10,
    WRITERS = 2,                /* of each kind */
    READS_MAX = 1000,           /* of one partition or shard, until it is at its end */
};

enum kind { PRODUCER, PUTTER, FETCHER, GETTER, CHANGER, COMMITTER, KINDS };

struct actor {
    enum kind kind;
    int index;                  /* of its kind */
    struct client *kafka;       /* NULL: at the Kinesis door */
    struct bx_client *kinesis;
    bool asks;                  /* and waits for an answer */
    enum kafka_api_index api;

    int32_t first, count;       /* records of the request */
    int32_t partition;
    bool idempotent, repeats;
    int64_t producer_id;
    int32_t sequence[PARTITIONS];
    int64_t position[LEDGER_LOGS_MAX];
    int32_t shard;
    char iterator[1024];        /* "": none */
    int64_t offset;             /* asked for */
};

enum { ACTORS = 2 * WRITERS + 5 };

struct sim {
    struct world world;
    struct ledger ledger;
    struct random random;
    struct actor actors[ACTORS];
    struct kv_mem_faults faults;
    bool power;
    int64_t deaths;
    int64_t done[KINDS];        /* requests that succeeded */
};

static uint64_t below(struct sim *s, uint64_t bound)
{
    return random_below(&s->random, bound);
}

static struct topic *topic(struct sim *s)
{
    struct topic *t = store_topic(s->world.bx.cx.s, BYTES_LIT("s"));
    EXPECT(t != NULL);
    return t;
}

static int32_t partition_count(struct sim *s)
{
    struct topic *t = topic(s);
    int32_t count = t->partition_count;
    topic_unref(t);
    return count;
}

static int32_t shard_count(struct sim *s)
{
    struct topic *t = topic(s);
    int32_t count = t->shard_index_next;
    topic_unref(t);
    return count;
}

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
            ledger_new(&s->ledger, a->index * PARTITIONS + a->partition);
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
        int32_t number = ledger_new(&s->ledger, -1);
        ledger_key(number, key);
        ledger_value(number, value);
        base64_encode(bytes_str(value), data);
        len += snprintf(body + len, sizeof body - (size_t)len,
                        "%s{\"Data\":\"%s\",\"PartitionKey\":\"%s\"}", i ? "," : "", data, key);
    }
    snprintf(body + len, sizeof body - (size_t)len, "]}");
    bx_send(&s->world.bx, a->kinesis, "PutRecords", body);
}

/* The offset that a sequence number in the text behind `at` has; it begins behind the quote. */
static int64_t offset_in(const char *at, int32_t *ret_shard)
{
    struct sequence sequence;
    EXPECT_OK(sequence_parse(bytes_of(at, strcspn(at, "\"")), &sequence));
    *ret_shard = (int32_t)sequence.shard_index;
    return sequence.offset;
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

static void see_record(struct sim *s, const char *at, bool last)
{
    char key[LEDGER_TEXT_BYTES];
    uint8_t value[64] = {0};
    size_t len = 0;
    int32_t shard;
    const char *data = bx_text(at, "\"Data\":\"");
    EXPECT(strlen(data) < 40);
    EXPECT_EQ(base64_decode(bytes_str(data), value, &len, NULL), BASE64_OK);
    value[len] = '\0';
    snprintf(key, sizeof key, "%s", bx_text(at, "\"PartitionKey\":\""));
    int64_t offset = offset_in(bx_text(at, "\"SequenceNumber\":\""), &shard);
    ledger_see(&s->ledger, LEDGER_KINESIS, shard, offset, key, (const char *)value);
    if (last) ledger_last(&s->ledger, LEDGER_KINESIS, key);
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
        see_record(s, begin, last);
    }
    snprintf(a->iterator, sizeof a->iterator, "%s", bx_text(body, "\"NextShardIterator\":\""));
    bool behind = strstr(body, "\"MillisBehindLatest\":0") == NULL || strstr(body, "\"Data\"");
    return a->iterator[0] != '\0' && behind;
}

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

static void take_change(struct sim *s, struct actor *a)
{
    if (a->api == KAFKA_API_CREATE_PARTITIONS) {
        struct create_partitions_response out;
        RECEIVE(a->kafka, create_partitions, &out);
        s->done[CHANGER] += out.results[0].error_code == 0;
        return;
    }
    struct delete_records_response out;
    RECEIVE(a->kafka, delete_records, &out);
    const struct delete_records_response_partition *p = &out.topics[0].partitions[0];
    int64_t *is = &s->ledger.is_deleted[a->partition];
    s->done[CHANGER] += p->error_code == 0;
    if (p->error_code == 0 && a->offset > *is) *is = a->offset;
}

/* ---- Who commits offsets that only grow */

static void send_commit(struct sim *s, struct actor *a)
{
    struct offset_commit_request_partition p = OFFSET_COMMIT_REQUEST_PARTITION_INIT;
    p.committed_offset = a->offset = ++s->ledger.commit_sent;
    struct offset_commit_request_topic t = OFFSET_COMMIT_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partitions = &p;
    t.partitions_count = 1;
    struct offset_commit_request in = OFFSET_COMMIT_REQUEST_INIT;
    in.group_id = BYTES_LIT("g");
    in.topics = &t;
    in.topics_count = 1;
    KAFKA_SEND(&s->world, a->kafka, OFFSET_COMMIT, offset_commit, 6, &in);
}

static void take_commit(struct sim *s, struct actor *a)
{
    struct offset_commit_response out;
    RECEIVE(a->kafka, offset_commit, &out);
    if (out.topics[0].partitions[0].error_code != 0) return;
    s->ledger.commit_acknowledged = a->offset;
    s->done[COMMITTER]++;
}

/* ---- All of them */

static void ask(struct sim *s, struct actor *a)
{
    a->asks = true;
    switch (a->kind) {
    case PRODUCER: send_produce(s, a); break;
    case PUTTER: send_put(s, a); break;
    case FETCHER: send_fetch(s, a, (int32_t)below(s, (uint64_t)partition_count(s))); break;
    case GETTER: send_get(s, a, (int32_t)below(s, (uint64_t)shard_count(s))); break;
    case CHANGER:
        if (a->kinesis != NULL) send_split_or_merge(s, a);
        else if (below(s, 8) == 0) send_more_partitions(s, a);
        else send_delete(s, a);
        break;
    case COMMITTER: send_commit(s, a); break;
    case KINDS: abort();
    }
}

/* Has it anything to ask for? */
static bool may_ask(struct sim *s, const struct actor *a)
{
    if (a->kind == CHANGER)
        return s->ledger.count > 0 && partition_count(s) + 2 < LEDGER_LOGS_MAX;
    bool writes = a->kind == PRODUCER || a->kind == PUTTER;
    return !writes || a->repeats || s->ledger.count + RECORDS_A_REQUEST <= LEDGER_RECORDS_MAX;
}

/* What has come, if it has. */
static void take(struct sim *s, struct actor *a)
{
    if (a->kinesis != NULL) {
        int status = bx_answered(a->kinesis);
        if (status == 0) return;
        if (a->kind == PUTTER) take_put(s, a, status);
        if (a->kind == CHANGER) s->done[CHANGER] += status == 200;
        if (a->kind == GETTER) (void)take_get(s, a, status, false);
    } else {
        if (!world_answered(a->kafka)) return;
        if (a->kind == PRODUCER) take_produce(s, a);
        if (a->kind == FETCHER) (void)take_fetch(s, a, false);
        if (a->kind == CHANGER) take_change(s, a);
        if (a->kind == COMMITTER) take_commit(s, a);
    }
    a->asks = false;
}

/* ---- A life */

static void connect_all(struct sim *s)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &s->actors[i];
        bool http = a->kind == PUTTER || a->kind == GETTER || (a->kind == CHANGER && a->index == 0);
        if (http) a->kinesis = bx_connect(&s->world.bx);
        else a->kafka = world_kafka(&s->world);
    }
}

/* Answers that had come are read; what is still under way is in doubt. */
static void disconnect_all(struct sim *s)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &s->actors[i];
        if (a->asks) take(s, a);
        a->asks = false;
        a->iterator[0] = '\0';
        if (a->kinesis != NULL) bx_disconnect(TAKE(a->kinesis));
        if (a->kafka != NULL) client_close(TAKE(a->kafka));
    }
}

static void begin(struct sim *s, uint64_t seed)
{
    static const int counts[KINDS] = {[PRODUCER] = WRITERS, [PUTTER] = WRITERS, [FETCHER] = 1,
                                      [GETTER] = 1, [CHANGER] = 2, [COMMITTER] = 1};
    s->random.state = seed;
    s->ledger = (struct ledger){0};
    s->power = below(s, 2) == 0;
    struct actor *a = s->actors;
    for (enum kind kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < counts[kind]; i++)
            *a++ = (struct actor){.kind = kind, .index = i, .producer_id = -1,
                                  .idempotent = kind == PRODUCER && i % 2 == 0};
    EXPECT(a == s->actors + ACTORS);
    world_init(&s->world, s->power);
    EXPECT_OK(cx_create(&s->world.bx.cx, "s", PARTITIONS));
    connect_all(s);
}

/* From here on nothing reaches the disk; what had is there at the next start, and with the power
 * goes what was not synced. */
static void die(struct sim *s)
{
    disconnect_all(s);
    kv_mem_set_faults(s->world.bx.cx.kv, &(struct kv_mem_faults){.crash = true});
    world_close(&s->world);
    kv_mem_reopen(s->world.bx.cx.kv, s->power);
    world_open(&s->world);
    connect_all(s);
    s->deaths++;
}

/* Writes that fail, the end of the process at one of them, or just so. */
static void misfortune(struct sim *s)
{
    struct kv *kv = s->world.bx.cx.kv;
    if (kv_mem_faulted(kv)) {
        if (s->faults.crash) die(s);
        else kv_mem_set_faults(kv, &(struct kv_mem_faults){.fail_at = -1});
    }
    uint64_t luck = below(s, 100);
    if (luck == 0) die(s);
    if (luck > 2) return;
    s->faults = (struct kv_mem_faults){
        .fail_at = (int64_t)below(s, 60), .fail_count = (int64_t)below(s, 4),
        .crash = below(s, 2) == 0, .applied = below(s, 2) == 0};
    kv_mem_set_faults(kv, &s->faults);
}

static void step(struct sim *s, struct actor *a)
{
    if (a->asks) take(s, a);
    else if (may_ask(s, a)) ask(s, a);
    for (uint64_t turns = below(s, 4); turns > 0; turns--) {
        if (below(s, 2) == 0) store_turn(s->world.bx.cx.s);
        else bx_loop_turn(&s->world.bx);
    }
    cx_advance_ms((int64_t)below(s, below(s, 50) == 0 ? 20000 : 20));
}

/* ---- The end of a life: all is read from the start */

static void read_partitions(struct sim *s, struct actor *a)
{
    int32_t count = partition_count(s);
    for (int32_t p = 0; p < count; p++) {
        bool more = true;
        a->position[p] = 0;
        for (int i = 0; more && i < READS_MAX; i++) {
            send_fetch(s, a, p);
            WORLD_UNTIL(&s->world, world_answered(a->kafka));
            more = take_fetch(s, a, /* last= */ true);
        }
        if (more) ledger_wrong(&s->ledger, "partition %d cannot be read", (int)p);
    }
}

static void read_shards(struct sim *s, struct actor *a)
{
    struct topic *t = topic(s);
    for (int32_t i = 0; i < t->shard_count; i++) {
        bool more = true;
        a->iterator[0] = '\0';
        for (int n = 0; more && n < READS_MAX; n++) {
            int status = 0;
            send_get(s, a, topic_nth(t, i)->index);
            WORLD_UNTIL(&s->world, (status = bx_answered(a->kinesis)) != 0);
            more = take_get(s, a, status, /* last= */ true);
        }
        if (more) ledger_wrong(&s->ledger, "shard %d cannot be read", (int)topic_nth(t, i)->index);
    }
    topic_unref(t);
}

static void read_commit(struct sim *s, struct client *c)
{
    int32_t partition = 0;
    struct offset_fetch_request_topic t = OFFSET_FETCH_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partition_indexes = &partition;
    t.partition_indexes_count = 1;
    struct offset_fetch_request in = OFFSET_FETCH_REQUEST_INIT;
    in.group_id = BYTES_LIT("g");
    in.topics = &t;
    in.topics_count = 1;
    struct offset_fetch_response out;
    KAFKA_CALL(&s->world, c, OFFSET_FETCH, offset_fetch, 5, &in, &out);
    int64_t offset = out.topics[0].partitions[0].committed_offset;
    const struct ledger *l = &s->ledger;
    if (offset < l->commit_acknowledged && (offset != -1 || l->commit_acknowledged > 0))
        ledger_wrong(&s->ledger, "offset %lld is committed, %lld was acknowledged",
                     (long long)offset, (long long)l->commit_acknowledged);
    if (offset > l->commit_sent)
        ledger_wrong(&s->ledger, "nobody committed %lld", (long long)offset);
}

static void on_walk_fault(void *context, uint64_t log_id, int64_t offset, const char *text)
{
    struct sim *s = context;
    (void)log_id, (void)offset;
    ledger_wrong(&s->ledger, "check says: %s", text);
}

static void end(struct sim *s)
{
    if (below(s, 2) == 0) world_settle(&s->world);
    die(s);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &s->actors[i];
        if (a->kind == FETCHER) read_partitions(s, a);
        if (a->kind == GETTER) read_shards(s, a);
        if (a->kind == COMMITTER) read_commit(s, a->kafka);
    }
    ledger_close(&s->ledger);
    disconnect_all(s);
    struct walk_counts counts;
    EXPECT_OK(walk_logs(s->world.bx.cx.kv, on_walk_fault, s, &counts));
    world_done(&s->world);
}

static void live(struct sim *s, uint64_t seed)
{
    begin(s, seed);
    for (int i = 0; i < STEPS; i++) {
        misfortune(s);
        step(s, &s->actors[below(s, ACTORS)]);
    }
    end(s);
}

/* Clients have large buffers, of which little is used: fresh pages are zero already. */
static struct sim *new_sim(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    return NEW(struct sim);
}

static int lives(int usually)
{
    const char *given = getenv("DIGLOT_LIVES");
    if (getenv("DIGLOT_SEED") != NULL) return 1;
    return given ? (int)strtol(given, NULL, 10) : usually;
}

TEST(what_was_promised_holds_through_reshards_deletes_faults_and_deaths)
{
    struct sim *s = new_sim();
    struct random seeds = random_seeded();
    int64_t begun_ms = until_now_ms();
    int count = lives(LIVES);
    for (int i = 0; i < count; i++) {
        uint64_t seed = seeds.state;
        random_next(&seeds);
        live(s, seed);
        if (s->ledger.wrong[0] != '\0')
            fail_msg("DIGLOT_SEED=%llu: %s", (unsigned long long)seed, s->ledger.wrong);
    }
    static const char *const names[KINDS] = {"produces", "puts", "fetches", "gets", "changes",
                                             "commits"};
    print_message("%d lives with %lld deaths in %lld ms:", count, (long long)s->deaths,
                  (long long)(until_now_ms() - begun_ms));
    for (int kind = 0; kind < KINDS; kind++) {
        print_message(" %lld %s", (long long)s->done[kind], names[kind]);
        EXPECT(s->done[kind] > count);      /* of each enough for a life to mean something */
    }
    print_message("\n");
    mem_free(s);
}

/* The test of the test: a commit that holds one append is told to have succeeded, and was not. */
TEST(an_append_that_is_lost_is_found)
{
    struct sim *s = new_sim();
    struct random seeds = random_seeded();
    for (int i = 0; i < PLANTED; i++) {
        begin(s, random_next(&seeds));
        struct actor *producer = &s->actors[1];
        EXPECT(producer->kind == PRODUCER && !producer->idempotent);
        int at = (int)below(s, STEPS);
        for (int n = 0; n < STEPS; n++) {
            if (n == at) {
                world_settle(&s->world);
                if (producer->asks) take(s, producer);
                kv_mem_lose_next(s->world.bx.cx.kv);
                ask(s, producer);
                world_settle(&s->world);
            }
            struct actor *a = &s->actors[below(s, ACTORS)];
            if (a->kind != CHANGER) step(s, a);
        }
        end(s);
        if (s->ledger.wrong[0] == '\0') fail_msg("life %d lost an append, unnoticed", i);
    }
    mem_free(s);
}

TESTS(RUN(what_was_promised_holds_through_reshards_deletes_faults_and_deaths),
      RUN(an_append_that_is_lost_is_found))
