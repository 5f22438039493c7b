/* LeaveGroup: one member up to version 2, a list of them since. */
#include "broker/group/groups_loop.h"
#include "protocol/kafka/msg/leave_group.h"
#include "base/check.h"

struct leave_group {
    struct coordinator_call call;
    struct leave_member *members;
    uint32_t count;
    struct leave_group_response_member *answers;
};

static void encode(struct kafka_request *rq, enum err err,
                   struct leave_group_response_member *members, uint32_t count)
{
    struct leave_group_response out = LEAVE_GROUP_RESPONSE_INIT;
    out.error_code = err_kafka(err);
    out.members = members;
    out.members_count = (int32_t)count;
    KAFKA_ENCODE(rq, leave_group, &out);
}

static void act(struct coordinator_call *call)
{
    struct leave_group *m = CONTAINER_OF(call, struct leave_group, call);
    struct groups_loop *gl = groups_loop_of(call->owner);
    groups_leave(gl->groups, groups_loop_now_ms(gl), call->key, m->members, m->count,
                 &gl->out);
    for (uint32_t i = 0; i < m->count; i++) {
        m->answers[i].member_id = m->members[i].member_id;
        m->answers[i].group_instance_id = m->members[i].instance_id;
        m->answers[i].error_code = err_kafka(m->members[i].err);
    }
    if (call->rq->version <= 2)
        encode(call->rq, m->members[0].err, NULL, 0);
    else
        encode(call->rq, ERR_OK, m->answers, m->count);
    coordinator_call_answer(call);
}

enum err kafka_leave_group(struct kafka_request *rq)
{
    struct leave_group_request in;
    TRY(leave_group_request_decode(&rq->body, rq->version, &in));
    bool alone = rq->version <= 2;
    size_t count = alone ? 1 : (size_t)in.members_count;
    struct leave_group *m = ARENA_NEW(rq->arena, struct leave_group);
    struct leave_member *members = ARENA_ARRAY(rq->arena, struct leave_member, count);
    struct leave_group_response_member *answers =
        ARENA_ARRAY(rq->arena, struct leave_group_response_member, count);
    if (m == NULL || members == NULL || answers == NULL) return ERR_TOO_LARGE;
    if (in.group_id.len == 0) {
        encode(rq, ERR_INVALID_GROUP_ID, NULL, 0);
        kafka_reply(rq);
        return ERR_OK;
    }
    if (alone) members[0].member_id = in.member_id;
    for (size_t i = 0; !alone && i < count; i++)
        members[i] = (struct leave_member){in.members[i].member_id, in.members[i].group_instance_id,
                                           ERR_OK};
    m->members = members;
    m->answers = answers;
    m->count = (uint32_t)count;
    coordinator_call_begin(&m->call, COORDINATOR_GROUP, rq, in.group_id, act);
    return ERR_OK;
}
