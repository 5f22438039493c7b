/* A round walks the table a few groups a turn of the loop, so that no client waits for it. Offsets
 * go by a durable change; a group goes when it is Empty and storage has no offset of it. The pause
 * between rounds is the default of Kafka's offsets.retention.check.interval.ms. */
#include "broker/group/expiry.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/group/commits.h"
#include "broker/topics.h"
#include "base/check.h"

enum { ROUND_PAUSE_MS = 600000, PAGES_A_TURN = 64, OFFSETS_ARENA_BYTES = 256 << 20 };

struct group_expiry {
    struct groups_loop *gl;
    struct loop_timer timer;
    struct job job;
    bool running;
    uint32_t cursor;
};

/* Owns what it points to. */
struct removal {
    struct group_commit commit;
    bool all;                       /* no offset of the group stays */
};

static void forget_if_bare(struct groups_loop *gl, struct bytes group_id)
{
    if (store_has_offsets(groups_loop_store(gl), group_id)) return;
    if (group_commits_under_way(gl, group_id)) return;
    enum err err = groups_delete(gl->groups, groups_loop_now_ms(gl), group_id);
    (void)err;                      /* it has members: it stays */
}

static void removed(struct group_commit *c, enum err err)
{
    struct removal *r = CONTAINER_OF(c, struct removal, commit);
    struct bytes group = c->commit.group;
    if (err != ERR_OK)
        log_warn("expired offsets were not removed", {"group", LOG_B(group)},
                 {"err", LOG_S(err_name(c->commit.err))});
    else if (r->all)
        forget_if_bare(c->gl, group);
    mem_free((void *)group.data);
    mem_free((void *)c->commit.entries);
    mem_free(r);
}

/* The topics of a group's offsets. */
struct topics {
    struct topic **all;             /* references; NULL: is being deleted and takes them along */
    struct bytes *names;            /* null where there is none */
    bool *subscribed;
    int32_t count;
};

static void topics_done(struct topics *t)
{
    for (int32_t i = 0; i < t->count; i++) topic_unref(t->all[i]);
}

/* entries: ordered by topic. What is subscribed to does not expire.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the loop's. */
static enum err find_topics(struct groups_loop *gl, struct bytes group_id, struct arena *arena,
                            const struct offset_entry *entries, int32_t count, struct topics *ret)
{
    *ret = (struct topics){
        .all = ARENA_ARRAY(arena, struct topic *, (size_t)count),
        .names = ARENA_ARRAY(arena, struct bytes, (size_t)count),
        .subscribed = ARENA_ARRAY(arena, bool, (size_t)count),
    };
    if (ret->all == NULL || ret->names == NULL || ret->subscribed == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < count; i++) {
        if (i > 0 && uuid_equal(&entries[i].topic_id, &entries[i - 1].topic_id)) continue;
        struct topic *t = store_topic_by_id(groups_loop_store(gl), &entries[i].topic_id);
        ret->names[ret->count] = t != NULL ? topic_name(t) : BYTES_NULL;
        ret->all[ret->count++] = t;
    }
    return groups_subscribed(gl->groups, group_id, arena, ret->names, ret->count, ret->subscribed);
}

/* Those past their time, as a commit deletes them. */
static int32_t find_expired(struct groups_loop *gl, struct bytes group_id, const struct topics *t,
                            const struct offset_entry *entries, int32_t count,
                            struct offset_entry *gone)
{
    int64_t now_ms = groups_loop_now_ms(gl);
    int32_t gone_count = 0, topic = 0;
    for (int32_t i = 0; i < count; i++) {
        const struct offset_entry *e = &entries[i];
        topic += i > 0 && !uuid_equal(&e->topic_id, &entries[i - 1].topic_id);
        if (t->all[topic] == NULL || t->subscribed[topic]) continue;
        if (!groups_offset_expired(gl->groups, now_ms, group_id, e->commit_ms, e->expire_ms))
            continue;
        gone[gone_count++] = (struct offset_entry){
            .topic_id = e->topic_id,
            .partition = e->partition,
            .offset = -1,
            .leader_epoch = -1,
            .metadata = BYTES_LIT(""),
            .expire_ms = -1,
        };
    }
    return gone_count;
}

static void expire(struct groups_loop *gl, struct bytes group_id, struct arena *arena,
                   const struct offset_entry *entries, int32_t count)
{
    struct topics topics;
    enum err err = find_topics(gl, group_id, arena, entries, count, &topics);
    struct offset_entry *gone = NEW_ARRAY(struct offset_entry, (size_t)count);
    int32_t gone_count =
        err == ERR_OK ? find_expired(gl, group_id, &topics, entries, count, gone) : 0;
    topics_done(&topics);
    if (gone_count == 0) {
        mem_free(gone);
        return;
    }
    struct removal *r = NEW(struct removal);
    r->all = gone_count == count;
    r->commit.done = removed;
    r->commit.commit.group =
        bytes_of(mem_string((const char *)group_id.data, group_id.len), group_id.len);
    r->commit.commit.entries = gone;
    r->commit.commit.entry_count = gone_count;
    group_commit_begin(gl, &r->commit);
}

static void visit(struct groups_loop *gl, struct bytes group_id)
{
    /* What is being committed right now is not looked at: the next round will do. */
    if (group_commits_under_way(gl, group_id)) return;
    struct arena arena;
    arena_init(&arena, OFFSETS_ARENA_BYTES);
    struct offset_entry *entries;
    int32_t count =
        store_offsets_of_group(groups_loop_store(gl), group_id, false, &arena, &entries);
    if (count > 0) expire(gl, group_id, &arena, entries, count);
    if (count == 0) forget_if_bare(gl, group_id);
    arena_done(&arena);
}

static void set_timer(struct group_expiry *e)
{
    struct loop *loop = e->gl->coordinator.home->loop;
    loop_timer_set(loop, &e->timer, loop_now_ms(loop) + ROUND_PAUSE_MS);
}

static void turn(struct job *job)
{
    struct group_expiry *e = CONTAINER_OF(job, struct group_expiry, job);
    struct groups_loop *gl = e->gl;
    struct arena arena;
    arena_init(&arena, OFFSETS_ARENA_BYTES);
    struct bytes *ids;
    uint32_t count;
    bool more = true;
    for (int i = 0; i < PAGES_A_TURN && more; i++) {
        more = groups_page(gl->groups, &e->cursor, &arena, &ids, &count);
        for (uint32_t k = 0; more && k < count; k++) visit(gl, ids[k]);
    }
    arena_done(&arena);
    if (more) {
        loop_post(gl->coordinator.home->loop, &e->job);
        return;
    }
    e->running = false;
    set_timer(e);
}

void group_expiry_run(struct group_expiry *e)
{
    if (e->running) return;
    e->running = true;
    e->cursor = 0;
    e->job.run = turn;
    loop_timer_cancel(e->gl->coordinator.home->loop, &e->timer);
    turn(&e->job);
}

static void on_timer(struct loop_timer *timer)
{
    group_expiry_run(CONTAINER_OF(timer, struct group_expiry, timer));
}

struct group_expiry *group_expiry_new(struct groups_loop *gl)
{
    struct group_expiry *e = NEW(struct group_expiry);
    e->gl = gl;
    e->timer.fire = on_timer;
    set_timer(e);
    return e;
}

void group_expiry_free(struct group_expiry *e)
{
    if (e == NULL) return;
    loop_timer_cancel(e->gl->coordinator.home->loop, &e->timer);
    mem_free(e);
}
