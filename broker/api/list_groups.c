/* ListGroups: what every loop has, filtered there. */
#include "broker/coordinator/tour.h"
#include "broker/group/groups_loop.h"
#include "protocol/kafka/msg/list_groups.h"
#include "base/check.h"

/* What one loop gave. */
struct page {
    struct page *next;
    struct group_listing *list;
    uint32_t count;
};

struct list_groups {
    struct coordinator_tour tour;
    struct list_groups_request in;
    struct page *pages;
    uint32_t count;
    enum err err;
};

static void visit(struct coordinator_tour *tour, struct coordinator *c)
{
    struct list_groups *m = CONTAINER_OF(tour, struct list_groups, tour);
    struct group_list_filter filter = {m->in.states_filter, (uint32_t)m->in.states_filter_count,
                                  m->in.types_filter, (uint32_t)m->in.types_filter_count};
    const struct groups *groups = groups_loop_of(c)->groups;
    struct page *page = ARENA_NEW(tour->rq->arena, struct page);
    enum err err = page ? groups_list(groups, &filter, tour->rq->arena, &page->list, &page->count)
                        : ERR_TOO_LARGE;
    if (err != ERR_OK) {
        m->err = err;
        return;
    }
    page->next = m->pages;
    m->pages = page;
    m->count += page->count;
}

static void encode(struct kafka_request *rq)
{
    struct list_groups *m = rq->context;
    struct list_groups_response out = LIST_GROUPS_RESPONSE_INIT;
    out.groups = ARENA_ARRAY(rq->arena, struct list_groups_response_group, m->count);
    if (out.groups == NULL) m->err = ERR_TOO_LARGE;
    if (m->err != ERR_OK) return;
    for (const struct page *page = m->pages; page != NULL; page = page->next) {
        for (uint32_t i = 0; i < page->count; i++)
            out.groups[out.groups_count++] = (struct list_groups_response_group){
                .group_id = page->list[i].group_id,
                .protocol_type = page->list[i].protocol_type,
                .group_state = bytes_str(page->list[i].state),
                .group_type = bytes_str(page->list[i].type),
            };
    }
    KAFKA_ENCODE(rq, list_groups, &out);
}

static void encoded(struct kafka_request *rq)
{
    const struct list_groups *m = rq->context;
    if (m->err != ERR_OK) kafka_abort(rq);
    else kafka_reply(rq);
}

static void finish(struct coordinator_tour *tour)
{
    struct kafka_request *rq = tour->rq;
    rq->context = CONTAINER_OF(tour, struct list_groups, tour);
    if (kafka_is_long(rq)) {
        kafka_beside(rq, encode, encoded);
        return;
    }
    encode(rq);
    encoded(rq);
}

enum err kafka_list_groups(struct kafka_request *rq)
{
    struct list_groups *m = ARENA_NEW(rq->arena, struct list_groups);
    if (m == NULL) return ERR_TOO_LARGE;
    TRY(list_groups_request_decode(&rq->body, rq->version, &m->in));
    coordinator_tour_begin(&m->tour, COORDINATOR_GROUP, rq, visit, finish);
    return ERR_OK;
}
