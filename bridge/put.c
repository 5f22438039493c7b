#include "bridge/put.h"

#include <stdio.h>
#include "base/clock.h"
#include "bridge/meter.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "policy/limits.h"
#include "protocol/batch/build.h"
#include "protocol/batch/recode.h"
#include "protocol/kinesis/hash_key.h"
#include "protocol/kinesis/sequence.h"
#include "storage/store.h"
#include "base/check.h"

enum {
    BATCH_BYTES_MAX = 512 << 10,        /* a batch grows to this; one larger record has its own */
    ROUTE_TRIES_MAX = 16,
    HASH_STEP = 64,                     /* keys hashed at a time: they share the vector unit */
    PACK_HERE_US_MAX = 2000,            /* what packing may cost the loop; more is a codec lane's */
};

struct put_batch {
    struct append append;
    struct put *owner;
    int32_t first, last;                /* records, chained by next */
    int32_t shard;
    int32_t tries;
    struct batch_size size;
    struct slab *slab;                  /* on its way to storage; NULL: it failed */
    struct put_batch *next;
};

/* Batches that a codec lane packs, one a step. */
struct put_pack {
    struct codec_work work;
    struct put *owner;
    struct topic *topic;                /* reference: the value by which they were routed */
    struct batch_packing packing;
    struct put_batch *first;
    struct put_batch *at;               /* the next one */
    struct put_pack *next;
};

static enum err explicit_hash(struct front_request *rq, struct put_record *r)
{
    if (hash_key_parse(r->explicit_hash_key, &r->hash)) return ERR_OK;
    front_fail(rq, ERR_INVALID_ARGUMENT,
               "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
               "Specified value was %.*s",
               BYTES_ARGS(r->explicit_hash_key));
    return ERR_INVALID_ARGUMENT;
}

enum err put_hash(struct front_request *rq, struct put_record *records, uint32_t count)
{
    struct bytes keys[HASH_STEP];
    u128 hashes[HASH_STEP];
    for (uint32_t from = 0; from < count; from += HASH_STEP) {
        uint32_t step = count - from < HASH_STEP ? count - from : HASH_STEP;
        for (uint32_t i = 0; i < step; i++) keys[i] = records[from + i].partition_key;
        hash_key_of_many(keys, step, hashes);
        for (uint32_t i = 0; i < step; i++) {
            struct put_record *r = &records[from + i];
            r->hash = hashes[i];
            if (!bytes_is_null(r->explicit_hash_key)) TRY(explicit_hash(rq, r));
        }
    }
    return ERR_OK;
}

/* As aws_validate() words it, which knows no stream: up to FAULTS_MAX of them. */
enum err put_check_sizes(struct front_request *rq, const struct topic *t,
                         const struct put_record *records, uint32_t count)
{
    enum { FAULTS_MAX = 10 };
    size_t bytes_max = (size_t)t->config.max_record_kib << 10;
    char text[2048] = "";
    size_t len = 0;
    int faults = 0;
    for (uint32_t i = 0; i < count && faults < FAULTS_MAX; i++) {
        if (records[i].data.len + records[i].partition_key.len <= bytes_max) continue;
        char place[32] = "data";
        if (rq->op == KINESIS_OP_PUT_RECORDS)
            snprintf(place, sizeof place, "records.%u.member.data", i + 1);
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "%sValue at '%s' failed to satisfy constraint: Member must have "
                                "length less than or equal to %zu",
                                faults++ > 0 ? "; " : "", place, bytes_max);
    }
    if (faults == 0) return ERR_OK;
    front_fail(rq, ERR_VALIDATION, "%d validation error%s detected: %s", faults,
               faults > 1 ? "s" : "", text);
    return ERR_VALIDATION;
}

struct bytes put_sequence(struct put *p, const struct put_record *r)
{
    char *to = arena_alloc(p->rq->arena, SEQUENCE_TEXT_BYTES);
    if (to == NULL) return BYTES_NULL;
    return sequence_format(r->shard_created_ms, (uint32_t)r->shard, r->offset, r->arrival_ms, to);
}

static uint32_t header_of(const struct put_record *r, struct record_header *to)
{
    if (bytes_is_null(r->explicit_hash_key)) return 0;
    *to = (struct record_header){BYTES_LIT(PUT_EXPLICIT_HASH_HEADER), r->explicit_hash_key};
    return 1;
}

/* What the shards took no more, gathered where neighbours are of one shard. */
static void count_throttled(const struct put *p)
{
    struct meter_delta d = {0};
    int64_t *throttled = &d.by[METER_SHARD_WRITE_EXCEEDED];
    int32_t shard = -1;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct put_record *r = &p->records[i];
        if (r->err != ERR_PROVISIONED_THROUGHPUT_EXCEEDED) continue;
        if (r->shard != shard && *throttled > 0) {
            meter_shard(&rq_bridge(p->rq)->meters, p->topic, shard, &d);
            *throttled = 0;
        }
        shard = r->shard;
        ++*throttled;
    }
    if (*throttled > 0) meter_shard(&rq_bridge(p->rq)->meters, p->topic, shard, &d);
}

static void count(const struct put *p)
{
    bool one = p->rq->op == KINESIS_OP_PUT_RECORD;
    int64_t bytes = 0, stored = 0, throttled = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct put_record *r = &p->records[i];
        throttled += r->err == ERR_PROVISIONED_THROUGHPUT_EXCEEDED;
        if (r->err != ERR_OK) continue;
        stored++;
        bytes += (int64_t)(r->data.len + r->partition_key.len);
    }
    struct meter_delta d = {0};
    d.by[METER_INCOMING_BYTES] = bytes;
    d.by[METER_INCOMING_RECORDS] = stored;
    d.by[METER_WRITE_EXCEEDED] = throttled;
    d.by[one ? METER_PUT_RECORD_BYTES : METER_PUT_RECORDS_BYTES] = bytes;
    d.by[one ? METER_PUT_RECORD_LATENCY_MS : METER_PUT_RECORDS_LATENCY_MS] = front_latency_ms(
        p->rq);
    d.by[one ? METER_PUT_RECORD_SUCCESS : METER_PUT_RECORDS_SUCCESS] = stored > 0;
    d.by[one ? METER_PUT_RECORD_CALLS : METER_PUT_RECORDS_CALLS] = 1;
    if (!one) {
        d.by[METER_PUT_RECORDS_TOTAL] = p->count;
        d.by[METER_PUT_RECORDS_SUCCESSFUL] = stored;
        d.by[METER_PUT_RECORDS_THROTTLED] = throttled;
        d.by[METER_PUT_RECORDS_FAILED] = p->count - stored - throttled;
    }
    meter_stream(&rq_bridge(p->rq)->meters, p->topic, &d);
    if (throttled > 0) count_throttled(p);
}

static void finish(struct put *p)
{
    if (--p->pending > 0) return;
    count(p);
    topic_unref(p->topic);
    p->topic = NULL;
    p->done(p);
}

static void fail_record(struct put_record *r, enum err err, const char *text)
{
    r->err = err;
    r->text = text;
}

/* A record passes its shard's limits, or learns that it does not. */
static bool admit(struct put *p, struct put_record *r, int32_t shard, int64_t now_ms)
{
    struct limits_key key = {.topic_id = p->topic->id, .shard = shard};
    uint32_t bytes = (uint32_t)(r->data.len + r->partition_key.len);
    if (limits_take_write(rq_bridge(p->rq)->limits, &key, bytes, now_ms)) return true;
    fail_record(r, ERR_PROVISIONED_THROUGHPUT_EXCEEDED, shard_rate_text(p->rq, p->topic, shard));
    r->shard = shard;
    return false;
}

/* The batch of this shard that has room, else a new one at the front. */
static struct put_batch *batch_for(struct put *p, struct put_batch **batches, int32_t shard,
                                   size_t bytes, int64_t now_ms)
{
    for (struct put_batch *b = *batches; b != NULL; b = b->next)
        if (b->shard == shard) {
            if (b->size.bytes + bytes <= BATCH_BYTES_MAX) return b;
            break;                      /* the newest of its shard is full */
        }
    struct put_batch *b = ARENA_NEW(p->rq->arena, struct put_batch);
    if (b == NULL) return NULL;
    *b = (struct put_batch){.owner = p, .shard = shard, .first = -1, .last = -1, .next = *batches};
    batch_size_init(&b->size, now_ms);
    *batches = b;
    return b;
}

static bool add(struct put *p, struct put_batch **batches, int32_t index, int64_t now_ms)
{
    struct put_record *r = &p->records[index];
    struct record_header header;
    uint32_t header_count = header_of(r, &header);
    const struct shard *shard = topic_shard_of_hash(p->topic, r->hash);
    struct put_batch *b = batch_for(p, batches, shard->index, r->data.len + r->partition_key.len,
                                    now_ms);
    if (b == NULL) return false;
    batch_size_add(&b->size, now_ms, r->partition_key, (int64_t)r->data.len, &header, header_count);
    r->next = -1;
    *(b->last < 0 ? &b->first : &p->records[b->last].next) = index;
    b->last = index;
    return true;
}

static void append_done(struct append *a);

/* Packs the batch with the codec that the topic names. Records that were admitted are not refused
 * for the size of their batch: max.message.bytes binds Kafka's producers. */
static void pack(struct put_batch *b, const struct batch_packing *packing,
                 struct deflater *deflater)
{
    struct slab *plain = TAKE(b->slab);
    if (plain == NULL) return;
    struct batch_info info;
    batch_read_header(plain->data, &info);
    struct bytes records = bytes_slice(slab_bytes(plain), BATCH_HEADER_BYTES,
                                       plain->len - BATCH_HEADER_BYTES);
    if (batch_recode(&info, records, packing, deflater, NULL, &b->slab) != ERR_OK) b->slab = NULL;
    slab_unref(plain);
}

static uint64_t pack_us(const struct put_batch *b, const struct batch_packing *packing)
{
    return deflate_cost_us(packing->codec, packing->level, b->size.bytes);
}

static struct slab *build(const struct put_batch *b, int64_t now_ms)
{
    struct slab *slab = slab_new(NULL, b->size.bytes);
    if (slab == NULL) return NULL;
    struct batch_builder builder;
    batch_builder_init(&builder, slab->data, b->size.bytes, now_ms);
    for (int32_t i = b->first; i >= 0; i = b->owner->records[i].next) {
        const struct put_record *r = &b->owner->records[i];
        struct record_header header;
        uint32_t header_count = header_of(r, &header);
        batch_builder_add(&builder, now_ms, r->partition_key, r->data, &header, header_count);
    }
    slab->len = batch_builder_finish(&builder);
    return slab;
}

static void fail_batch(struct put_batch *b, enum err err)
{
    for (int32_t i = b->first; i >= 0; i = b->owner->records[i].next)
        fail_record(&b->owner->records[i], err, "Internal Service Failure");
}

/* Hands the batches over in their order. */
static void append_batches(struct put *p, struct topic *t, struct put_batch *batches)
{
    struct append *list = NULL, **last = &list;
    for (struct put_batch *b = batches; b != NULL; b = b->next) {
        if (b->slab == NULL) {
            fail_batch(b, ERR_UNKNOWN_SERVER_ERROR);
            continue;
        }
        const struct shard *shard = topic_shard(t, b->shard);
        b->append = (struct append){
            .topic = topic_ref(t),
            .partition = shard->partition,
            .partition_addressed = shard->partition,
            .shard = shard->index,
            .batch = {.slab = b->slab, .bytes = slab_bytes(b->slab)},
            .home = p->rq->http->loop,
            .done = append_done,
        };
        p->pending++;
        *last = &b->append;
        last = &b->append.next_in_turn;
    }
    *last = NULL;
    store_append_list(rq_store(p->rq), list);
}

static enum codec_outcome pack_step(struct codec_work *w, struct codec_tools *tools)
{
    struct put_pack *k = CONTAINER_OF(w, struct put_pack, work);
    pack(k->at, &k->packing, &tools->deflater);
    k->at = k->at->next;
    if (k->at == NULL) return CODEC_OVER;
    w->lane = codec_lane_for_cost(pack_us(k->at, &k->packing));
    return CODEC_AGAIN;
}

static void packed(struct codec_work *w)
{
    struct put_pack *k = CONTAINER_OF(w, struct put_pack, work);
    struct put *p = k->owner;
    struct front_request *rq = p->rq;
    front_hold(rq);
    for (struct put_batch *b = k->first; atomic_load(&w->abandoned) && b != NULL; b = b->next)
        slab_unrefp(&b->slab);
    append_batches(p, k->topic, k->first);
    topic_unref(k->topic);
    finish(p);
    front_release(rq);
}

/* Nobody waits for it any more: what is not packed yet is not written. */
static void on_closed(struct front_request *rq)
{
    struct put *p = rq->context;
    for (struct put_pack *k = p->packs; k != NULL; k = k->next)
        atomic_store(&k->work.abandoned, true);
}

static void pack_elsewhere(struct put *p, struct put_batch *batches,
                           const struct batch_packing *packing)
{
    struct put_pack *k = ARENA_NEW(p->rq->arena, struct put_pack);
    if (k == NULL) {
        for (struct put_batch *b = batches; b != NULL; b = b->next) slab_unrefp(&b->slab);
        append_batches(p, p->topic, batches);
        return;
    }
    *k = (struct put_pack){
        .work = {.client = front_client(p->rq),
                 .lane = codec_lane_for_cost(pack_us(batches, packing)), .step = pack_step,
                 .home = p->rq->http->loop, .done = packed},
        .owner = p, .topic = topic_ref(p->topic), .packing = *packing, .first = batches,
        .at = batches, .next = p->packs};
    p->packs = k;
    p->rq->context = p;
    p->rq->on_closed = on_closed;
    p->pending++;
    store_codec(rq_store(p->rq), &k->work);
}

/* Makes the batches' bytes and hands them over, the first one last made: order between shards does
 * not matter, and of one shard the older batch has to go first, so the list is turned round. */
static void send_batches(struct put *p, struct put_batch *batches, int32_t tries, int64_t now_ms)
{
    struct put_batch *turned = NULL;
    bool packs = topic_repacks(p->topic, CODEC_NONE);
    struct batch_packing packing = {0};
    if (packs) packing = topic_packing(p->topic);
    packing.bytes_max = UINT32_MAX;
    uint64_t us = 0;
    while (batches != NULL) {
        struct put_batch *next = batches->next;
        batches->next = turned;
        turned = batches;
        batches->tries = tries;
        batches->slab = build(batches, now_ms);
        us += packs ? pack_us(batches, &packing) : 0;
        batches = next;
    }
    if (us > PACK_HERE_US_MAX) {
        pack_elsewhere(p, turned, &packing);
        return;
    }
    for (struct put_batch *b = turned; packs && b != NULL; b = b->next)
        pack(b, &packing, &rq_home(p->rq)->deflater);
    append_batches(p, p->topic, turned);
}

/* The records of a batch that met a reshard, by the shard map of now. */
static void route_again(struct put *p, struct put_batch *moved)
{
    struct topic *fresh = store_topic_by_id(rq_store(p->rq), &p->topic->id);
    if (fresh == NULL || moved->tries >= ROUTE_TRIES_MAX) {
        topic_unref(fresh);
        fail_batch(moved, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    topic_unref(p->topic);
    p->topic = fresh;
    struct put_batch *batches = NULL;
    int64_t now_ms = clock_wall_ms();
    for (int32_t i = moved->first; i >= 0;) {
        int32_t next = p->records[i].next;
        if (!add(p, &batches, i, now_ms))
            fail_record(&p->records[i], ERR_UNKNOWN_SERVER_ERROR, "Internal Service Failure");
        i = next;
    }
    send_batches(p, batches, moved->tries + 1, now_ms);
}

/* The records learn where they are. */
static void settle(const struct put_batch *b)
{
    struct put *p = b->owner;
    const struct append *a = &b->append;
    const struct shard *shard = topic_shard(a->topic, b->shard);
    int64_t offset = a->base_offset;
    struct meter_delta d = {0};
    for (int32_t i = b->first; i >= 0; i = p->records[i].next) {
        struct put_record *r = &p->records[i];
        r->shard = b->shard;
        r->shard_created_ms = shard->created_ms;
        r->offset = offset++;
        r->arrival_ms = a->arrival_ms;
        d.by[METER_SHARD_INCOMING_BYTES] += (int64_t)(r->data.len + r->partition_key.len);
    }
    d.by[METER_SHARD_INCOMING_RECORDS] = offset - a->base_offset;
    meter_shard(&rq_bridge(p->rq)->meters, a->topic, b->shard, &d);
}

static void append_done(struct append *a)
{
    struct put_batch *b = CONTAINER_OF(a, struct put_batch, append);
    struct put *p = b->owner;
    struct front_request *rq = p->rq;
    front_hold(rq);
    slab_unref(a->batch.slab);
    if (a->err == ERR_OK) {
        settle(b);
    } else if (a->err == ERR_MOVED) {
        route_again(p, b);
    } else {
        fail_batch(b, ERR_UNKNOWN_SERVER_ERROR);
    }
    topic_unref(a->topic);
    finish(p);
    front_release(rq);
}

void put_start(struct put *p)
{
    struct put_batch *batches = NULL;
    int64_t now_ms = clock_wall_ms(), mono_ms = clock_mono_ms();
    p->pending = 1;
    for (uint32_t i = 0; i < p->count; i++) {
        struct put_record *r = &p->records[i];
        r->err = ERR_OK;
        if (!admit(p, r, topic_shard_of_hash(p->topic, r->hash)->index, mono_ms)) continue;
        if (!add(p, &batches, (int32_t)i, now_ms))
            fail_record(r, ERR_UNKNOWN_SERVER_ERROR, "Internal Service Failure");
    }
    send_batches(p, batches, 0, now_ms);
    finish(p);
}
