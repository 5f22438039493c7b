/* Kinesis as a service behind the front. */
#ifndef BRIDGE_SERVICE_H
#define BRIDGE_SERVICE_H

#include "bridge/front/service.h"

struct bridge;

void bridge_service_init(struct front_service *ret, struct bridge *b);

#endif
