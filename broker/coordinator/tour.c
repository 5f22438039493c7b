#include "broker/coordinator/tour.h"

#include "base/check.h"

static void tour_arrive(struct job *job);

static void tour_next(struct coordinator_tour *tour)
{
    struct broker *b = tour->rq->broker;
    struct broker_loop *to = tour->at < b->loop_count ? &b->loops[tour->at] : tour->rq->home;
    tour->job.run = tour_arrive;
    if (loop_current() == to->loop)
        tour_arrive(&tour->job);
    else
        loop_post(to->loop, &tour->job);
}

static void tour_arrive(struct job *job)
{
    struct coordinator_tour *tour = CONTAINER_OF(job, struct coordinator_tour, job);
    struct broker *b = tour->rq->broker;
    if (tour->at == b->loop_count) {
        tour->finish(tour);
        return;
    }
    tour->pending = 1;
    tour->visit(tour, b->loops[tour->at].coordinators[tour->kind]);
    coordinator_tour_release(tour);
}

void coordinator_tour_begin(struct coordinator_tour *tour, enum coordinator_kind kind,
                            struct kafka_request *rq,
                            void (*visit)(struct coordinator_tour *tour, struct coordinator *c),
                            void (*finish)(struct coordinator_tour *tour))
{
    *tour = (struct coordinator_tour){.kind = kind, .rq = rq, .visit = visit, .finish = finish};
    tour_next(tour);
}

void coordinator_tour_hold(struct coordinator_tour *tour)
{
    tour->pending++;
}

void coordinator_tour_release(struct coordinator_tour *tour)
{
    if (--tour->pending > 0) return;
    tour->at++;
    tour_next(tour);
}
