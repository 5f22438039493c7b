/* Fetch: record batches of many partitions in one answer, by reference.
 *
 * The partitions are read one after the other, from the tails in memory; a partition whose batches
 * are not there goes through a reader thread and the walk goes on when it answers. When the walk is
 * over and the answer is smaller than min_bytes, the request parks on all its logs and walks again
 * when one of them has more, until max_wait_ms is over.
 *
 * Whole batches only: the client drops what lies before its offset. The first batch of an answer is
 * sent whatever its size (KIP-74), the rest stays within max_bytes, and within what the loop has
 * room for while others do not take their answers.
 * Failure modes: an error of a partition is its own field and ends the wait; one of the session is
 * the request's. */
#include "broker/fetch_session.h"
#include "broker/msk.h"
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/fetch.h"
#include "storage/watch.h"
#include "base/check.h"

enum { LEADERS_SINCE = 16 };        /* the answer names the leader that the client should ask */

struct fetch_answer {
    struct topic *topic;            /* reference, or NULL */
    struct fetch_response_partition out;
    struct read_result read;
};

struct fetch {
    struct kafka_request *rq;
    struct fetch_request in;
    struct fetch_plan plan;
    int32_t at;                     /* the item that is being read */
    int32_t count;                  /* items of the plan when the walk began */
    size_t bytes_left;
    size_t promised;                /* of the loop's room, from the first cold read on */
    size_t bytes;
    bool any_error;
    bool gone;                      /* the client went away */
    bool ready;                     /* answer after this walk, however small */
    bool as_replica;                /* by whom claims to follow: nobody can, here */
    int64_t deadline_ms;
    struct fetch_answer *answers;   /* one an item */
    struct watch_set sleep;         /* until a log has more */
    struct loop_timer deadline;     /* armed while it sleeps */
    struct log_read cold;
};

static void walk(struct fetch *f);

static struct room *room_of(const struct fetch *f)
{
    return loop_room(f->rq->frame->loop);
}

static void promise_end(struct fetch *f)
{
    room_release(room_of(f), f->promised);
    f->promised = 0;
}

static void answers_drop(struct fetch *f)
{
    promise_end(f);
    for (int32_t i = 0; i < f->count; i++) {
        read_result_done(&f->answers[i].read);
        topic_unref(f->answers[i].topic);
        f->answers[i].topic = NULL;
    }
}

static void reply(struct fetch *f, struct fetch_response *out)
{
    fetch_response_encode(f->rq->reply, f->rq->version, out);
    if (f->answers != NULL) answers_drop(f);
    kafka_reply(f->rq);
}

static void reply_error(struct fetch *f, enum err err)
{
    struct fetch_response out = FETCH_RESPONSE_INIT;
    kafka_count_error(f->rq, err);
    out.error_code = err_kafka(err);
    reply(f, &out);
}

static bool same_topic(const struct fetch_item *a, const struct fetch_item *b)
{
    return bytes_equal(a->topic, b->topic) && uuid_equal(&a->topic_id, &b->topic_id);
}

/* The batches of an answer as the encoder wants them. Errors: false - out of arena. */
static bool set_records(struct fetch *f, struct fetch_answer *a)
{
    struct slab_view *views = ARENA_ARRAY(f->rq->arena, struct slab_view, (size_t)a->read.count);
    if (views == NULL) return false;
    for (int32_t i = 0; i < a->read.count; i++) views[i] = a->read.batches[i].bytes;
    a->out.records = (struct records){.views = views, .view_count = a->read.count,
                                      .bytes = a->read.bytes};
    return true;
}

/* Groups neighbours of one topic, as the response wants them. */
static void assemble(struct fetch *f)
{
    struct fetch_response out = FETCH_RESPONSE_INIT;
    out.session_id = f->plan.session_id;
    struct fetch_response_topic *topics =
        ARENA_ARRAY(f->rq->arena, struct fetch_response_topic, (size_t)f->count);
    struct fetch_response_partition *partitions =
        ARENA_ARRAY(f->rq->arena, struct fetch_response_partition, (size_t)f->count);
    if (topics == NULL || partitions == NULL) {
        answers_drop(f);
        kafka_abort(f->rq);
        return;
    }
    out.responses = topics;
    int32_t used = 0;
    const struct fetch_item *before = NULL;
    for (int32_t i = 0; i < f->count; i++) {
        struct fetch_item *item = &f->plan.items[i];
        struct fetch_answer *a = &f->answers[i];
        if (f->plan.incremental &&
            !fetch_item_is_news(item, a->out.error_code, a->read.bytes, a->out.high_watermark,
                                a->out.log_start_offset))
            continue;
        fetch_item_told(item, a->out.high_watermark, a->out.log_start_offset);
        if (!set_records(f, a)) a->out.records = (struct records){0};
        if (before == NULL || !same_topic(before, item)) {
            topics[out.responses_count] = FETCH_RESPONSE_TOPIC_INIT;
            topics[out.responses_count].topic = item->topic;
            topics[out.responses_count].topic_id = item->topic_id;
            topics[out.responses_count++].partitions = &partitions[used];
        }
        if (a->read.bytes > 0) msk_count_out(f->rq->broker, a->topic, a->read.bytes);
        partitions[used++] = a->out;
        topics[out.responses_count - 1].partitions_count++;
        before = item;
    }
    reply(f, &out);
}

/* One partition was read, or has an error: into the answer. */
static void settle(struct fetch *f, enum err err)
{
    struct fetch_answer *a = &f->answers[f->at];
    if (err == ERR_CLOSED) err = ERR_UNKNOWN_TOPIC_OR_PARTITION;
    a->out.error_code = err_kafka(err);
    if (err != ERR_OK) {
        kafka_count_error(f->rq, err);
        /* An empty list where there was nothing to read, null where reading failed: as Kafka. */
        bool missing = err == ERR_UNKNOWN_TOPIC_OR_PARTITION || err == ERR_UNKNOWN_TOPIC_ID;
        a->out.aborted_transactions_count = missing ? 0 : -1;
        a->out.high_watermark = -1;
        f->any_error = true;
    } else {
        a->out.high_watermark = a->read.bounds.high_watermark;
        a->out.last_stable_offset = a->read.bounds.last_stable;
        a->out.log_start_offset = a->read.bounds.log_start;
        f->bytes += a->read.bytes;
        f->bytes_left -= a->read.bytes < f->bytes_left ? a->read.bytes : f->bytes_left;
    }
    f->at++;
}

static void cold_done(struct log_read *r)
{
    struct fetch *f = CONTAINER_OF(r, struct fetch, cold);
    f->answers[f->at].read = r->result;
    if (!fetch_sessions_refresh(f->rq->home->sessions, &f->plan)) {
        reply_error(f, ERR_INVALID_FETCH_SESSION_EPOCH);
        return;
    }
    settle(f, r->err);
    walk(f);
}

/* Whether the partition is there to be read by this client.
 * Errors: ERR_UNKNOWN_TOPIC_OR_PARTITION; ERR_UNKNOWN_TOPIC_ID; ERR_FENCED_LEADER_EPOCH;
 * ERR_UNKNOWN_LEADER_EPOCH; ERR_NOT_LEADER_OR_FOLLOWER; ERR_OFFSET_OUT_OF_RANGE. Thread: any. */
static enum err check(const struct fetch *f, const struct fetch_request_partition *want,
                      struct fetch_answer *a)
{
    int32_t epoch = want->current_leader_epoch < 0 ? -1 : want->current_leader_epoch;
    TRY(topic_check_partition(a->topic, want->partition, epoch));
    if (f->as_replica) {
        if (f->rq->version >= LEADERS_SINCE) {
            a->out.current_leader.leader_id = f->rq->broker->options.node_id;
            a->out.current_leader.leader_epoch = LEADER_EPOCH;
        }
        return ERR_NOT_LEADER_OR_FOLLOWER;
    }
    return want->last_fetched_epoch > LEADER_EPOCH ? ERR_OFFSET_OUT_OF_RANGE : ERR_OK;
}

/* False when the answer comes later. */
static bool read_one(struct fetch *f)
{
    const struct fetch_item *item = &f->plan.items[f->at];
    struct fetch_answer *a = &f->answers[f->at];
    a->out = FETCH_RESPONSE_PARTITION_INIT;
    a->out.partition_index = item->want.partition;
    a->out.aborted_transactions_count = f->in.isolation_level == 1 ? 0 : -1;
    read_result_init(&a->read);
    enum err err = topic_find(rq_store(f->rq), item->topic, &item->topic_id, &a->topic);
    if (err == ERR_OK) err = check(f, &item->want, a);
    if (err != ERR_OK) {
        settle(f, err);
        return true;
    }
    size_t limit = item->want.partition_max_bytes > 0 ? (size_t)item->want.partition_max_bytes : 0;
    if (limit > f->bytes_left) limit = f->bytes_left;
    bool min_one = f->bytes == 0;
    err = plog_read_tail(a->topic->partitions[item->want.partition].log, item->want.fetch_offset,
                         limit, min_one, &a->read);
    if (err != ERR_COLD) {
        settle(f, err);
        return true;
    }
    f->cold = (struct log_read){
        .topic = a->topic,
        .partition = item->want.partition,
        .offset = item->want.fetch_offset,
        .bytes_max = limit,
        .min_one = min_one,
        .client = kafka_client(f->rq),
        .home = f->rq->frame->loop,
        .done = cold_done,
        .result = a->read,
    };
    if (f->promised == 0) {
        f->promised = f->bytes_left;
        room_promise(room_of(f), f->promised);
    }
    store_read(rq_store(f->rq), &f->cold);
    return false;
}

/* When a log cannot be watched the wait is over at once. */
static void park(struct fetch *f)
{
    promise_end(f);
    bool full = false;
    for (int32_t i = 0; i < f->count && !full; i++) {
        struct fetch_answer *a = &f->answers[i];
        full = watch_set_add(&f->sleep, a->topic, f->plan.items[i].want.partition,
                             a->read.bounds.last_stable) != ERR_OK;
    }
    /* Waking means reading anew, so nothing is held meanwhile. */
    for (int32_t i = 0; i < f->count; i++) read_result_done(&f->answers[i].read);
    struct loop *loop = f->rq->frame->loop;
    loop_timer_set(loop, &f->deadline, full ? loop_now_ms(loop) : f->deadline_ms);
}

static void walk(struct fetch *f)
{
    if (f->gone) {
        answers_drop(f);
        kafka_reply(f->rq);
        return;
    }
    while (f->at < f->count)
        if (!read_one(f)) return;
    bool enough = f->any_error || f->ready ||
                  f->bytes >= (size_t)(f->in.min_bytes > 0 ? f->in.min_bytes : 0);
    if (enough || f->count == 0 || loop_now_ms(f->rq->frame->loop) >= f->deadline_ms) assemble(f);
    else park(f);
}

static void on_wake(struct watch_set *sleep)
{
    struct fetch *f = CONTAINER_OF(sleep, struct fetch, sleep);
    loop_timer_cancel(f->rq->frame->loop, &f->deadline);
    answers_drop(f);
    if (!fetch_sessions_refresh(f->rq->home->sessions, &f->plan)) {
        f->count = 0;
        reply_error(f, ERR_INVALID_FETCH_SESSION_EPOCH);
        return;
    }
    f->at = 0;
    f->bytes = 0;
    f->bytes_left = room_for(room_of(f), (size_t)f->in.max_bytes);
    walk(f);
}

static void on_deadline(struct loop_timer *timer)
{
    struct fetch *f = CONTAINER_OF(timer, struct fetch, deadline);
    f->ready = true;
    if (watch_set_end(&f->sleep)) on_wake(&f->sleep);
}

/* A cold read that is under way ends in walk(); a parked request is woken for the same. */
static void on_closed(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    f->gone = true;
    if (f->deadline.slot != 0)
        loop_timer_set(f->rq->frame->loop, &f->deadline, loop_now_ms(f->rq->frame->loop));
}

/* The server stops: answered with what there is, now or when the walk is over. */
static void on_stop(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    f->ready = true;
    if (f->deadline.slot != 0)
        loop_timer_set(f->rq->frame->loop, &f->deadline, loop_now_ms(f->rq->frame->loop));
}

enum err kafka_fetch(struct kafka_request *rq)
{
    struct fetch *f = ARENA_NEW(rq->arena, struct fetch);
    if (f == NULL) return ERR_TOO_LARGE;
    TRY(fetch_request_decode(&rq->body, rq->version, &f->in));
    f->rq = rq;
    f->as_replica = (rq->version <= 14 ? f->in.replica_id : f->in.replica_state.replica_id) >= 0;
    enum err err = fetch_sessions_plan(rq->home->sessions, rq->version, &f->in, rq->arena,
                                       &f->plan);
    if (err == ERR_TOO_LARGE) return err;
    if (err != ERR_OK) {
        reply_error(f, err);
        return ERR_OK;
    }
    f->count = f->plan.item_count;
    f->answers = ARENA_ARRAY(rq->arena, struct fetch_answer, (size_t)f->count);
    struct watch *watches = ARENA_ARRAY(rq->arena, struct watch, (size_t)f->count);
    if (f->answers == NULL || watches == NULL) return ERR_TOO_LARGE;
    if (f->in.max_bytes < 0) f->in.max_bytes = 0;
    if ((uint32_t)f->in.max_bytes > rq->broker->options.fetch_bytes_max)
        f->in.max_bytes = (int32_t)rq->broker->options.fetch_bytes_max;
    f->bytes_left = room_for(room_of(f), (size_t)f->in.max_bytes);
    f->deadline_ms = loop_now_ms(rq->frame->loop) + (f->in.max_wait_ms > 0 ? f->in.max_wait_ms : 0);
    watch_set_init(&f->sleep, rq->frame->loop, watches, f->count, on_wake);
    f->deadline.fire = on_deadline;
    rq->context = f;
    rq->on_closed = on_closed;
    rq->on_stop = on_stop;
    walk(f);
    return ERR_OK;
}
