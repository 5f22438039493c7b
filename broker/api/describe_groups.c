/* DescribeGroups: asks every loop for the groups that fall to it, some a turn. A group that is
 * named again is described once, and answered as often as it is named. */
#include "broker/coordinator/tour.h"
#include "broker/group/groups_loop.h"
#include "broker/mentions.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/describe_groups.h"
#include "base/check.h"

enum { NAMES_A_TURN = 1000, BYTES_A_TURN = 256 << 10 };

struct describe_groups {
    struct coordinator_tour tour;
    struct mention *mentions;           /* one a name of the request */
    struct groups_loop *gl;             /* where the tour is */
    int32_t at;                         /* the next name to look at there */
    struct job turn;
    struct describe_groups_request in;
    struct describe_groups_response_group *out;
};

/* Errors: ERR_TOO_LARGE - the arena is full. Thread: the one that has the request. */
static enum err add_members(struct kafka_request *rq, const struct group_description *d,
                            struct describe_groups_response_group *out)
{
    struct describe_groups_response_member *members =
        ARENA_ARRAY(rq->arena, struct describe_groups_response_member, d->member_count);
    if (members == NULL) return ERR_TOO_LARGE;
    for (uint32_t i = 0; i < d->member_count; i++) {
        const struct member_description *m = &d->members[i];
        members[i] = (struct describe_groups_response_member){
            .member_id = m->member_id,
            .group_instance_id = m->instance_id,
            .client_id = m->client_id,
            .client_host = m->client_host,
            .member_metadata = m->metadata,
            .member_assignment = m->assignment,
        };
    }
    out->members = members;
    out->members_count = (int32_t)d->member_count;
    return ERR_OK;
}

static void describe(struct describe_groups *m, struct groups_loop *gl,
                     struct describe_groups_response_group *out)
{
    struct kafka_request *rq = m->tour.rq;
    struct group_description d;
    enum err err = groups_describe(gl->groups, out->group_id, rq->arena, &d);
    if (err == ERR_OK) err = add_members(rq, &d, out);
    if (err == ERR_OK || err == ERR_GROUP_ID_NOT_FOUND) {
        out->group_state = bytes_str(d.state);
        out->protocol_type = d.protocol_type;
        out->protocol_data = d.protocol_name;
    }
    if (err == ERR_TOO_LARGE) err = ERR_COORDINATOR_NOT_AVAILABLE;
    if (err == ERR_GROUP_ID_NOT_FOUND && rq->version >= 6) {
        char *text = arena_printf(rq->arena, "Group %.*s not found.", BYTES_ARGS(out->group_id));
        out->error_message = bytes_str(text);
    } else if (err == ERR_GROUP_ID_NOT_FOUND) {
        err = ERR_OK;       /* "Dead" says it all */
    }
    out->error_code = err_kafka(err);
    if (err == ERR_OK && m->in.include_authorized_operations)
        out->authorized_operations = OPERATIONS_GROUP;
}

static void look(struct job *job)
{
    struct describe_groups *m = CONTAINER_OF(job, struct describe_groups, turn);
    struct kafka_request *rq = m->tour.rq;
    size_t before = rq->arena->used;
    for (int32_t left = NAMES_A_TURN; m->at < m->in.groups_count; left--) {
        if (left == 0 || rq->arena->used - before > BYTES_A_TURN) {
            loop_defer_long(loop_current(), &m->turn);
            return;
        }
        int32_t i = m->at++;
        if (m->mentions[i].first == i && coordinator_owns(&m->gl->coordinator, m->in.groups[i]))
            describe(m, m->gl, &m->out[i]);
    }
    coordinator_tour_release(&m->tour);
}

static void visit(struct coordinator_tour *tour, struct coordinator *c)
{
    struct describe_groups *m = CONTAINER_OF(tour, struct describe_groups, tour);
    coordinator_tour_hold(tour);
    m->gl = groups_loop_of(c);
    m->at = 0;
    look(&m->turn);
}

static void encode(struct kafka_request *rq)
{
    const struct describe_groups *m = rq->context;
    struct describe_groups_response out = DESCRIBE_GROUPS_RESPONSE_INIT;
    out.groups = m->out;
    out.groups_count = m->in.groups_count;
    for (int32_t i = 0; i < m->in.groups_count; i++) m->out[i] = m->out[m->mentions[i].first];
    KAFKA_ENCODE(rq, describe_groups, &out);
}

static void finish(struct coordinator_tour *tour)
{
    struct describe_groups *m = CONTAINER_OF(tour, struct describe_groups, tour);
    tour->rq->context = m;
    kafka_reply_many(tour->rq, kafka_is_long(tour->rq), encode);
}

enum err kafka_describe_groups(struct kafka_request *rq)
{
    struct describe_groups *m = ARENA_NEW(rq->arena, struct describe_groups);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(describe_groups_request_decode(&rq->body, rq->version, &m->in));
    m->out = ARENA_ARRAY(rq->arena, struct describe_groups_response_group,
                         (size_t)m->in.groups_count);
    if (m->out == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < m->in.groups_count; i++) {
        m->out[i] = DESCRIBE_GROUPS_RESPONSE_GROUP_INIT;
        m->out[i].group_id = m->in.groups[i];
    }
    TRY(mentions_find(rq->arena, m->in.groups, m->in.groups_count, &m->mentions));
    m->turn.run = look;
    coordinator_tour_begin(&m->tour, COORDINATOR_GROUP, rq, visit, finish);
    return ERR_OK;
}
