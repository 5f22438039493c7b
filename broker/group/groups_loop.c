#include "broker/group/groups_loop.h"

#include <assert.h>
#include "base/mem.h"
#include "broker/group/commits.h"
#include "broker/group/expiry.h"
#include "storage/state/offsets.h"
#include "base/check.h"

/* ---- What the journey asks for */

static void answer(struct coordinator *c)
{
    struct groups_loop *gl = groups_loop_of(c);
    for (uint32_t i = 0; i < gl->out.count; i++) {
        struct group_wait *wait = gl->out.replies[i].token;
        wait->on_reply(wait, &gl->out.replies[i]);
        coordinator_call_answer(&wait->call);
    }
    gl->out.count = 0;
}

static bool tick(struct coordinator *c, int64_t now_ms)
{
    struct groups_loop *gl = groups_loop_of(c);
    return groups_tick(gl->groups, now_ms, &gl->out);
}

static int64_t next_deadline_ms(const struct coordinator *c)
{
    return groups_next_deadline_ms(CONTAINER_OF(c, struct groups_loop, coordinator)->groups);
}

static void abandon(struct coordinator *c, struct coordinator_call *call)
{
    bool held = groups_abandon(groups_loop_of(c)->groups,
                               CONTAINER_OF(call, struct group_wait, call));
    assert(held);
    (void)held;
}

static const struct coordinator_ops ops = {answer, tick, next_deadline_ms, abandon};

/* ---- Life */

struct restoring {
    struct groups_loop *gl;
    int64_t now_ms;
};

static void restore_one(void *context, struct bytes group_id)
{
    struct restoring *r = context;
    if (coordinator_owns(&r->gl->coordinator, group_id))
        groups_restore(r->gl->groups, r->now_ms, group_id);
}

static void restore(struct groups_loop *gl)
{
    struct restoring r = {.gl = gl, .now_ms = coordinator_start_ms(&gl->coordinator)};
    store_offset_groups_each(groups_loop_store(gl), &r, restore_one);
}

struct groups_loop *groups_loop_new(struct broker_loop *home)
{
    struct groups_loop *gl = NEW(struct groups_loop);
    coordinator_init(&gl->coordinator, COORDINATOR_GROUP, home, &ops);
    gl->groups = groups_new(groups_loop_config(gl));
    restore(gl);
    gl->expiry = group_expiry_new(gl);
    return gl;
}

void groups_loop_free(struct groups_loop *gl)
{
    coordinator_done(&gl->coordinator);
    group_commits_forget(gl);
    group_expiry_free(gl->expiry);
    groups_free(gl->groups);
    group_effects_done(&gl->out);
    mem_free(gl);
}
