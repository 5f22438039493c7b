/* Produce: every partition's batch is checked here, on the connection's loop, and appended by the
 * worker that owns its log. The answer leaves when the last of them is durable.
 *
 * A partition that a merge retired takes no records any more: what is addressed to it goes into the
 * log that took over its range (diglot.retired.partition=forward), or is refused by name.
 *
 * Batches are stored byte for byte as they came, unless the topic's compression.type names another
 * codec: then the records are packed anew, here, and a batch of our own is appended.
 * Failure modes: each partition has its own error in the answer; with acks=0 nobody reads it, so an
 * error closes the connection and the client asks for metadata anew. */
#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "broker/msk.h"
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/recode.h"
#include "protocol/batch/validate.h"
#include "protocol/kafka/msg/produce.h"
#include "base/check.h"

enum { ROUTE_TRIES_MAX = 16 };

struct produce;

struct produce_item {
    struct append append;
    struct produce *owner;
    struct produce_response_partition *out;
    struct slab *repacked;      /* the batch in the topic's codec; NULL: the request's bytes are
                                   stored */
    int32_t records;
    int32_t tries;
};

struct produce {
    struct kafka_request *rq;
    struct produce_response out;
    int16_t acks;
    enum err refused;           /* what every partition gets; ERR_OK: each its own */
    int32_t pending;            /* appends under way, and one while they are being handed over */
    bool failed;
};

static void finish(struct produce *p)
{
    if (--p->pending > 0) return;
    if (p->acks != 0) {
        produce_response_encode(p->rq->reply, p->rq->version, &p->out);
        kafka_reply(p->rq);
    } else if (p->failed) {
        kafka_abort(p->rq);
    } else {
        kafka_reply_none(p->rq);
    }
}

static void set_error(struct produce_item *item, enum err err, const char *text)
{
    kafka_count_error(item->owner->rq, err);
    item->out->error_code = err_kafka(err);
    item->out->base_offset = -1;
    if (text != NULL) item->out->error_message = bytes_str(text);
    item->owner->failed = true;
}

/* With some errors of a log Kafka tells where it starts. */
static bool tells_log_start(enum err err)
{
    return err == ERR_INVALID_RECORD || err == ERR_INVALID_TIMESTAMP ||
           err == ERR_UNSUPPORTED_COMPRESSION_TYPE || err == ERR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
           err == ERR_INVALID_PRODUCER_EPOCH;
}

static void set_log_error(struct produce_item *item, const struct topic *t, enum err err)
{
    struct log_bounds bounds;
    set_error(item, err, NULL);
    if (tells_log_start(err) && plog_bounds(t->partitions[item->out->index].log, &bounds) == ERR_OK)
        item->out->log_start_offset = bounds.log_start;
}

/* Not under way any more, or it never was. */
static void drop(struct produce_item *item)
{
    topic_unref(item->append.topic);
    slab_unref(item->repacked);
}

static void append_done(struct append *a);

/* Hands the batch on; storage finds the log that takes this partition's records. False: it has an
 * error. */
static bool route(struct produce_item *item)
{
    struct append *a = &item->append;
    const struct topic *t = a->topic;
    int32_t home = topic_forward(t, a->partition_addressed);
    if (home != a->partition_addressed && !t->config.retired_forward) {
        set_error(
            item, ERR_POLICY_VIOLATION,
            arena_printf(
                item->owner->rq->arena,
                "Partition %" PRId32
                " was retired by a merge of its shard; the range is served by partition %" PRId32
                " (diglot.retired.partition=reject).",
                a->partition_addressed, home));
        return false;
    }
    item->owner->pending++;
    store_append(rq_store(item->owner->rq), a);
    return true;
}

static void append_done(struct append *a)
{
    struct produce_item *item = CONTAINER_OF(a, struct produce_item, append);
    struct produce *p = item->owner;
    if (a->err == ERR_MOVED && item->tries++ < ROUTE_TRIES_MAX) {
        struct topic *fresh = store_topic_by_id(rq_store(p->rq), &a->topic->id);
        if (fresh != NULL) {
            topic_unref(a->topic);
            a->topic = fresh;
            if (!route(item)) drop(item);
            finish(p);
            return;
        }
        a->err = ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (a->err == ERR_OK) {
        item->out->base_offset = a->base_offset;
        item->out->log_append_time_ms = a->append_time_ms;
        item->out->log_start_offset = a->log_start;
        msk_count_in(p->rq->broker, a->topic, a->batch.bytes.len, item->records);
    } else {
        set_log_error(item, a->topic,
                      a->err == ERR_CLOSED ? ERR_UNKNOWN_TOPIC_OR_PARTITION : a->err);
    }
    drop(item);
    finish(p);
}

static const char *fault_text(enum batch_fault_kind kind)
{
    switch (kind) {
    case BATCH_FAULT_NO_KEY: return "Compacted topic cannot accept message without key";
    case BATCH_FAULT_TIMESTAMP:
        return "The timestamp is beyond the bounds of message.timestamp.before.max.ms and "
               "message.timestamp.after.max.ms";
    default: return "Invalid timestamp type: only the broker sets the time of append";
    }
}

static void list_faults(struct produce_item *item, const struct batch_faults *faults)
{
    struct arena *arena = item->owner->rq->arena;
    struct produce_response_record_error *list =
        ARENA_ARRAY(arena, struct produce_response_record_error, faults->listed);
    if (faults->listed == 0 || list == NULL) return;
    for (uint32_t i = 0; i < faults->listed; i++) {
        list[i].batch_index = faults->list[i].index;
        list[i].batch_index_error_message = bytes_str(fault_text(faults->list[i].kind));
    }
    item->out->record_errors = list;
    item->out->record_errors_count = (int32_t)faults->listed;
    item->out->error_message = bytes_str(arena_printf(
        arena, "One or more records have been rejected due to %" PRIu32 " record errors in total",
        faults->count));
}

/* Makes records, a batch that passed, what the log of this topic takes. */
static enum err prepare(struct produce_item *item, const struct topic *t, struct bytes records,
                        const struct batch_verdict *verdict)
{
    if (verdict->info.is_transactional) return ERR_INVALID_PRODUCER_ID_MAPPING;   /* none is */
    if (topic_repacks(t, verdict->info.codec)) {
        struct kafka_request *rq = item->owner->rq;
        struct batch_packing packing = topic_packing(t);
        struct budget *budget = rq->frame->conn != NULL ? frame_budget(rq->frame->conn) : NULL;
        struct batch_info info = verdict->info;
        info.max_timestamp = verdict->max_timestamp;
        return batch_recode(&info, verdict->records, &packing, &rq->home->deflater, budget,
                            &item->repacked);
    }
    if (!t->config.log_append_time)
        batch_set_time((uint8_t *)records.data, false, verdict->max_timestamp);
    return ERR_OK;
}

/* ret_in_log: an error is the log's. */
static enum err check(struct produce_item *item, const struct topic *t, struct bytes records,
                      bool *ret_in_log)
{
    struct kafka_request *rq = item->owner->rq;
    const struct produce *p = item->owner;
    TRY(topic_check_partition(t, item->out->index, -1));
    if (p->acks < -1 || p->acks > 1) return ERR_INVALID_REQUIRED_ACKS;
    struct batch_rules rules = {
        .produce_version = rq->version,
        .is_compacted = t->config.cleanup_compact,
        .is_log_append_time = t->config.log_append_time,
        .batch_bytes_max = (uint32_t)t->config.max_message_bytes,
        .now_ms = clock_wall_ms(),
        .timestamp_before_max_ms = t->config.timestamp_before_max_ms,
        .timestamp_after_max_ms = t->config.timestamp_after_max_ms,
    };
    struct batch_faults faults;
    struct batch_verdict verdict;
    enum err err = batch_validate(records, &rules, &rq->home->inflater, &faults, &verdict);
    if (err != ERR_OK) {
        list_faults(item, &faults);
        *ret_in_log = faults.in_log;
        return err;
    }
    item->records = verdict.info.count;
    err = prepare(item, t, records, &verdict);
    inflater_trim(&rq->home->inflater);
    return err;
}

static void take(struct produce_item *item, struct topic *t, enum err found, struct bytes records)
{
    struct kafka_request *rq = item->owner->rq;
    bool in_log = false;
    enum err err = found == ERR_OK ? check(item, t, records, &in_log) : found;
    if (err == ERR_OK) {
        item->append = (struct append){
            .topic = topic_ref(t),
            .partition_addressed = item->out->index,
            .shard = -1,
            .batch = {.slab = rq->frame->body, .bytes = records},
            .home = rq->frame->loop,
            .done = append_done,
        };
        if (item->repacked != NULL)
            item->append.batch = (struct slab_view){item->repacked, slab_bytes(item->repacked)};
        if (!route(item)) drop(item);
        return;
    }
    if (in_log) set_log_error(item, t, err);
    else set_error(item, err, NULL);
}

static enum err take_topic(struct produce *p, const struct produce_request_topic *in,
                           struct produce_response_topic *out)
{
    struct kafka_request *rq = p->rq;
    int32_t count = in->partition_data_count;
    struct produce_item *items = ARENA_ARRAY(rq->arena, struct produce_item, (size_t)count);
    out->partition_responses =
        ARENA_ARRAY(rq->arena, struct produce_response_partition, (size_t)count);
    if (items == NULL || out->partition_responses == NULL) return ERR_TOO_LARGE;
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partition_responses_count = count;
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    enum err found = topic_find(rq_store(rq), rq->version >= 13 ? BYTES_NULL : in->name,
                                &in->topic_id, &t);
    if (p->refused != ERR_OK) found = p->refused;
    for (int32_t i = 0; i < count; i++) {
        items[i].owner = p;
        items[i].repacked = NULL;
        items[i].out = &out->partition_responses[i];
        *items[i].out = PRODUCE_RESPONSE_PARTITION_INIT;
        items[i].out->index = in->partition_data[i].index;
        take(&items[i], t, found, in->partition_data[i].records);
    }
    return ERR_OK;
}

/* Records of a transaction want an id that says whose it is; without one all of the request is
 * refused. */
static enum err check_transactional(const struct produce_request *in)
{
    if (!bytes_is_null(in->transactional_id)) return ERR_OK;
    for (int32_t i = 0; i < in->topic_data_count; i++) {
        const struct produce_request_topic *topic = &in->topic_data[i];
        for (int32_t p = 0; p < topic->partition_data_count; p++) {
            struct batch_info info;
            if (batch_peek(topic->partition_data[p].records, &info) == ERR_OK &&
                info.is_transactional)
                return ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        }
    }
    return ERR_OK;
}

enum err kafka_produce(struct kafka_request *rq)
{
    struct produce_request in;
    TRY(produce_request_decode(&rq->body, rq->version, &in));
    struct produce *p = ARENA_NEW(rq->arena, struct produce);
    struct produce_response_topic *topics =
        ARENA_ARRAY(rq->arena, struct produce_response_topic, (size_t)in.topic_data_count);
    if (p == NULL || topics == NULL) return ERR_TOO_LARGE;
    *p = (struct produce){.rq = rq, .out = PRODUCE_RESPONSE_INIT, .acks = in.acks, .pending = 1};
    p->refused = check_transactional(&in);
    p->out.responses = topics;
    p->out.responses_count = in.topic_data_count;
    for (int32_t i = 0; i < in.topic_data_count; i++) {
        topics[i] = PRODUCE_RESPONSE_TOPIC_INIT;
        /* Out of arena in the middle of it: what was handed over comes back, then the connection
         * closes, for the answer cannot be made. */
        if (take_topic(p, &in.topic_data[i], &topics[i]) != ERR_OK) {
            p->acks = 0;
            p->failed = true;
            break;
        }
    }
    finish(p);
    return ERR_OK;
}
