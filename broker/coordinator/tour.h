/* A request about many keys, or all: through the loops, one after the other, and home. It lies in
 * the request's arena, touched by one thread at a time: the one that has the job. */
#ifndef BROKER_COORDINATOR_TOUR_H
#define BROKER_COORDINATOR_TOUR_H

#include "broker/coordinator/coordinator.h"

struct coordinator_tour {
    struct job job;
    struct kafka_request *rq;
    enum coordinator_kind kind;
    uint32_t at;
    uint32_t pending;
    void (*visit)(struct coordinator_tour *tour, struct coordinator *c);
    void (*finish)(struct coordinator_tour *tour);
};

/* visit() on every loop, then finish(), which replies, at home.
 * Thread: the request's loop, which gives it away. */
void coordinator_tour_begin(struct coordinator_tour *tour, enum coordinator_kind kind,
                            struct kafka_request *rq,
                            void (*visit)(struct coordinator_tour *tour, struct coordinator *c),
                            void (*finish)(struct coordinator_tour *tour));
/* The tour stays on this loop until as many releases. Thread: the loop it is on. */
void coordinator_tour_hold(struct coordinator_tour *tour);
void coordinator_tour_release(struct coordinator_tour *tour);

#endif
