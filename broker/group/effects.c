/* What the machine says to those who wait. Replies hold views: of the request that is answered, of
 * members that stay, or of out->kept for the one text that its owner gave up within the call. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

void effects_reset(struct group_effects *out)
{
    out->count = 0;
    out->members = mem_free(out->members);
    out->kept = mem_free(out->kept);
}

void group_effects_done(struct group_effects *out)
{
    effects_reset(out);
    mem_free(out->replies);
    *out = (struct group_effects){0};
}

struct bytes effects_keep(struct group_effects *out, struct bytes text)
{
    assert(out->kept == NULL);
    out->kept = mem_string((const char *)text.data, text.len);
    return bytes_of(out->kept, text.len);
}

static void add(struct group_effects *out, const struct group_reply *reply)
{
    assert(reply->token != NULL);
    if (out->count == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 8;
        out->replies = mem_grow(out->replies, out->cap * sizeof *out->replies);
    }
    out->replies[out->count++] = *reply;
}

void effects_join_error(struct group_effects *out, void *token, enum err err,
                        struct bytes member_id)
{
    add(out, &(struct group_reply){
                 .token = token,
                 .kind = GROUP_REPLY_JOIN,
                 .join = {.err = err, .generation = -1, .leader = BYTES_LIT(""),
                          .member_id = member_id},
             });
}

void effects_sync_error(struct group_effects *out, void *token, enum err err)
{
    add(out, &(struct group_reply){
                 .token = token,
                 .kind = GROUP_REPLY_SYNC,
                 .sync = {.err = err, .assignment = BYTES_LIT("")},
             });
}

static struct join_member *member_list(const struct group *g)
{
    struct join_member *list = NEW_ARRAY(struct join_member, g->members.count);
    struct join_member *at = list;
    for (struct member *m = g->first; m != NULL; m = m->next)
        *at++ = (struct join_member){m->id, m->instance_id, member_metadata(m, g->protocol_name)};
    return list;
}

void effects_join_ok(struct group_effects *out, void *token, const struct member *m,
                     struct bytes leader_id, bool with_members, bool skip_assignment)
{
    struct group *g = m->group;
    struct group_reply reply = {
        .token = token,
        .kind = GROUP_REPLY_JOIN,
        .join = {.generation = g->generation, .protocol_type = g->protocol_type,
                 .protocol_name = g->protocol_name, .leader = leader_id, .member_id = m->id,
                 .skip_assignment = skip_assignment},
    };
    if (with_members) {
        assert(out->members == NULL);       /* one leader, one answer to it in a call */
        out->members = member_list(g);
        reply.join.members = out->members;
        reply.join.member_count = g->members.count;
    }
    add(out, &reply);
}

void effects_sync_ok(struct group_effects *out, void *token, const struct member *m)
{
    struct group *g = m->group;
    add(out, &(struct group_reply){
                 .token = token,
                 .kind = GROUP_REPLY_SYNC,
                 .sync = {.protocol_type = g->protocol_type, .protocol_name = g->protocol_name,
                          .assignment = m->assignment},
             });
}

/* ---- The end of a wait */

static void *take_sync(struct member *m)
{
    m->syncing = false;
    return wait_forget(m->group->table, &m->sync);
}

void member_end_join(struct member *m, struct group_effects *out)
{
    struct group *g = m->group;
    void *token = member_take_join(m);
    if (token != NULL) effects_join_ok(out, token, m, g->leader->id, m == g->leader, false);
}

void member_fail_join(struct member *m, enum err err, struct bytes member_id,
                      struct group_effects *out)
{
    void *token = member_take_join(m);
    if (token != NULL) effects_join_error(out, token, err, member_id);
}

void member_end_sync(struct member *m, struct group_effects *out)
{
    void *token = take_sync(m);
    if (token != NULL) effects_sync_ok(out, token, m);
}

void member_fail_sync(struct member *m, enum err err, struct group_effects *out)
{
    void *token = take_sync(m);
    if (token != NULL) effects_sync_error(out, token, err);
}
