/* Heartbeat: a member says that it lives, and learns whether it has to join anew. */
#include "broker/group/groups_loop.h"
#include "protocol/kafka/msg/heartbeat.h"
#include "base/check.h"

struct heartbeat {
    struct coordinator_call call;
    struct heartbeat_in in;
};

static void encode(struct kafka_request *rq, enum err err)
{
    struct heartbeat_response out = HEARTBEAT_RESPONSE_INIT;
    out.error_code = err_kafka(err);
    KAFKA_ENCODE(rq, heartbeat, &out);
}

static void act(struct coordinator_call *call)
{
    struct heartbeat *m = CONTAINER_OF(call, struct heartbeat, call);
    struct groups_loop *gl = groups_loop_of(call->owner);
    encode(call->rq, groups_heartbeat(gl->groups, groups_loop_now_ms(gl), &m->in));
    coordinator_call_answer(call);
}

enum err kafka_heartbeat(struct kafka_request *rq)
{
    struct heartbeat_request in;
    TRY(heartbeat_request_decode(&rq->body, rq->version, &in));
    struct heartbeat *m = ARENA_NEW(rq->arena, struct heartbeat);
    if (m == NULL) return ERR_TOO_LARGE;
    if (in.group_id.len == 0) {
        encode(rq, ERR_INVALID_GROUP_ID);
        kafka_reply(rq);
        return ERR_OK;
    }
    m->in = (struct heartbeat_in){in.group_id, in.member_id, in.group_instance_id,
                                  in.generation_id};
    coordinator_call_begin(&m->call, COORDINATOR_GROUP, rq, in.group_id, act);
    return ERR_OK;
}
