/* A session is an ordered list of items and a table over it: open addressing on (topic, partition)
 * with the item's place. Sessions hang in a list by last use. */
#include "broker/fetch_session.h"

#include "base/mem.h"
#include "base/check.h"

struct fetch_session {
    int32_t id;
    int32_t epoch;                  /* the next request must carry it */
    bool by_id;                     /* topics named by id (version 13 and up) */
    struct fetch_item *items;       /* their topic names are memory of the session */
    int32_t count;
    int32_t cap;
    int32_t *slots;                 /* index + 1; 0 empty */
    int32_t slot_count;             /* power of two, more than twice count */
    struct fetch_session *older, *newer;
};

struct fetch_sessions {
    int32_t max;
    int32_t count;
    int32_t id_first;               /* ids of this loop: id_first + k * id_step */
    int32_t id_step;
    int32_t id_turn;
    struct fetch_session *oldest, *newest;
};

struct fetch_sessions *fetch_sessions_new(uint32_t loop_index, uint32_t loop_count, int32_t max)
{
    struct fetch_sessions *s = NEW(struct fetch_sessions);
    s->max = max;
    s->id_first = (int32_t)loop_index + 1;
    s->id_step = (int32_t)loop_count;
    return s;
}

static void items_drop(struct fetch_session *f)
{
    for (int32_t i = 0; i < f->count; i++) mem_free((void *)f->items[i].topic.data);
    f->count = 0;
}

static void unlink_session(struct fetch_sessions *s, struct fetch_session *f)
{
    *(f->older ? &f->older->newer : &s->oldest) = f->newer;
    *(f->newer ? &f->newer->older : &s->newest) = f->older;
    f->older = f->newer = NULL;
}

static void link_newest(struct fetch_sessions *s, struct fetch_session *f)
{
    f->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = f;
    s->newest = f;
}

static void session_free(struct fetch_sessions *s, struct fetch_session *f)
{
    unlink_session(s, f);
    s->count--;
    items_drop(f);
    mem_free(f->items);
    mem_free(f->slots);
    mem_free(f);
}

void fetch_sessions_free(struct fetch_sessions *s)
{
    if (s == NULL) return;
    while (s->oldest != NULL) session_free(s, s->oldest);
    mem_free(s);
}

int32_t fetch_sessions_count(const struct fetch_sessions *s)
{
    return s->count;
}

/* Newest first: a client that polls is found at once. */
static struct fetch_session *find(struct fetch_sessions *s, int32_t id)
{
    struct fetch_session *f = s->newest;
    while (f != NULL && f->id != id) f = f->older;
    return f;
}

static struct fetch_session *session_new(struct fetch_sessions *s, bool by_id)
{
    if (s->count >= s->max) session_free(s, s->oldest);
    struct fetch_session *f = NEW(struct fetch_session);
    int32_t turns = INT32_MAX / s->id_step - 1;
    do {
        f->id = s->id_first + s->id_step * s->id_turn;
        s->id_turn = (s->id_turn + 1) % turns;
    } while (find(s, f->id) != NULL);
    f->by_id = by_id;
    s->count++;
    link_newest(s, f);
    return f;
}

static uint64_t key_hash(const struct fetch_item *item)
{
    uint64_t h = bytes_is_null(item->topic) ? bytes_hash(bytes_of(item->topic_id.bytes, 16))
                                            : bytes_hash(item->topic);
    return (h + (uint64_t)item->want.partition) * 0x9e3779b97f4a7c15u >> 20;
}

static bool same_key(const struct fetch_item *a, const struct fetch_item *b)
{
    return !a->forgotten && a->want.partition == b->want.partition &&
           bytes_equal(a->topic, b->topic) && uuid_equal(&a->topic_id, &b->topic_id);
}

/* The slot that holds the item or would. */
static int32_t *slot_of(struct fetch_session *f, const struct fetch_item *key)
{
    uint64_t mask = (uint64_t)f->slot_count - 1;
    uint64_t at = key_hash(key) & mask;
    while (f->slots[at] != 0 && !same_key(&f->items[f->slots[at] - 1], key)) at = (at + 1) & mask;
    return &f->slots[at];
}

static void index_all(struct fetch_session *f)
{
    int32_t slot_count = 16;
    while (slot_count < f->count * 3) slot_count *= 2;
    mem_free(f->slots);
    f->slots = NEW_ARRAY(int32_t, (size_t)slot_count);
    f->slot_count = slot_count;
    for (int32_t i = 0; i < f->count; i++) *slot_of(f, &f->items[i]) = i + 1;
}

/* Adds or changes. False when the session is full. */
static bool session_want(struct fetch_session *f, const struct fetch_item *item)
{
    if (f->slots == NULL || f->count * 3 >= f->slot_count * 2) index_all(f);
    int32_t *slot = slot_of(f, item);
    if (*slot != 0) {
        f->items[*slot - 1].want = item->want;
        return true;
    }
    if (f->count == FETCH_SESSION_PARTITIONS_MAX) return false;
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 8;
        f->items = mem_grow(f->items, (size_t)f->cap * sizeof *f->items);
    }
    struct fetch_item *mine = &f->items[f->count++];
    *mine = *item;
    if (!bytes_is_null(item->topic)) {
        mine->topic = bytes_of(mem_string((const char *)item->topic.data, item->topic.len),
                               item->topic.len);
    }
    *slot = f->count;
    return true;
}

/* Marks only: what is forgotten matches no key, so the table stays whole until session_pack(). */
static void session_forget(struct fetch_session *f, const struct fetch_item *key)
{
    int32_t index = f->slots ? *slot_of(f, key) - 1 : -1;
    if (index < 0) return;
    mem_free((void *)f->items[index].topic.data);
    f->items[index].topic = BYTES_NULL;
    f->items[index].forgotten = true;
}

static void session_pack(struct fetch_session *f)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < f->count; i++)
        if (!f->items[i].forgotten) f->items[kept++] = f->items[i];
    f->count = kept;
    index_all(f);
}

static struct fetch_item item_of(int16_t version, const struct fetch_request_topic *topic,
                                 const struct fetch_request_partition *partition)
{
    struct fetch_item item = {.want = *partition};
    if (version >= 13) item.topic_id = topic->topic_id;
    else item.topic = topic->topic;
    return item;
}

static int32_t count_items(const struct fetch_request *request)
{
    int64_t count = 0;
    for (int32_t t = 0; t < request->topics_count; t++)
        count += request->topics[t].partitions_count;
    return (int32_t)count;      /* the frame's length bounds it */
}

/* All partitions of the request, without a session. */
static enum err plan_full(int16_t version, const struct fetch_request *request,
                          struct arena *arena, struct fetch_plan *ret)
{
    int32_t count = count_items(request), at = 0;
    struct fetch_item *items = ARENA_ARRAY(arena, struct fetch_item, (size_t)count);
    if (items == NULL) return ERR_TOO_LARGE;
    for (int32_t t = 0; t < request->topics_count; t++) {
        const struct fetch_request_topic *topic = &request->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++)
            items[at++] = item_of(version, topic, &topic->partitions[p]);
    }
    *ret = (struct fetch_plan){.items = items, .item_count = count};
    return ERR_OK;
}

static bool session_update(struct fetch_session *f, int16_t version,
                           const struct fetch_request *request)
{
    for (int32_t t = 0; t < request->topics_count; t++) {
        const struct fetch_request_topic *topic = &request->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct fetch_item item = item_of(version, topic, &topic->partitions[p]);
            if (!session_want(f, &item)) return false;
        }
    }
    for (int32_t t = 0; t < request->forgotten_topics_data_count; t++) {
        const struct fetch_request_forgotten_topic *gone = &request->forgotten_topics_data[t];
        for (int32_t p = 0; p < gone->partitions_count; p++) {
            struct fetch_item key = {.want.partition = gone->partitions[p]};
            if (version >= 13) key.topic_id = gone->topic_id;
            else key.topic = gone->topic;
            session_forget(f, &key);
        }
    }
    if (request->forgotten_topics_data_count > 0) session_pack(f);
    return true;
}

static int32_t epoch_after(int32_t epoch)
{
    return epoch == INT32_MAX ? 1 : epoch + 1;
}

static enum err plan_incremental(struct fetch_sessions *s, int16_t version,
                                 const struct fetch_request *request, struct fetch_plan *ret)
{
    struct fetch_session *f = find(s, request->session_id);
    if (f == NULL) return ERR_FETCH_SESSION_ID_NOT_FOUND;
    if (request->session_epoch != f->epoch) return ERR_INVALID_FETCH_SESSION_EPOCH;
    if (f->by_id != (version >= 13)) return ERR_FETCH_SESSION_TOPIC_ID_ERROR;
    if (!session_update(f, version, request)) {
        session_free(s, f);
        return ERR_FETCH_SESSION_ID_NOT_FOUND;      /* outgrown: the client starts a full fetch */
    }
    if (f->count == 0) {
        session_free(s, f);
        *ret = (struct fetch_plan){.session_id = FETCH_SESSION_NONE};
        return ERR_OK;
    }
    f->epoch = epoch_after(f->epoch);
    unlink_session(s, f);
    link_newest(s, f);
    *ret = (struct fetch_plan){
        .items = f->items, .item_count = f->count, .session_id = f->id, .session_epoch = f->epoch,
        .incremental = true};
    return ERR_OK;
}

enum err fetch_sessions_plan(struct fetch_sessions *s, int16_t version,
                             const struct fetch_request *request, struct arena *arena,
                             struct fetch_plan *ret)
{
    int32_t epoch = request->session_epoch;
    if (epoch != FETCH_EPOCH_INITIAL && epoch != FETCH_EPOCH_FINAL)
        return plan_incremental(s, version, request, ret);
    /* A full fetch; whatever session it names ends. */
    struct fetch_session *old = request->session_id ? find(s, request->session_id) : NULL;
    if (old != NULL) session_free(s, old);
    TRY(plan_full(version, request, arena, ret));
    bool wanted = epoch == FETCH_EPOCH_INITIAL && version >= 7 && s->max > 0 &&
                  ret->item_count <= FETCH_SESSION_PARTITIONS_MAX;
    if (!wanted) return ERR_OK;
    struct fetch_session *f = session_new(s, version >= 13);
    struct fetch_request all = *request;
    all.forgotten_topics_data_count = 0;    /* means nothing in a full fetch */
    session_update(f, version, &all);
    f->epoch = 1;
    *ret = (struct fetch_plan){
        .items = f->items, .item_count = f->count, .session_id = f->id, .session_epoch = f->epoch};
    return ERR_OK;
}

bool fetch_sessions_refresh(struct fetch_sessions *s, struct fetch_plan *plan)
{
    if (plan->session_id == FETCH_SESSION_NONE) return true;
    struct fetch_session *f = find(s, plan->session_id);
    if (f == NULL || f->epoch != plan->session_epoch) return false;
    plan->items = f->items;
    plan->item_count = f->count;
    return true;
}

bool fetch_item_is_news(const struct fetch_item *item, int16_t error_code, size_t bytes,
                        int64_t high_watermark, int64_t log_start)
{
    return error_code != 0 || bytes > 0 || !item->told_once ||
           item->told_high_watermark != high_watermark || item->told_log_start != log_start;
}

void fetch_item_told(struct fetch_item *item, int64_t high_watermark, int64_t log_start)
{
    item->told_once = true;
    item->told_high_watermark = high_watermark;
    item->told_log_start = log_start;
}
