/* Produce: every partition's batch is checked and appended by the worker that owns its log. The
 * answer leaves when the last of them is durable.
 *
 * Checking means unpacking, and perhaps packing anew. It happens here, on the connection's loop, as
 * long as the request costs less than the limits below; from the batch on that would cost more, the
 * rest of the request goes to a codec lane (storage/codecs.h), a batch a step. It comes back as a
 * whole and is appended in order; until then no other Produce of the connection starts.
 *
 * A partition that a merge retired takes no records any more: what is addressed to it goes into the
 * log that took over its range (diglot.retired.partition=forward), or is refused by name.
 *
 * Batches are stored byte for byte as they came, unless the topic's compression.type names another
 * codec: then the records are packed anew and a batch of our own is appended.
 * Failure modes: each partition has its own error in the answer; with acks=0 nobody reads it, so an
 * error closes the connection and the client asks for metadata anew. */
#include <inttypes.h>
#include <stdio.h>
#include "broker/batch_check.h"
#include "broker/mentions.h"
#include "broker/metrics/msk.h"
#include "broker/produce_faults.h"
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/batch/batch.h"
#include "protocol/kafka/msg/produce.h"
#include "storage/codecs.h"
#include "base/check.h"

enum {
    ROUTE_TRIES_MAX = 16,
    /* What one request may cost its loop: bytes read through, packed and unpacked ones together (of
     * 2 MiB zstd, snappy and lz4 make 2 ms, gzip 7), and the time of packing. */
    HERE_BYTES_MAX = 2 << 20,
    HERE_PACK_US_MAX = 2000,
    /* And partitions: what names more is looked up on a codec lane, and handed over some a turn. */
    PARTITIONS_HERE_MAX = 1000,
    /* A step on a lane ends behind so many bytes. */
    STEP_BYTES = 1 << 20,
    /* A batch of which a quarter of that is left is not even tried. */
    UNPACKED_RATIO = 4,
};

/* What the batches of one request may unpack to, together: as much as one of them may, and this
 * many times what the request has itself. Records that are worth sending stay far below. */
enum { UNPACKED_BYTES_MAX = INFLATE_BYTES_MAX, UNPACKED_PER_BYTE = 16 };

struct produce;

struct produce_item {
    struct append append;
    struct produce *owner;
    struct produce_response_partition *out;
    struct topic *topic;        /* reference, until it is appended or refused; NULL: not found */
    enum err found;             /* whether there is anything to check */
    struct batch_check check;
    int32_t tries;
    struct produce_item *next;  /* in the order of the request */
};

struct produce {
    struct kafka_request *rq;
    struct produce_request in;
    struct budget *budget;      /* of what is packed anew; may be NULL */
    struct produce_response out;
    bool is_long;               /* names more than PARTITIONS_HERE_MAX */
    enum err err;               /* of looking up what is named */
    int16_t acks;
    enum err refused;           /* what every partition gets; ERR_OK: each its own */
    int32_t pending;            /* appends under way, and one while they are being handed over */
    bool failed;
    struct produce_item *first, **last;
    struct produce_item *next;  /* the first one that was not handed over */
    struct job turn;            /* handing over goes on */
    bool checked;               /* next and what comes behind it, by a codec lane */
    struct produce_item *at;    /* the lane's: the next one */
    struct codec_work work;
    struct arena found;         /* what the lane tells of faults: rq->arena is the loop's */
    size_t here_left;           /* of HERE_BYTES_MAX */
    uint64_t here_pack_us_left;
    size_t unpack_left;         /* of what the request may unpack */
};

static void encode(struct kafka_request *rq)
{
    const struct produce *p = rq->context;
    KAFKA_ENCODE(rq, produce, &p->out);
}

static void finish(struct produce *p)
{
    if (--p->pending > 0) return;
    if (p->acks == 0) KAFKA_ENCODE_NONE(p->rq, produce, &p->out);
    if (p->acks != 0) {
        kafka_reply_many(p->rq, p->is_long, encode);
    } else if (p->failed) {
        kafka_abort(p->rq);
    } else {
        kafka_reply_none(p->rq);
    }
}

static void set_error(struct produce_item *item, enum err err, const char *text)
{
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
    slab_unref(item->check.repacked);
}

static void append_done(struct append *a);

/* Hands the batch on; storage finds the log that takes this partition's records. False: it has an
 * error. */
static bool route(struct produce_item *item)
{
    struct append *a = &item->append;
    const struct topic *t = a->topic;
    int32_t home = topic_forward(t, a->partition_addressed);
    if (home != a->partition_addressed && t->config.retired_reject) {
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
        msk_count_in(p->rq->broker, a->topic, a->batch.bytes.len,
                     item->check.count);
    } else {
        set_log_error(item, a->topic,
                      a->err == ERR_CLOSED ? ERR_UNKNOWN_TOPIC_OR_PARTITION : a->err);
    }
    drop(item);
    finish(p);
}

/* The item was checked, or need not be: hands its batch on, or answers. Thread: the loop. */
static void settle(struct produce_item *item)
{
    struct kafka_request *rq = item->owner->rq;
    struct batch_check *c = &item->check;
    struct topic *t = TAKE(item->topic);
    enum err err = item->found != ERR_OK ? item->found : c->err;
    if (err != ERR_OK) {
        if (item->found == ERR_OK && c->in_log) set_log_error(item, t, err);
        else set_error(item, err, NULL);
        if (c->unpacks_too_much)
            item->out->error_message = BYTES_LIT(
                "The batches of the request unpack to more than a request may have");
        if (c->faults != NULL)
            produce_faults_tell(rq->arena, c->faults, c->now_ms, t, item->out);
        slab_unrefp(&c->repacked);      /* its client left behind the lane */
        topic_unref(t);
        return;
    }
    item->append = (struct append){
        .topic = t,
        .partition_addressed = item->out->index,
        .shard = -1,
        .batch = {.slab = rq->frame->body, .bytes = c->records},
        .behind = item->owner->is_long,
        .home = rq->frame->loop,
        .done = append_done,
    };
    if (c->repacked != NULL)
        item->append.batch = (struct slab_view){c->repacked, slab_bytes(c->repacked)};
    if (!route(item)) drop(item);
}

/* False: it would cost the loop too much. */
static bool check_here(struct produce_item *item)
{
    struct produce *p = item->owner;
    struct broker_loop *home = p->rq->home;
    size_t bytes = item->check.records.len;
    struct batch_info info;
    bool packed = batch_peek(item->check.records, &info) == ERR_OK && info.codec != CODEC_NONE;
    if (bytes > p->here_left || (packed && bytes > p->here_left / UNPACKED_RATIO)) return false;
    struct batch_check_tools tools = {
        .inflater = &home->inflater, .deflater = &home->deflater,
        .unpack_max = p->here_left - bytes, .pack_us_max = p->here_pack_us_left};
    size_t before = p->unpack_left;
    if (!batch_check(&item->check, &tools, &p->unpack_left)) return false;
    size_t spent = bytes + (before - p->unpack_left);
    p->here_left -= spent < p->here_left ? spent : p->here_left;
    p->here_pack_us_left -= item->check.pack_us;
    return true;
}

/* ---- On a codec lane */

static uint64_t pack_us_max(enum codec_lane lane)
{
    return lane == CODEC_QUICK  ? CODEC_QUICK_US_MAX
           : lane == CODEC_LONG ? CODEC_LONG_US_MAX
                                : UINT64_MAX;
}

static enum codec_outcome check_step(struct codec_work *w, struct codec_tools *with)
{
    struct produce *p = CONTAINER_OF(w, struct produce, work);
    struct batch_check_tools tools = {
        .inflater = &with->inflater, .deflater = &with->deflater,
        .unpack_max = with->inflater.bytes_max, .pack_us_max = pack_us_max(with->lane)};
    w->lane = CODEC_QUICK;
    for (size_t bytes = 0; p->at != NULL && bytes < STEP_BYTES; p->at = p->at->next) {
        struct produce_item *item = p->at;
        size_t before = p->unpack_left;
        if (item->found != ERR_OK) continue;
        if (!batch_check(&item->check, &tools, &p->unpack_left)) {
            enum codec_lane lane = codec_lane_for_cost(item->check.pack_us);
            w->lane = lane > with->lane ? lane : CODEC_LONG;
            return CODEC_AGAIN;
        }
        bool alone = with->lane != CODEC_QUICK || item->check.repacked != NULL;
        bytes += alone ? STEP_BYTES : item->check.records.len + (before - p->unpack_left);
    }
    return p->at == NULL ? CODEC_OVER : CODEC_AGAIN;
}

static void hand_over(struct produce *p);

static void checked(struct codec_work *w)
{
    struct produce *p = CONTAINER_OF(w, struct produce, work);
    p->rq->on_closed = NULL;
    p->checked = true;
    hand_over(p);
}

/* Nobody waits for it any more, and nothing of it was promised. */
static void on_closed(struct kafka_request *rq)
{
    struct produce *p = rq->context;
    atomic_store(&p->work.abandoned, true);
}

static void check_elsewhere(struct produce *p)
{
    struct kafka_request *rq = p->rq;
    p->at = p->next;
    arena_init(&p->found, rq->arena->cap);
    p->found.budget = rq->arena->budget;
    for (struct produce_item *item = p->next; item != NULL; item = item->next)
        item->check.arena = &p->found;
    p->work = (struct codec_work){.client = kafka_client(rq), .lane = CODEC_QUICK,
                                  .step = check_step, .home = rq->frame->loop, .done = checked};
    if (p->acks != 0) rq->on_closed = on_closed;
    if (p->acks != 0 && rq->frame->conn == NULL) on_closed(rq);
    store_codec(rq_store(rq), &p->work);
}

/* Each batch goes to its log, in their order; no other Produce of the connection starts before the
 * last of them did. */
static void hand_over(struct produce *p)
{
    struct kafka_request *rq = p->rq;
    for (int left = PARTITIONS_HERE_MAX; p->next != NULL; left--) {
        struct produce_item *item = p->next;
        rq->holds_next = left == 0 ||
                         (!p->checked && item->found == ERR_OK && !check_here(item));
        if (rq->holds_next) {
            if (left == 0) loop_defer_long(rq->frame->loop, &p->turn);
            else check_elsewhere(p);
            return;
        }
        p->next = item->next;
        if (p->checked && atomic_load(&p->work.abandoned)) item->found = ERR_CLOSED;
        settle(item);
    }
    rq->holds_next = false;
    if (p->checked) arena_done(&p->found);
    finish(p);
}

static void on_turn(struct job *job)
{
    hand_over(CONTAINER_OF(job, struct produce, turn));
}

/* ---- The request */

/* Whether there is a batch to check at all. */
static enum err look(const struct produce *p, const struct topic *t, enum err found,
                     int32_t partition)
{
    if (p->refused != ERR_OK) return p->refused;
    TRY(found);
    TRY(topic_check_partition(t, partition, -1));
    return p->acks < -1 || p->acks > 1 ? ERR_INVALID_REQUIRED_ACKS : ERR_OK;
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
    for (int32_t i = 0; i < count; i++) {
        const struct produce_request_partition *asked = &in->partition_data[i];
        struct produce_item *item = &items[i];
        *item = (struct produce_item){
            .owner = p,
            .out = &out->partition_responses[i],
            .topic = t != NULL ? topic_ref(t) : NULL,
            .found = look(p, t, found, asked->index),
            .check = {.topic = t, .records = asked->records, .produce_version = rq->version,
                      .arena = rq->arena, .budget = p->budget},
        };
        *item->out = PRODUCE_RESPONSE_PARTITION_INIT;
        item->out->index = asked->index;
        *p->last = item;
        p->last = &item->next;
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

/* Of a partition that is named more than once the last records count, and it is answered once: as
 * in Kafka, whose broker makes a map of them.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err fold_repeats(struct arena *arena, struct produce_request *in, bool by_id)
{
    size_t count = 0;
    for (int32_t t = 0; t < in->topic_data_count; t++)
        count += (size_t)in->topic_data[t].partition_data_count;
    if (count <= 1) return ERR_OK;
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, (size_t)in->topic_data_count);
    struct bytes *records = ARENA_ARRAY(arena, struct bytes, count);
    struct partition_mention *all = ARENA_ARRAY(arena, struct partition_mention, count);
    if (names == NULL || records == NULL || all == NULL) return ERR_TOO_LARGE;
    int32_t at = 0, kept_topics = 0;
    for (int32_t t = 0; t < in->topic_data_count; t++) {
        struct produce_request_topic *topic = &in->topic_data[t];
        names[t] = by_id ? bytes_of(topic->topic_id.bytes, sizeof topic->topic_id.bytes)
                         : topic->name;
        for (int32_t i = 0; i < topic->partition_data_count; i++, at++) {
            all[at] = (struct partition_mention){.topic = t,
                                                 .partition = topic->partition_data[i].index};
            records[at] = topic->partition_data[i].records;
        }
    }
    TRY(mentions_of_partitions(arena, names, in->topic_data_count, all, at));
    for (int32_t i = 0; i < at; i++) records[all[i].mention->first] = records[i];
    at = 0;
    for (int32_t t = 0; t < in->topic_data_count; t++) {
        struct produce_request_topic topic = in->topic_data[t];
        int32_t kept = 0;
        for (int32_t i = 0; i < topic.partition_data_count; i++, at++) {
            if (all[at].mention->first != at) continue;
            topic.partition_data[kept] = topic.partition_data[i];
            topic.partition_data[kept++].records = records[at];
        }
        bool said_before = kept == 0 && topic.partition_data_count > 0;
        topic.partition_data_count = kept;
        if (!said_before) in->topic_data[kept_topics++] = topic;
    }
    in->topic_data_count = kept_topics;
    return ERR_OK;
}

/* Looks up all that the request names. Thread: the loop's, or a codec lane's. */
static void look_up(struct kafka_request *rq)
{
    struct produce *p = rq->context;
    struct produce_request *in = &p->in;
    p->err = fold_repeats(rq->arena, in, rq->version >= 13);
    if (p->err != ERR_OK) return;
    struct produce_response_topic *topics =
        ARENA_ARRAY(rq->arena, struct produce_response_topic, (size_t)in->topic_data_count);
    if (topics == NULL) {
        p->err = ERR_TOO_LARGE;
        return;
    }
    p->refused = check_transactional(in);
    p->out.responses = topics;
    for (int32_t i = 0; i < in->topic_data_count; i++) {
        if (in->topic_data[i].partition_data_count <= 0) continue;  /* Kafka does not answer it */
        struct produce_response_topic *out = &topics[p->out.responses_count++];
        *out = PRODUCE_RESPONSE_TOPIC_INIT;
        /* Out of arena in the middle of it: what is there is handed over and comes back, then the
         * connection closes, for the answer cannot be made. */
        if (take_topic(p, &in->topic_data[i], out) != ERR_OK) {
            p->acks = 0;
            p->failed = true;
            break;
        }
    }
    p->next = p->first;
}

static void looked_up(struct kafka_request *rq)
{
    struct produce *p = rq->context;
    if (p->err == ERR_OK) hand_over(p);
    else kafka_abort(rq);
}

static bool names_many(const struct produce_request *in)
{
    int64_t count = in->topic_data_count;
    for (int32_t t = 0; t < in->topic_data_count; t++)
        count += in->topic_data[t].partition_data_count;
    return count > PARTITIONS_HERE_MAX;
}

enum err kafka_produce(struct kafka_request *rq)
{
    struct produce *p = ARENA_NEW(rq->arena, struct produce);
    if (p == NULL) return ERR_TOO_LARGE;
    TRY(produce_request_decode(&rq->body, rq->version, &p->in));
    p->rq = rq;
    p->out = PRODUCE_RESPONSE_INIT;
    p->acks = p->in.acks;
    p->pending = 1;
    p->here_left = HERE_BYTES_MAX;
    p->here_pack_us_left = HERE_PACK_US_MAX;
    p->unpack_left = UNPACKED_BYTES_MAX + UNPACKED_PER_BYTE * slab_bytes(rq->frame->body).len;
    p->last = &p->first;
    p->turn.run = on_turn;
    p->budget = rq->frame->conn != NULL ? frame_budget(rq->frame->conn) : NULL;
    p->is_long = names_many(&p->in);
    rq->context = p;
    if (p->is_long) {
        rq->holds_next = true;
        kafka_beside(rq, look_up, looked_up);
        return ERR_OK;
    }
    look_up(rq);
    if (p->err != ERR_OK) return p->err;
    hand_over(p);
    return ERR_OK;
}
