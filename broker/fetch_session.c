/* Sessions hang in a list by last use and in a table by id. A request holds a reference to its
 * session, so one that ends under a waiting request lives on until that is answered; it counts
 * until then. */
#include "broker/fetch_session.h"

#include "base/mailbox.h"
#include "base/map.h"
#include "base/mem.h"
#include "storage/topic/topic.h"
#include "base/check.h"

enum {
    SESSIONS_SINCE = 7,
    WANTED_MAX = 2 * FETCH_SESSION_PARTITIONS_MAX,  /* before those are gone that it forgets */
};

struct fetch_session {
    struct map_node by_id;
    int32_t refs;                   /* the table's and the requests' */
    int32_t id;                     /* FETCH_SESSION_NONE until it began */
    int32_t epoch;                  /* the next request must carry it */
    int64_t created_ms;
    int64_t used_ms;
    size_t counted;                 /* of s->bytes */
    struct fetch_sessions *owner;   /* once it began */
    struct fetch_session *older, *newer;
    struct fetch_list list;
};

struct fetch_sessions {
    int32_t count_max;
    int32_t count;
    size_t bytes_max;
    size_t bytes;
    uint64_t seed;
    int32_t id_first;               /* ids of this loop: id_first + k * id_step */
    int32_t id_step;
    int32_t id_turn;
    struct map by_id;
    struct fetch_session *oldest, *newest;
};

struct fetch_sessions *fetch_sessions_new(uint32_t loop_index, uint32_t loop_count,
                                          int32_t count_max, size_t bytes_max)
{
    struct fetch_sessions *s = NEW(struct fetch_sessions);
    struct uuid random = uuid_random();
    s->count_max = count_max;
    s->bytes_max = bytes_max;
    s->seed = load_be64(random.bytes) ^ load_be64(random.bytes + 8);
    s->id_first = (int32_t)loop_index + 1;
    s->id_step = (int32_t)loop_count;
    return s;
}

int32_t fetch_sessions_count(const struct fetch_sessions *s)
{
    return s->count;
}

size_t fetch_sessions_bytes(const struct fetch_sessions *s)
{
    return s->bytes;
}

/* ---- One session */

/* NULL: memory is out. */
static struct fetch_session *session_new(const struct fetch_sessions *s, bool by_id)
{
    struct fetch_session *f = NEW_TRY(struct fetch_session);
    if (f == NULL) return NULL;
    f->refs = 1;
    fetch_list_init(&f->list, s->seed, by_id);
    return f;
}

static size_t session_bytes(const struct fetch_session *f)
{
    return sizeof *f + fetch_list_bytes(&f->list);
}

static void session_unref(struct fetch_session *f)
{
    if (--f->refs > 0) return;
    if (f->owner != NULL) f->owner->bytes -= f->counted;
    fetch_list_done(&f->list);
    mem_free(f);
}

static void count_bytes(struct fetch_session *f)
{
    f->owner->bytes -= f->counted;
    f->counted = session_bytes(f);
    f->owner->bytes += f->counted;
}

/* Whether it may be kept: a name that no topic can have is not. */
static bool is_kept(const struct fetch_session *f)
{
    return f->list.item_count <= FETCH_SESSION_PARTITIONS_MAX &&
           f->list.name_len_max <= TOPIC_NAME_BYTES_MAX &&
           session_bytes(f) <= FETCH_SESSION_BYTES_MAX;
}

/* ---- All of them */

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

static void session_end(struct fetch_sessions *s, struct fetch_session *f)
{
    unlink_session(s, f);
    map_remove(&s->by_id, &f->by_id);
    s->count--;
    session_unref(f);
}

void fetch_sessions_free(struct fetch_sessions *s)
{
    if (s == NULL) return;
    while (s->oldest != NULL) session_end(s, s->oldest);
    map_done(&s->by_id);
    mem_free(s);
}

static struct fetch_session *find(const struct fetch_sessions *s, int32_t id)
{
    struct map_node *n = map_first(&s->by_id, (uint64_t)(uint32_t)id);
    return n ? CONTAINER_OF(n, struct fetch_session, by_id) : NULL;
}

/* The session that is worth least, of those that have lived long enough to be compared. */
static struct fetch_session *least(const struct fetch_sessions *s)
{
    struct fetch_session *found = NULL;
    for (struct fetch_session *f = s->oldest; f != NULL; f = f->newer) {
        if (f->used_ms - f->created_ms <= FETCH_SESSION_EVICTION_MS) continue;
        if (found == NULL || f->list.item_count < found->list.item_count) found = f;
    }
    return found;
}

/* Ends a session in favour of one that follows item_count partitions. False: there is none. */
static bool evict(struct fetch_sessions *s, int32_t item_count, int64_t now_ms)
{
    struct fetch_session *f = s->oldest;
    if (f == NULL) return false;
    if (now_ms - f->used_ms <= FETCH_SESSION_EVICTION_MS) {
        f = least(s);
        if (f == NULL || f->list.item_count >= item_count) return false;
    }
    session_end(s, f);
    return true;
}

static bool make_room(struct fetch_sessions *s, const struct fetch_session *f, int64_t now_ms)
{
    size_t bytes = session_bytes(f);
    if (s->count_max <= 0 || bytes > s->bytes_max) return false;
    while (s->count >= s->count_max || s->bytes > s->bytes_max - bytes)
        if (!evict(s, f->list.item_count, now_ms)) return false;
    return true;
}

static void session_begin(struct fetch_sessions *s, struct fetch_session *f, int64_t now_ms)
{
    int32_t turns = INT32_MAX / s->id_step - 1;
    do {
        f->id = s->id_first + s->id_step * s->id_turn;
        s->id_turn = (s->id_turn + 1) % turns;
    } while (find(s, f->id) != NULL);
    f->epoch = 1;
    f->created_ms = f->used_ms = now_ms;
    f->owner = s;
    f->refs++;
    count_bytes(f);
    map_put(&s->by_id, &f->by_id, (uint64_t)(uint32_t)f->id);
    link_newest(s, f);
    s->count++;
}

/* ---- Requests */

static int32_t epoch_after(int32_t epoch)
{
    return epoch == INT32_MAX ? 1 : epoch + 1;
}

enum err fetch_plan_full(const struct fetch_sessions *s, int16_t version,
                         const struct fetch_request *request, struct fetch_plan *ret)
{
    struct fetch_session *f = session_new(s, version >= FETCH_BY_ID_SINCE);
    if (f == NULL) return ERR_BUSY;
    if (!fetch_list_want(&f->list, request, INT32_MAX)) {   /* to forget means nothing here */
        session_unref(f);
        return ERR_BUSY;
    }
    *ret = (struct fetch_plan){
        .session = f, .list = &f->list,
        .begins = request->session_epoch == FETCH_EPOCH_INITIAL && version >= SESSIONS_SINCE};
    return ERR_OK;
}

static enum err plan_incremental(struct fetch_sessions *s, int16_t version,
                                 const struct fetch_request *request, int64_t now_ms,
                                 struct fetch_plan *ret)
{
    struct fetch_session *f = find(s, request->session_id);
    if (f == NULL) return ERR_FETCH_SESSION_ID_NOT_FOUND;
    if (request->session_epoch != f->epoch) return ERR_INVALID_FETCH_SESSION_EPOCH;
    if (f->list.by_id != (version >= FETCH_BY_ID_SINCE)) return ERR_FETCH_SESSION_TOPIC_ID_ERROR;
    f->epoch = epoch_after(f->epoch);       /* whoever waits with the former list is told */
    bool whole = fetch_list_want(&f->list, request, WANTED_MAX);
    bool is_cut = f->list.item_count > WANTED_MAX;
    whole = whole && fetch_list_forget(&f->list, request);
    count_bytes(f);
    if (whole && f->list.item_count == 0 && !is_cut) {
        session_end(s, f);
        return fetch_plan_full(s, version, request, ret);
    }
    if (!whole || is_cut || !is_kept(f) || s->bytes > s->bytes_max) {
        session_end(s, f);
        return ERR_FETCH_SESSION_ID_NOT_FOUND;      /* outgrown: the client starts a full fetch */
    }
    f->used_ms = now_ms;
    unlink_session(s, f);
    link_newest(s, f);
    f->refs++;
    *ret = (struct fetch_plan){
        .session = f, .list = &f->list, .epoch = f->epoch, .incremental = true};
    return ERR_OK;
}

enum err fetch_sessions_plan(struct fetch_sessions *s, int16_t version,
                             const struct fetch_request *request, int64_t now_ms,
                             struct fetch_plan *ret)
{
    int32_t epoch = request->session_epoch;
    if (epoch != FETCH_EPOCH_INITIAL && epoch != FETCH_EPOCH_FINAL)
        return plan_incremental(s, version, request, now_ms, ret);
    fetch_sessions_end(s, request->session_id);
    return fetch_plan_full(s, version, request, ret);
}

void fetch_sessions_end(struct fetch_sessions *s, int32_t id)
{
    struct fetch_session *f = find(s, id);
    if (f != NULL) session_end(s, f);
}

bool fetch_plan_is_own(const struct fetch_plan *plan)
{
    return !plan->incremental && !(plan->begins && is_kept(plan->session));
}

bool fetch_plan_is_current(const struct fetch_plan *plan)
{
    return !plan->incremental || plan->session->epoch == plan->epoch;
}

int32_t fetch_plan_session(const struct fetch_plan *plan)
{
    return plan->session->id;
}

int32_t fetch_sessions_answer(struct fetch_sessions *s, const struct fetch_plan *plan,
                              int64_t now_ms)
{
    struct fetch_session *f = plan->session;
    if (plan->begins && is_kept(f) && make_room(s, f, now_ms)) session_begin(s, f, now_ms);
    return f->id;
}

void fetch_plan_done(struct fetch_plan *plan)
{
    if (plan->session != NULL) session_unref(plan->session);
    *plan = (struct fetch_plan){0};
}

size_t fetch_plan_bytes(const struct fetch_plan *plan)
{
    return plan->session->owner != NULL ? 0 : session_bytes(plan->session);
}

bool fetch_item_is_news(const struct fetch_item *item, bool error, size_t bytes,
                        int64_t high_watermark, int64_t log_start)
{
    return error || bytes > 0 || item->told_high_watermark != high_watermark ||
           item->told_log_start != log_start;
}

void fetch_item_told(struct fetch_item *item, int64_t high_watermark, int64_t log_start)
{
    item->told_high_watermark = high_watermark;
    item->told_log_start = log_start;
}
