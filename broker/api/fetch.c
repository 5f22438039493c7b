/* Fetch: record batches of many partitions in one answer, by reference.
 *
 * What names very many is looked up on a codec lane, and its answer encoded there, unless it is a
 * session's. The partitions are read one after the other, from the tails in memory, some at a turn
 * of the loop; what is not there is read from the disk's cache in the same way, or by a reader
 * thread (store_read()), and the walk goes on when it is. When the walk is over and there is less
 * than min_bytes, the request parks on all its logs and walks again when they have enough, until
 * max_wait_ms is over.
 *
 * Whole batches only: the client drops what lies before its offset. The first batch of an answer is
 * sent whatever its size (KIP-74), the rest stays within max_bytes, and within what the loop has
 * room for while others do not take their answers. What counts towards min_bytes is what the limits
 * let through, a cut last batch among it, as in Kafka: when a limit is what ends the answer,
 * waiting does not make it longer.
 *
 * A topic's name is found once, when it enters the request or the session; from then on it is read
 * by name, and its id is compared. Partitions that are not there when the request comes are
 * answered so, behind the others, and do not end the wait.
 * Failure modes: an error of reading is its partition's field and ends the wait; one of the session
 * is the request's; without memory for what is under way the answer is an empty one that throttles
 * (KIP-219), and where there is no room for one more that waits, it is what there is, throttled. */
#include "broker/fetch_session.h"
#include "base/mem.h"
#include "broker/metrics/msk.h"
#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/fetch.h"
#include "storage/log/watch.h"
#include "base/check.h"

enum {
    LEADERS_SINCE = 16,             /* the answer names the leader that the client should ask */
    ITEMS_PER_TURN = 1000,
    SMALL_BYTES = 16 << 10,         /* fetches beyond it leave a quarter of the memory to others */
    FEW_ITEMS = 100,                /* are answered out of the request's own arena */
    THROTTLE_MS = 500,
};

/* What was found at one item. */
struct fetch_answer {
    int64_t high_watermark;
    int64_t last_stable;
    int64_t log_start;
    uint64_t log_bytes;             /* of the whole log */
    size_t lies;                    /* from the offset on, as far as the item's limit */
    size_t bytes;
    struct batch_view *batches;     /* own memory, one slab reference each */
    int32_t count;
    bool more;                      /* a limit ended the read */
    enum err err;
};

struct fetch {
    struct kafka_request *rq;
    struct fetch_request in;        /* until there is a plan */
    struct arena decoded;           /* what a large one points to; the same */
    int64_t deadline_ms;
    size_t min_bytes;
    size_t max_bytes;
    bool committed;                 /* isolation_level */
    bool as_replica;                /* by whom claims to follow: nobody can, here */
    bool gone;                      /* the client went away */
    bool ready;                     /* answer after this walk, however small */
    bool any_error;                 /* of reading */
    bool held;                      /* there is memory for it */
    bool throttled;
    bool is_own;                    /* what fetch_plan_is_own() says */
    bool failed;                    /* to be answered */
    struct fetch_plan plan;
    size_t taken;                   /* of the memory for fetches under way */
    int32_t readable;               /* items that are not refused */
    int32_t count;                  /* of answers */
    int32_t topic_count;
    struct topic **topics;          /* one a topic of the list; references, or NULL */
    struct fetch_answer *answers;   /* one an item of the list */
    int32_t at;                     /* the item that is being read; -1: the walk is over */
    size_t limit;                   /* of that item */
    size_t bytes_max;               /* of the answer: max_bytes, or what there is room for */
    size_t bytes_left;
    size_t promised;                /* of the loop's room, from the first cold read on */
    size_t bytes;                   /* that the limits let through */
    size_t lies;                    /* in all partitions, as far as their own limits */
    struct watch *watches;
    struct watch_set sleep;         /* until a log has more */
    struct loop_timer deadline;     /* armed while it sleeps */
    struct job turn;                /* the walk goes on */
    struct log_read cold;
};

static void walk(struct fetch *f);

static struct loop *loop_of(const struct fetch *f)
{
    return f->rq->frame->loop;
}

static void promise_end(struct fetch *f)
{
    room_release(loop_room(loop_of(f)), f->promised);
    f->promised = 0;
}

/* ---- What a fetch holds */

static void batches_drop(struct fetch *f)
{
    promise_end(f);
    for (int32_t i = 0; i < f->count; i++) {
        struct fetch_answer *a = &f->answers[i];
        struct read_result read = {.batches = a->batches, .count = a->count};
        read_result_done(&read);
        a->batches = NULL;
        a->count = 0;
    }
}

static void topics_drop(struct fetch *f)
{
    for (int32_t i = 0; i < f->topic_count; i++) {
        topic_unref(f->topics[i]);
        f->topics[i] = NULL;
    }
}

static size_t bytes_needed(const struct fetch *f)
{
    const struct fetch_list *l = f->plan.list;
    return fetch_plan_bytes(&f->plan) + (size_t)l->topic_count * sizeof *f->topics +
           (size_t)l->item_count * (sizeof *f->answers + sizeof *f->watches);
}

static size_t partitions_asked(const struct fetch_request *in)
{
    size_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    return count;
}

/* False: there is no memory for it now. */
static bool hold(struct fetch *f)
{
    struct budget *b = &f->rq->broker->fetches;
    size_t bytes = bytes_needed(f), used = atomic_load_explicit(&b->used, memory_order_relaxed);
    if (bytes > SMALL_BYTES && used > 0 && used + bytes > b->limit / 4 * 3) return false;
    if (!budget_take(b, bytes)) return false;
    f->taken = bytes;
    const struct fetch_list *l = f->plan.list;
    f->topics = mem_try_array((size_t)l->topic_count, sizeof(struct topic *));
    f->answers = mem_try_array((size_t)l->item_count, sizeof *f->answers);
    if (f->topics == NULL || f->answers == NULL) return false;
    f->topic_count = l->topic_count;
    f->count = l->item_count;
    return true;
}

static void let_go(struct fetch *f)
{
    batches_drop(f);
    topics_drop(f);
    mem_free(f->topics);
    mem_free(f->answers);
    mem_free(f->watches);
    fetch_plan_done(&f->plan);
    budget_give(&f->rq->broker->fetches, f->taken);
}

/* ---- The answer */

static void reply(struct fetch *f, struct fetch_response *out)
{
    KAFKA_ENCODE(f->rq, fetch, out);
    let_go(f);
    kafka_reply(f->rq);
}

static void reply_error(struct fetch *f, enum err err, int32_t session_id)
{
    struct fetch_response out = FETCH_RESPONSE_INIT;
    out.error_code = err_kafka(err);
    out.session_id = session_id;
    reply(f, &out);
}

/* As Kafka does with a client that is beyond its quota: an answer now, then silence for a while. */
static void mute(const struct fetch *f)
{
    if (f->rq->frame->conn != NULL) frame_mute(f->rq->frame->conn, THROTTLE_MS);
}

static void reply_throttled(struct fetch *f)
{
    struct fetch_response out = FETCH_RESPONSE_INIT;
    out.session_id = f->plan.incremental ? fetch_plan_session(&f->plan) : FETCH_SESSION_NONE;
    out.throttle_time_ms = THROTTLE_MS;
    mute(f);
    reply(f, &out);
}

/* The batches of an answer as the encoder wants them. Errors: false - out of arena. */
static bool set_records(struct arena *arena, const struct fetch_answer *a, struct records *ret)
{
    *ret = (struct records){.bytes = 0};
    if (a->count == 0) return true;
    struct slab_view *views = ARENA_ARRAY(arena, struct slab_view, (size_t)a->count);
    if (views == NULL) return false;
    for (int32_t i = 0; i < a->count; i++) views[i] = a->batches[i].bytes;
    *ret = (struct records){.views = views, .view_count = a->count, .bytes = a->bytes};
    return true;
}

static bool set_partition(const struct fetch *f, struct arena *arena, int32_t item,
                          struct fetch_response_partition *ret)
{
    const struct fetch_item *want = &f->plan.list->items[item];
    const struct fetch_answer *a = &f->answers[item];
    *ret = FETCH_RESPONSE_PARTITION_INIT;
    ret->partition_index = want->partition;
    ret->error_code = err_kafka(a->err);
    ret->high_watermark = a->high_watermark;
    ret->last_stable_offset = a->last_stable;
    ret->log_start_offset = a->log_start;
    /* An empty list where there was nothing to read, null where reading failed: as Kafka. */
    bool listed = want->refused != ERR_OK || (a->err == ERR_OK && f->committed);
    ret->aborted_transactions_count = listed ? 0 : -1;
    if (a->err == ERR_NOT_LEADER_OR_FOLLOWER && f->rq->version >= LEADERS_SINCE) {
        ret->current_leader.leader_id = f->rq->broker->options.node_id;
        ret->current_leader.leader_epoch = LEADER_EPOCH;
    }
    return set_records(arena, a, &ret->records);
}

struct assembly {
    struct fetch_response out;
    struct fetch_response_partition *partitions;
    int32_t used;
    int32_t topic;                  /* of the last one; -1: none yet */
};

/* Adds the partition, with its neighbours of one topic, unless it is no news. */
static bool assemble_one(struct fetch *f, struct arena *arena, int32_t at, struct assembly *to)
{
    struct fetch_item *item = &f->plan.list->items[at];
    struct fetch_answer *a = &f->answers[at];
    if (f->plan.incremental && !fetch_item_is_news(item, a->err != ERR_OK, a->bytes,
                                                   a->high_watermark, a->log_start))
        return true;
    fetch_item_told(item, a->high_watermark, a->log_start);
    if (a->bytes > 0) msk_count_out(f->rq->broker, f->topics[item->topic], a->bytes);
    if (to->topic != item->topic) {
        struct fetch_response_topic *topic = &to->out.responses[to->out.responses_count++];
        const struct fetch_topic *named = &f->plan.list->topics[item->topic];
        *topic = FETCH_RESPONSE_TOPIC_INIT;
        if (!bytes_is_null(named->name)) topic->topic = named->name;
        topic->topic_id = named->id;
        topic->partitions = &to->partitions[to->used];
        to->topic = item->topic;
    }
    to->out.responses[to->out.responses_count - 1].partitions_count++;
    return set_partition(f, arena, at, &to->partitions[to->used++]);
}

/* Topics that the answer names at most: as often as the partition's neighbour is another's, among
 * those that were refused and among the others. */
static size_t topics_named(const struct fetch *f)
{
    const struct fetch_list *l = f->plan.list;
    int32_t last[2] = {-1, -1};
    size_t count = 0;
    for (int32_t i = l->first; i >= 0; i = l->items[i].next) {
        int32_t *of = &last[l->items[i].refused != ERR_OK];
        count += *of != l->items[i].topic;
        *of = l->items[i].topic;
    }
    return count;
}

/* Those that were refused come behind the others; those that brought records go to the end of their
 * session's turn (KIP-227), so that early ones do not starve late ones. */
static bool assemble_all(struct fetch *f, struct arena *arena, struct assembly *to)
{
    struct fetch_list *l = f->plan.list;
    to->out.responses = ARENA_ARRAY(arena, struct fetch_response_topic, topics_named(f));
    to->partitions = ARENA_ARRAY(arena, struct fetch_response_partition, (size_t)f->count);
    if (to->out.responses == NULL || to->partitions == NULL) return false;
    int32_t last = l->last;
    for (int32_t i = l->first, next; i >= 0; i = next) {
        next = i == last ? -1 : l->items[i].next;
        if (l->items[i].refused != ERR_OK) continue;
        if (!assemble_one(f, arena, i, to)) return false;
        if (f->plan.incremental && f->answers[i].bytes > 0) fetch_list_turn(l, i);
    }
    for (int32_t i = l->first; i >= 0 && f->readable < f->count; i = l->items[i].next)
        if (l->items[i].refused != ERR_OK && !assemble_one(f, arena, i, to)) return false;
    return true;
}

/* Thread: the loop's, or a codec lane's when the list is the fetch's own. */
static void encode(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    struct assembly to = {.out = FETCH_RESPONSE_INIT, .topic = -1};
    CLEANUP(arena_done) struct arena scratch;
    arena_init(&scratch, rq->arena->cap);
    f->failed = !assemble_all(f, f->count <= FEW_ITEMS ? rq->arena : &scratch, &to);
    if (f->failed) return;
    to.out.session_id = f->is_own ? FETCH_SESSION_NONE
                                  : fetch_sessions_answer(rq->home->sessions, &f->plan,
                                                          loop_now_ms(loop_of(f)));
    to.out.throttle_time_ms = f->throttled ? THROTTLE_MS : 0;
    KAFKA_ENCODE(rq, fetch, &to.out);
}

static void encoded(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    let_go(f);
    if (f->failed) kafka_abort(rq);
    else kafka_reply(rq);
}

static void assemble(struct fetch *f, bool throttled)
{
    f->throttled = throttled;
    if (throttled) mute(f);
    f->is_own = fetch_plan_is_own(&f->plan);
    if (f->is_own && f->count > KAFKA_ENTRIES_HERE_MAX) {
        kafka_beside(f->rq, encode, encoded);
        return;
    }
    encode(f->rq);
    encoded(f->rq);
}

/* ---- The walk */

/* One partition was read, or cannot be. */
static void settle(struct fetch *f, enum err err, struct read_result *read)
{
    const struct fetch_item *item = &f->plan.list->items[f->at];
    struct fetch_answer *a = &f->answers[f->at];
    if (err == ERR_CLOSED) err = ERR_UNKNOWN_TOPIC_OR_PARTITION;
    *a = (struct fetch_answer){.err = err, .high_watermark = -1, .last_stable = -1,
                               .log_start = -1};
    f->at = item->next;
    if (err != ERR_OK) {
        if (read != NULL) read_result_done(read);
        if (item->refused == ERR_OK) f->any_error = true;
        return;
    }
    a->batches = read->batches;
    a->count = read->count;
    a->high_watermark = read->bounds.high_watermark;
    a->last_stable = read->bounds.last_stable;
    a->log_start = read->bounds.log_start;
    a->log_bytes = read->bounds.size_bytes;
    a->bytes = read->bytes;
    int64_t end = a->count > 0 ? a->batches[a->count - 1].last_offset + 1 : item->offset;
    a->more = end < a->last_stable;
    size_t limit = (size_t)item->bytes_max;
    size_t least = a->more && f->limit >= a->bytes ? f->limit + 1 : a->bytes;
    a->lies = least < limit ? least : limit;
    f->lies += a->lies;
    size_t through = a->more && a->bytes > 0 && a->bytes < f->limit ? f->limit : a->bytes;
    f->bytes += through;
    f->bytes_left -= through < f->bytes_left ? through : f->bytes_left;
}

static void walk_on(struct fetch *f)
{
    if (fetch_plan_is_current(&f->plan)) walk(f);
    else reply_error(f, ERR_INVALID_FETCH_SESSION_EPOCH, fetch_plan_session(&f->plan));
}

static void cold_done(struct log_read *r)
{
    struct fetch *f = CONTAINER_OF(r, struct fetch, cold);
    if (fetch_plan_is_current(&f->plan)) settle(f, r->err, &r->result);
    else read_result_done(&r->result);
    walk_on(f);
}

static void on_turn(struct job *job)
{
    walk_on(CONTAINER_OF(job, struct fetch, turn));
}

/* Whether the partition can be read by this client.
 * Errors: ERR_UNKNOWN_TOPIC_OR_PARTITION; ERR_INCONSISTENT_TOPIC_ID; ERR_FENCED_LEADER_EPOCH;
 * ERR_UNKNOWN_LEADER_EPOCH; ERR_NOT_LEADER_OR_FOLLOWER; ERR_OFFSET_OUT_OF_RANGE. Thread: any. */
static enum err check(const struct fetch *f, const struct fetch_item *item,
                      const struct topic *topic)
{
    if (item->refused != ERR_OK) return item->refused;
    if (topic == NULL) return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    TRY(topic_check_partition(topic, item->partition, -1));
    const struct fetch_list *l = f->plan.list;
    if (l->by_id && !uuid_equal(&l->topics[item->topic].id, &topic->id))
        return ERR_INCONSISTENT_TOPIC_ID;
    int32_t epoch = item->leader_epoch < 0 ? -1 : item->leader_epoch;
    TRY(topic_check_partition(topic, item->partition, epoch));
    if (f->as_replica) return ERR_NOT_LEADER_OR_FOLLOWER;
    return item->last_fetched_epoch > LEADER_EPOCH ? ERR_OFFSET_OUT_OF_RANGE : ERR_OK;
}

/* False when the answer comes later. */
static bool read_one(struct fetch *f)
{
    const struct fetch_item *item = &f->plan.list->items[f->at];
    struct topic *topic = f->topics[item->topic];
    enum err err = check(f, item, topic);
    if (err != ERR_OK) {
        settle(f, err, NULL);
        return true;
    }
    f->limit = (size_t)item->bytes_max < f->bytes_left ? (size_t)item->bytes_max : f->bytes_left;
    bool min_one = f->bytes == 0;
    struct read_result read;
    read_result_init(&read);
    err = plog_read_tail(topic->partitions[item->partition].log, item->offset, f->limit, min_one,
                         &read);
    if (err != ERR_COLD) {
        settle(f, err, &read);
        return true;
    }
    f->cold = (struct log_read){
        .topic = topic,
        .partition = item->partition,
        .offset = item->offset,
        .bytes_max = f->limit,
        .min_one = min_one,
        .client = kafka_client(f->rq),
        .home = loop_of(f),
        .done = cold_done,
        .result = read,
    };
    if (f->promised == 0) {
        f->promised = f->bytes_left;
        room_promise(loop_room(loop_of(f)), f->promised);
    }
    store_read(rq_store(f->rq), &f->cold);
    return false;
}

static size_t bytes_wanted(const struct fetch *f)
{
    return f->min_bytes < f->bytes_max ? f->min_bytes : f->bytes_max;
}

/* The topics as they are now, by name. */
static void look_up_topics(struct fetch *f)
{
    topics_drop(f);
    for (int32_t i = 0; i < f->topic_count; i++) {
        struct bytes name = f->plan.list->topics[i].name;
        if (!bytes_is_null(name)) f->topics[i] = store_topic(rq_store(f->rq), name);
    }
}

static void walk_begin(struct fetch *f)
{
    look_up_topics(f);
    f->at = f->plan.list->first;
    f->bytes = f->lies = 0;
    f->any_error = false;
    f->bytes_max = f->bytes_left = room_for(loop_room(loop_of(f)), f->max_bytes);
    walk(f);
}

/* ---- Waiting */

static void on_wake(struct watch_set *sleep)
{
    struct fetch *f = CONTAINER_OF(sleep, struct fetch, sleep);
    loop_timer_cancel(loop_of(f), &f->deadline);
    f->watches = mem_free(f->watches);
    if (f->gone || !fetch_plan_is_current(&f->plan)) walk_on(f);
    else walk_begin(f);
}

/* A log has more: looked at by its size alone, since this comes with each append. */
static int64_t on_grown(struct watch_set *sleep, int32_t at)
{
    struct fetch *f = CONTAINER_OF(sleep, struct fetch, sleep);
    if (bytes_wanted(f) <= 1 || !fetch_plan_is_current(&f->plan)) return -1;
    const struct fetch_item *item = &f->plan.list->items[at];
    struct fetch_answer *a = &f->answers[at];
    struct log_bounds now;
    struct topic *topic = f->topics[item->topic];
    if (plog_bounds(topic->partitions[item->partition].log, &now) != ERR_OK) return -1;
    if (now.log_start != a->log_start) return -1;
    size_t limit = (size_t)item->bytes_max;
    if (!a->more) {
        size_t lies = a->lies + (now.size_bytes - a->log_bytes);
        if (lies > limit) lies = limit;
        f->lies += lies - a->lies;
        a->lies = lies;
        a->log_bytes = now.size_bytes;
    }
    return f->lies >= bytes_wanted(f) ? -1 : now.last_stable;
}

/* False: there is no memory to wait. */
static bool may_park(struct fetch *f)
{
    f->watches = mem_try_array((size_t)f->readable, sizeof *f->watches);
    return f->watches != NULL && frame_park(f->rq->frame);
}

/* A log that has no place for one more watch is not waited for: the deadline comes all the same. */
static void park(struct fetch *f)
{
    batches_drop(f);        /* waking means reading anew */
    watch_set_init(&f->sleep, loop_of(f), f->watches, f->readable, on_wake);
    f->sleep.grown = on_grown;
    const struct fetch_list *l = f->plan.list;
    for (int32_t i = l->first; i >= 0; i = l->items[i].next) {
        const struct fetch_item *item = &l->items[i];
        if (item->refused != ERR_OK) continue;
        enum err err = watch_set_add(&f->sleep, f->topics[item->topic], item->partition,
                                     f->answers[i].last_stable, i);
        if (err != ERR_OK) continue;
    }
    loop_timer_set(loop_of(f), &f->deadline, f->deadline_ms);
}

static void walk(struct fetch *f)
{
    if (f->gone) {
        let_go(f);
        kafka_reply(f->rq);
        return;
    }
    for (int32_t left = ITEMS_PER_TURN; f->at >= 0; left--) {
        if (left == 0) {
            loop_defer_long(loop_of(f), &f->turn);
            return;
        }
        if (!read_one(f)) return;
    }
    size_t wanted = bytes_wanted(f);
    bool enough = f->any_error || f->ready || f->bytes >= wanted || f->lies >= wanted;
    if (enough || f->readable == 0 || loop_now_ms(loop_of(f)) >= f->deadline_ms)
        assemble(f, false);
    else if (may_park(f)) park(f);
    else assemble(f, true);
}

static void on_deadline(struct loop_timer *timer)
{
    struct fetch *f = CONTAINER_OF(timer, struct fetch, deadline);
    f->ready = true;
    if (watch_set_end(&f->sleep)) on_wake(&f->sleep);
}

/* A walk that is under way ends by itself; a parked request is woken for the same. */
static void on_closed(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    f->gone = true;
    if (loop_timer_is_set(&f->deadline))
        loop_timer_set(loop_of(f), &f->deadline, loop_now_ms(loop_of(f)));
}

/* The server stops: answered with what there is, now or when the walk is over. */
static void on_stop(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    f->ready = true;
    if (loop_timer_is_set(&f->deadline))
        loop_timer_set(loop_of(f), &f->deadline, loop_now_ms(loop_of(f)));
}

/* ---- The request */

/* Names what is asked by id, and finds out which partitions there are. False: memory is out. */
static bool resolve(struct fetch *f)
{
    struct fetch_list *l = f->plan.list;
    for (int32_t i = 0; l->by_id && i < l->topic_count; i++) {
        if (!bytes_is_null(l->topics[i].name)) continue;
        struct topic *topic = store_topic_by_id(rq_store(f->rq), &l->topics[i].id);
        bool named = topic == NULL || fetch_list_name(l, i, topic_name(topic));
        topic_unref(topic);
        if (!named) return false;
    }
    look_up_topics(f);
    int32_t last = l->last;
    for (int32_t i = l->first, next; i >= 0; i = next) {
        struct fetch_item *item = &l->items[i];
        const struct topic *topic = f->topics[item->topic];
        next = i == last ? -1 : item->next;
        item->refused = ERR_OK;
        if (bytes_is_null(l->topics[item->topic].name)) item->refused = ERR_UNKNOWN_TOPIC_ID;
        else if (topic == NULL) item->refused = ERR_UNKNOWN_TOPIC_OR_PARTITION;
        else item->refused = topic_check_partition(topic, item->partition, -1);
        if (item->refused == ERR_OK) f->readable++;
        else if (!f->plan.incremental) fetch_list_turn(l, i);   /* as sessions begin */
    }
    return true;
}

static void begin(struct fetch *f)
{
    const struct fetch_request *in = &f->in;
    size_t limit = f->rq->broker->options.fetch_bytes_max;
    f->max_bytes = in->max_bytes > 0 ? (size_t)in->max_bytes : 0;
    if (f->max_bytes > limit) f->max_bytes = limit;
    f->min_bytes = in->min_bytes > 0 ? (size_t)in->min_bytes : 0;
    f->committed = in->isolation_level == 1;
    int32_t replica = f->rq->version <= 14 ? in->replica_id : in->replica_state.replica_id;
    f->as_replica = replica >= 0;
    int64_t wait_ms = in->max_wait_ms > 0 ? in->max_wait_ms : 0;
    f->deadline_ms = loop_now_ms(loop_of(f)) + wait_ms;
}

static void planned(struct fetch *f)
{
    struct kafka_request *rq = f->rq;
    arena_done(&f->decoded);
    if (!f->held) {
        reply_throttled(f);
        return;
    }
    rq->on_closed = on_closed;
    rq->on_stop = on_stop;
    walk_begin(f);
}

static void hold_and_resolve(struct fetch *f)
{
    f->held = hold(f) && resolve(f);
}

static void plan_beside(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    enum err err = fetch_plan_full(rq->home->sessions, rq->version, &f->in, &f->plan);
    if (err == ERR_OK) hold_and_resolve(f);
}

static void planned_beside(struct kafka_request *rq)
{
    struct fetch *f = rq->context;
    f->gone = rq->frame->conn == NULL;
    f->ready = rq->is_over;
    planned(f);
}

static void plan(struct fetch *f)
{
    struct kafka_request *rq = f->rq;
    struct fetch_sessions *sessions = rq->home->sessions;
    bool is_full = f->in.session_epoch == FETCH_EPOCH_INITIAL ||
                   f->in.session_epoch == FETCH_EPOCH_FINAL;
    if (is_full && partitions_asked(&f->in) > KAFKA_ENTRIES_HERE_MAX) {
        fetch_sessions_end(sessions, f->in.session_id);
        kafka_beside(rq, plan_beside, planned_beside);
        return;
    }
    enum err err = fetch_sessions_plan(sessions, rq->version, &f->in, loop_now_ms(loop_of(f)),
                                       &f->plan);
    if (err != ERR_OK && err != ERR_BUSY) {
        arena_done(&f->decoded);
        reply_error(f, err, FETCH_SESSION_NONE);
        return;
    }
    if (err == ERR_OK) hold_and_resolve(f);
    planned(f);
}

enum err kafka_fetch(struct kafka_request *rq)
{
    struct fetch *f = ARENA_NEW(rq->arena, struct fetch);
    if (f == NULL) return ERR_TOO_LARGE;
    /* What was decoded is not needed while the request waits, nor kept when it is much. */
    arena_init(&f->decoded, rq->arena->cap);
    if (rq->body.left > SMALL_BYTES) rq->body.arena = &f->decoded;
    enum err err = fetch_request_decode(&rq->body, rq->version, &f->in);
    if (err != ERR_OK) {
        arena_done(&f->decoded);
        return err;
    }
    f->rq = rq;
    f->turn.run = on_turn;
    f->deadline.fire = on_deadline;
    begin(f);
    rq->context = f;
    plan(f);
    return ERR_OK;
}
