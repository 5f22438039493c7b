/* Life of a subscription:
 *
 *   starting --position known--> pumping <--> asleep (watch, heartbeat timer)
 *      |                            |  \--> reading (a reader thread has the log)
 *      |                            |  \--> full (the client takes no bytes; on_writable)
 *      +----------> ended <---------+   5 minutes over, shard read to its end, taken over, client
 *                                       gone, stream deleted, storage failed
 *
 * `ended` waits for what is under way (a watch that fired, a reader, news of a lost place) and then
 * gives the request back. Memory: one event is made at a time in the subscription's own arena, and
 * no more is read while QUEUE_BYTES_MAX wait to be sent, or less when the loop's room for output
 * runs out. An event, from the reading to its encoding, is made within the loop's memory for
 * events; who gets none waits for those who have some, in the order of coming. Fairness:
 * TURN_BYTES_MAX are made in a turn of the loop, then the others of the loop have theirs, and
 * subscriptions that want more go on in the order in which they came. */
#include "bridge/fanout.h"

#include <assert.h>
#include "base/clock.h"
#include "base/moves.h"
#include "bridge/fanout_event.h"
#include "bridge/get.h"
#include "bridge/meter.h"
#include "bridge/stream.h"
#include "bridge/subscriptions.h"
#include "policy/limits.h"
#include "protocol/aws/eventstream.h"
#include "storage/store.h"
#include "storage/log/watch.h"
#include "base/check.h"

enum {
    HEARTBEAT_MS = 4500,            /* an empty event at least every 5 s */
    LIFE_MS = 300 * 1000,
    QUEUE_BYTES_MAX = 1 << 20,
    EVENT_BYTES_MAX = 512 << 10,
    TURN_BYTES_MAX = 512 << 10,
    EVENT_COST = 4 << 10,           /* in bytes of records that are made as fast */
    EVENT_RECORDS_MAX = 2000,
    EVENT_ARENA_MAX = 32 << 20,     /* one record may have GET_BYTES_MAX */
    BEAT_ARENA_MAX = 1 << 20,
    RETRY_MS = 50,                  /* the consumer's 2 MiB/s or all memory is used: look again */
};

/* Where the next event is made; by work_move() alone. */
enum work {
    IDLE,                           /* nowhere: here, within a step, or there is nothing to make */
    READING,                        /* storage has `cold` or `seek` */
    ARRIVED,                        /* what cold brought waits to be delivered */
    RENDERING,                      /* a codec lane makes the page */
    RENDERED,                       /* it was made there and waits to be delivered */
};

struct subscription {
    struct front_request *rq;
    struct topic *topic;            /* reference to the newest value seen */
    int32_t partition;              /* of the shard, for good */
    struct loop *loop;
    struct subscription_place place;
    int64_t consumer_created_ms;
    bool place_lost;                /* news of it is under way */
    int64_t offset;
    struct shard_position from;
    struct arena scratch;           /* of one page of records */
    struct arena beat;              /* of an event's own texts, also while a page is made */
    struct watch_set sleep;         /* until the log has more, or the topic a new value */
    struct watch watch;
    struct log_read cold;
    struct log_seek seek;
    enum work work;
    size_t promised;                /* of the loop's room, for it */
    size_t taken;                   /* of the loop's memory for events, besides scratch */
    bool retrying;                  /* there was too little of it: the heartbeat's timer goes on */
    struct read_result read;        /* what the next event is made of */
    struct get_work page;
    struct subscription *next;      /* in the line, or among those who wait for memory */
    bool in_line;
    struct loop_timer heartbeat;
    struct loop_timer life;
    int64_t sent_ms;                /* loop_now_ms of the last event */
    bool stopped;                   /* the server stops: ends as soon as it has begun */
    bool ended;
    int32_t held;                   /* functions on the stack that still use it */
};

static void pump(struct subscription *sub);
static void stand_in_line(struct subscription *sub);
static void finish(struct subscription *sub);

/* From each, those that may follow. */
static const moves work_moves[] = {
    [IDLE] = TO(READING) | TO(RENDERING),
    [READING] = TO(ARRIVED) | TO(IDLE),
    [ARRIVED] = TO(IDLE),
    [RENDERING] = TO(RENDERED),
    [RENDERED] = TO(IDLE),
};

static void work_move(struct subscription *sub, enum work to)
{
    MOVE(work_moves, sub->work, to);
}

/* Others have it: it goes on when they are done. */
static bool is_elsewhere(const struct subscription *sub)
{
    return sub->work == READING || sub->work == RENDERING;
}

/* What must hold of a stream that goes on, once nothing of it is on the stack. */
static void check(const struct subscription *sub)
{
    assert(loop_timer_is_set(&sub->heartbeat) && loop_timer_is_set(&sub->life));
    assert(!sub->place_lost);
    /* An event has its memory for as long as it is made; in line one may be given it before. */
    assert(sub->work == IDLE ? sub->taken == 0 || sub->in_line : sub->taken > 0);
    assert(sub->promised == 0 || sub->work == READING || sub->work == ARRIVED);
}

/* ---- Queues of subscriptions */

static void queue_add(struct push_queue *q, struct subscription *sub)
{
    sub->in_line = true;
    sub->next = NULL;
    if (q->first == NULL) q->first = sub;
    else q->last->next = sub;
    q->last = sub;
}

static struct subscription *queue_take(struct push_queue *q)
{
    struct subscription *sub = q->first;
    q->first = sub->next;
    sub->in_line = false;
    return sub;
}

/* ---- Memory of an event */

/* False: it waits behind the others of its loop. */
static bool take_memory(struct subscription *sub)
{
    struct push_line *line = &rq_home(sub->rq)->line;
    sub->retrying = false;
    if (sub->taken > 0) return true;
    if (line->starved.first != NULL || !budget_take(&line->memory, EVENT_BYTES_MAX)) {
        queue_add(&line->starved, sub);
        return false;
    }
    sub->taken = EVENT_BYTES_MAX;
    return true;
}

/* For a batch that is larger than what was taken. One beyond all memory gets all of it. */
static bool take_more(struct subscription *sub, size_t bytes)
{
    if (bytes > FANOUT_LOOP_BYTES) bytes = FANOUT_LOOP_BYTES;
    if (bytes <= sub->taken) return true;
    if (!budget_charge(&rq_home(sub->rq)->line.memory, bytes - sub->taken)) return false;
    sub->taken = bytes;
    return true;
}

/* And to those who wait, who go on when their turn in the line comes. */
static void give_memory(struct subscription *sub)
{
    struct push_line *line = &rq_home(sub->rq)->line;
    arena_done(&sub->scratch);
    if (sub->taken == 0) return;
    budget_give(&line->memory, sub->taken);
    sub->taken = 0;
    while (line->starved.first != NULL) {
        bool ended = line->starved.first->ended;
        if (!ended && !budget_take(&line->memory, EVENT_BYTES_MAX)) return;
        struct subscription *next = queue_take(&line->starved);
        if (ended) {
            finish(next);
            continue;
        }
        next->taken = EVENT_BYTES_MAX;
        stand_in_line(next);
    }
}

/* ---- The end */

/* Gives the request back once nothing is under way. */
static void finish(struct subscription *sub)
{
    bool busy = sub->place_lost || watch_set_sleeps(&sub->sleep) || is_elsewhere(sub) ||
                sub->in_line || sub->held > 0;
    if (!sub->ended || busy) return;
    struct http_request *http = sub->rq->http;
    topic_unref(sub->topic);
    arena_done(&sub->beat);
    room_release(loop_room(sub->loop), sub->promised);
    read_result_done(&sub->read);
    read_result_done(&sub->cold.result);
    give_memory(sub);
    http_stream_end(http);
}

/* Between the two, `sub` outlives its own end. */
static void hold(struct subscription *sub)
{
    sub->held++;
}

static void release(struct subscription *sub)
{
    sub->held--;
    if (sub->held == 0 && !sub->ended) check(sub);
    finish(sub);
}

/* err ERR_OK: without an exception. sub may be gone afterwards, unless it is held. */
static void end(struct subscription *sub, enum err err, const char *text)
{
    if (!sub->ended) {
        sub->ended = true;
        loop_timer_cancel(sub->loop, &sub->heartbeat);
        loop_timer_cancel(sub->loop, &sub->life);
        sub->place_lost = !subscriptions_leave(rq_bridge(sub->rq)->subscriptions, &sub->place);
        watch_set_end(&sub->sleep);
        if (sub->work == RENDERING) atomic_store(&sub->page.work.abandoned, true);
        if (err != ERR_OK) {
            eventstream_exception(&sub->rq->http->reply, err_kinesis(err),
                                  bytes_str(text ? text : err_text(err)));
            http_stream_write(sub->rq->http, &sub->rq->http->reply);
        }
    }
    finish(sub);
}

static const char *taken_text(struct subscription *sub)
{
    struct arena *arena = sub->rq->arena;
    return arena_printf(arena,
                        "Another active subscription exists for this consumer: %.*s:%s:%.*s:%.*s",
                        BYTES_ARGS(rq_bridge(sub->rq)->account), sub->topic->name,
                        BYTES_ARGS(shard_id_text(arena, sub->place.shard)),
                        BYTES_ARGS(sub->place.consumer));
}

static void on_lost(struct subscription_place *place, bool taken_over)
{
    struct subscription *sub = CONTAINER_OF(place, struct subscription, place);
    sub->place_lost = false;
    if (taken_over) end(sub, ERR_RESOURCE_IN_USE, taken_text(sub));
    else end(sub, ERR_RESOURCE_NOT_FOUND, "The consumer was deregistered.");
}

static void on_closed(struct front_request *rq)
{
    end(rq->context, ERR_OK, NULL);
}

/* The server stops: the stream ends as after five minutes, and the consumer subscribes anew. */
static void on_stop(struct front_request *rq)
{
    struct subscription *sub = rq->context;
    sub->stopped = true;
    if (rq->http->streaming) end(sub, ERR_OK, NULL);
}

static void on_life(struct loop_timer *timer)
{
    end(CONTAINER_OF(timer, struct subscription, life), ERR_OK, NULL);
}

/* ---- Pushing */

static void count(struct subscription *sub, const struct meter_delta *of_consumer)
{
    meter_consumer(&rq_bridge(sub->rq)->meters, sub->topic, sub->place.consumer,
                   sub->consumer_created_ms, of_consumer);
}

static void count_event(struct subscription *sub, const struct get_page *page, int64_t behind_ms)
{
    struct meter_delta of_consumer = {.seen = 1 << METER_EVENT_BEHIND_MS}, of_shard = {0};
    of_consumer.by[METER_EVENT_BEHIND_MS] = behind_ms;
    of_consumer.by[METER_EVENT_SUCCESS] = 1;
    of_consumer.by[METER_EVENT_BYTES] = (int64_t)page->bytes;
    of_consumer.by[METER_EVENT_RECORDS] = page->count;
    count(sub, &of_consumer);
    of_shard.by[METER_SHARD_OUTGOING_BYTES] = (int64_t)page->bytes;
    of_shard.by[METER_SHARD_OUTGOING_RECORDS] = page->count;
    meter_shard(&rq_bridge(sub->rq)->meters, sub->topic, sub->place.shard, &of_shard);
}

static struct limits_key pipe_of(const struct subscription *sub)
{
    return (struct limits_key){.topic_id = sub->place.topic_id, .shard = sub->place.shard};
}

static void beat_at(struct subscription *sub, int64_t at_ms)
{
    loop_timer_set(sub->loop, &sub->heartbeat, at_ms);
}

static void send_event(struct subscription *sub, const struct shard *shard,
                       const struct log_bounds *bounds, const struct get_page *page)
{
    struct writer *reply = &sub->rq->http->reply;
    struct kinesis_subscribe_to_shard_event event;
    bool made = fanout_event(sub->topic, shard, bounds, page, &sub->beat, &event);
    if (made)
        eventstream_event(reply, "SubscribeToShardEvent", &kinesis_subscribe_to_shard_event_shape,
                          &event);
    arena_done(&sub->beat);
    if (!made || reply->err != ERR_OK) {
        writer_reset(reply);
        end(sub, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    http_stream_write(sub->rq->http, reply);
    if (reply->cap > WRITER_FREE_BYTES) writer_done(reply);     /* who sleeps now keeps little */
    struct limits_key pipe = pipe_of(sub);
    limits_charge_push(rq_bridge(sub->rq)->limits, &pipe, bytes_hash(sub->place.consumer),
                       page->bytes, clock_mono_ms());
    count_event(sub, page, event.millis_behind_latest);
    sub->sent_ms = loop_now_ms(sub->loop);
    beat_at(sub, sub->sent_ms + HEARTBEAT_MS);
    if (shard_ends_by(shard, sub->offset)) end(sub, ERR_OK, NULL);
}

/* The newest value of the topic: a reshard may have closed the shard. False: ended. */
static const struct shard *refresh(struct subscription *sub)
{
    struct topic *fresh = store_topic_by_id(rq_store(sub->rq), &sub->topic->id);
    const struct shard *shard = fresh ? topic_shard(fresh, sub->place.shard) : NULL;
    if (shard == NULL) {
        topic_unref(fresh);
        end(sub, ERR_RESOURCE_NOT_FOUND, "The stream or the shard does not exist any more.");
        return NULL;
    }
    topic_unref(sub->topic);
    sub->topic = fresh;
    return shard;
}

static void on_wake(struct watch_set *sleep)
{
    pump(CONTAINER_OF(sleep, struct subscription, sleep));
}

static void sleep_on(struct subscription *sub)
{
    if (watch_set_sleeps(&sub->sleep)) return;
    if (watch_set_add(&sub->sleep, sub->topic, sub->partition, sub->offset, 0) != ERR_OK)
        end(sub, ERR_LIMIT_EXCEEDED, "Too many readers wait on this shard.");
}

static void cold_done(struct log_read *r);

/* What may be made for it now: small where much waits to be sent on this loop. */
static size_t room_of(const struct subscription *sub, size_t wanted)
{
    return room_for(loop_room(sub->loop), wanted);
}

static void read_cold(struct subscription *sub, const struct shard *shard)
{
    work_move(sub, READING);
    sub->promised = room_of(sub, EVENT_BYTES_MAX);
    room_promise(loop_room(sub->loop), sub->promised);
    sub->cold = (struct log_read){
        .topic = sub->topic, .partition = shard->partition, .offset = sub->offset,
        .bytes_max = sub->promised,
        .min_one = true, .client = front_client(sub->rq), .home = sub->loop, .done = cold_done};
    topic_ref(sub->topic);
    read_result_init(&sub->cold.result);
    store_read(rq_store(sub->rq), &sub->cold);
}

/* There is too little memory for this page: all is let go. */
static bool retry(struct subscription *sub)
{
    sub->retrying = true;
    beat_at(sub, loop_now_ms(sub->loop) + RETRY_MS);
    return false;
}

/* Sends the page that was made of sub->read. False: nothing came of it, or the subscription
 * ended. */
static bool deliver_page(struct subscription *sub, const struct shard *shard)
{
    const struct get_page *page = &sub->page.page;
    if (sub->page.err == ERR_TOO_LARGE || sub->page.err == ERR_BUSY) return retry(sub);
    if (sub->page.err != ERR_OK) {
        end(sub, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return false;
    }
    bool moved = page->offset_next > sub->offset;
    sub->offset = page->offset_next;
    rq_home(sub->rq)->line.bytes += page->bytes + EVENT_COST;
    if (page->count > 0 || shard_ends_by(shard, sub->offset))
        send_event(sub, shard, &sub->read.bounds, page);
    return moved && !sub->ended;
}

static void page_done(struct get_work *w)
{
    struct subscription *sub = CONTAINER_OF(w, struct subscription, page);
    work_move(sub, RENDERED);
    pump(sub);
}

/* What the codec lane made. False: it ended the subscription. */
static bool deliver_rendered(struct subscription *sub)
{
    work_move(sub, IDLE);
    const struct shard *shard = refresh(sub);
    if (shard != NULL) deliver_page(sub, shard);
    read_result_done(&sub->read);
    return !sub->ended && !sub->retrying;
}

/* Makes a page of sub->read and sends it. False: that comes later, or nothing came of it, or the
 * subscription ended. */
static bool deliver(struct subscription *sub, const struct shard *shard)
{
    if (!take_more(sub, sub->read.bytes)) return retry(sub);
    arena_done(&sub->scratch);
    sub->page = (struct get_work){
        .wanted = {.shard = shard, .read = &sub->read, .offset = sub->offset,
                   .count_max = EVENT_RECORDS_MAX, .bytes_max = room_of(sub, EVENT_BYTES_MAX)},
        .topic = sub->topic, .arena = &sub->scratch, .done = page_done};
    if (get_start(&sub->page, sub->rq)) return deliver_page(sub, shard);
    work_move(sub, RENDERING);
    return false;
}

static void give_room_back(struct subscription *sub)
{
    room_release(loop_room(sub->loop), sub->promised);
    sub->promised = 0;
}

static void cold_done(struct log_read *r)
{
    struct subscription *sub = CONTAINER_OF(r, struct subscription, cold);
    work_move(sub, ARRIVED);
    topic_unref(r->topic);
    pump(sub);
}

/* What the reader thread brought. False: a page of it is made elsewhere, or it ended the
 * subscription. */
static bool deliver_cold(struct subscription *sub)
{
    struct log_read *r = &sub->cold;
    work_move(sub, IDLE);
    give_room_back(sub);
    const struct shard *shard = NULL;
    if (r->err == ERR_BUSY)
        retry(sub);
    else if (r->err != ERR_OK && r->err != ERR_OFFSET_OUT_OF_RANGE)
        end(sub, ERR_UNKNOWN_SERVER_ERROR, NULL);
    else
        shard = refresh(sub);
    sub->read = r->result;
    read_result_init(&r->result);
    if (shard != NULL && r->err == ERR_OK) deliver(sub, shard);
    /* Retention overtook the reader: go on at the horizon. */
    if (shard != NULL && r->err != ERR_OK)
        sub->offset = shard_horizon(shard, sub->read.bounds.log_start);
    if (sub->work == RENDERING) return false;
    read_result_done(&sub->read);
    return !sub->ended && !sub->retrying;
}

/* What push() does but for the memory. */
static bool step(struct subscription *sub)
{
    if (sub->ended || is_elsewhere(sub)) return false;
    if (sub->work == RENDERED) return deliver_rendered(sub);
    if (sub->work == ARRIVED) return deliver_cold(sub);
    if (http_stream_queued(sub->rq->http) > room_of(sub, QUEUE_BYTES_MAX)) return false;
    struct limits_key pipe = pipe_of(sub);
    if (limits_push_room(rq_bridge(sub->rq)->limits, &pipe, bytes_hash(sub->place.consumer),
                         clock_mono_ms()) == 0) {
        beat_at(sub, loop_now_ms(sub->loop) + RETRY_MS);
        return false;
    }
    if (!take_memory(sub)) return false;
    struct plog *log = sub->topic->partitions[sub->partition].log;
    read_result_init(&sub->read);
    enum err err = plog_read_tail(log, sub->offset, room_of(sub, EVENT_BYTES_MAX), true,
                                  &sub->read);
    /* Only now: a reshard closes the window before anything is appended behind it, so the newest
     * value tells where the shard ends in what was read. */
    const struct shard *shard = refresh(sub);
    if (shard == NULL) {
        read_result_done(&sub->read);
        return false;
    }
    bool more = err == ERR_OK && (sub->read.count > 0 || shard->end_offset >= 0) &&
                deliver(sub, shard);
    if (sub->work == RENDERING) return false;
    read_result_done(&sub->read);
    if (sub->ended || sub->retrying) return false;
    if (err == ERR_COLD || err == ERR_OFFSET_OUT_OF_RANGE) read_cold(sub, shard);
    else if (err == ERR_BUSY) retry(sub);
    else if (err != ERR_OK) end(sub, ERR_UNKNOWN_SERVER_ERROR, NULL);
    else if (!more) sleep_on(sub);
    return more;
}

/* One step of pushing. False: something has to happen first - an append, room in the client's queue
 * or in its pipe, memory, a reader thread - or it is over. */
static bool push(struct subscription *sub)
{
    bool more = step(sub);
    if (sub->work == IDLE) give_memory(sub);
    return more;
}

static void on_next_turn(struct job *job);

static void wait_for_next_turn(struct subscription *sub, struct push_line *line)
{
    if (line->is_posted) return;
    line->is_posted = true;
    line->next_turn.run = on_next_turn;
    loop_defer_flush(sub->loop, &line->next_turn);      /* behind everything of this turn */
}

/* Goes on when the loop has seen to its other events. */
static void stand_in_line(struct subscription *sub)
{
    struct push_line *line = &rq_home(sub->rq)->line;
    queue_add(&line->queue, sub);
    wait_for_next_turn(sub, line);
}

static void pump(struct subscription *sub)
{
    if (sub->in_line) return;
    hold(sub);
    bool more = true;
    while (more && rq_home(sub->rq)->line.bytes < TURN_BYTES_MAX) more = push(sub);
    if (more && !sub->ended) stand_in_line(sub);
    release(sub);
}

/* One event for each in line, who then stands behind the others, until the turn is used up. */
static void on_next_turn(struct job *job)
{
    struct push_line *line = CONTAINER_OF(job, struct push_line, next_turn);
    line->is_posted = false;
    line->bytes = 0;
    while (line->queue.first != NULL && line->bytes < TURN_BYTES_MAX) {
        struct subscription *sub = queue_take(&line->queue);
        hold(sub);
        if (push(sub)) stand_in_line(sub);
        release(sub);
    }
    if (line->queue.first != NULL) wait_for_next_turn(line->queue.first, line);
}

static void on_heartbeat(struct loop_timer *timer)
{
    struct subscription *sub = CONTAINER_OF(timer, struct subscription, heartbeat);
    if (loop_now_ms(sub->loop) - sub->sent_ms < HEARTBEAT_MS) {
        beat_at(sub, sub->sent_ms + HEARTBEAT_MS);      /* it was the pipe's */
        pump(sub);
        return;
    }
    hold(sub);
    const struct shard *shard = refresh(sub);
    struct log_bounds bounds = {0};
    if (shard != NULL) {
        struct plog *log = sub->topic->partitions[shard->partition].log;
        if (plog_bounds(log, &bounds) != ERR_OK) bounds.last_stable = sub->offset;
        struct get_page nothing = {.offset_next = sub->offset};
        send_event(sub, shard, &bounds, &nothing);
        pump(sub);
    }
    release(sub);
}

static void on_writable(struct http_request *http)
{
    struct front_request *rq = http->context;
    pump(rq->context);
}

/* ---- The beginning */

static void begin_stream(struct subscription *sub)
{
    struct front_request *rq = sub->rq;
    enum err err = subscriptions_take(rq_bridge(rq)->subscriptions, &sub->place);
    struct meter_delta d = {0};
    d.by[err == ERR_OK ? METER_SUBSCRIBE_SUCCESS : METER_SUBSCRIBE_RATE_EXCEEDED] = 1;
    count(sub, &d);
    if (err != ERR_OK) {
        const char *text = err == ERR_RESOURCE_IN_USE ? taken_text(sub)
                                                      : "Rate exceeded: too many subscriptions.";
        rq->on_closed = NULL;
        topic_unref(sub->topic);
        front_fail(rq, err, "%s", text);
        return;
    }
    struct http_header headers[FRONT_HEADERS_MAX];
    uint32_t count = front_headers(rq, EVENTSTREAM_CONTENT_TYPE, headers);
    http_stream_start(rq->http, 200, headers, count);
    rq->http->on_writable = on_writable;
    eventstream_initial_response(&rq->http->reply);
    http_stream_write(rq->http, &rq->http->reply);
    sub->sent_ms = loop_now_ms(sub->loop);
    beat_at(sub, sub->sent_ms + HEARTBEAT_MS);
    loop_timer_set(sub->loop, &sub->life, sub->sent_ms + LIFE_MS);
    if (sub->stopped) end(sub, ERR_OK, NULL);
    else pump(sub);
}

static void sought(struct log_seek *q)
{
    struct subscription *sub = CONTAINER_OF(q, struct subscription, seek);
    struct front_request *rq = sub->rq;
    const struct shard *shard = topic_shard(sub->topic, sub->place.shard);
    work_move(sub, IDLE);
    bool failed = q->err != ERR_OK && q->err != ERR_NOT_FOUND;
    if (failed || rq->http->conn == NULL) {
        rq->on_closed = NULL;
        stream_fail(rq, sub->topic, failed ? q->err : ERR_CLOSED);
        return;
    }
    if (sub->from.kind == SHARD_AT_OFFSET) sub->offset = sub->from.value;
    else if (sub->from.kind == SHARD_AT_HORIZON) sub->offset = shard->first_offset;
    else sub->offset = q->err == ERR_OK ? q->offset : q->bounds.last_stable;
    int64_t horizon = shard_horizon(shard, q->bounds.log_start);
    if (sub->offset < horizon) sub->offset = horizon;
    sub->offset = shard_cut(shard, sub->offset);
    if (sub->offset > q->bounds.last_stable) sub->offset = q->bounds.last_stable;
    rq->on_closed = on_closed;
    begin_stream(sub);
}

void fanout_start(struct front_request *rq, const struct consumer_ref *consumer,
                  const struct shard *shard, const struct shard_position *from)
{
    struct subscription *sub = ARENA_NEW(rq->arena, struct subscription);
    if (sub == NULL) {
        topic_unref(consumer->topic);
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    *sub = (struct subscription){
        .rq = rq,
        .topic = consumer->topic,
        .partition = shard->partition,
        .loop = rq->http->loop,
        .place = {
            .topic_id = consumer->topic->id,
            .shard = shard->index,
            .consumer = arena_copy(rq->arena, bytes_str(consumer->consumer->name)),
            .started_ms = clock_mono_ms(),
            .loop = rq->http->loop,
            .lost = on_lost,
        },
        .consumer_created_ms = consumer->consumer->created_ms,
        .from = *from,
        .stopped = rq->stopping,
        .heartbeat.fire = on_heartbeat,
        .life.fire = on_life,
    };
    watch_set_init(&sub->sleep, sub->loop, &sub->watch, 1, on_wake);
    arena_init(&sub->scratch, EVENT_ARENA_MAX);
    sub->scratch.budget = &rq_home(rq)->line.memory;
    arena_init(&sub->beat, BEAT_ARENA_MAX);
    read_result_init(&sub->cold.result);
    read_result_init(&sub->read);
    rq->context = sub;
    rq->on_stop = on_stop;
    /* Finds a time, and opens a log that was not used since the start. */
    work_move(sub, READING);
    sub->seek = (struct log_seek){
        .work.client = front_client(rq),
        .topic = sub->topic, .partition = shard->partition,
        .kind = from->kind == SHARD_AT_ARRIVAL ? LOG_SEEK_ARRIVAL : LOG_SEEK_BOUNDS,
        .time_ms = from->value, .home = sub->loop, .done = sought};
    store_seek(rq_store(rq), &sub->seek);
}
