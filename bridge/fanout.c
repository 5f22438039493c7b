/* Life of a subscription:
 *
 *   starting --position known--> pumping <--> asleep (watch, heartbeat timer)
 *      |                            |  \--> reading (a reader thread has the log)
 *      |                            |  \--> full (the client takes no bytes; on_writable)
 *      +----------> ended <---------+   5 minutes over, shard read to its end, taken over, client gone,
 *                                       stream deleted, storage failed
 *
 * `ended` waits for what is under way (a watch that fired, a reader, a message of the table) and then
 * gives the request back. Memory: one event is made at a time in the subscription's own arena, and no
 * more is read while QUEUE_BYTES_MAX wait to be sent. */
#include "bridge/fanout.h"

#include <pthread.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "bridge/get.h"
#include "bridge/meter.h"
#include "bridge/stream.h"
#include "policy/limits.h"
#include "protocol/kinesis/eventstream.h"
#include "storage/store.h"
#include "storage/watch.h"
#include "base/check.h"

enum {
    EXCLUSIVE_MS = 5000,            /* a second call within this is refused */
    HEARTBEAT_MS = 4500,            /* an empty event at least every 5 s */
    LIFE_MS = 300 * 1000,
    QUEUE_BYTES_MAX = 1 << 20,
    EVENT_BYTES_MAX = 512 << 10,
    EVENT_RECORDS_MAX = 2000,
    EVENT_ARENA_MAX = 64 << 20,     /* one record of a Kafka producer may be large */
    PIPE_RETRY_MS = 50,             /* the consumer's 2 MiB/s are used up: look again */
    BUCKETS = 1024,
};

struct subscription {
    struct kinesis_request *rq;
    struct topic *topic;            /* reference to the newest value seen */
    int32_t shard;
    int32_t partition;              /* of the shard, for good */
    struct bytes consumer;          /* name, in the request's arena */
    int64_t started_ms;             /* clock_mono_ms */
    struct loop *loop;
    /* table */
    struct subscription *next_in_bucket;
    bool in_table;
    int32_t messages;               /* end messages under way to this loop; under the table's lock */
    /* reading */
    int64_t offset;
    struct shard_position from;
    struct arena scratch;           /* of one event */
    struct watch_set sleep;         /* until the log has more, or the topic a new value */
    struct watch watch;
    struct log_read cold;
    struct log_seek seek;
    bool reading;
    struct loop_timer heartbeat;
    struct loop_timer life;
    int64_t sent_ms;                /* loop_now_ms of the last event */
    bool ended;
    int32_t held;                   /* functions on the stack that still use it */
};

struct subscriptions {
    pthread_mutex_t lock;
    uint32_t count;
    struct subscription *buckets[BUCKETS];
};

/* To the loop of a subscription: end, because. */
struct end_message {
    struct job job;
    struct subscription *sub;
    struct subscriptions *table;
    bool taken_over;
};

static void pump(struct subscription *sub);
static void end(struct subscription *sub, enum err err, const char *text);
static void hold(struct subscription *sub);
static void release(struct subscription *sub);

struct subscriptions *subscriptions_new(void)
{
    struct subscriptions *s = NEW(struct subscriptions);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void subscriptions_free(struct subscriptions *s)
{
    if (s == NULL) return;
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---- The table */

static struct subscription **bucket_of(struct subscriptions *s, const struct uuid *topic_id, int32_t shard)
{
    uint64_t h = bytes_hash(bytes_of(topic_id->bytes, sizeof topic_id->bytes)) + (uint64_t)shard * 0x9e3779b97f4a7c15u;
    return &s->buckets[(h >> 32) % BUCKETS];
}

static void on_end_message(struct job *job)
{
    struct end_message *m = CONTAINER_OF(job, struct end_message, job);
    struct subscription *sub = m->sub;
    hold(sub);
    pthread_mutex_lock(&m->table->lock);
    sub->messages--;
    pthread_mutex_unlock(&m->table->lock);
    if (m->taken_over) {
        char *text = arena_printf(sub->rq->arena, "Another active subscription exists for this consumer: %.*s:%s:%.*s:%.*s",
                                  BYTES_ARGS(sub->rq->bridge->account), sub->topic->name,
                                  BYTES_ARGS(shard_id_text(sub->rq->arena, sub->shard)), BYTES_ARGS(sub->consumer));
        end(sub, ERR_RESOURCE_IN_USE, text);
    } else {
        end(sub, ERR_RESOURCE_NOT_FOUND, "The consumer was deregistered.");
    }
    release(sub);
    mem_free(m);
}

/* The caller holds the lock and took sub off the table. */
static struct end_message *end_message_new(struct subscriptions *s, struct subscription *sub, bool taken_over)
{
    struct end_message *m = NEW(struct end_message);
    *m = (struct end_message){.job.run = on_end_message, .sub = sub, .table = s, .taken_over = taken_over};
    sub->messages++;
    sub->in_table = false;
    s->count--;
    return m;
}

/* Errors: ERR_RESOURCE_IN_USE - another one is too young to be taken over; ERR_LIMIT_EXCEEDED - full. */
static enum err table_take(struct subscriptions *s, struct subscription *sub)
{
    struct end_message *told = NULL;
    enum err err = ERR_OK;
    pthread_mutex_lock(&s->lock);
    struct subscription **at = bucket_of(s, &sub->topic->id, sub->shard);
    struct subscription **old = at;
    while (*old != NULL && !((*old)->shard == sub->shard && uuid_equal(&(*old)->topic->id, &sub->topic->id) &&
                             bytes_equal((*old)->consumer, sub->consumer)))
        old = &(*old)->next_in_bucket;
    if (*old != NULL && sub->started_ms - (*old)->started_ms < EXCLUSIVE_MS) {
        err = ERR_RESOURCE_IN_USE;
    } else if (s->count >= SUBSCRIPTIONS_MAX) {
        err = ERR_LIMIT_EXCEEDED;
    } else {
        if (*old != NULL) {
            struct subscription *gone = *old;
            *old = gone->next_in_bucket;
            told = end_message_new(s, gone, true);
        }
        sub->next_in_bucket = *at;
        *at = sub;
        sub->in_table = true;
        s->count++;
    }
    pthread_mutex_unlock(&s->lock);
    if (told != NULL) loop_post(told->sub->loop, &told->job);
    return err;
}

static void table_leave(struct subscriptions *s, struct subscription *sub)
{
    pthread_mutex_lock(&s->lock);
    if (sub->in_table) {
        struct subscription **at = bucket_of(s, &sub->topic->id, sub->shard);
        while (*at != sub) at = &(*at)->next_in_bucket;
        *at = sub->next_in_bucket;
        sub->in_table = false;
        s->count--;
    }
    pthread_mutex_unlock(&s->lock);
}

void subscriptions_drop(struct subscriptions *s, const struct uuid *topic_id, struct bytes consumer)
{
    struct job *told = NULL;
    pthread_mutex_lock(&s->lock);
    for (int b = 0; b < BUCKETS; b++)
        for (struct subscription **at = &s->buckets[b]; *at != NULL;) {
            struct subscription *sub = *at;
            if (!uuid_equal(&sub->topic->id, topic_id) || !bytes_equal(sub->consumer, consumer)) {
                at = &sub->next_in_bucket;
                continue;
            }
            *at = sub->next_in_bucket;
            struct end_message *m = end_message_new(s, sub, false);
            m->job.next = told;
            told = &m->job;
        }
    pthread_mutex_unlock(&s->lock);
    while (told != NULL) {
        struct job *next = told->next;
        loop_post(CONTAINER_OF(told, struct end_message, job)->sub->loop, told);
        told = next;
    }
}

/* ---- The end */

static bool is_busy(struct subscription *sub)
{
    struct subscriptions *s = sub->rq->bridge->subscriptions;
    pthread_mutex_lock(&s->lock);
    bool told = sub->messages > 0;
    pthread_mutex_unlock(&s->lock);
    return told || watch_set_sleeps(&sub->sleep) || sub->reading || sub->held > 0;
}

/* Gives the request back once nothing is under way. */
static void finish(struct subscription *sub)
{
    if (!sub->ended || is_busy(sub)) return;
    struct http_request *http = sub->rq->http;
    topic_unref(sub->topic);
    arena_done(&sub->scratch);
    read_result_done(&sub->cold.result);
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
    finish(sub);
}

/* err ERR_OK: without an exception. sub may be gone afterwards, unless it is held. */
static void end(struct subscription *sub, enum err err, const char *text)
{
    if (!sub->ended) {
        sub->ended = true;
        loop_timer_cancel(sub->loop, &sub->heartbeat);
        loop_timer_cancel(sub->loop, &sub->life);
        table_leave(sub->rq->bridge->subscriptions, sub);
        watch_set_end(&sub->sleep);
        if (err != ERR_OK) {
            eventstream_exception(&sub->rq->http->reply, err_kinesis(err), bytes_str(text ? text : err_text(err)));
            http_stream_write(sub->rq->http, &sub->rq->http->reply);
        }
    }
    finish(sub);
}

static void on_closed(struct kinesis_request *rq)
{
    end(rq->context, ERR_OK, NULL);
}

static void on_life(struct loop_timer *timer)
{
    end(CONTAINER_OF(timer, struct subscription, life), ERR_OK, NULL);
}

/* ---- Events */

/* What a reader continues after: the last record that was passed, or the shard's start. */
static struct bytes continuation(struct subscription *sub, const struct shard *shard,
                                 const struct log_bounds *bounds, const struct get_page *page)
{
    char *to = arena_alloc(&sub->scratch, SEQUENCE_TEXT_BYTES);
    if (to == NULL) return BYTES_NULL;
    if (page->count > 0) return page->records[page->count - 1].sequence_number;
    if (sub->offset <= shard->first_offset)
        return sequence_format_start(shard->created_ms, (uint32_t)shard->index, to);
    int64_t time_ms = bounds->arrival_last_ms > shard->created_ms ? bounds->arrival_last_ms : shard->created_ms;
    return sequence_format(shard->created_ms, (uint32_t)shard->index, sub->offset - 1, time_ms, to);
}

static void send_event(struct subscription *sub, const struct shard *shard, const struct log_bounds *bounds,
                       const struct get_page *page)
{
    struct kinesis_subscribe_to_shard_event event = {
        .records = page->records,
        .records_count = page->count,
        .millis_behind_latest = get_millis_behind(shard, bounds, page),
    };
    bool last = shard->end_offset >= 0 && sub->offset >= shard->end_offset;
    if (last) event.child_shards = shard_children(&sub->scratch, sub->topic, shard, &event.child_shards_count);
    else event.continuation_sequence_number = continuation(sub, shard, bounds, page);
    eventstream_event(&sub->rq->http->reply, &event);
    http_stream_write(sub->rq->http, &sub->rq->http->reply);
    struct limits_key key = {.topic_id = sub->topic->id, .shard = sub->shard};
    limits_charge_push(sub->rq->bridge->limits, &key, bytes_hash(sub->consumer), page->bytes, clock_mono_ms());
    struct meter_delta d = {.maxima[METER_EVENT_BEHIND] = event.millis_behind_latest, .seen[METER_EVENT_BEHIND] = true};
    d.sums[METER_EVENT_SUCCESS] = 1;
    d.sums[METER_EVENT_BYTES] = (int64_t)page->bytes;
    d.sums[METER_EVENT_RECORDS] = page->count;
    meter_add(sub->rq->bridge->meters, sub->topic, &d);
    sub->sent_ms = loop_now_ms(sub->loop);
    loop_timer_set(sub->loop, &sub->heartbeat, sub->sent_ms + HEARTBEAT_MS);
    if (last) end(sub, ERR_OK, NULL);
}

/* The newest value of the topic: a reshard may have closed the shard. False: ended. */
static const struct shard *refresh(struct subscription *sub)
{
    struct topic *fresh = store_topic_by_id(rq_store(sub->rq), &sub->topic->id);
    const struct shard *shard = fresh ? topic_shard(fresh, sub->shard) : NULL;
    if (shard == NULL) {
        topic_unref(fresh);
        end(sub, ERR_RESOURCE_NOT_FOUND, "The stream or the shard does not exist any more.");
        return NULL;
    }
    struct subscriptions *s = sub->rq->bridge->subscriptions;
    pthread_mutex_lock(&s->lock);       /* the table reads sub->topic->id */
    struct topic *old = sub->topic;
    sub->topic = fresh;
    pthread_mutex_unlock(&s->lock);
    topic_unref(old);
    return shard;
}

static void on_wake(struct watch_set *sleep)
{
    pump(CONTAINER_OF(sleep, struct subscription, sleep));
}

static void sleep_on(struct subscription *sub)
{
    if (watch_set_sleeps(&sub->sleep)) return;
    if (watch_set_add(&sub->sleep, sub->topic, sub->partition, sub->offset) != ERR_OK)
        end(sub, ERR_LIMIT_EXCEEDED, "Too many readers wait on this shard.");
}

static void cold_done(struct log_read *r);

static void read_cold(struct subscription *sub, const struct shard *shard)
{
    sub->reading = true;
    sub->cold = (struct log_read){
        .topic = sub->topic, .partition = shard->partition, .offset = sub->offset, .bytes_max = EVENT_BYTES_MAX,
        .min_one = true, .home = sub->loop, .done = cold_done};
    topic_ref(sub->topic);
    read_result_init(&sub->cold.result);
    store_read(rq_store(sub->rq), &sub->cold);
}

/* Sends what was read. False: nothing came of it, or the subscription ended. */
static bool deliver(struct subscription *sub, const struct shard *shard, struct read_result *read)
{
    struct get_page page;
    arena_reset(&sub->scratch);
    enum err err = get_render(sub->rq->home, shard, read, sub->offset, EVENT_RECORDS_MAX, EVENT_BYTES_MAX, &sub->scratch, &page);
    if (err != ERR_OK) {
        end(sub, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return false;
    }
    bool moved = page.offset_next > sub->offset;
    sub->offset = page.offset_next;
    if (page.count > 0 || (shard->end_offset >= 0 && sub->offset >= shard->end_offset))
        send_event(sub, shard, &read->bounds, &page);
    return moved && !sub->ended;
}

static void cold_done(struct log_read *r)
{
    struct subscription *sub = CONTAINER_OF(r, struct subscription, cold);
    hold(sub);
    sub->reading = false;
    topic_unref(r->topic);
    bool go_on = !sub->ended;
    if (go_on && r->err != ERR_OK && r->err != ERR_OFFSET_OUT_OF_RANGE) {
        end(sub, ERR_UNKNOWN_SERVER_ERROR, NULL);
    } else if (go_on) {
        const struct shard *shard = refresh(sub);
        if (shard != NULL && r->err == ERR_OK) deliver(sub, shard, &r->result);
        /* Retention overtook the reader: go on at the horizon. */
        if (shard != NULL && r->err != ERR_OK) sub->offset = shard_horizon(shard, r->result.bounds.log_start);
    }
    read_result_done(&r->result);
    pump(sub);
    release(sub);
}

/* One step of pushing. False: something has to happen first - an append, room in the client's queue or
 * in its pipe, a reader thread - or it is over. */
static bool push(struct subscription *sub)
{
    if (sub->ended || sub->reading || http_stream_queued(sub->rq->http) > QUEUE_BYTES_MAX) return false;
    struct limits_key key = {.topic_id = sub->topic->id, .shard = sub->shard};
    if (limits_push_room(sub->rq->bridge->limits, &key, bytes_hash(sub->consumer), clock_mono_ms()) == 0) {
        loop_timer_set(sub->loop, &sub->heartbeat, loop_now_ms(sub->loop) + PIPE_RETRY_MS);
        return false;
    }
    struct plog *log = sub->topic->partitions[sub->partition].log;
    struct read_result read;
    read_result_init(&read);
    enum err err = plog_read_tail(log, sub->offset, EVENT_BYTES_MAX, true, &read);
    /* Only now: a reshard closes the window before anything is appended behind it, so the newest value
     * tells where the shard ends in what was read. */
    const struct shard *shard = refresh(sub);
    if (shard == NULL) {
        read_result_done(&read);
        return false;
    }
    bool more = err == ERR_OK && (read.count > 0 || shard->end_offset >= 0) && deliver(sub, shard, &read);
    read_result_done(&read);
    if (sub->ended) return false;
    if (err == ERR_COLD || err == ERR_OFFSET_OUT_OF_RANGE) read_cold(sub, shard);
    else if (err != ERR_OK) end(sub, ERR_UNKNOWN_SERVER_ERROR, NULL);
    else if (!more) sleep_on(sub);
    return more;
}

static void pump(struct subscription *sub)
{
    hold(sub);
    while (push(sub)) {
    }
    release(sub);
}

static void on_heartbeat(struct loop_timer *timer)
{
    struct subscription *sub = CONTAINER_OF(timer, struct subscription, heartbeat);
    if (loop_now_ms(sub->loop) - sub->sent_ms < HEARTBEAT_MS) {
        loop_timer_set(sub->loop, timer, sub->sent_ms + HEARTBEAT_MS);      /* it was the pipe's */
        pump(sub);
        return;
    }
    hold(sub);
    const struct shard *shard = refresh(sub);
    struct log_bounds bounds = {0};
    if (shard != NULL) {
        struct plog *log = sub->topic->partitions[shard->partition].log;
        if (plog_bounds(log, &bounds) != ERR_OK) bounds.last_stable = sub->offset;
        arena_reset(&sub->scratch);
        struct get_page nothing = {.offset_next = sub->offset};
        send_event(sub, shard, &bounds, &nothing);
        pump(sub);
    }
    release(sub);
}

static void on_writable(struct http_request *http)
{
    struct kinesis_request *rq = http->context;
    pump(rq->context);
}

/* ---- The beginning */

static void begin_stream(struct subscription *sub)
{
    struct kinesis_request *rq = sub->rq;
    enum err err = table_take(rq->bridge->subscriptions, sub);
    struct meter_delta d = {0};
    d.sums[err == ERR_OK ? METER_SUBSCRIBE_SUCCESS : METER_SUBSCRIBE_RATE_EXCEEDED] = 1;
    meter_add(rq->bridge->meters, sub->topic, &d);
    if (err != ERR_OK) {
        struct topic *t = sub->topic;
        char *text = arena_printf(rq->arena, "Another active subscription exists for this consumer: %.*s:%s:%.*s:%.*s",
                                  BYTES_ARGS(rq->bridge->account), t->name,
                                  BYTES_ARGS(shard_id_text(rq->arena, sub->shard)), BYTES_ARGS(sub->consumer));
        rq->on_closed = NULL;
        topic_unref(t);
        kinesis_fail(rq, err, "%s", err == ERR_RESOURCE_IN_USE ? text : "Rate exceeded: too many subscriptions.");
        return;
    }
    struct http_header headers[KINESIS_HEADERS_MAX];
    uint32_t count = kinesis_headers(rq, EVENTSTREAM_CONTENT_TYPE, headers);
    http_stream_start(rq->http, 200, headers, count);
    rq->http->on_writable = on_writable;
    eventstream_initial_response(&rq->http->reply);
    http_stream_write(rq->http, &rq->http->reply);
    sub->sent_ms = loop_now_ms(sub->loop);
    loop_timer_set(sub->loop, &sub->heartbeat, sub->sent_ms + HEARTBEAT_MS);
    loop_timer_set(sub->loop, &sub->life, sub->sent_ms + LIFE_MS);
    pump(sub);
}

static void sought(struct log_seek *q)
{
    struct subscription *sub = CONTAINER_OF(q, struct subscription, seek);
    struct kinesis_request *rq = sub->rq;
    const struct shard *shard = topic_shard(sub->topic, sub->shard);
    sub->reading = false;
    bool failed = q->err != ERR_OK && q->err != ERR_NOT_FOUND;
    if (failed || rq->http->conn == NULL) {
        topic_unref(sub->topic);
        rq->on_closed = NULL;
        kinesis_fail_plain(rq, failed ? q->err : ERR_CLOSED);
        return;
    }
    if (sub->from.kind == SHARD_AT_OFFSET) sub->offset = sub->from.value;
    else if (sub->from.kind == SHARD_AT_HORIZON) sub->offset = shard->first_offset;
    else sub->offset = q->err == ERR_OK ? q->offset : q->bounds.last_stable;
    int64_t horizon = shard_horizon(shard, q->bounds.log_start);
    if (sub->offset < horizon) sub->offset = horizon;
    if (shard->end_offset >= 0 && sub->offset > shard->end_offset) sub->offset = shard->end_offset;
    if (sub->offset > q->bounds.last_stable) sub->offset = q->bounds.last_stable;
    rq->on_closed = on_closed;
    begin_stream(sub);
}

void fanout_start(struct kinesis_request *rq, const struct consumer_ref *consumer,
                  const struct shard *shard, const struct shard_position *from)
{
    struct subscription *sub = ARENA_NEW(rq->arena, struct subscription);
    if (sub == NULL) {
        topic_unref(consumer->topic);
        kinesis_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    *sub = (struct subscription){
        .rq = rq,
        .topic = consumer->topic,
        .shard = shard->index,
        .partition = shard->partition,
        .consumer = arena_copy(rq->arena, bytes_str(consumer->consumer->name)),
        .started_ms = clock_mono_ms(),
        .loop = rq->http->loop,
        .from = *from,
        .heartbeat.fire = on_heartbeat,
        .life.fire = on_life,
    };
    watch_set_init(&sub->sleep, sub->loop, &sub->watch, 1, on_wake);
    arena_init(&sub->scratch, EVENT_ARENA_MAX);
    read_result_init(&sub->cold.result);
    rq->context = sub;
    /* Finds a time, and opens a log that was not used since the start. */
    sub->reading = true;
    sub->seek = (struct log_seek){
        .topic = sub->topic, .partition = shard->partition,
        .kind = from->kind == SHARD_AT_ARRIVAL ? LOG_SEEK_ARRIVAL : LOG_SEEK_BOUNDS,
        .time_ms = from->value, .home = sub->loop, .done = sought};
    store_seek(rq_store(rq), &sub->seek);
}
