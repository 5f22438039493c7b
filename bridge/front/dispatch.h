/* Between the requests of base/net and the handlers. */
#ifndef BRIDGE_FRONT_DISPATCH_H
#define BRIDGE_FRONT_DISPATCH_H

#include "base/net/http.h"

/* struct http_door's on_request and answer_bytes; its context is a struct front. */
void front_dispatch(struct http_request *http);
size_t front_dispatch_answer_bytes(const struct http_request *http);

#endif
