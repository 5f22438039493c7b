/* DeleteGroups: an Empty group goes at once, so that nobody joins it any more; the answer waits
 * until its offsets are gone for good. */
#include "broker/coordinator/tour.h"
#include "broker/group/commits.h"
#include "broker/mentions.h"
#include "protocol/kafka/msg/delete_groups.h"
#include "base/check.h"

struct deletion {
    struct group_commit commit;
    struct delete_groups *owner;
    struct delete_groups_response_result *out;
};

struct delete_groups {
    struct coordinator_tour tour;
    struct deletion *deletions;
    struct delete_groups_response_result *out;
    int32_t count;
};

static void done(struct group_commit *c, enum err err)
{
    struct deletion *d = CONTAINER_OF(c, struct deletion, commit);
    d->out->error_code = err_kafka(err);
    /* The offsets are still there, so the group is. */
    if (err != ERR_OK)
        groups_restore(c->gl->groups, groups_loop_now_ms(c->gl), d->out->group_id);
    coordinator_tour_release(&d->owner->tour);
}

static void visit(struct coordinator_tour *tour, struct coordinator *c)
{
    struct delete_groups *m = CONTAINER_OF(tour, struct delete_groups, tour);
    struct groups_loop *gl = groups_loop_of(c);
    for (int32_t i = 0; i < m->count; i++) {
        struct deletion *d = &m->deletions[i];
        if (!coordinator_owns(c, d->out->group_id)) continue;
        enum err err = groups_delete(gl->groups, groups_loop_now_ms(gl), d->out->group_id);
        d->out->error_code = err_kafka(err);
        if (err != ERR_OK) continue;
        d->commit.commit.group = d->out->group_id;
        d->commit.commit.delete_group = true;
        d->commit.done = done;
        coordinator_tour_hold(tour);
        group_commit_begin(gl, &d->commit);
    }
}

static void finish(struct coordinator_tour *tour)
{
    struct delete_groups *m = CONTAINER_OF(tour, struct delete_groups, tour);
    struct delete_groups_response out = DELETE_GROUPS_RESPONSE_INIT;
    out.results = m->out;
    out.results_count = m->count;
    KAFKA_ENCODE(tour->rq, delete_groups, &out);
    kafka_reply(tour->rq);
}

enum err kafka_delete_groups(struct kafka_request *rq)
{
    struct delete_groups_request in;
    TRY(delete_groups_request_decode(&rq->body, rq->version, &in));
    size_t count = (size_t)in.groups_names_count;
    struct delete_groups *m = ARENA_NEW(rq->arena, struct delete_groups);
    struct deletion *deletions = ARENA_ARRAY(rq->arena, struct deletion, count);
    struct delete_groups_response_result *out =
        ARENA_ARRAY(rq->arena, struct delete_groups_response_result, count);
    if (m == NULL || deletions == NULL || out == NULL) return ERR_TOO_LARGE;
    m->deletions = deletions;
    m->out = out;
    struct mention *names;
    TRY(mentions_find(rq->arena, in.groups_names, in.groups_names_count, &names));
    for (int32_t i = 0; i < in.groups_names_count; i++) {
        if (names[i].first != i) continue;      /* Kafka answers a name once */
        struct deletion *d = &deletions[m->count];
        d->owner = m;
        d->out = &out[m->count++];
        *d->out = DELETE_GROUPS_RESPONSE_RESULT_INIT;
        d->out->group_id = in.groups_names[i];
    }
    coordinator_tour_begin(&m->tour, COORDINATOR_GROUP, rq, visit, finish);
    return ERR_OK;
}
