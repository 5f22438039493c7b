/* AWS's front: what a listener for HTTP opens, with services behind it (service.h).
 *
 * The service and its operation come from X-Amz-Target. A request that names neither is answered as
 * the first service would. */
#ifndef BRIDGE_FRONT_FRONT_H
#define BRIDGE_FRONT_FRONT_H

#include "base/net/access.h"
#include "base/net/http.h"
#include "bridge/front/ids.h"
#include "bridge/front/service.h"

struct store;
struct front_options {
    const struct http_access *access;   /* NULL: any page and any Host; not owned */
    uint32_t body_bytes_max;
    uint32_t reply_bytes_max;
    struct store *store;                /* whose codec lanes read large bodies; not owned */
};

enum { FRONT_SERVICES_MAX = 8 };

/* The inside is the front's. */
struct front {
    struct front_options options;
    struct front_service *services[FRONT_SERVICES_MAX];
    uint32_t service_count;
    struct ids *ids;                    /* by loop_index() */
    struct http_door door;
};

/* Never NULL. Thread: main, before the loops run; free after they were stopped. */
struct front *front_new(const struct front_options *options, uint32_t loop_count);
void front_free(struct front *f);       /* NULL is a no-op */
/* service: filled but for what is the front's, the caller's until front_free(); at least one, at
 * most FRONT_SERVICES_MAX. Thread: main, before the loops run. */
void front_add(struct front *f, struct front_service *service);

#endif
