/* SyncGroup: waits at the group's owner for the leader's assignment, if there is room for one more
 * that waits. */
#include "broker/group/groups_loop.h"
#include "protocol/kafka/msg/sync_group.h"
#include "base/check.h"

struct sync_group {
    struct group_wait wait;
    struct sync_in in;
};

static void encode(struct kafka_request *rq, const struct sync_reply *r)
{
    struct sync_group_response out = SYNC_GROUP_RESPONSE_INIT;
    out.error_code = err_kafka(r->err);
    out.protocol_type = r->protocol_type;
    out.protocol_name = r->protocol_name;
    out.assignment = r->assignment;
    KAFKA_ENCODE(rq, sync_group, &out);
}

static void on_reply(struct group_wait *wait, const struct group_reply *reply)
{
    encode(wait->call.rq, &reply->sync);
}

static void act(struct coordinator_call *call)
{
    struct sync_group *m = CONTAINER_OF(call, struct sync_group, wait.call);
    struct groups_loop *gl = groups_loop_of(call->owner);
    call->waits = true;
    groups_sync(gl->groups, groups_loop_now_ms(gl), &m->in, &m->wait, &gl->out);
}

/* Errors: ERR_INCONSISTENT_GROUP_PROTOCOL; ERR_INVALID_GROUP_ID. Thread: any. */
static enum err check(const struct kafka_request *rq, const struct sync_group_request *in)
{
    bool named = !bytes_is_null(in->protocol_type) && !bytes_is_null(in->protocol_name);
    if (rq->version >= 5 && !named) return ERR_INCONSISTENT_GROUP_PROTOCOL;
    return in->group_id.len == 0 ? ERR_INVALID_GROUP_ID : ERR_OK;
}

enum err kafka_sync_group(struct kafka_request *rq)
{
    struct sync_group_request in;
    TRY(sync_group_request_decode(&rq->body, rq->version, &in));
    struct sync_group *m = ARENA_NEW(rq->arena, struct sync_group);
    struct sync_assignment *assignments =
        ARENA_ARRAY(rq->arena, struct sync_assignment, (size_t)in.assignments_count);
    if (m == NULL || assignments == NULL) return ERR_TOO_LARGE;
    enum err err = check(rq, &in);
    if (err == ERR_OK && !frame_park(rq->frame)) err = ERR_COORDINATOR_NOT_AVAILABLE;
    if (err != ERR_OK) {
        encode(rq, &(struct sync_reply){.err = err, .assignment = BYTES_LIT("")});
        kafka_reply(rq);
        return ERR_OK;
    }
    for (int32_t i = 0; i < in.assignments_count; i++)
        assignments[i] = (struct sync_assignment){in.assignments[i].member_id,
                                                  in.assignments[i].assignment};
    m->in = (struct sync_in){
        .group_id = in.group_id,
        .member_id = in.member_id,
        .instance_id = in.group_instance_id,
        .generation = in.generation_id,
        .protocol_type = in.protocol_type,
        .protocol_name = in.protocol_name,
        .assignments = assignments,
        .assignment_count = (uint32_t)in.assignments_count,
    };
    m->wait.on_reply = on_reply;
    coordinator_call_begin(&m->wait.call, COORDINATOR_GROUP, rq, in.group_id, act);
    return ERR_OK;
}
