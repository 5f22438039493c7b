/* JoinGroup: handed to the group's owner, where it waits until the rebalance is through. Without
 * room for one more that waits the client is to look for the coordinator anew, and try again. */
#include "base/uuid.h"
#include "broker/group/groups_loop.h"
#include "protocol/kafka/msg/join_group.h"
#include "base/check.h"

struct join_group {
    struct group_wait wait;
    struct join_in in;
};

static void encode(struct kafka_request *rq, const struct join_reply *r,
                   struct join_group_response_member *members)
{
    struct join_group_response out = JOIN_GROUP_RESPONSE_INIT;
    out.error_code = err_kafka(r->err);
    out.generation_id = r->generation;
    out.protocol_type = r->protocol_type;
    out.protocol_name = r->protocol_name;
    if (rq->version < 7 && bytes_is_null(out.protocol_name)) out.protocol_name = BYTES_LIT("");
    out.leader = r->leader;
    out.skip_assignment = r->skip_assignment;
    out.member_id = r->member_id;
    out.members = members;
    out.members_count = (int32_t)r->member_count;
    KAFKA_ENCODE(rq, join_group, &out);
}

static void on_reply(struct group_wait *wait, const struct group_reply *reply)
{
    struct coordinator_call *call = &wait->call;
    const struct join_reply *r = &reply->join;
    struct join_group_response_member *members =
        ARENA_ARRAY(call->rq->arena, struct join_group_response_member, r->member_count);
    if (members == NULL) {
        call->aborts = true;
        return;
    }
    for (uint32_t i = 0; i < r->member_count; i++) {
        members[i].member_id = r->members[i].member_id;
        members[i].group_instance_id = r->members[i].instance_id;
        members[i].metadata = r->members[i].metadata;
    }
    encode(call->rq, r, members);
}

static void act(struct coordinator_call *call)
{
    struct join_group *m = CONTAINER_OF(call, struct join_group, wait.call);
    struct groups_loop *gl = groups_loop_of(call->owner);
    call->waits = true;
    groups_join(gl->groups, groups_loop_now_ms(gl), &m->in, &m->wait, &gl->out);
}

static struct bytes client_host(struct kafka_request *rq)
{
    struct net_address peer = {0};
    if (rq->frame->conn != NULL) frame_peer(rq->frame->conn, &peer);
    char *text = arena_printf(rq->arena, "/%s", peer.host);
    return bytes_str(text ? text : "");
}

enum err kafka_join_group(struct kafka_request *rq)
{
    struct join_group_request in;
    TRY(join_group_request_decode(&rq->body, rq->version, &in));
    struct join_group *m = ARENA_NEW(rq->arena, struct join_group);
    struct group_protocol *protocols =
        ARENA_ARRAY(rq->arena, struct group_protocol, (size_t)in.protocols_count);
    if (m == NULL || protocols == NULL) return ERR_TOO_LARGE;
    enum err err = in.group_id.len == 0 ? ERR_INVALID_GROUP_ID : ERR_OK;
    if (err == ERR_OK && !frame_park(rq->frame)) err = ERR_COORDINATOR_NOT_AVAILABLE;
    if (err != ERR_OK) {
        encode(rq, &(struct join_reply){.err = err, .generation = -1, .leader = BYTES_LIT(""),
                                        .member_id = in.member_id}, NULL);
        kafka_reply(rq);
        return ERR_OK;
    }
    for (int32_t i = 0; i < in.protocols_count; i++)
        protocols[i] = (struct group_protocol){in.protocols[i].name, in.protocols[i].metadata};
    m->in = (struct join_in){
        .group_id = in.group_id,
        .member_id = in.member_id,
        .instance_id = in.group_instance_id,
        .client_id = bytes_is_null(rq->header.client_id) ? BYTES_LIT("") : rq->header.client_id,
        .client_host = client_host(rq),
        .protocol_type = in.protocol_type,
        .protocols = protocols,
        .protocol_count = (uint32_t)in.protocols_count,
        .session_ms = in.session_timeout_ms,
        .rebalance_ms = rq->version == 0 ? in.session_timeout_ms : in.rebalance_timeout_ms,
        .member_id_required = rq->version >= 4,
        .can_skip_assignment = rq->version >= 9,
    };
    struct uuid random = uuid_random();
    m->in.random[0] = load_be64(random.bytes);
    m->in.random[1] = load_be64(random.bytes + 8);
    m->wait.on_reply = on_reply;
    coordinator_call_begin(&m->wait.call, COORDINATOR_GROUP, rq, in.group_id, act);
    return ERR_OK;
}
