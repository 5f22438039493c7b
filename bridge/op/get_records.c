/* GetRecords: a page of one shard from where the iterator stands, and an iterator for the next
 * page.
 *
 * The last page of a closed shard names the children and no next iterator: one never comes without
 * the other (KCL waits for ever otherwise). Failure modes: an iterator of a stream or shard that is
 * gone; data that retention removed is skipped, as at AWS. */
#include <inttypes.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"
#include "bridge/get.h"
#include "bridge/meter.h"
#include "bridge/shard.h"
#include "bridge/stream.h"
#include "policy/limits.h"
#include "protocol/aws/base64.h"
#include "protocol/kinesis/token.h"
#include "storage/store.h"
#include "base/check.h"

enum {
    TRIES_MAX = 4,                      /* of reading, while retention overtakes the reader */
    ANSWER_RECORD_BYTES = 320,          /* about what stands around one record's Data */
};

struct get_records {
    struct front_request *rq;
    struct topic *topic;                /* reference */
    const struct shard *shard;
    struct iterator_token token;
    int64_t offset;
    struct log_read cold;
    struct log_seek seek;
    struct read_result read;
    struct get_work page;
    int64_t behind_ms;                  /* MillisBehindLatest of the page */
    int tries;
};

static void finish(struct get_records *m)
{
    read_result_done(&m->read);
    topic_unref(m->topic);
}

static void count_call(struct front_request *rq, const struct topic *t, bool success,
                       struct meter_delta *d)
{
    d->by[METER_GET_RECORDS_CALLS] = 1;
    d->by[METER_GET_RECORDS_SUCCESS] = success;
    d->by[METER_GET_RECORDS_LATENCY_MS] = front_latency_ms(rq);
    meter_stream(&rq_bridge(rq)->meters, t, d);
}

static void count_page(const struct get_records *m, const struct get_page *page, int64_t age_ms)
{
    struct meter_delta of_shard = {.seen = 1 << METER_SHARD_ITERATOR_AGE_MS},
                       of_stream = {.seen = 1 << METER_GET_RECORDS_ITERATOR_AGE_MS};
    of_shard.by[METER_SHARD_ITERATOR_AGE_MS] = age_ms;
    of_shard.by[METER_SHARD_OUTGOING_BYTES] = (int64_t)page->bytes;
    of_shard.by[METER_SHARD_OUTGOING_RECORDS] = page->count;
    meter_shard(&rq_bridge(m->rq)->meters, m->topic, m->shard->index, &of_shard);
    of_stream.by[METER_GET_RECORDS_ITERATOR_AGE_MS] = age_ms;
    of_stream.by[METER_GET_RECORDS_BYTES] = (int64_t)page->bytes;
    of_stream.by[METER_GET_RECORDS_RECORDS] = page->count;
    count_call(m->rq, m->topic, true, &of_stream);
}

static void count_throttled(struct front_request *rq, const struct topic *t, int32_t shard)
{
    struct meter_delta of_shard = {.by[METER_SHARD_READ_EXCEEDED] = 1},
                       of_stream = {.by[METER_READ_EXCEEDED] = 1};
    meter_shard(&rq_bridge(rq)->meters, t, shard, &of_shard);
    count_call(rq, t, false, &of_stream);
}

static void fail(struct get_records *m, enum err err)
{
    struct front_request *rq = m->rq;
    if (rq->http->conn != NULL) count_call(rq, m->topic, false, &(struct meter_delta){0});
    read_result_done(&m->read);
    stream_fail(rq, m->topic, err);
}

static struct bytes next_iterator(struct get_records *m, int64_t offset)
{
    struct iterator_token token = m->token;
    token.kind = ITERATOR_AT_OFFSET;
    token.position = offset;
    /* Nothing read yet: it goes on following the retention edge. */
    if (m->token.kind == ITERATOR_TRIM_HORIZON && offset == m->offset)
        token.kind = ITERATOR_TRIM_HORIZON;
    token.created_ms = clock_steady_ms();
    char text[ITERATOR_TEXT_BYTES];
    return arena_copy(m->rq->arena, iterator_format(&rq_bridge(m->rq)->token_key, &token, text));
}

/* What was read may lie behind a reshard that came after the request did, in a child on the same
 * partition: its new value was published before anything was appended there, so the window of now
 * is the right one. */
static bool refresh(struct get_records *m)
{
    struct topic *fresh = store_topic_by_id(rq_store(m->rq), &m->topic->id);
    const struct shard *shard = fresh ? topic_shard(fresh, m->shard->index) : NULL;
    if (shard == NULL) {
        topic_unref(fresh);
        return false;
    }
    topic_unref(m->topic);
    m->topic = fresh;
    m->shard = shard;
    return true;
}

/* Of its records, which are a third longer in an answer: that is what there has to be room for. */
static size_t page_bytes_max(const struct front_request *rq)
{
    size_t room = room_for(loop_room(rq->http->loop), base64_encoded(GET_BYTES_MAX)) / 4 * 3;
    return room < GET_BYTES_MAX ? room : GET_BYTES_MAX;
}

/* Into the reply. Thread: that which made the page. */
static void encode(struct get_work *w)
{
    struct get_records *m = CONTAINER_OF(w, struct get_records, page);
    struct front_request *rq = m->rq;
    const struct get_page *page = &w->page;
    m->behind_ms = get_millis_behind(m->shard, &m->read.bounds, page);
    struct get_records_output out = {
        .records = page->records,
        .records_count = page->count,
        .millis_behind_latest = m->behind_ms,
    };
    bool ends = shard_ends_by(m->shard, page->offset_next);
    if (ends)
        out.child_shards = shard_children(rq->arena, m->topic, m->shard, &out.child_shards_count);
    else
        out.next_shard_iterator = next_iterator(m, page->offset_next);
    if (ends ? out.child_shards == NULL : bytes_is_null(out.next_shard_iterator)) {
        w->err = ERR_TOO_LARGE;     /* no memory: without it the reader would think it is the end */
        return;
    }
    writer_reserve(&rq->http->reply,
                   base64_encoded(page->bytes) + page->count * ANSWER_RECORD_BYTES);
    aws_encode(front_operation(rq)->output, rq->codec, &out, &rq->http->reply);
}

/* The page is made. */
static void respond(struct get_records *m)
{
    struct front_request *rq = m->rq;
    const struct get_page *page = &m->page.page;
    if (m->page.err != ERR_OK) {
        fail(m, m->page.err);
        return;
    }
    struct limits_key key = {.topic_id = m->topic->id, .shard = m->shard->index};
    limits_charge_read(rq_bridge(rq)->limits, &key, page->bytes, clock_mono_ms());
    count_page(m, page, m->behind_ms);
    finish(m);
    front_reply_encoded(rq);
}

static void page_done(struct get_work *w)
{
    struct get_records *m = CONTAINER_OF(w, struct get_records, page);
    struct front_request *rq = m->rq;
    front_hold(rq);
    rq->on_closed = NULL;
    http_promise_end(rq->http);
    respond(m);
    front_release(rq);
}

/* Nobody waits for the page any more. */
static void on_closed(struct front_request *rq)
{
    struct get_records *m = rq->context;
    atomic_store(&m->page.work.abandoned, true);
}

static void make_page(struct get_records *m)
{
    struct front_request *rq = m->rq;
    if (!refresh(m)) {
        fail(m, ERR_RESOURCE_NOT_FOUND);
        return;
    }
    const struct get_records_input *in = &rq_input(rq)->get_records;
    /* What was read is at least one batch, which may be large: a page may end within it. */
    size_t bytes_max = page_bytes_max(rq);
    m->page = (struct get_work){
        .wanted = {.shard = m->shard, .read = &m->read, .offset = m->offset,
                   .count_max = in->has_limit ? (uint32_t)in->limit : GET_RECORDS_MAX,
                   .bytes_max = bytes_max},
        .topic = m->topic, .arena = rq->arena, .encode = encode, .done = page_done};
    if (get_start(&m->page, rq)) {
        respond(m);
        return;
    }
    http_promise(rq->http, base64_encoded(bytes_max));
    rq->context = m;
    rq->on_closed = on_closed;
}

static void read_at(struct get_records *m, const struct log_bounds *bounds);

/* What retention or DeleteRecords removed meanwhile is skipped: the page begins at the horizon of
 * now, and is empty when that went on moving. */
static void skip(struct get_records *m)
{
    struct log_bounds bounds = m->read.bounds;
    read_result_done(&m->read);
    read_result_init(&m->read);
    if (m->tries++ < TRIES_MAX) {
        read_at(m, &bounds);
        return;
    }
    int64_t horizon = shard_horizon(m->shard, bounds.log_start);
    if (m->offset < horizon) m->offset = horizon;
    m->read.bounds = bounds;
    make_page(m);
}

static void cold_done(struct log_read *r)
{
    struct get_records *m = CONTAINER_OF(r, struct get_records, cold);
    struct front_request *rq = m->rq;
    front_hold(rq);
    http_promise_end(rq->http);
    m->read = r->result;
    if (r->err == ERR_OK) make_page(m);
    else if (r->err == ERR_OFFSET_OUT_OF_RANGE) skip(m);
    else fail(m, r->err);
    front_release(rq);
}

static void read_at(struct get_records *m, const struct log_bounds *bounds)
{
    m->offset = m->token.kind == ITERATOR_AT_OFFSET ? m->token.position : m->shard->first_offset;
    int64_t horizon = shard_horizon(m->shard, bounds->log_start);
    if (m->offset < horizon) m->offset = horizon;
    m->read.bounds = *bounds;
    if (m->offset >= shard_cut(m->shard, bounds->last_stable)) {
        make_page(m);
        return;
    }
    struct plog *log = m->topic->partitions[m->shard->partition].log;
    size_t bytes_max = page_bytes_max(m->rq);
    enum err err = plog_read_tail(log, m->offset, bytes_max, true, &m->read);
    if (err == ERR_OK) make_page(m);
    else if (err != ERR_COLD && err != ERR_OFFSET_OUT_OF_RANGE) fail(m, err);
    else {          /* not in memory, or cut off since bounds were read: a reader tells which */
        m->cold = (struct log_read){
            .topic = m->topic, .partition = m->shard->partition, .offset = m->offset,
            .bytes_max = bytes_max,
            .min_one = true, .client = front_client(m->rq), .home = m->rq->http->loop,
            .done = cold_done, .result = m->read};
        http_promise(m->rq->http, base64_encoded(bytes_max));
        store_read(rq_store(m->rq), &m->cold);
    }
}

static void sought(struct log_seek *q)
{
    struct get_records *m = CONTAINER_OF(q, struct get_records, seek);
    struct front_request *rq = m->rq;
    front_hold(rq);
    bool found = q->err == ERR_OK;
    if (m->token.kind == ITERATOR_AT_TIMESTAMP) {
        m->token.kind = ITERATOR_AT_OFFSET;
        m->token.position = shard_cut(m->shard, found ? q->offset : q->bounds.last_stable);
    }
    if (found || q->err == ERR_NOT_FOUND) read_at(m, &q->bounds);
    else fail(m, q->err);
    front_release(rq);
}

/* An AT_TIMESTAMP iterator becomes an offset first; a log that is not open yet is opened by the
 * same. */
static void start(struct get_records *m)
{
    struct log_bounds bounds;
    struct plog *log = m->topic->partitions[m->shard->partition].log;
    enum err err = plog_bounds(log, &bounds);
    bool timed = m->token.kind == ITERATOR_AT_TIMESTAMP;
    if (err == ERR_OK && !timed) {
        read_at(m, &bounds);
        return;
    }
    if (err != ERR_OK && err != ERR_COLD) {
        fail(m, err);
        return;
    }
    m->seek = (struct log_seek){
        .work.client = front_client(m->rq),
        .topic = m->topic, .partition = m->shard->partition,
        .kind = timed ? LOG_SEEK_ARRIVAL : LOG_SEEK_BOUNDS,
        .time_ms = m->token.position, .home = m->rq->http->loop, .done = sought};
    store_seek(rq_store(m->rq), &m->seek);
}

static void fail_expired(struct front_request *rq, int64_t created_ms)
{
    char created[64], now[64];
    struct tm tm;
    time_t created_s = created_ms / 1000, now_s = clock_steady_ms() / 1000;
    strftime(created, sizeof created, "%a %b %d %H:%M:%S UTC %Y", gmtime_r(&created_s, &tm));
    strftime(now, sizeof now, "%a %b %d %H:%M:%S UTC %Y", gmtime_r(&now_s, &tm));
    front_fail(rq, ERR_EXPIRED_ITERATOR,
               "Iterator expired. The iterator was created at time %s while right now it is %s "
               "which is further in the future than the tolerated delay of %d milliseconds.",
               created, now, TOKEN_LIFE_MS);
}

/* NULL: answered. The topic must be the very one that the iterator was made for. */
static struct topic *topic_of(struct front_request *rq, const struct iterator_token *token)
{
    struct uuid id;
    mem_copy(id.bytes, token->topic_id, sizeof id.bytes);
    struct topic *t = store_topic_by_id(rq_store(rq), &id);
    if (t != NULL && topic_shard(t, (int32_t)token->shard_index) != NULL) return t;
    topic_unref(t);
    front_fail(rq, ERR_RESOURCE_NOT_FOUND,
               "Shard %.*s in stream %.*s under account %.*s does not exist",
               BYTES_ARGS(shard_id_text(rq->arena, (int32_t)token->shard_index)),
               BYTES_ARGS(token->stream_name), BYTES_ARGS(rq_bridge(rq)->account));
    return NULL;
}

/* A StreamARN says nothing new: it has to be that of the iterator. */
static bool is_of_stream(struct front_request *rq, const struct topic *t, struct bytes arn)
{
    if (bytes_is_null(arn)) return true;
    CLEANUP(topic_unrefp) struct topic *named = stream_find(rq, BYTES_NULL, arn);
    if (named == NULL) return false;
    if (uuid_equal(&named->id, &t->id)) return true;
    front_fail(rq, ERR_INVALID_ARGUMENT,
               "The ShardIterator was made for stream %s, not for StreamARN %.*s.", t->name,
               BYTES_ARGS(arn));
    return false;
}

void kinesis_get_records(struct front_request *rq)
{
    const struct get_records_input *in = &rq_input(rq)->get_records;
    struct get_records *m = ARENA_NEW(rq->arena, struct get_records);
    if (m == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    enum err err = iterator_parse(&rq_bridge(rq)->token_key, in->shard_iterator, clock_steady_ms(),
                                  rq->arena, &m->token);
    if (err == ERR_EXPIRED_ITERATOR) {
        fail_expired(rq, m->token.created_ms);
        return;
    }
    if (err != ERR_OK) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "Invalid ShardIterator.");
        return;
    }
    struct topic *t = topic_of(rq, &m->token);
    if (t == NULL) return;
    if (!is_of_stream(rq, t, in->stream_arn) || front_is_dry_run(rq, in->dry_run)) {
        topic_unref(t);
        return;
    }
    struct limits_key key = {.topic_id = t->id, .shard = (int32_t)m->token.shard_index};
    if (!limits_take_read(rq_bridge(rq)->limits, &key, clock_mono_ms())) {
        count_throttled(rq, t, key.shard);
        front_fail(rq, ERR_PROVISIONED_THROUGHPUT_EXCEEDED, "%s",
                   shard_rate_text(rq, t, key.shard));
        topic_unref(t);
        return;
    }
    m->rq = rq;
    m->topic = t;
    m->shard = topic_shard(t, key.shard);
    read_result_init(&m->read);
    start(m);
}
